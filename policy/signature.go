package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// ErrSignature says that a bundle is unsigned, signed by another key, or differs from what was signed.
var ErrSignature = errors.New("bundle signature does not verify")

// signingKey is the one key id: a bundle does not choose the key it is verified with.
const signingKey = "jali-policy"

// sign makes .signatures.json in OPA's format (a JWT over the digest of every file), with ES256. The signature is
// deterministic (RFC 6979): the same files and key are the same bundle with the same digest, anywhere.
func sign(fsys files, key *ecdsa.PrivateKey) ([]byte, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("sign bundle: need a P-256 private key")
	}
	hasher, err := bundle.NewSignatureHasher(bundle.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign bundle: %w", err)
	}
	var signed []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		var content any = fsys[name]
		if bundle.IsStructuredDoc(name) {
			if err := util.Unmarshal(fsys[name], &content); err != nil {
				return nil, fmt.Errorf("%w: file %q is not JSON", ErrBundle, name)
			}
		}
		sum, err := hasher.HashFile(content)
		if err != nil {
			return nil, fmt.Errorf("sign bundle: %w", err)
		}
		signed = append(signed, bundle.NewFile(name, hex.EncodeToString(sum), bundle.SHA256.String()))
	}
	token, err := jwt(map[string]any{"alg": "ES256", "typ": "JWT", "kid": signingKey}, map[string]any{"files": signed}, key)
	if err != nil {
		return nil, fmt.Errorf("sign bundle: %w", err)
	}
	return json.Marshal(bundle.SignaturesConfig{Signatures: []string{token}})
}

// jwt is RFC 7515 compact serialisation; the ES256 signature is r and s, 32 bytes each (RFC 7518, 3.4).
func jwt(header, claims map[string]any, key *ecdsa.PrivateKey) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	sum := sha256.Sum256([]byte(text))
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return "", err
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return text + "." + b64.EncodeToString(raw), nil
}

// verification lets OPA's reader check the signature with exactly this key and algorithm.
func verification(key *ecdsa.PublicKey) (*bundle.VerificationConfig, error) {
	if key == nil {
		return nil, fmt.Errorf("%w: this gateway has no policy key; configure one to accept bundles", ErrSignature)
	}
	if key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the policy key is not a P-256 key", ErrSignature)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("verify bundle: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	keys := map[string]*bundle.KeyConfig{signingKey: {Key: string(text), Algorithm: "ES256"}}
	return bundle.NewVerificationConfig(keys, signingKey, "", nil), nil
}
