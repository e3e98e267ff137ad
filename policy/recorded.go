package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// Recorded is a bundle that was active once. It decides recorded inputs again and can never become active.
type Recorded struct{ bundle *Bundle }

// ReadRecorded compiles a bundle that was active once. What identifies it is the SHA-256 that the log has on record, not a
// signature: the custodian's policy key may have been replaced since, and an auditor does not hold it.
func ReadRecorded(bundle []byte, digest [32]byte) (*Recorded, error) {
	if sha256.Sum256(bundle) != digest {
		return nil, fmt.Errorf("read recorded bundle: %w: its digest is not the one on record", ErrBundle)
	}
	b, err := load(bundle, nil, false)
	if err != nil {
		return nil, fmt.Errorf("read recorded bundle: %w", err)
	}
	return &Recorded{b}, nil
}

// Replay decides a recorded input again. It permits nothing.
func (r *Recorded) Replay(ctx context.Context, input []byte) (Verdict, error) {
	return r.bundle.Replay(ctx, input)
}
