package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// Lifetimes of what the development authority signs.
const (
	CALife     = 5 * 365 * 24 * time.Hour
	ServerLife = 397 * 24 * time.Hour // the most browsers take
	ClientLife = 90 * 24 * time.Hour
)

// backdate tolerates the clock of a machine that is a little behind.
const backdate = 5 * time.Minute

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// ErrAuthority: files do not hold a certificate authority and its key.
var ErrAuthority = errors.New("not a certificate authority")

// CA is a development certificate authority: ECDSA P-256, because browsers and the TLS libraries of other languages do not all take Ed25519.
// It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes an authority in memory. It signs end entities only.
func NewCA(name string, now time.Time) (*CA, Credential, error) {
	if err := checkName("name", name); err != nil {
		return nil, Credential{}, fmt.Errorf("make authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Credential{}, fmt.Errorf("make authority key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(CALife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	made, err := sign(template, template, key, key)
	if err != nil {
		return nil, Credential{}, fmt.Errorf("make authority: %w", err)
	}
	cert, err := x509.ParseCertificate(made.der)
	if err != nil {
		return nil, Credential{}, fmt.Errorf("make authority: %w", err)
	}
	return &CA{cert: cert, key: key}, made, nil
}

// LoadCA reads what NewCA's credential wrote.
func LoadCA(certFile, keyFile string) (*CA, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read authority key: %w", err)
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || certBlock.Type != typeCertificate || keyBlock == nil || keyBlock.Type != typeKey {
		return nil, fmt.Errorf("%w: no PEM certificate or no PKCS #8 key", ErrAuthority)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil || !cert.IsCA {
		return nil, fmt.Errorf("%w: the certificate does not parse as an authority's", ErrAuthority)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		// The parser's text is withheld: the input is a private key.
		return nil, fmt.Errorf("%w: the key does not parse", ErrAuthority)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: the key is not the certificate's", ErrAuthority)
	}
	return &CA{cert: cert, key: key}, nil
}

// Pool holds the authority's certificate, for those who verify.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Certificate is the authority's certificate in PEM.
func (ca *CA) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: ca.cert.Raw})
}

// IssueServer makes a key pair for a server reached under the host names and IP addresses. It cannot serve as a client's.
func (ca *CA) IssueServer(hosts []string, now time.Time) (Credential, error) {
	if len(hosts) == 0 {
		return Credential{}, errors.New("issue server certificate: no host name")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		NotAfter:    now.Add(ServerLife),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if err := checkName("host", host); err != nil {
			return Credential{}, fmt.Errorf("issue server certificate: %w", err)
		}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return ca.issue(template, now)
}

// IssueClient makes a key pair whose certificate FromTLS reads as a principal of that name, organisation and role.
func (ca *CA) IssueClient(name, org string, role Role, now time.Time) (Credential, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return Credential{}, fmt.Errorf("issue client certificate: %w", err)
	}
	if err := errors.Join(checkName("name", name), checkName("organisation", org)); err != nil {
		return Credential{}, fmt.Errorf("issue client certificate: %w", err)
	}
	return ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{org}, OrganizationalUnit: []string{string(role)}},
		NotAfter:    now.Add(ClientLife),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
}

// issue signs an end entity with a fresh key, never beyond the authority's own end.
func (ca *CA) issue(template *x509.Certificate, now time.Time) (Credential, error) {
	template.NotBefore = now.Add(-backdate)
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	if !now.Before(template.NotAfter) {
		return Credential{}, fmt.Errorf("issue certificate: the authority ended on %s", ca.cert.NotAfter.Format(time.DateOnly))
	}
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Credential{}, fmt.Errorf("make key: %w", err)
	}
	made, err := sign(template, ca.cert, key, ca.key)
	if err != nil {
		return Credential{}, fmt.Errorf("issue certificate: %w", err)
	}
	return made, nil
}

// sign makes the certificate of key under parent. A serial number has 127 random bits (CA/Browser Forum 7.1 asks for 64).
func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (Credential, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Credential{}, fmt.Errorf("draw serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Credential{}, fmt.Errorf("sign: %w", err)
	}
	return seal(der, key)
}
