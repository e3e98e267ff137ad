package store

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"filippo.io/mldsa"
	"github.com/transparency-dev/formats/log"
	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"jali/audit"
)

// signer holds the log's private keys. Ed25519 signs the trees that are asked for; ML-DSA-44 costs ten times as much and signs only
// what leaves the process, once per size.
type signer struct {
	keys *audit.Keys
	ed   note.Signer
	pq   *tnote.SubtreeSigner
	now  func() time.Time

	mu     sync.Mutex
	sealed published // the newest checkpoint with both signatures
}

// createLogKey writes fresh log keys to a file of mode 0600: an Ed25519 and an ML-DSA-44 private key in note format.
func createLogKey(path, origin string) error {
	ed, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return fmt.Errorf("create log key: %w", err)
	}
	pq, _, err := tnote.GenerateMLDSAKey(origin)
	if err != nil {
		return fmt.Errorf("create log key: %w", err)
	}
	return placeFile(path, 0o600, []byte(ed+"\n"+pq+"\n"))
}

func loadSigner(path string, now func() time.Time) (*signer, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(string(text))
	if len(lines) != 2 {
		return nil, fmt.Errorf("load log key: %w: want an Ed25519 and an ML-DSA-44 key", ErrKeyFile)
	}
	s := &signer{now: now}
	if s.ed, err = note.NewSigner(lines[0]); err != nil {
		return nil, fmt.Errorf("load log key: %w: %w", ErrKeyFile, err)
	}
	if s.pq, err = tnote.NewMLDSASigner(lines[1]); err != nil {
		return nil, fmt.Errorf("load log key: %w: %w", ErrKeyFile, err)
	}
	edKey, err := edVKey(lines[0])
	if err != nil {
		return nil, err
	}
	pqKey, err := pqVKey(lines[1])
	if err != nil {
		return nil, err
	}
	if s.keys, err = audit.ParseKeys([]string{edKey, pqKey}); err != nil {
		return nil, fmt.Errorf("load log key: %w: %w", ErrKeyFile, err)
	}
	return s, nil
}

// edVKey and pqVKey derive the verifier key of a private key that the library has accepted.
func edVKey(skey string) (string, error) {
	name, raw, err := splitKey(skey)
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", fmt.Errorf("load log key: %w: not an Ed25519 key", ErrKeyFile)
	}
	return note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey))
}

func splitKey(skey string) (name string, raw []byte, err error) {
	parts := strings.SplitN(skey, "+", 5)
	if len(parts) != 5 {
		return "", nil, ErrKeyFile
	}
	raw, err = base64.StdEncoding.DecodeString(parts[4])
	return parts[2], raw, err
}

// published is a durable tree. Its checkpoint is signed with Ed25519 once, when somebody asks for it: a lone caller would wait for
// each signature, and most commits are never looked at. It must be called only after the commit, like quick.
func (s *signer) published(n uint64, root [32]byte, t int64) published {
	return published{n: n, root: root, t: t, note: sync.OnceValues(func() ([]byte, error) { return s.quick(n, root) })}
}

// quick signs with Ed25519.
func (s *signer) quick(n uint64, root [32]byte) ([]byte, error) {
	return audit.SignCheckpoint(s.keys.Origin, n, root, s.ed)
}

// seal returns a checkpoint with both signatures for the latest tree or, if others are sealing, for one that holds at
// least size entries.
func (s *signer) seal(size uint64, latest func() published) (published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed.note != nil && s.sealed.n >= size {
		return s.sealed, nil
	}
	p := latest()
	n, err := audit.SignCheckpoint(s.keys.Origin, p.n, p.root, s.ed, pqSigner{s.pq, s.now})
	if err != nil {
		return published{}, err
	}
	p.note = func() ([]byte, error) { return n, nil }
	s.sealed = p
	return p, nil
}

// pqSigner signs checkpoints with ML-DSA-44 at the store's clock.
type pqSigner struct {
	*tnote.SubtreeSigner
	now func() time.Time
}

func (s pqSigner) Sign(msg []byte) ([]byte, error) {
	var c log.Checkpoint
	if _, err := c.Unmarshal(msg); err != nil {
		return nil, err
	}
	return s.SignSubtree(uint64(s.now().Unix()), c.Origin, 0, c.Size, c.Hash)
}

func pqVKey(skey string) (string, error) {
	name, raw, err := splitKey(skey)
	if err != nil || len(raw) != 1+mldsa.PrivateKeySize {
		return "", fmt.Errorf("load log key: %w: not an ML-DSA-44 key", ErrKeyFile)
	}
	key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), raw[1:])
	if err != nil {
		return "", fmt.Errorf("load log key: %w: %w", ErrKeyFile, err)
	}
	pub := append([]byte{6}, key.PublicKey().Bytes()...)
	sum := sha256.Sum256(append([]byte(name+"\n"), pub...))
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(pub)), nil
}
