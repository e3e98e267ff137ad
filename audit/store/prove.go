package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// SealedCheckpoint is the latest checkpoint signed with Ed25519 and ML-DSA-44, as whatever leaves the process must carry.
// It is signed once per size.
func (s *Store) SealedCheckpoint() ([]byte, error) {
	p, err := s.signer.seal(s.Size(), s.latest)
	if err != nil {
		return nil, err
	}
	note, err := p.note()
	return append([]byte(nil), note...), err
}

// Checkpoint is SealedCheckpoint or, should ML-DSA-44 fail, the same signed with Ed25519 alone; readers see which.
func (s *Store) Checkpoint() []byte {
	note, err := s.SealedCheckpoint()
	if err != nil {
		s.cfg.Logger.Error("audit store: sign checkpoint with ML-DSA-44", "error", err)
		if note, err = s.latest().note(); err != nil {
			s.cfg.Logger.Error("audit store: sign checkpoint with Ed25519", "error", err)
		}
		return append([]byte(nil), note...)
	}
	return note
}

func (s *Store) latest() published { return *s.state.Load() }

// TileReader reads tiles as they are now; see audit.TileReader. Complete tiles never change.
func (s *Store) TileReader() audit.TileReader {
	return func(level uint8, index uint64, width int) (out []byte, err error) {
		err = s.read(func(tx *bolt.Tx) error {
			b, err := tilesOf(tx)(level, index, width)
			out = append([]byte(nil), b[:min(len(b), 32*width)]...)
			return err
		})
		return out, err
	}
}

// Proof is a C2SP tlog-proof of an entry against the latest checkpoint.
func (s *Store) Proof(seq uint64) ([]byte, error) {
	proofs, err := s.proofs(s.Size(), seq)
	if err != nil {
		return nil, err
	}
	return []byte(proofs[0]), nil
}

func (s *Store) proofs(size uint64, seqs ...uint64) ([]string, error) {
	for _, seq := range seqs {
		if seq >= s.Size() {
			return nil, fmt.Errorf("prove entry: %w: %d", ErrNoEntry, seq)
		}
	}
	p, err := s.signer.seal(size, s.latest)
	if err != nil {
		return nil, err
	}
	note, err := p.note()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(seqs))
	for i, seq := range seqs {
		path, err := audit.ProveInclusion(seq, p.n, s.TileReader())
		if err != nil {
			return nil, fmt.Errorf("prove entry %d: %w", seq, err)
		}
		out[i] = string(audit.FormatProof(seq, path, note))
	}
	return out, nil
}

// Consistency proves that the log of size new extends the log of size old.
func (s *Store) Consistency(old, new uint64) ([][]byte, error) {
	if new > s.Size() {
		return nil, fmt.Errorf("prove consistency: %w: %d", ErrNoEntry, new)
	}
	path, err := audit.ProveConsistency(old, new, s.TileReader())
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(path))
	for i := range path {
		out[i] = path[i][:]
	}
	return out, nil
}

// Receipt builds the receipt of a released answer: both entries, their details, and a proof for each against a checkpoint
// with both log signatures.
func (s *Store) Receipt(intent, release uint64) (audit.Receipt, error) {
	return s.receipt(intent, release, func() ([]string, error) { return s.proofs(max(intent, release)+1, intent, release) })
}

func (s *Store) receipt(intent, release uint64, proofs func() ([]string, error)) (audit.Receipt, error) {
	var r audit.Receipt
	for _, seq := range []uint64{intent, release} {
		line, err := s.Entry(seq)
		if err != nil {
			return audit.Receipt{}, fmt.Errorf("build receipt: %w", err)
		}
		r.Entries = append(r.Entries, string(line))
		d, err := s.Details(seq)
		if err != nil {
			return audit.Receipt{}, fmt.Errorf("build receipt: %w", err)
		}
		r.Details = append(r.Details, audit.Disclosures{Seq: seq, D: append([]string{}, d...)})
	}
	e, err := audit.ParseEntry([]byte(r.Entries[1]))
	if err != nil || e.Kind != audit.Release || e.Ref == nil || *e.Ref != intent {
		return audit.Receipt{}, fmt.Errorf("build receipt: %w: entry %d does not release entry %d", ErrNotOpen, release, intent)
	}
	if r.Proofs, err = proofs(); err != nil {
		return audit.Receipt{}, fmt.Errorf("build receipt: %w", err)
	}
	return r, nil
}
