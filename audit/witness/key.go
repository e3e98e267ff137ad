package witness

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"filippo.io/mldsa"
	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"jali/audit"
)

// ErrKeyFile: a key file that is malformed, of another witness, or readable by others.
var ErrKeyFile = errors.New("witness key file not usable")

// keys cosign. Order: Ed25519, ML-DSA-44.
type keys struct {
	name    string
	signers []note.Signer
	vkeys   []string
}

// createKeys writes fresh keys in note format, mode 0600.
func createKeys(path, name string) error {
	ed, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return fmt.Errorf("create witness key: %w", err)
	}
	pq, _, err := tnote.GenerateMLDSAKey(name)
	if err != nil {
		return fmt.Errorf("create witness key: %w", err)
	}
	return placeFile(path, 0o600, []byte(ed+"\n"+pq+"\n"))
}

func loadKeys(path string) (*keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read witness key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w: mode is %04o, want 0600", path, ErrKeyFile, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read witness key: %w", err)
	}
	lines := strings.Fields(string(text))
	if len(lines) != 2 {
		return nil, fmt.Errorf("read %s: %w: want an Ed25519 and an ML-DSA-44 key", path, ErrKeyFile)
	}
	k := &keys{}
	for i, line := range lines {
		s, err := tnote.NewSignerForCosignatureV1(line)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w: %w", path, ErrKeyFile, err)
		}
		vkey, alg, err := vkeyOf(s, line)
		if err != nil || (i == 0) != (alg == audit.Ed25519) || i > 0 && s.Name() != k.name {
			return nil, fmt.Errorf("read %s: %w: want an Ed25519 and an ML-DSA-44 key of one name", path, ErrKeyFile)
		}
		k.name = s.Name()
		k.signers, k.vkeys = append(k.signers, s), append(k.vkeys, vkey)
	}
	return k, nil
}

// vkeyOf derives the verifier key of a private key that the library has accepted.
func vkeyOf(s *tnote.Signer, skey string) (vkey, alg string, err error) {
	parts := strings.SplitN(skey, "+", 5)
	if len(parts) != 5 {
		return "", "", ErrKeyFile
	}
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return "", "", err
	}
	var pub []byte
	switch raw[0] {
	case 1, 4:
		alg = audit.Ed25519
		pub = append([]byte{4}, ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)...)
	default:
		alg = audit.MLDSA44
		key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), raw[1:])
		if err != nil {
			return "", "", err
		}
		pub = append([]byte{6}, key.PublicKey().Bytes()...)
	}
	return fmt.Sprintf("%s+%08x+%s", s.Name(), s.KeyHash(), base64.StdEncoding.EncodeToString(pub)), alg, nil
}

// cosign returns the signature lines of both keys on a checkpoint body, and the note of body, log signatures and these.
func (k *keys) cosign(body string, log []note.Signature) (lines, full []byte, err error) {
	own, err := note.Sign(&note.Note{Text: body}, k.signers...)
	if err != nil {
		return nil, nil, fmt.Errorf("cosign: %w", err)
	}
	lines = own[len(body)+1:]
	if full, err = note.Sign(&note.Note{Text: body, Sigs: log}); err != nil {
		return nil, nil, fmt.Errorf("cosign: %w", err)
	}
	return lines, append(full, lines...), nil
}

// CheckName reports whether a witness may have a name: it stands in key files, signature lines and log entries.
func CheckName(name string) error {
	if name == "" || !audit.ValidString(name) || strings.Contains(name, "+") {
		return errors.New("a witness name is 1-255 of A-Z a-z 0-9 . _ : / @ = -, best a host name that you control")
	}
	return nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
