package policy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ErrKey: a key file does not hold a P-256 key in PEM.
var ErrKey = errors.New("not a P-256 key in PEM")

// ParseVerifyKey reads the public key that bundles are verified with (PKIX PEM).
func ParseVerifyKey(text []byte) (*ecdsa.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("parse verification key: %w", ErrKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if key, ok := parsed.(*ecdsa.PublicKey); err == nil && ok && key.Curve == elliptic.P256() {
		return key, nil
	}
	return nil, fmt.Errorf("parse verification key: %w", ErrKey)
}

// ParseSigningKey reads the private key that bundles are signed with (PKCS #8 PEM).
func ParseSigningKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("parse signing key: %w", ErrKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := parsed.(*ecdsa.PrivateKey); err == nil && ok && key.Curve == elliptic.P256() {
		return key, nil
	}
	return nil, fmt.Errorf("parse signing key: %w", ErrKey)
}
