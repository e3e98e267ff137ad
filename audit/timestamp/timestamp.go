package timestamp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/digitorus/pkcs7"
	rfc3161 "github.com/digitorus/timestamp"
)

// Errors of time stamps.
var (
	// ErrToken: the token is malformed, of another text, or not signed by an authority under the roots given.
	ErrToken = errors.New("time stamp not valid")
	// ErrAuthority: the authority did not answer with a token.
	ErrAuthority = errors.New("no time stamp from the authority")
	// ErrRoots: a file without certificates.
	ErrRoots = errors.New("no certificates of time-stamping authorities")
)

// MaxToken bounds a token: in base64 it must fit a detail of the log.
const MaxToken = 32 << 10

// Stamp is what a verified token says.
type Stamp struct {
	Time   time.Time
	Signer string // subject of the authority's certificate
}

// ReadRoots reads PEM certificates to verify tokens under.
func ReadRoots(text []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: the file holds something else", ErrRoots)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRoots, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, ErrRoots
	}
	return pool, nil
}

// Obtain asks the authority at a URL for a token over a text, and verifies it before it returns it.
func Obtain(ctx context.Context, client *http.Client, url string, text []byte, roots *x509.CertPool) (token []byte, s Stamp, err error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, s, fmt.Errorf("draw nonce: %w", err)
	}
	sum := sha256.Sum256(text)
	der, err := (&rfc3161.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}).Marshal()
	if err != nil {
		return nil, s, fmt.Errorf("make time stamp request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(der))
	if err != nil {
		return nil, s, fmt.Errorf("make time stamp request: %w", err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	resp, err := client.Do(req)
	if err != nil {
		return nil, s, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxToken+1024))
	if err != nil {
		return nil, s, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/timestamp-reply") {
		return nil, s, fmt.Errorf("%w: it answers %s with %q", ErrAuthority, resp.Status, resp.Header.Get("Content-Type"))
	}
	parsed, err := parseResponse(body)
	if err != nil {
		return nil, s, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	if parsed.Nonce == nil || parsed.Nonce.Cmp(nonce) != 0 {
		return nil, s, fmt.Errorf("%w: the answer is to another request", ErrAuthority)
	}
	if s, err = Verify(parsed.RawToken, text, roots); err != nil {
		return nil, s, err
	}
	return parsed.RawToken, s, nil
}

// survive turns a panic of the library's BER parser into an error: it indexes past the end of some malformed input (found by
// FuzzVerify), and what it reads comes from outside.
func survive(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: malformed", ErrToken)
	}
}

func parseResponse(body []byte) (t *rfc3161.Timestamp, err error) {
	defer survive(&err)
	return rfc3161.ParseResponse(body)
}

// Verify checks a token over a text.
func Verify(token, text []byte, roots *x509.CertPool) (s Stamp, err error) {
	defer survive(&err)
	fail := func(err error) (Stamp, error) { return Stamp{}, fmt.Errorf("%w: %w", ErrToken, err) }
	switch {
	case roots == nil: // the library takes it for "any"
		return fail(ErrRoots)
	case len(token) > MaxToken:
		return fail(errors.New("too large"))
	}
	parsed, err := rfc3161.Parse(token)
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(text)
	if parsed.HashAlgorithm != crypto.SHA256 || !bytes.Equal(parsed.HashedMessage, sum[:]) {
		return fail(errors.New("it is of another text"))
	}
	p7, err := pkcs7.Parse(token)
	if err != nil {
		return fail(err)
	}
	signer := p7.GetOnlySigner()
	if signer == nil {
		return fail(errors.New("want one signer, whose certificate is in the token"))
	}
	between := x509.NewCertPool()
	for _, c := range p7.Certificates {
		between.AddCert(c)
	}
	err = p7.VerifyWithOpts(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: parsed.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil {
		return fail(err)
	}
	// A certificate for everything is not one for time stamping: RFC 3161 wants this usage and no other.
	if len(signer.ExtKeyUsage) != 1 || signer.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(signer.UnknownExtKeyUsage) > 0 {
		return fail(errors.New("the signer's certificate is not for time stamping alone"))
	}
	return Stamp{Time: parsed.Time.UTC(), Signer: signer.Subject.String()}, nil
}
