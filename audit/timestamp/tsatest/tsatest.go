// Package tsatest is a small RFC 3161 time-stamping authority on the loopback interface, for tests: it signs whatever it is asked
// to, with keys that end with the test.
package tsatest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	rfc3161 "github.com/digitorus/timestamp"
)

// Authority is a running authority. Change may alter what it stamps, as a wrong one would.
type Authority struct {
	URL  string
	Root []byte // PEM certificate to verify its tokens under

	mu     sync.Mutex
	change func(*rfc3161.Timestamp)
	cert   *x509.Certificate
	key    crypto.Signer
}

// usage is the extended key usage "time stamping", critical as RFC 3161 section 2.3 demands.
var usage = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08}}

// Start runs an authority until the test ends.
func Start(t testing.TB) *Authority {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test time root"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	must(err)
	a := &Authority{Root: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Test time authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage}, BasicConstraintsValid: true,
	}, root, key.Public(), rootKey)
	must(err)
	a.cert, err = x509.ParseCertificate(der)
	must(err)
	a.key = key
	s := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(s.Close)
	a.URL = s.URL
	return a
}

// Change has the authority alter what it stamps from now on; nil: nothing.
func (a *Authority) Change(f func(*rfc3161.Timestamp)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change = f
}

func (a *Authority) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		return
	}
	req, err := rfc3161.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	stamp := &rfc3161.Timestamp{
		HashAlgorithm: req.HashAlgorithm, HashedMessage: req.HashedMessage, Nonce: req.Nonce, Time: time.Now(), Accuracy: time.Second,
		Policy: asn1.ObjectIdentifier{1, 2, 3, 4}, AddTSACertificate: req.Certificates,
	}
	a.mu.Lock()
	if a.change != nil {
		a.change(stamp)
	}
	a.mu.Unlock()
	reply, err := stamp.CreateResponseWithOpts(a.cert, a.key, crypto.SHA256)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Write(reply)
}
