package rpc

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"jali/gateway/identity"
)

// However a connection ends, its place is free again: one address has two places here, and each kind of ending comes more often than that.
func TestPlacesComeBack(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections = 8 })
	anyone := r.tls(t, r.ca, "")
	speaking := func(protocol string) *tls.Config {
		c := anyone.Clone()
		c.NextProtos = []string{protocol}
		return c
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	said := func(conn net.Conn, text string) {
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, text)
		_, _ = bufio.NewReader(conn).ReadByte()
	}
	over := func(config *tls.Config, do func(*tls.Conn)) {
		conn := dial()
		defer conn.Close()
		secure := tls.Client(conn, config)
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if secure.Handshake() == nil {
			do(secure)
		}
	}
	const again = 5
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"knocks and goes", func() { dial().Close() }},
		{"resets", func() {
			conn := dial()
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}},
		{"no TLS", func() { conn := dial(); said(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); conn.Close() }},
		{"garbage", func() { conn := dial(); said(conn, "\x16\x03\x01\xff\xff garbage"); conn.Close() }},
		{"closes its half only", func() {
			conn := dial()
			_ = conn.(*net.TCPConn).CloseWrite()
			said(conn, "")
			conn.Close()
		}},
		{"refuses the certificate", func() { over(&tls.Config{MinVersion: tls.VersionTLS13, ServerName: "elsewhere"}, func(*tls.Conn) {}) }},
		{"TLS 1.2", func() {
			c := anyone.Clone()
			c.MaxVersion = tls.VersionTLS12
			over(c, func(*tls.Conn) {})
		}},
		{"HTTP/1.1, closed", func() {
			over(speaking("http/1.1"), func(c *tls.Conn) { said(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") })
		}},
		{"HTTP/1.1, to be hijacked", func() {
			over(speaking("http/1.1"), func(c *tls.Conn) {
				said(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
			})
		}},
		{"HTTP/1.1, half a request", func() {
			over(speaking("http/1.1"), func(c *tls.Conn) { _, _ = io.WriteString(c, "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Le") })
		}},
		{"HTTP/2, a false preface", func() { over(speaking("h2"), func(c *tls.Conn) { said(c, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n") }) }},
		{"HTTP/2, silent", func() {
			over(speaking("h2"), func(c *tls.Conn) { said(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") })
		}},
	} {
		for range again {
			c.do()
		}
		ok := false
		for end := time.Now().Add(10 * time.Second); !ok && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			ok = served(r.addr, anyone, 2) == nil
		}
		if !ok {
			t.Fatalf("%s: places are gone: %v", c.name, served(r.addr, anyone, 2))
		}
	}
	if got := r.ask(t, web(r.tls(t, r.ca, identity.Researcher)), http.MethodGet, "/v1/datasets", nil); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// served has n connections at once, each of which is answered.
func served(addr string, config *tls.Config, n int) error {
	for i := range n {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, config)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		if _, err := bufio.NewReader(conn).ReadByte(); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	return nil
}
