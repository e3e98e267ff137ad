package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// A stored result above MaxStored lies in a file of its own, named by the SHA-256 of its sealed bytes; the value in bucket
// r is then 0x02 and that digest.
const blobVersion = 2

func (s *Store) putBlob(sealed []byte) ([]byte, error) {
	sum := sha256.Sum256(sealed)
	dir := s.cfg.blobs()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store result: %w", err)
	}
	if err := placeFile(filepath.Join(dir, hex.EncodeToString(sum[:])), 0o600, sealed); err != nil {
		return nil, fmt.Errorf("store result: %w", err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("store result: %w", err)
	}
	return append([]byte{blobVersion}, sum[:]...), nil
}

// sealedResult returns the sealed bytes behind a value of bucket r.
func (c Config) sealedResult(value []byte) ([]byte, error) {
	if len(value) != 33 || value[0] != blobVersion {
		return value, nil
	}
	b, err := os.ReadFile(filepath.Join(c.blobs(), hex.EncodeToString(value[1:])))
	if err != nil {
		return nil, fmt.Errorf("%w: a stored result is missing: %w", ErrDamaged, err)
	}
	if sha256.Sum256(b) != [32]byte(value[1:]) {
		return nil, fmt.Errorf("%w: a stored result was changed", ErrDamaged)
	}
	return b, nil
}
