package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	typeCertificate = "CERTIFICATE"
	typeKey         = "PRIVATE KEY" // PKCS #8, RFC 5208
)

// Credential is a certificate and its private key. The key lives in a closure, out of reach of printers, loggers and encoders.
type Credential struct {
	der []byte
	key func() []byte // PKCS #8 PEM
}

func seal(der []byte, key *ecdsa.PrivateKey) (Credential, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Credential{}, fmt.Errorf("encode key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: pkcs8})
	return Credential{der: der, key: func() []byte { return text }}, nil
}

// Certificate is the certificate in PEM.
func (c Credential) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: c.der})
}

// TLS is the credential as the TLS stack wants it.
func (c Credential) TLS() (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Certificate(), c.key())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load key pair: %w", err)
	}
	return pair, nil
}

// Write makes two new files of mode 0600. It never overwrites: a file that exists is fs.ErrExist. The key comes first, so that a crash leaves at worst a
// key nobody has certified; on an error nothing stays behind.
func (c Credential) Write(certFile, keyFile string) error {
	if err := writeNew(keyFile, c.key()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := writeNew(certFile, c.Certificate()); err != nil {
		return errors.Join(fmt.Errorf("write certificate: %w", err), os.Remove(keyFile))
	}
	return nil
}

// writeNew creates a file and returns when it is durable.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
