package store

import (
	"context"
	"crypto/sha256"
	"fmt"

	"jali/audit"
	"jali/audit/export"
)

// Export writes the log to dir, which must not exist, for an audience, and records that it did: an EXPORT entry with the
// range and the digest of the checkpoint that the export verifies under. A crash before the entry may leave an export that
// is not on record; its checkpoint still shows when it was made. The directory is complete or absent.
func (s *Store) Export(ctx context.Context, dir, audience string) (seq uint64, digest string, err error) {
	note, err := s.SealedCheckpoint()
	if err != nil {
		return 0, "", err
	}
	rep, err := export.Write(dir, export.Source{
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
