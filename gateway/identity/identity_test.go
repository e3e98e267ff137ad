package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func authority(t *testing.T) *CA {
	t.Helper()
	ca, _, err := NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// handshake runs TLS 1.3 over a pipe and returns what the server knows of the client.
func handshake(t *testing.T, ca *CA, client *tls.Certificate) (tls.ConnectionState, error) {
	t.Helper()
	made, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := made.TLS()
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	server := tls.Server(here, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientCAs: ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven,
		SessionTicketsDisabled: true,
	})
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca.Pool(), ServerName: "localhost"}
	if client != nil {
		// Sent whatever the server says it accepts, as an attacker would.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := tls.Client(there, config)
		_ = c.Handshake()
		_, _ = c.Read(make([]byte, 1)) // the server's alert
		_ = there.Close()
	}()
	err = server.Handshake()
	state := server.ConnectionState()
	_ = here.Close()
	<-done
	return state, err
}

func TestFromTLS(t *testing.T) {
	ca := authority(t)
	for _, role := range []Role{Researcher, Regulator, Custodian} {
		t.Run(string(role), func(t *testing.T) {
			made, err := ca.IssueClient("Dr. Ada Müller", "University of Example", role, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			pair, err := made.TLS()
			if err != nil {
				t.Fatal(err)
			}
			state, err := handshake(t, ca, &pair)
			if err != nil {
				t.Fatal(err)
			}
			got, err := FromTLS(state)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
			want := Principal{Name: "Dr. Ada Müller", Org: "University of Example", Role: role, Key: hex.EncodeToString(sum[:])}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromTLSNobody(t *testing.T) {
	ca := authority(t)
	t.Run("no certificate", func(t *testing.T) {
		state, err := handshake(t, ca, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantNobody(t, state)
	})
	t.Run("zero state", func(t *testing.T) { wantNobody(t, tls.ConnectionState{}) })
	t.Run("unverified certificate", func(t *testing.T) {
		made, err := ca.IssueClient("a", "b", Researcher, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		wantNobody(t, tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{pair.Leaf}})
	})
	t.Run("another authority", func(t *testing.T) {
		made, err := authority(t).IssueClient("a", "b", Regulator, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handshake(t, ca, &pair); err == nil {
			t.Error("handshake with a certificate of another authority succeeded")
		}
	})
	t.Run("server certificate", func(t *testing.T) {
		made, err := ca.IssueServer([]string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handshake(t, ca, &pair); err == nil {
			t.Error("handshake with a server's certificate succeeded")
		}
	})
	t.Run("expired since the handshake", func(t *testing.T) {
		made, err := ca.IssueClient("a", "b", Researcher, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := made.TLS()
		if err != nil {
			t.Fatal(err)
		}
		state, err := handshake(t, ca, &pair)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{time.Now().Add(ClientLife + time.Minute), time.Now().Add(-time.Hour)} {
			if p, err := fromTLS(state, at); !errors.Is(err, ErrNoPrincipal) || p != (Principal{}) {
				t.Errorf("at %v: got %v, %v", at, p, err)
			}
		}
	})
}

func wantNobody(t *testing.T, state tls.ConnectionState) {
	t.Helper()
	if p, err := FromTLS(state); !errors.Is(err, ErrNoPrincipal) || p != (Principal{}) {
		t.Errorf("got %v, %v; want nobody", p, err)
	}
}

// The authority here signs whatever subject it is given, as a careless one would.
func TestFromTLSSubject(t *testing.T) {
	ca := authority(t)
	cn := func(s string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oidCommonName, Value: s}
	}
	tests := []struct {
		name    string
		subject pkix.Name
		ok      bool
	}{
		{"complete", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, true},
		{"no name", pkix.Name{Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"two names", pkix.Name{Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}, ExtraNames: []pkix.AttributeTypeAndValue{cn("a"), cn("c")}}, false},
		{"no organisation", pkix.Name{CommonName: "a", OrganizationalUnit: []string{"regulator"}}, false},
		{"two organisations", pkix.Name{CommonName: "a", Organization: []string{"b", "c"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"no role", pkix.Name{CommonName: "a", Organization: []string{"b"}}, false},
		{"two roles", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"researcher", "regulator"}}, false},
		{"same role twice", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator", "regulator"}}, false},
		{"unknown role", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"admin"}}, false},
		{"role in capitals", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"Regulator"}}, false},
		{"role with a space", pkix.Name{CommonName: "a", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator "}}, false},
		{"line break in name", pkix.Name{CommonName: "a\nb", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"invisible character", pkix.Name{CommonName: "a\u200bb", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"right-to-left override", pkix.Name{CommonName: "a\u202eb", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"space at the end", pkix.Name{CommonName: "a ", Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
		{"long name", pkix.Name{CommonName: strings.Repeat("a", maxName+1), Organization: []string{"b"}, OrganizationalUnit: []string{"regulator"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			made, err := ca.issue(&x509.Certificate{
				Subject: test.subject, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			pair, err := made.TLS()
			if err != nil {
				t.Fatal(err)
			}
			state, err := handshake(t, ca, &pair)
			if err != nil {
				t.Fatal(err)
			}
			p, err := FromTLS(state)
			if (err == nil) != test.ok {
				t.Fatalf("got %v, %v; want ok = %v", p, err, test.ok)
			}
			if !test.ok && (!errors.Is(err, ErrNoPrincipal) || p != (Principal{})) {
				t.Errorf("got %v, %v; want ErrNoPrincipal and nobody", p, err)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	ca := authority(t)
	now := time.Now()
	for name, issue := range map[string]func() (Credential, error){
		"unknown role":    func() (Credential, error) { return ca.IssueClient("a", "b", "admin", now) },
		"no role":         func() (Credential, error) { return ca.IssueClient("a", "b", "", now) },
		"no name":         func() (Credential, error) { return ca.IssueClient("", "b", Researcher, now) },
		"no organisation": func() (Credential, error) { return ca.IssueClient("a", "", Researcher, now) },
		"no host":         func() (Credential, error) { return ca.IssueServer(nil, now) },
		"ended":           func() (Credential, error) { return ca.IssueClient("a", "b", Researcher, now.Add(CALife)) },
	} {
		if _, err := issue(); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestIssueNeverOutlivesAuthority(t *testing.T) {
	ca := authority(t)
	made, err := ca.IssueClient("a", "b", Researcher, time.Now().Add(CALife-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := made.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.NotAfter.After(ca.cert.NotAfter) {
		t.Errorf("certificate ends %v, authority %v", pair.Leaf.NotAfter, ca.cert.NotAfter)
	}
}

func TestWriteAndLoad(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	_, made, err := NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{certFile, keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(path), mode)
		}
	}
	before, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Write(certFile, keyFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write: %v, want fs.ErrExist", err)
	}
	// A certificate in the way: nothing of the second pair stays.
	second := filepath.Join(dir, "second-key.pem")
	if err := other.Write(certFile, second); !errors.Is(err, fs.ErrExist) {
		t.Errorf("write over a certificate: %v, want fs.ErrExist", err)
	}
	if _, err := os.Stat(second); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("key left behind: %v", err)
	}
	after, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Error("the key was overwritten")
	}

	ca, err := LoadCA(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.IssueClient("a", "b", Custodian, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := client.TLS()
	if err != nil {
		t.Fatal(err)
	}
	state, err := handshake(t, ca, &pair)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := FromTLS(state); err != nil || p.Role != Custodian {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestLoadCARefuses(t *testing.T) {
	dir := t.TempDir()
	ca, made, err := NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.IssueClient("a", "b", Researcher, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(stranger)
	if err != nil {
		t.Fatal(err)
	}
	canary := "Y2FuYXJ5" // decodes to no key; must not be in an error
	tests := map[string][2][]byte{
		"swapped":       {made.key(), made.Certificate()},
		"not PEM":       {[]byte("x"), []byte("y")},
		"leaf":          {leaf.Certificate(), leaf.key()},
		"another's key": {made.Certificate(), leaf.key()},
		"other curve":   {made.Certificate(), pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: der})},
		"garbage key":   {made.Certificate(), []byte("-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n")},
		"garbage cert":  {[]byte("-----BEGIN CERTIFICATE-----\n" + canary + "\n-----END CERTIFICATE-----\n"), made.key()},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
			for path, data := range map[string][]byte{certFile: files[0], keyFile: files[1]} {
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := LoadCA(certFile, keyFile)
			if !errors.Is(err, ErrAuthority) {
				t.Fatalf("got %v, want ErrAuthority", err)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), canary) {
				t.Errorf("error shows the key file: %v", err)
			}
		})
	}
}

// A key must not leak through any printer or encoder, also inside another value.
func TestCredentialNeverPrints(t *testing.T) {
	_, made, err := NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(made.key())
	secret := block.Bytes[36:68] // the private scalar of a P-256 key in PKCS #8
	type holder struct{ inner Credential }
	for _, v := range []any{made, &made, holder{made}, &holder{made}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, hex.EncodeToString(secret)) || strings.Contains(text, string(secret)) || strings.Contains(text, "PRIVATE KEY") ||
				strings.Contains(text, fmt.Sprint(secret)[1:40]) {
				t.Errorf("%s prints the key", verb)
			}
		}
		if text, err := json.Marshal(v); err == nil && strings.Contains(string(text), "PRIVATE") {
			t.Error("JSON shows the key")
		}
	}
}

func FuzzParseRole(f *testing.F) {
	for _, s := range []string{"researcher", "regulator", "custodian", "", "Researcher", "researcher\x00", "root"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRole(s)
		known := s == "researcher" || s == "regulator" || s == "custodian"
		if (err == nil) != known || string(r) != s && known || r != "" && !known {
			t.Errorf("ParseRole(%q) = %q, %v", s, r, err)
		}
	})
}
