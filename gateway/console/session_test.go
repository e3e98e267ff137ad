package console

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"jali/gateway/identity"
)

// connection is the TLS state of somebody who holds a certificate of the authority.
func connection(t *testing.T, role identity.Role) tls.ConnectionState {
	t.Helper()
	ca, _, err := identity.NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	made, err := ca.IssueClient("Ada", "University", role, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(first(t, made.Certificate()))
	if err != nil {
		t.Fatal(err)
	}
	return tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
}

func first(t *testing.T, text []byte) []byte {
	t.Helper()
	b, _ := pem.Decode(text)
	if b == nil {
		t.Fatal("no PEM block")
	}
	return b.Bytes
}

// clock is moved by tests.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func with(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/datasets", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if token != "" {
		r.AddCookie(&http.Cookie{Name: cookie, Value: token})
	}
	return r
}

func admitAll(identity.Principal) error { return nil }

func signIn(t *testing.T, s *Sessions, state tls.ConnectionState) string {
	t.Helper()
	text, _, err := s.Offer(state)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Redeem(text, admitAll)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func signedIn(s *Sessions, token string) bool {
	p, err := identity.FromTLS(*s.Attach(with(token)).TLS)
	return err == nil && p != identity.Principal{}
}

func TestSession(t *testing.T) {
	c := &clock{time.Now()}
	s := NewSessions(c.now)
	state := connection(t, identity.Regulator)
	token := signIn(t, s, state)
	got, err := identity.FromTLS(*s.Attach(with(token)).TLS)
	want, _ := identity.FromTLS(state)
	if err != nil || got != want {
		t.Errorf("the session is of %+v (%v), want %+v", got, err, want)
	}
	for name, token := range map[string]string{"none": "", "another": signIn(t, NewSessions(c.now), state), "long": token + "A", "not base64": "!"} {
		if signedIn(s, token) {
			t.Errorf("a request with %s token is signed in", name)
		}
	}
	// A certificate of the connection's own wins: a cookie cannot change who somebody is.
	other := connection(t, identity.Researcher)
	r := with(token)
	r.TLS = &other
	if p, err := identity.FromTLS(*s.Attach(r).TLS); err != nil || p.Role != identity.Researcher {
		t.Errorf("a cookie beside a certificate makes %+v (%v)", p, err)
	}
	s.End(with(token))
	if signedIn(s, token) {
		t.Error("signed in after the end")
	}
}

func TestCodeWorksOnce(t *testing.T) {
	c := &clock{time.Now()}
	s := NewSessions(c.now)
	state := connection(t, identity.Researcher)
	if _, _, err := s.Offer(tls.ConnectionState{HandshakeComplete: true}); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("a code without a certificate: %v", err)
	}
	text, _, err := s.Offer(state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(text, admitAll); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(text, admitAll); !errors.Is(err, ErrCode) {
		t.Errorf("a code used twice: %v", err)
	}
	late, _, err := s.Offer(state)
	if err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(CodeLife)
	if _, err := s.Redeem(late, admitAll); !errors.Is(err, ErrCode) {
		t.Errorf("an old code: %v", err)
	}
	// What cannot be recorded does not happen, and the code is spent.
	unrecorded, _, err := s.Offer(state)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	if token, err := s.Redeem(unrecorded, func(identity.Principal) error { return full }); !errors.Is(err, full) || token != "" {
		t.Errorf("an unrecorded sign-in: %q, %v", token, err)
	}
	if _, err := s.Redeem(unrecorded, admitAll); !errors.Is(err, ErrCode) {
		t.Errorf("a code after a failure: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	began := time.Now()
	for _, tt := range []struct {
		name  string
		steps []time.Duration // between requests
		want  bool
	}{
		{"in use", []time.Duration{SessionIdle - time.Second, SessionIdle - time.Second}, true},
		{"idle", []time.Duration{SessionIdle}, false},
		{"at its end, in use", repeat(SessionIdle-time.Minute, 17), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{began}
			s := NewSessions(c.now)
			token := signIn(t, s, connection(t, identity.Regulator))
			got := true
			for _, d := range tt.steps {
				c.at = c.at.Add(d)
				got = signedIn(s, token)
			}
			if got != tt.want {
				t.Errorf("after %v signed in: %v", c.at.Sub(began), got)
			}
		})
	}
	t.Run("certificate ended", func(t *testing.T) {
		c := &clock{began}
		s := NewSessions(c.now)
		state := connection(t, identity.Regulator)
		c.at = state.VerifiedChains[0][0].NotAfter.Add(-time.Minute)
		token := signIn(t, s, state)
		c.at = c.at.Add(2 * time.Minute)
		if signedIn(s, token) {
			t.Error("signed in after the certificate ended")
		}
	})
}

func repeat(d time.Duration, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

// Whoever asks for codes without end does not fill the memory.
func TestBounded(t *testing.T) {
	s := NewSessions(time.Now)
	state := connection(t, identity.Researcher)
	for range mostCodes + 10 {
		if _, _, err := s.Offer(state); err != nil {
			t.Fatal(err)
		}
	}
	for range mostSessions + 10 {
		signIn(t, s, state)
	}
	if len(s.codes) > mostCodes || len(s.sessions) > mostSessions {
		t.Errorf("%d codes and %d sessions are kept", len(s.codes), len(s.sessions))
	}
}

func TestAccepts(t *testing.T) {
	for header, want := range map[string]bool{"": false, "br": true, "gzip, br": true, "gzip, br;q=0": false, "br;q=0.5": true, "brotli": false, "*": false} {
		if got := accepts(header, "br"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
