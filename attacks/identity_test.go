package attacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"jali/sdk"
)

// expiry (46): a certificate ends while its connection is open. The next call on that connection is refused, and so is a new connection.
func expiry(t *testing.T, x *arena) {
	const life = 6 * time.Second
	profile, err := sdk.LoadProfile(x.mallory.Profile())
	if err != nil {
		t.Fatal(err)
	}
	config := profile.Config()
	config.Cert, config.Key = x.reissue(t, config.Cert, time.Now().Add(life))
	client, err := sdk.Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	q := sdk.Query{Agreement: x.agree(t, budget, "left"), Purpose: "DUO:0000042", Dataset: "left", Error: "50", SQL: "SELECT COUNT(*) AS n FROM trial WHERE v > 77"}
	ended := time.Now().Add(life + time.Second)
	if _, err := client.Query(t.Context(), q); err != nil {
		t.Fatalf("control: before the end: %v", err)
	}
	time.Sleep(time.Until(ended))
	if r, err := client.Query(t.Context(), q); err == nil {
		t.Errorf("an answer after the certificate's end (replayed %v)", r.Replayed)
	}
	// The SDK refuses to dial with such a certificate; a client that does not look is refused in the handshake or at the call.
	if again, err := sdk.Dial(t.Context(), config); err == nil {
		defer again.Close()
		if _, err := again.Query(t.Context(), q); err == nil {
			t.Error("a new connection after the certificate's end")
		}
	}
	report(t, "46", "refused on the open connection within a second of the end")
}

// reissue makes a certificate like another, with the custodian's own authority, that ends at a time. A custodian may do so.
func (x *arena) reissue(t *testing.T, like string, end time.Time) (cert, key string) {
	t.Helper()
	block := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := pem.Decode(text)
		if b == nil {
			t.Fatalf("%s is no PEM file", filepath.Base(path))
		}
		return b.Bytes
	}
	old, err := x509.ParseCertificate(block(like))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(block(filepath.Join(x.Dir, "keys", "ca", "ca.pem")))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParsePKCS8PrivateKey(block(filepath.Join(x.Dir, "keys", "ca", "ca.key")))
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(end.UnixNano()), Subject: old.Subject, URIs: old.URIs, DNSNames: old.DNSNames, EmailAddresses: old.EmailAddresses,
		NotBefore: old.NotBefore, NotAfter: end, KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage,
	}, ca, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return put("client.pem", "CERTIFICATE", der), put("client-key.pem", "PRIVATE KEY", secret)
}
