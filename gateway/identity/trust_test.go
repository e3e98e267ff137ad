package identity

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is a gateway's files, and clients of its authority.
type site struct {
	t      *testing.T
	ca     *CA
	config TrustConfig
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, config: TrustConfig{
		Certificate: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"), ClientCA: filepath.Join(dir, "ca.pem"),
	}}
	s.renew(authority(t))
	return s
}

// renew puts another authority and a new server certificate in place.
func (s *site) renew(ca *CA) {
	s.t.Helper()
	s.ca = ca
	made, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	os.Remove(s.config.Certificate)
	os.Remove(s.config.Key)
	if err := errors.Join(made.Write(s.config.Certificate, s.config.Key), os.WriteFile(s.config.ClientCA, ca.Certificate(), 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) client(ca *CA) tls.Certificate {
	s.t.Helper()
	made, err := ca.IssueClient("Ada", "University", Researcher, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := made.TLS()
	if err != nil {
		s.t.Fatal(err)
	}
	return pair
}

// revoke writes a list.
func (s *site) revoke(ca *CA, next time.Time, certs ...*x509.Certificate) {
	s.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: next}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.config.Revoked = filepath.Join(filepath.Dir(s.config.Certificate), "revoked.pem")
	if err := os.WriteFile(s.config.Revoked, pem.EncodeToMemory(&pem.Block{Type: typeRevoked, Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) load() *Trust {
	s.t.Helper()
	trust, err := LoadTrust(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	return trust
}

// connect shakes hands with a port of the trust and returns what it sees.
func connect(t *testing.T, trust *Trust, roots *CA, client tls.Certificate) (tls.ConnectionState, error) {
	t.Helper()
	here, there := net.Pipe()
	server := tls.Server(here, trust.TLS("h2"))
	done := make(chan error, 1)
	go func() {
		c := tls.Client(there, &tls.Config{RootCAs: roots.Pool(), ServerName: "localhost", NextProtos: []string{"h2"}, Certificates: []tls.Certificate{client}})
		done <- c.Handshake()
		c.Read(make([]byte, 1)) // session tickets, until the other side closes
	}()
	err := errors.Join(server.Handshake(), <-done)
	state := server.ConnectionState()
	here.Close()
	return state, err
}

func TestTrustRevokes(t *testing.T) {
	s := newSite(t)
	good, bad := s.client(s.ca), s.client(s.ca)
	soon := time.Now().Add(time.Hour)
	trust := s.load()
	open, err := connect(t, trust, s.ca, bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Certificate(open); err != nil {
		t.Fatalf("without a list: %v", err)
	}
	s.revoke(s.ca, soon, bad.Leaf)
	if err := trust.Reload(s.config); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Certificate(open); !errors.Is(err, ErrNoPrincipal) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a connection that was open goes on: %v", err)
	}
	state, err := connect(t, trust, s.ca, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Certificate(state); err != nil {
		t.Errorf("a certificate that is not on the list is refused: %v", err)
	}
	if _, err := trust.Token(t.Context(), open, "a.b.c"); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("a token over a revoked certificate: %v", err)
	}
	// A list that is over says nothing, and nothing is no.
	s.revoke(s.ca, time.Now().Add(-time.Second), bad.Leaf)
	if err := trust.Reload(s.config); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Certificate(state); !errors.Is(err, ErrNoPrincipal) || !strings.Contains(err.Error(), "no current revocation list") {
		t.Errorf("a list that is over admits: %v", err)
	}
	if _, until := trust.Until(); until.After(time.Now()) {
		t.Errorf("until %s", until)
	}
}

func TestTrustReloads(t *testing.T) {
	s := newSite(t)
	old := s.ca
	client := s.client(old)
	trust := s.load()
	open, err := connect(t, trust, old, client)
	if err != nil {
		t.Fatal(err)
	}
	s.renew(authority(t))
	if err := trust.Reload(s.config); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Certificate(open); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("a certificate of an authority that is no longer trusted: %v", err)
	}
	if _, err := connect(t, trust, s.ca, s.client(s.ca)); err != nil {
		t.Errorf("the new certificate is not served: %v", err)
	}
	if _, err := connect(t, trust, s.ca, client); err == nil {
		t.Error("a client of the old authority shakes hands")
	}
	// What cannot be read changes nothing.
	if err := os.WriteFile(s.config.ClientCA, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := trust.Reload(s.config); !errors.Is(err, ErrTrust) {
		t.Errorf("error %v, want ErrTrust", err)
	}
	if _, err := connect(t, trust, s.ca, s.client(s.ca)); err != nil {
		t.Errorf("a failed reload changed something: %v", err)
	}
}

func TestTrustWithoutProvider(t *testing.T) {
	s := newSite(t)
	trust := s.load()
	state, err := connect(t, trust, s.ca, s.client(s.ca))
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string][]string{"token": {"Bearer a.b.c"}, "two": {"Bearer a", "Bearer b"}, "basic": {"Basic YTpi"}, "empty": {""}} {
		if who, err := trust.Caller(t.Context(), state, header); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("%s: a certificate made up for a header that does not verify: %v %v", name, who, err)
		}
	}
	if who, err := trust.Caller(t.Context(), state, nil); err != nil || who.Name != "Ada" {
		t.Errorf("certificate: %v %v", who, err)
	}
	if _, err := trust.Bearer(t.Context(), "a.b.c"); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("bearer without a provider: %v", err)
	}
}

func TestParseRevocations(t *testing.T) {
	s := newSite(t)
	stranger := authority(t)
	s.revoke(s.ca, time.Now().Add(time.Hour))
	good, err := os.ReadFile(s.config.Revoked)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	s.revoke(stranger, time.Now().Add(time.Hour))
	foreign, err := os.ReadFile(s.config.Revoked)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		ok   bool
	}{
		"PEM": {good, true}, "DER": {block.Bytes, true}, "twice": {append(good[:len(good):len(good)], good...), true},
		"empty": {nil, false}, "foreign": {foreign, false}, "good and foreign": {append(good[:len(good):len(good)], foreign...), false},
		"certificate": {s.ca.Certificate(), false}, "cut": {block.Bytes[:len(block.Bytes)-1], false},
	} {
		if _, err := ParseRevocations(c.text, []*x509.Certificate{s.ca.cert}); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrRevoked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRevocations(f *testing.F) {
	ca, _, err := NewCA("Test Authority", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := ParseRevocations(text, []*x509.Certificate{ca.cert}); err == nil && len(r.lists) == 0 {
			t.Error("no list and no error")
		}
	})
}
