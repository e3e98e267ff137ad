package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrApprover: a certificate whose holder may not approve.
var ErrApprover = errors.New("not the certificate of somebody who may approve")

// FromCertificate names the holder of a client certificate that came with a signature instead of a connection: it must chain to the
// roots and be valid now, as on a connection.
func FromCertificate(cert *x509.Certificate, roots *x509.CertPool, now time.Time) (Principal, error) {
	if roots == nil { // the library would ask the system's
		return Principal{}, fmt.Errorf("%w: no roots", ErrNoPrincipal)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return Principal{}, fmt.Errorf("%w: the certificate is not one that this gateway accepts now", ErrNoPrincipal)
	}
	p, err := fromLeaf(cert)
	if err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrNoPrincipal, err)
	}
	return p, nil
}

// Approvers checks that the holders of these certificates are different people who may approve: custodians or regulators.
func Approvers(ps []Principal) error {
	keys, names := map[string]bool{}, map[string]bool{}
	for _, p := range ps {
		if p.Role != Custodian && p.Role != Regulator {
			return fmt.Errorf("%w: only custodians and regulators may", ErrApprover)
		}
		if keys[p.Key] || names[p.Name+"\x00"+p.Org] {
			return fmt.Errorf("%w: the same person twice", ErrApprover)
		}
		keys[p.Key], names[p.Name+"\x00"+p.Org] = true, true
	}
	return nil
}
