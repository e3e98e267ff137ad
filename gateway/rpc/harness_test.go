package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"jali/gateway"
	"jali/gateway/identity"
)

// running is a real gateway on a fresh state directory, served in process behind its real port.
type running struct {
	gateway *gateway.Gateway
	ca      *identity.CA
	addr    string
	log     *lines
	stop    context.CancelFunc
	done    chan error
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start serves; change may be nil. Tests with a gateway run side by side: stopping an HTTP/2 port takes a second of waiting.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	log := new(lines)
	operator := newTestLogger(log)
	ctx, cancel := context.WithCancel(t.Context())
	if err := gateway.Init(ctx, gateway.InitConfig{
		Dir: dir, Origin: "audit.test/rpc/2026", Hosts: []string{"localhost", "127.0.0.1"}, Now: time.Now, Operator: operator,
	}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(ctx, gateway.Config{Dir: dir, Threads: 1, MemoryLimit: "256MB", Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(dir)
	ca, err := identity.LoadCA(layout.CACert(), layout.CAKey())
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	config := Config{
		Gateway: g, Listen: "127.0.0.1:0", Certificate: layout.ServerCert(), Key: layout.ServerKey(), ClientCA: layout.CACert(),
		Operator: operator, Ready: func(addr string) { ready <- addr }, Drain: 5 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	r := &running{gateway: g, ca: ca, log: log, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- Serve(ctx, config) }()
	select {
	case r.addr = <-ready:
	case err := <-r.done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.stop()
		if err := r.wait(t); err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("close gateway: %v", err)
		}
	})
	return r
}

// wait returns what Serve returned.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("serve did not end")
		return nil
	}
}

// tls is a client's configuration. With role "" it has no certificate.
func (r *running) tls(t *testing.T, ca *identity.CA, role identity.Role) *tls.Config {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	config.RootCAs.AppendCertsFromPEM(r.ca.Certificate())
	if role != "" {
		made, err := ca.IssueClient("Ada", "University", role, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		// Sent also to a server that does not list its authority, as an attacker would.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

func (r *running) dial(t *testing.T, config *tls.Config) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(r.addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func web(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, ExpectContinueTimeout: 20 * time.Second}, Timeout: 20 * time.Second}
}

// reply is an HTTP response, read whole.
type reply struct {
	status  int
	header  http.Header
	trailer http.Header
	body    string
}

// ask sends a request; header is "Name: value" lines.
func (r *running) ask(t *testing.T, client *http.Client, method, path string, body io.Reader, header ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+r.addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, response.Trailer, string(data)}
}

const asJSON = "Content-Type: application/json"

func newTestLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

func dialSocket(t *testing.T, path string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
