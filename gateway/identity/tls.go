package identity

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrNoPrincipal: the connection does not prove who is calling.
var ErrNoPrincipal = errors.New("no principal")

// FromTLS names the caller of a connection. The error says what is wrong with the certificate, never what it holds.
func FromTLS(state tls.ConnectionState) (Principal, error) {
	return fromTLS(state, time.Now())
}

// fromTLS asks for validity again because a connection, and a resumed session, may outlive the certificate that opened it.
func fromTLS(state tls.ConnectionState, now time.Time) (Principal, error) {
	if !state.HandshakeComplete || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return Principal{}, fmt.Errorf("%w: no verified client certificate", ErrNoPrincipal)
	}
	leaf := state.VerifiedChains[0][0]
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return Principal{}, fmt.Errorf("%w: the client certificate is not valid at this time", ErrNoPrincipal)
	}
	p, err := fromLeaf(leaf)
	if err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrNoPrincipal, err)
	}
	return p, nil
}

// fromLeaf reads the subject convention: one CN, one O, one OU. A second value of any is refused, because readers of certificates differ in which they take.
func fromLeaf(leaf *x509.Certificate) (Principal, error) {
	if leaf.IsCA {
		return Principal{}, errors.New("the client certificate is an authority's")
	}
	names := 0
	for _, attribute := range leaf.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			names++
		}
	}
	if names != 1 || len(leaf.Subject.Organization) != 1 || len(leaf.Subject.OrganizationalUnit) != 1 {
		return Principal{}, errors.New("the subject must have exactly one CN (name), one O (organisation) and one OU (role)")
	}
	role, err := ParseRole(leaf.Subject.OrganizationalUnit[0])
	if err != nil {
		return Principal{}, fmt.Errorf("read OU: %w", err)
	}
	name, org := leaf.Subject.CommonName, leaf.Subject.Organization[0]
	if err := errors.Join(checkName("CN", name), checkName("O", org)); err != nil {
		return Principal{}, err
	}
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return Principal{Name: name, Org: org, Role: role, Key: hex.EncodeToString(key[:])}, nil
}
