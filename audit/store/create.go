package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Create makes a store: log keys, keys.db, the published verifier keys and, last, audit.db with its GENESIS. It is the only
// code that creates any of these. A crash leaves either no audit.db, and then Create may run again, or a complete store.
// Log keys that a crashed or earlier Create has left are used; anything else it left is replaced.
func Create(c CreateConfig) error {
	c.Config = c.Config.withDefaults()
	if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create %s: %w", c.Path, ErrExists)
	}
	if c.Origin == "" || !audit.ValidString(c.Origin) || strings.Contains(c.Origin, "+") {
		return fmt.Errorf("create: %w: origin must be 1-255 of A-Z a-z 0-9 . _ : / @ = -", ErrItem)
	}
	if c.Why == "" {
		c.Why = "new"
	}
	if _, err := os.Lstat(c.Signer); errors.Is(err, fs.ErrNotExist) {
		if err := createLogKey(c.Signer, c.Origin); err != nil {
			return err
		}
	}
	s, err := loadSigner(c.Signer, c.Now)
	if err != nil {
		return err
	}
	if s.keys.Origin != c.Origin {
		return fmt.Errorf("create: %w: the log key is of another origin", ErrKeyFile)
	}
	if err := createKeyring(c.Config); err != nil {
		return err
	}
	if err := placeFile(c.VKeysFile(), 0o644, []byte(s.keys.Text())); err != nil {
		return err
	}
	return placeDB(c.Path, func(tx *bolt.Tx) error { return fill(tx, c, s.keys) })
}

func fill(tx *bolt.Tx, c CreateConfig, keys *audit.Keys) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	m := tx.Bucket(bMeta)
	for k, v := range map[string][]byte{
		"format": {0, 0, 0, 1}, "origin": []byte(c.Origin), "vkeys": []byte(strings.Join(keys.VKeys, "\n")), "final": c.Final,
	} {
		if err := m.Put([]byte(k), v); err != nil {
			return err
		}
	}
	t := micros(c.Now())
	line, err := audit.FormatEntry(audit.Object{
		"v": 1, "o": c.Origin, "seq": 0, "t": t, "prev": audit.Digest(audit.GenesisPrev(c.Origin, keys.VKeys, c.Final)),
		"k": audit.Genesis, "fmt": "jali-audit/1", "keys": audit.KeysDigest(keys.VKeys), "psize": c.PSize, "why": c.Why,
	})
	if err != nil {
		return err
	}
	if err := tx.Bucket(bEntries).Put(u64(0), line); err != nil {
		return err
	}
	tl := newTail()
	if err := tl.append(line, t); err != nil {
		return err
	}
	_, err = tl.flush(tx)
	return err
}
