package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"jali/audit"
	"jali/audit/export"
)

// sealPolicy reads the quorum file that goes with exports, if there is one.
func (c Config) sealPolicy() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(c.Path), "seal.policy"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read seal policy: %w", err)
	}
	return b, nil
}

// Export writes the log to dir, which must not exist, for an audience, and records that it did: an EXPORT entry with the
// range and the digest of the checkpoint that the export verifies under. A crash before the entry may leave an export that
// is not on record; its checkpoint still shows when it was made. The directory is complete or absent.
func (s *Store) Export(ctx context.Context, dir, audience string) (seq uint64, digest string, err error) {
	cosigned, err := s.CosignedCheckpoint() // first, so that it is never the newer one
	if err != nil {
		return 0, "", err
	}
	note, err := s.SealedCheckpoint()
	if err != nil {
		return 0, "", err
	}
	policy, err := s.cfg.sealPolicy()
	if err != nil {
		return 0, "", err
	}
	rep, err := export.Write(dir, export.Source{
		Policy: policy, Cosigned: cosigned,
		Keys: s.signer.keys, Checkpoint: note, Final: s.final, Details: s.disclosed(),
		Entries: func(from uint64) ([][]byte, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return s.Entries(from, 4096)
		},
	}, audience)
	if err != nil {
		return 0, "", err
	}
	digest = audit.Digest(sha256.Sum256(note))
	a, err := s.Append(ctx, Item{Kind: audit.Export, Fields: audit.Object{"a": 0, "b": rep.Size - 1, "aud": export.AudienceName(audience), "dig": digest}})
	if err != nil {
		return 0, "", fmt.Errorf("record export: %w", err)
	}
	return a.Seq, digest, nil
}
