package audit

import (
	"bytes"
	"errors"
	"fmt"

	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// ErrProof: a Merkle proof that is malformed or does not prove what it should.
var ErrProof = errors.New("proof not valid")

// FormatProof writes a C2SP tlog-proof: the place of an entry, its path, and the signed checkpoint the path leads to.
func FormatProof(index uint64, path [][32]byte, checkpoint []byte) []byte {
	return tproof.TLogProof{Index: index, Hashes: path, Checkpoint: checkpoint}.Marshal()
}

// Proof is a parsed tlog-proof. Nothing in it is verified yet.
type Proof struct {
	Index      uint64
	Path       [][32]byte
	Checkpoint []byte
}

// ParseProof reads a tlog-proof. An extra line is refused: nothing authenticates it.
func ParseProof(text []byte) (Proof, error) {
	var p tproof.TLogProof
	if p.Unmarshal(text) != nil { // whose error would quote the text, however long
		return Proof{}, fmt.Errorf("parse proof: %w: not a tlog-proof: header, index, hashes, empty line, checkpoint", ErrProof)
	}
	if p.ExtraData != nil || len(p.Hashes) > 63 || !bytes.Equal(p.Marshal(), text) {
		return Proof{}, fmt.Errorf("parse proof: %w: not in canonical form", ErrProof)
	}
	return Proof{p.Index, p.Hashes, p.Checkpoint}, nil
}

// VerifyInclusion checks that a leaf stands at an index of the tree with this size and root.
func VerifyInclusion(leaf [32]byte, index, size uint64, path [][32]byte, root [32]byte) error {
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], slices32(path), root[:]); err != nil {
		return fmt.Errorf("%w: entry %d is not in the tree of size %d", ErrProof, index, size)
	}
	return nil
}

// VerifyConsistency checks that the tree of size new extends the tree of size old: nothing before old was changed.
func VerifyConsistency(old, new uint64, path [][32]byte, oldRoot, newRoot [32]byte) error {
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old, new, slices32(path), oldRoot[:], newRoot[:]); err != nil {
		return fmt.Errorf("%w: the log of size %d does not extend the log of size %d", ErrProof, new, old)
	}
	return nil
}

func slices32(p [][32]byte) [][]byte {
	out := make([][]byte, len(p))
	for i := range p {
		out[i] = p[i][:]
	}
	return out
}
