package pgwire

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway/allowance"
	"jali/gateway/identity"
)

func TestStart(t *testing.T) {
	r := start(t, nil)
	for _, tt := range []struct {
		name       string
		parameters map[string]string
		code       string // empty: it begins
	}{
		{"plain", nil, ""},
		{"options", map[string]string{"options": `-c jali.agreement=a -c jali.purpose=DUO:0000006 --jali.error=50 -c application_name=a\ b`}, ""},
		{"user says agreement and purpose", map[string]string{"user": "agr@DUO:0000006@50"}, ""},
		{"own database", map[string]string{"database": "jali"}, ""},
		{"foreign database", map[string]string{"database": "nhefs"}, "3D000"},
		{"unknown setting", map[string]string{"options": "-c jali.nothing=1"}, "42704"},
		{"no option", map[string]string{"options": "-x"}, "22023"},
		{"too long", map[string]string{"options": "-c jali.agreement=" + strings.Repeat("a", 65)}, "22023"},
		{"encoding", map[string]string{"client_encoding": "LATIN1"}, "22023"},
		{"replication", map[string]string{"replication": "database"}, "0A000"},
	} {
		s, refused := r.session(t, tt.parameters)
		switch {
		case tt.code == "" && (refused != nil || s.key == nil):
			t.Errorf("%s: %+v", tt.name, refused)
		case tt.code != "" && (refused == nil || refused.Code != tt.code || refused.Hint == "" || refused.Severity != "FATAL"):
			t.Errorf("%s: %+v, want %s", tt.name, refused, tt.code)
		}
	}
}

// Nobody speaks without TLS 1.3 and a certificate of the authority.
func TestNobody(t *testing.T) {
	r := start(t, nil)
	foreign, _, err := identity.NewCA("Foreign Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("in the clear", func(t *testing.T) {
		_, refused := r.begin(t, r.dial(t), nil)
		if refused == nil || refused.Code != "28000" || !strings.Contains(refused.Hint, "sslmode") {
			t.Errorf("%+v", refused)
		}
	})
	t.Run("without certificate", func(t *testing.T) {
		_, refused := r.begin(t, r.secure(t, nil, ""), nil)
		if refused == nil || refused.Code != "28000" {
			t.Errorf("%+v", refused)
		}
	})
	t.Run("foreign certificate", func(t *testing.T) {
		conn := r.secure(t, foreign, "Ada")
		_ = conn.Handshake()
		if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("a foreign certificate was let in: %v", err)
		}
	})
	t.Run("TLS 1.2", func(t *testing.T) {
		conn := r.dial(t)
		send(t, conn, &pgproto3.SSLRequest{})
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		config := r.client(t, r.ca, "Ada")
		config.MaxVersion = tls.VersionTLS12
		if err := tls.Client(conn, config).Handshake(); err == nil {
			t.Error("TLS 1.2 was taken")
		}
	})
	t.Run("said before TLS", func(t *testing.T) { // CVE-2021-23214: what stands in the clear must not count as said within
		conn := r.dial(t)
		b, err := (&pgproto3.SSLRequest{}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "mallory"}}).Encode(b); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(conn, r.client(t, r.ca, "Ada")).Handshake(); err == nil {
			t.Error("the handshake stands after smuggled bytes")
		}
	})
	t.Run("direct TLS", func(t *testing.T) {
		config := r.client(t, r.ca, "Ada")
		config.NextProtos = []string{alpn}
		if _, refused := r.begin(t, tls.Client(r.dial(t), config), nil); refused != nil {
			t.Errorf("%+v", refused)
		}
		config = r.client(t, r.ca, "Ada")
		conn := tls.Client(r.dial(t), config)
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err == nil {
			if n, _ := conn.Read(make([]byte, 1)); n > 0 {
				t.Error("another protocol was answered")
			}
		}
	})
	if s := r.log.String(); strings.Contains(s, "mallory") {
		t.Errorf("the log quotes what a stranger sent:\n%s", s)
	}
}

// Limits hold, and say so.
func TestLimits(t *testing.T) {
	rates, err := allowance.New(0.001, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Each, c.Connections, c.Rates = 2, 4, rates })
	one, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	if _, refused := r.session(t, nil); refused != nil {
		t.Fatal(refused)
	}
	if _, refused := r.session(t, nil); refused == nil || refused.Code != "53300" {
		t.Errorf("third session: %+v", refused)
	}
	for i, want := range []string{"", "", "", "53000"} {
		send(t, one.conn, &pgproto3.Query{String: "SELECT 1"})
		if got := state(one.until(t)); got != want {
			t.Errorf("statement %d: %q, want %q", i, got, want)
		}
	}
	// The allowance is the gateway's: another front that shares it finds it empty, and what it allows anew counts here at once.
	ada := identity.Principal{Name: "Ada", Org: "University"}
	if rates.Allow(ada, time.Now()) {
		t.Error("an allowance beside the one that was used up")
	}
	if err := rates.Set(1e5, 10); err != nil {
		t.Fatal(err)
	}
	rates.Allow(ada, time.Now()) // from now on it fills at the new rate
	time.Sleep(time.Millisecond)
	send(t, one.conn, &pgproto3.Query{String: "SELECT 1"})
	if got := state(one.until(t)); got != "" {
		t.Errorf("after the limits were raised: %q", got)
	}
	large := make([]byte, 0)
	large = append(large, 'Q', 0x7f, 0xff, 0xff, 0xff)
	if _, err := one.conn.Write(large); err != nil {
		t.Fatal(err)
	}
	if got := state(one.until(t)); got != "54000" {
		t.Errorf("a message of 2 GiB: %q", got)
	}
}

// A session that says nothing ends, and all end when the gateway stops.
func TestEnd(t *testing.T) {
	r := start(t, func(c *Config) { c.Idle = 300 * time.Millisecond })
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	if got := state(s.until(t)); got != "57P05" {
		t.Errorf("idle session: %q", got)
	}
	s, refused = r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	r.stop()
	if got := state(s.until(t)); got != "57P01" {
		t.Errorf("at the end: %q", got)
	}
}

// Bytes that are no protocol end the connection and nothing else.
func TestGarbage(t *testing.T) {
	r := start(t, nil)
	for _, b := range [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n"), bytes.Repeat([]byte{0}, 64), {0, 0, 0, 8, 1, 2, 3, 4}, {0xff, 0xff, 0xff, 0xff}, {0x16, 3, 1, 0, 1, 9}} {
		conn := r.dial(t)
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %v", b, err)
		}
	}
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	if _, err := s.conn.Write([]byte{'?', 0, 0, 0, 4}); err != nil {
		t.Fatal(err)
	}
	if got := state(s.until(t)); got != "08P01" {
		t.Errorf("unknown message: %q", got)
	}
	if strings.Contains(r.log.String(), "panicked") {
		t.Errorf("panic:\n%s", r.log.String())
	}
}
