package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway"
	"jali/gateway/identity"
)

// running is a real gateway on a fresh state directory, without data, behind the real port.
type running struct {
	ca   *identity.CA
	dir  gateway.Layout
	made *identity.Trust
	addr string
	log  *lines
	stop context.CancelFunc
	done chan error
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

// empty is a gateway without data.
func empty(t testing.TB, operator *slog.Logger) (*gateway.Gateway, gateway.Layout) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := gateway.Init(context.Background(), gateway.InitConfig{
		Dir: dir, Origin: "audit.test/pgwire/2026", Hosts: []string{"localhost", "127.0.0.1"}, Now: time.Now, Operator: operator,
	}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(context.Background(), gateway.Config{Dir: dir, Threads: 1, MemoryLimit: "256MB", Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	return g, gateway.Layout(dir)
}

// start serves; change may be nil.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	t.Parallel()
	r := &running{log: new(lines), done: make(chan error, 1)}
	operator := slog.New(slog.NewTextHandler(r.log, nil))
	g, layout := empty(t, operator)
	var err error
	if r.ca, err = identity.LoadCA(layout.CACert(), layout.CAKey()); err != nil {
		t.Fatal(err)
	}
	trust, err := identity.LoadTrust(identity.TrustConfig{Certificate: layout.ServerCert(), Key: layout.ServerKey(), ClientCA: layout.CACert()})
	if err != nil {
		t.Fatal(err)
	}
	r.dir, r.made = layout, trust
	ready := make(chan string, 1)
	config := Config{Gateway: g, Listen: "127.0.0.1:0", Trust: trust, Operator: operator, Ready: func(addr string) { ready <- addr }, Drain: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- Serve(ctx, config) }()
	select {
	case r.addr = <-ready:
	case err := <-r.done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-r.done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("serve did not end")
		}
		if err := g.Close(); err != nil {
			t.Errorf("close gateway: %v", err)
		}
	})
	return r
}

// dial opens a plain connection.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// secure asks for TLS and brings it up, with a certificate of the authority unless that is nil.
func (r *running) secure(t *testing.T, ca *identity.CA, name string) *tls.Conn {
	t.Helper()
	conn := r.dial(t)
	send(t, conn, &pgproto3.SSLRequest{})
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'S' {
		t.Fatalf("SSLRequest: %q, %v", answer, err)
	}
	return tls.Client(conn, r.client(t, ca, name))
}

func (r *running) client(t *testing.T, ca *identity.CA, name string) *tls.Config {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	config.RootCAs.AppendCertsFromPEM(r.ca.Certificate())
	if ca != nil {
		made, err := ca.IssueClient(name, "University", identity.Researcher, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

func send(t testing.TB, w io.Writer, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

// session is a started session, or what it was refused with.
type wired struct {
	conn net.Conn
	in   *pgproto3.Frontend
	key  *pgproto3.BackendKeyData
}

func (r *running) session(t *testing.T, parameters map[string]string) (*wired, *pgproto3.ErrorResponse) {
	t.Helper()
	return r.begin(t, r.secure(t, r.ca, "Ada"), parameters)
}

func (r *running) begin(t *testing.T, conn net.Conn, parameters map[string]string) (*wired, *pgproto3.ErrorResponse) {
	t.Helper()
	all := map[string]string{"user": "ada"}
	for k, v := range parameters {
		all[k] = v
	}
	send(t, conn, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: all})
	s := &wired{conn: conn, in: pgproto3.NewFrontend(conn, conn)}
	for _, m := range s.until(t) {
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return nil, m
		case *pgproto3.BackendKeyData:
			s.key = m
		}
	}
	return s, nil
}

// until reads messages to the next ReadyForQuery, or the end.
func (s *wired) until(t *testing.T) []pgproto3.BackendMessage {
	t.Helper()
	var out []pgproto3.BackendMessage
	for {
		m, err := s.in.Receive()
		if err != nil {
			return out
		}
		switch x := m.(type) {
		case *pgproto3.ErrorResponse:
			c := *x
			m = &c
		case *pgproto3.BackendKeyData:
			c := *x
			m = &c
		case *pgproto3.RowDescription:
			m = &pgproto3.RowDescription{Fields: append([]pgproto3.FieldDescription{}, x.Fields...)}
		case *pgproto3.DataRow:
			c := &pgproto3.DataRow{}
			for _, v := range x.Values {
				c.Values = append(c.Values, bytes.Clone(v))
			}
			m = c
		case *pgproto3.CommandComplete:
			m = &pgproto3.CommandComplete{CommandTag: bytes.Clone(x.CommandTag)}
		case *pgproto3.ParameterDescription:
			m = &pgproto3.ParameterDescription{ParameterOIDs: append([]uint32{}, x.ParameterOIDs...)}
		case *pgproto3.ReadyForQuery:
			return append(out, &pgproto3.ReadyForQuery{TxStatus: x.TxStatus})
		}
		out = append(out, m)
	}
}

// state is the SQLSTATE among messages, "" if there is none.
func state(messages []pgproto3.BackendMessage) string {
	for _, m := range messages {
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			return e.Code
		}
	}
	return ""
}
