package policy

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

func TestParseKeys(t *testing.T) {
	key := newKey(t)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := func(key any, kind string) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	public := func(key any, kind string) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	if got, err := ParseSigningKey([]byte(private(key, "PRIVATE KEY"))); err != nil || !got.Equal(key) {
		t.Errorf("ParseSigningKey: %v", err)
	}
	if got, err := ParseVerifyKey([]byte(public(&key.PublicKey, "PUBLIC KEY"))); err != nil || !got.Equal(&key.PublicKey) {
		t.Errorf("ParseVerifyKey: %v", err)
	}
	for name, text := range map[string]string{
		"nothing":     "",
		"no PEM":      "hello",
		"two blocks":  private(key, "PRIVATE KEY") + private(key, "PRIVATE KEY"),
		"other type":  private(key, "EC PRIVATE KEY"),
		"other curve": private(other, "PRIVATE KEY"),
		"Ed25519":     private(ed, "PRIVATE KEY"),
		"public":      public(&key.PublicKey, "PUBLIC KEY"),
		"garbage":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})),
	} {
		if _, err := ParseSigningKey([]byte(text)); err == nil {
			t.Errorf("ParseSigningKey accepts %s", name)
		}
	}
	for name, text := range map[string]string{
		"nothing":     "",
		"two blocks":  public(&key.PublicKey, "PUBLIC KEY") + public(&key.PublicKey, "PUBLIC KEY"),
		"other type":  public(&key.PublicKey, "EC PUBLIC KEY"),
		"other curve": public(&other.PublicKey, "PUBLIC KEY"),
		"Ed25519":     public(ed.Public(), "PUBLIC KEY"),
		"private":     private(key, "PRIVATE KEY"),
		"garbage":     string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})),
	} {
		if _, err := ParseVerifyKey([]byte(text)); err == nil {
			t.Errorf("ParseVerifyKey accepts %s", name)
		}
	}
}

func TestSignRefusesOtherKeys(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*ecdsa.PrivateKey{nil, other} {
		if _, err := Build(Source(), key); err == nil {
			t.Error("Build signs with a key that is no P-256 key")
		}
	}
	if _, err := Open(Config{Bundle: seal(t, edited(t, ""), newKey(t)), VerifyKey: &other.PublicKey}); err == nil {
		t.Error("Open verifies with a key that is no P-256 key")
	}
}
