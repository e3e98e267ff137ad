package pgwire

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// password answers the request for one and gives what comes then.
func (r *running) password(t *testing.T, token string) (*wired, *pgproto3.ErrorResponse) {
	t.Helper()
	conn := r.secure(t, nil, "")
	send(t, conn, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "anybody"}})
	s := &wired{conn: conn, in: pgproto3.NewFrontend(conn, conn)}
	m, err := s.in.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.(*pgproto3.AuthenticationCleartextPassword); !ok {
		t.Fatalf("a caller without a certificate is answered %T", m)
	}
	send(t, conn, &pgproto3.PasswordMessage{Password: token})
	for _, m := range s.until(t) {
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			return nil, e
		}
	}
	return s, nil
}

// believe makes the gateway take a provider's tokens.
func (r *running) believe(t *testing.T, issuer string) {
	t.Helper()
	if err := r.made.Reload(identity.TrustConfig{
		Certificate: r.dir.ServerCert(), Key: r.dir.ServerKey(), ClientCA: r.dir.CACert(),
		Tokens: &identity.TokenConfig{
			Issuer: issuer, Audience: "jali", Skew: time.Second, Groups: []identity.Group{{Name: "researchers", Role: identity.Researcher, Org: "University"}},
		},
	}); err != nil {
		t.Fatal(err)
	}
}

// A real provider's token, as the password, names the caller; nothing else does. It is judged anew at each statement.
func TestTokens(t *testing.T) {
	p := oidctest.Start(t, oidctest.Settings{
		Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: 600, Groups: map[string][]string{"service": {"researchers"}, "bound": {"researchers"}},
	})
	r := start(t, nil)
	r.believe(t, p.Issuer)
	good := p.Token(t, "service", nil)
	pair, err := r.client(t, r.ca, "Ada").GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	bound := p.Token(t, "bound", pair.Certificate[0])
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {"others"}}})
	groupless := p.Token(t, "service", nil)
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {"researchers"}}, Audience: "another"})
	foreign := p.Token(t, "service", nil)
	p.Set(t, oidctest.Settings{Audience: "jali", TTL: 6})
	brief := p.Token(t, "service", nil)

	short, refused := r.password(t, brief)
	if refused != nil {
		t.Fatal(refused)
	}
	s, refused := r.password(t, good)
	if refused != nil {
		t.Fatal(refused)
	}
	for name, token := range map[string]string{
		"nothing": "", "no token": "password", "spoilt": good[:len(good)-8], "without a group": groupless, "for another audience": foreign, "bound, without its certificate": bound,
	} {
		if _, refused := r.password(t, token); refused == nil || refused.Code != "28P01" || refused.Hint == "" || refused.Severity != "FATAL" {
			t.Errorf("%s: %+v", name, refused)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	ended := ""
	for ended == "" && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
		send(t, short.conn, &pgproto3.Query{String: "SELECT 1"})
		ended = state(short.until(t))
	}
	if ended != "28P01" {
		t.Errorf("a session beyond its token's end: %q", ended)
	}
	if _, refused := r.password(t, brief); refused == nil || refused.Code != "28P01" {
		t.Errorf("a token that has ended: %+v", refused)
	}
	send(t, s.conn, &pgproto3.Query{String: "SELECT 1"})
	if got := state(s.until(t)); got != "" {
		t.Errorf("a token that lasts: %q", got)
	}
	if log := r.log.String(); strings.Contains(log, good[:20]) || strings.Contains(log, "service") {
		t.Error("the operator's log holds a token or a name")
	}
}

// A provider that is away says nothing about the token: the client is told so. Certificates do not need it.
func TestTokensOfAnAbsentProvider(t *testing.T) {
	r := start(t, nil)
	r.believe(t, "http://127.0.0.1:1")
	if _, refused := r.password(t, "a.b.c"); refused == nil || refused.Code != "58000" || refused.Hint == "" {
		t.Errorf("%+v", refused)
	}
	if _, refused := r.session(t, nil); refused != nil {
		t.Errorf("with a certificate: %+v", refused)
	}
}
