package approval_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"jali/audit"
	"jali/audit/approval"
)

func pair(t testing.TB, key crypto.Signer) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ada"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var text = approval.EraseText("audit.example.gov/gw1/2027", "person", "GDPR:17.1", "decision 8/26", []audit.Span{{From: 5, To: 5}, {From: 7, To: 9}})

func TestApproval(t *testing.T) {
	if want := "jali-erase/1\norigin audit.example.gov/gw1/2027\nscope person\nlaw GDPR:17.1\nentries 5,7-9\norder \"decision 8/26\"\n"; string(text) != want {
		t.Errorf("text %q", text)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": ec, "Ed25519": ed} {
		a, err := approval.Sign(text, pair(t, key))
		if err != nil {
			t.Fatal(name, err)
		}
		if cert, err := approval.Verify(a, text); err != nil || cert.Subject.CommonName != "ada" {
			t.Error(name, err)
		}
		for i := range text {
			other := append([]byte(nil), text...)
			other[i] ^= 1
			if _, err := approval.Verify(a, other); !errors.Is(err, approval.ErrApproval) {
				t.Fatalf("%s: byte %d of the text changed: %v", name, i, err)
			}
		}
		// The same bytes signed for something else are no approval.
		var raw approval.Approval
		if err := json.Unmarshal(a, &raw); err != nil {
			t.Fatal(err)
		}
		if name == "Ed25519" {
			raw.Sig = ed25519.Sign(ed, text)
			b, err := json.Marshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := approval.Verify(b, text); !errors.Is(err, approval.ErrApproval) {
				t.Errorf("a signature that was made for something else: %v", err)
			}
		}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := approval.Sign(text, pair(t, rsaKey)); !errors.Is(err, approval.ErrKey) {
		t.Errorf("RSA: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	a, err := approval.Sign(text, pair(f, ed))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := approval.Verify(b, []byte("another text")); err == nil {
			t.Fatal("accepted for another text")
		}
	})
}
