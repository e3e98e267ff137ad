package console

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"jali/gateway/identity"
)

// authority signs the callers of these tests, and is what the gateway under test trusts.
type authority struct {
	t      *testing.T
	ca     *identity.CA
	config identity.TrustConfig
	Trust  *identity.Trust
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca, key, err := identity.NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &authority{t: t, ca: ca, config: identity.TrustConfig{
		Certificate: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"), ClientCA: filepath.Join(dir, "ca.pem"), Revoked: filepath.Join(dir, "revoked.pem"),
	}}
	if err := errors.Join(server.Write(a.config.Certificate, a.config.Key), key.Write(a.config.ClientCA, filepath.Join(dir, "ca.key"))); err != nil {
		t.Fatal(err)
	}
	a.revoke()
	if a.Trust, err = identity.LoadTrust(a.config); err != nil {
		t.Fatal(err)
	}
	return a
}

// revoke writes the list of revoked certificates; whoever loaded the trust before must reload it.
func (a *authority) revoke(certs ...*x509.Certificate) {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.config.ClientCA, filepath.Join(filepath.Dir(a.config.ClientCA), "ca.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, pair.Leaf, pair.PrivateKey.(crypto.Signer))
	if err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(a.config.Revoked, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// connection is the TLS state of somebody who holds a certificate of the authority.
func (a *authority) connection(role identity.Role) tls.ConnectionState {
	a.t.Helper()
	return a.connectionOf("Ada", role)
}

func (a *authority) connectionOf(name string, role identity.Role) tls.ConnectionState {
	a.t.Helper()
	made, err := a.ca.IssueClient(name, "University", role, time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, root := parse(a.t, made.Certificate()), parse(a.t, a.ca.Certificate())
	return tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, root}}}
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(text)
	if b == nil {
		t.Fatal("no PEM block")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
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
	p, err := s.trust.Certificate(*s.Attach(with(token)).TLS)
	return err == nil && p != identity.Principal{}
}

func TestSession(t *testing.T) {
	c := &clock{time.Now()}
	a := newAuthority(t)
	s := NewSessions(a.Trust, c.now)
	state := a.connection(identity.Regulator)
	token := signIn(t, s, state)
	got, err := s.trust.Certificate(*s.Attach(with(token)).TLS)
	want, _ := a.Trust.Certificate(state)
	if err != nil || got != want {
		t.Errorf("the session is of %+v (%v), want %+v", got, err, want)
	}
	for name, token := range map[string]string{"none": "", "another": signIn(t, NewSessions(a.Trust, c.now), state), "long": token + "A", "not base64": "!"} {
		if signedIn(s, token) {
			t.Errorf("a request with %s token is signed in", name)
		}
	}
	// A certificate of the connection's own wins: a cookie cannot change who somebody is.
	other := a.connection(identity.Researcher)
	r := with(token)
	r.TLS = &other
	if p, err := s.trust.Certificate(*s.Attach(r).TLS); err != nil || p.Role != identity.Researcher {
		t.Errorf("a cookie beside a certificate makes %+v (%v)", p, err)
	}
	s.End(with(token))
	if signedIn(s, token) {
		t.Error("signed in after the end")
	}
}

func TestCodeWorksOnce(t *testing.T) {
	c := &clock{time.Now()}
	a := newAuthority(t)
	s := NewSessions(a.Trust, c.now)
	state := a.connection(identity.Researcher)
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
	began, a := time.Now(), newAuthority(t)
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
			s := NewSessions(a.Trust, c.now)
			token := signIn(t, s, a.connection(identity.Regulator))
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
		s := NewSessions(a.Trust, c.now)
		state := a.connection(identity.Regulator)
		c.at = state.VerifiedChains[0][0].NotAfter.Add(-time.Minute)
		token := signIn(t, s, state)
		c.at = c.at.Add(2 * time.Minute)
		if signedIn(s, token) {
			t.Error("signed in after the certificate ended")
		}
	})
}

// Who is shut out elsewhere is shut out here, from the next request on: with a session, with a code in hand, and asking for one.
func TestRevoked(t *testing.T) {
	a := newAuthority(t)
	h := &Handler{sessions: NewSessions(a.Trust, time.Now), files: files}
	s := h.sessions
	bad, good := a.connection(identity.Researcher), a.connection(identity.Regulator)
	token, kept := signIn(t, s, bad), signIn(t, s, good)
	code, _, err := s.Offer(bad)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string, r *http.Request) int {
		r.Method, r.URL.Path = method, path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	shown := func() *http.Request {
		r := with("")
		r.TLS = &bad
		return r
	}
	if !signedIn(s, token) || ask("GET", "/console/session", with(token)) != http.StatusOK || ask("POST", "/console/link", shown()) != http.StatusOK {
		t.Fatal("not signed in before the certificate is revoked")
	}
	check := func(t *testing.T) {
		t.Helper()
		if signedIn(s, token) {
			t.Error("its session is signed in")
		}
		if got := ask("GET", "/console/session", with(token)); got != http.StatusUnauthorized {
			t.Errorf("its session is told who it is: %d", got)
		}
		if got := ask("GET", "/console/session", shown()); got != http.StatusUnauthorized {
			t.Errorf("the certificate is told who it is: %d", got)
		}
		if got := ask("POST", "/console/link", shown()); got != http.StatusUnauthorized {
			t.Errorf("the certificate gets a link: %d", got)
		}
	}
	a.revoke(bad.PeerCertificates[0])
	if err := a.Trust.Reload(a.config); err != nil {
		t.Fatal(err)
	}
	t.Run("on a list", check)
	if _, err := s.Redeem(code, func(identity.Principal) error { t.Error("a sign-in is recorded"); return nil }); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("its code: %v", err)
	}
	if !signedIn(s, kept) {
		t.Error("another certificate's session ended with it")
	}
	// An authority that is removed takes all of its certificates along.
	other := newAuthority(t)
	if err := a.Trust.Reload(other.config); err != nil {
		t.Fatal(err)
	}
	t.Run("of an authority that was removed", check)
	if signedIn(s, kept) {
		t.Error("signed in by an authority that was removed")
	}
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
	a := newAuthority(t)
	s := NewSessions(a.Trust, time.Now)
	state := a.connection(identity.Researcher)
	eve := a.connectionOf("Eve", identity.Researcher)
	signedInBefore := signIn(t, s, state)
	code, _, err := s.Offer(state)
	if err != nil {
		t.Fatal(err)
	}
	for range mostCodes + 10 { // Eve alone does not sign anybody out
		if _, _, err := s.Offer(eve); err != nil {
			t.Fatal(err)
		}
		signIn(t, s, eve)
	}
	if len(s.codes) > mostOwn+1 || len(s.sessions) > mostOwn+1 {
		t.Errorf("%d codes and %d sessions of two people", len(s.codes), len(s.sessions))
	}
	if !signedIn(s, signedInBefore) {
		t.Error("somebody who signs in again and again signs others out")
	}
	if _, err := s.Redeem(code, admitAll); err != nil {
		t.Errorf("a code of somebody else: %v", err)
	}
	for i := range mostCodes/mostOwn + 2 {
		state := a.connectionOf(fmt.Sprint("Ada", i), identity.Researcher)
		for range mostOwn {
			signIn(t, s, state)
		}
		for range mostOwn {
			if _, _, err := s.Offer(state); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 30 {
		if _, _, err := s.Offer(state); err != nil {
			t.Fatal(err)
		}
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
