package audit

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/formats/log"
	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// ErrCheckpoint: a checkpoint that is malformed, of another log, or not signed by the log's keys.
var ErrCheckpoint = errors.New("checkpoint not valid")

// Checkpoint is a verified statement of a log about its whole content: this many entries, this root.
type Checkpoint struct {
	Origin   string
	Size     uint64
	Root     [32]byte
	SignedBy []string  // algorithms of the log's valid signatures: Ed25519 always, ML-DSA-44 if present
	Time     time.Time // the log's own statement inside its ML-DSA-44 signature; zero without one
	Others   int       // signatures by keys we were not given, not checked
	Note     []byte    // the signed note as read
}

// Sealable reports whether both log signatures are there, as exports and sealed receipts must have.
func (c Checkpoint) Sealable() bool { return len(c.SignedBy) == 2 }

// CheckpointBody is the text that log keys sign. Extension lines are not used: ML-DSA-44 cosignatures do not cover them.
func CheckpointBody(origin string, size uint64, root [32]byte) []byte {
	return log.Checkpoint{Origin: origin, Size: size, Hash: root[:]}.Marshal()
}

// SignCheckpoint makes a signed note. It must be called only for a tree that is durable: a signature on a tree that a crash
// takes back would be evidence of a fork.
func SignCheckpoint(origin string, size uint64, root [32]byte, signers ...note.Signer) ([]byte, error) {
	n, err := note.Sign(&note.Note{Text: string(CheckpointBody(origin, size, root))}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return n, nil
}

// OpenCheckpoint verifies a signed note against the log's keys.
func (k *Keys) OpenCheckpoint(text []byte) (Checkpoint, error) {
	var others []note.Verifier
	if k.pq != nil {
		others = append(others, k.pq)
	}
	cp, rest, n, err := log.ParseCheckpoint(text, k.Origin, k.ed, others...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w: %w", ErrCheckpoint, err)
	}
	if len(rest) > 0 || len(cp.Hash) != 32 || !bytes.Equal(cp.Marshal(), []byte(n.Text)) {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w: body is not origin, size and root alone", ErrCheckpoint)
	}
	out := Checkpoint{Origin: cp.Origin, Size: cp.Size, Root: [32]byte(cp.Hash), Others: len(n.UnverifiedSigs), Note: bytes.Clone(text)}
	for _, s := range n.Sigs {
		switch {
		case s.Hash == k.ed.KeyHash():
			out.SignedBy = append([]string{Ed25519}, out.SignedBy...)
		case k.pq != nil && s.Hash == k.pq.KeyHash():
			out.SignedBy = append(out.SignedBy, MLDSA44)
			if out.Time, err = tnote.CoSigV1Timestamp(s); err != nil {
				return Checkpoint{}, fmt.Errorf("open checkpoint: %w: %w", ErrCheckpoint, err)
			}
		}
	}
	if out.Size == 0 && out.Root != EmptyRoot() {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w: root of an empty log", ErrCheckpoint)
	}
	return out, nil
}
