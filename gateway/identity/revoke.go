package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ErrRevoked: a certificate revocation list cannot be used.
var ErrRevoked = errors.New("certificate revocation list")

const typeRevoked = "X509 CRL"

// Revocations are the lists of revoked certificates (RFC 5280, section 5) of the client authorities. The zero value, and nil, revokes nothing and admits nobody by that: [Trust] asks it only
// where a file is configured.
type Revocations struct {
	lists []*x509.RevocationList
}

// ParseRevocations reads lists in PEM, one after the other, or one in DER. Each must be signed by one of the authorities. A list with a critical extension is refused: it may not
// mean what it seems to, like a list of some kinds of certificates only.
func ParseRevocations(text []byte, authorities []*x509.Certificate) (*Revocations, error) {
	var ders [][]byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != typeRevoked {
			return nil, fmt.Errorf("%w: it has a PEM block that is no list", ErrRevoked)
		}
		ders = append(ders, block.Bytes)
	}
	if len(ders) == 0 {
		ders = [][]byte{text}
	}
	out := &Revocations{}
	for i, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%w: list %d does not parse", ErrRevoked, i+1)
		}
		for _, e := range list.Extensions {
			if e.Critical {
				return nil, fmt.Errorf("%w: list %d has a critical extension", ErrRevoked, i+1)
			}
		}
		if list.NextUpdate.IsZero() {
			return nil, fmt.Errorf("%w: list %d does not say when the next one comes", ErrRevoked, i+1)
		}
		if !signedByOne(list, authorities) {
			return nil, fmt.Errorf("%w: list %d is not signed by a client authority", ErrRevoked, i+1)
		}
		out.lists = append(out.lists, list)
	}
	return out, nil
}

func signedByOne(list *x509.RevocationList, authorities []*x509.Certificate) bool {
	for _, a := range authorities {
		if bytes.Equal(list.RawIssuer, a.RawSubject) && list.CheckSignatureFrom(a) == nil {
			return true
		}
	}
	return false
}

// Until is when the first of the lists is over.
func (r *Revocations) Until() time.Time {
	var first time.Time
	for _, l := range r.lists {
		if first.IsZero() || l.NextUpdate.Before(first) {
			first = l.NextUpdate
		}
	}
	return first
}

// check looks up every certificate of a chain but its root. Where the issuer has no list that is current, it refuses: what a list would have said is not known.
func (r *Revocations) check(chain []*x509.Certificate, now time.Time) error {
	for i := range len(chain) - 1 {
		current, err := r.listed(chain[i], now)
		switch {
		case err != nil:
			return err
		case !current:
			return errors.New("there is no current revocation list of the authority that issued the client certificate")
		}
	}
	return nil
}

func (r *Revocations) listed(cert *x509.Certificate, now time.Time) (current bool, err error) {
	for _, l := range r.lists {
		if !bytes.Equal(l.RawIssuer, cert.RawIssuer) {
			continue
		}
		for _, e := range l.RevokedCertificateEntries {
			if same(e.SerialNumber, cert.SerialNumber) {
				return true, errors.New("the client certificate is revoked")
			}
		}
		current = current || now.Before(l.NextUpdate) && !now.Add(backdate).Before(l.ThisUpdate)
	}
	return current, nil
}

func same(a, b *big.Int) bool { return a != nil && b != nil && a.Cmp(b) == 0 }
