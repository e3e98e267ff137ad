// Package approval signs and checks approvals of orders: a person approves a text with the key of their client certificate, on their own
// machine, and the approval goes on record with the order.
//
// Guaranteed of an approval that verifies: whoever held the key of this certificate signed exactly this text, as an approval (the
// signed bytes begin with "jali-approval/1", so that no handshake or other document is one). Whether the certificate was
// issued to somebody who may approve is for the caller to find out.
package approval

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"jali/audit"
)

// Errors of approvals.
var (
	// ErrApproval: malformed, of another text, or not by the key of its certificate.
	ErrApproval = errors.New("approval not valid")
	// ErrKey: a key that cannot approve.
	ErrKey = errors.New("the key must be ECDSA or Ed25519")
)

// MaxSize bounds an approval: with the names of its signer it must fit a detail of the log.
const MaxSize = 16 << 10

const prefix = "jali-approval/1\n"

// Approval is a signature over a text.
type Approval struct {
	Cert []byte `json:"cert"` // DER
	Sig  []byte `json:"sig"`
}

// EraseText is what approvers of an erasure sign: which log, why, and exactly which entries. From an ERASE with its details
// anyone can write it again.
func EraseText(origin, scope, law, order string, spans []audit.Span) []byte {
	return fmt.Appendf(nil, "jali-erase/1\norigin %s\nscope %s\nlaw %s\nentries %s\norder %s\n", origin, scope, law, audit.FormatSpans(spans), strconv.Quote(order))
}

// Sign approves a text with a certificate and its key.
func Sign(text []byte, pair tls.Certificate) ([]byte, error) {
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || len(pair.Certificate) == 0 {
		return nil, ErrKey
	}
	msg := append([]byte(prefix), text...)
	var sig []byte
	var err error
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(msg)
		sig, err = key.Sign(rand.Reader, sum[:], crypto.SHA256)
	case ed25519.PublicKey:
		sig, err = key.Sign(rand.Reader, msg, crypto.Hash(0))
	default:
		err = ErrKey
	}
	if err != nil {
		return nil, fmt.Errorf("sign approval: %w", err)
	}
	return json.Marshal(Approval{Cert: pair.Certificate[0], Sig: sig})
}

// Verify reads an approval and checks that the key of its certificate signed the text. The certificate is returned for the caller
// to judge.
func Verify(approval, text []byte) (*x509.Certificate, error) {
	fail := func(err error) (*x509.Certificate, error) { return nil, fmt.Errorf("%w: %w", ErrApproval, err) }
	if len(approval) > MaxSize {
		return fail(errors.New("too large"))
	}
	var a Approval
	dec := json.NewDecoder(bytes.NewReader(approval))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil || dec.More() {
		return fail(errors.New("not an approval file"))
	}
	cert, err := x509.ParseCertificate(a.Cert)
	if err != nil {
		return fail(errors.New("its certificate does not parse"))
	}
	alg := x509.ECDSAWithSHA256
	switch cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
	case ed25519.PublicKey:
		alg = x509.PureEd25519
	default:
		return fail(ErrKey)
	}
	if err := cert.CheckSignature(alg, append([]byte(prefix), text...), a.Sig); err != nil {
		return fail(errors.New("the signature is not of this text"))
	}
	return cert, nil
}
