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
	s, err := makeSigner(c.Config, c.Origin)
	if err != nil {
		return err
	}
	if err := createKeyring(c.Config); err != nil {
		return err
	}
	if err := placeFile(c.VKeysFile(), 0o644, []byte(s.keys.Text())); err != nil {
		return err
	}
	return placeDB(c.Path, func(tx *bolt.Tx) error { return fill(tx, c, s.keys) })
}

// makeSigner loads the log's keys, which it makes if there are none.
func makeSigner(c Config, origin string) (*signer, error) {
	if _, err := os.Lstat(c.Signer); errors.Is(err, fs.ErrNotExist) {
		if err := createLogKey(c.Signer, origin); err != nil {
			return nil, err
		}
	}
	s, err := loadSigner(c.Signer, c.Now)
	if err != nil {
		return nil, err
	}
	if s.keys.Origin != origin {
		return nil, fmt.Errorf("create: %w: the log key is of another origin", ErrKeyFile)
	}
	return s, nil
}

func fill(tx *bolt.Tx, c CreateConfig, keys *audit.Keys) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	m := tx.Bucket(bMeta)
	for k, v := range map[string][]byte{
		"format": formatAlone, "origin": []byte(c.Origin), "vkeys": []byte(strings.Join(keys.VKeys, "\n")), "final": c.Final,
	} {
		if err := m.Put([]byte(k), v); err != nil {
			return err
		}
	}
	t := micros(c.Now())
	chain, tl := audit.NewChain(c.Origin, keys.VKeys, c.Final), newTail()
	prev := audit.GenesisPrev(c.Origin, keys.VKeys, c.Final)
	for i, o := range opening(c, keys) {
		o["v"], o["o"], o["seq"], o["t"], o["prev"] = 1, c.Origin, i, t, audit.Digest(prev)
		line, err := audit.FormatEntry(o)
		if err != nil {
			return err
		}
		if err := chain.Next(line); err != nil {
			return err
		}
		if err := tx.Bucket(bEntries).Put(u64(uint64(i)), line); err != nil {
			return err
		}
		tl.append(line, t)
		prev = chain.Head()
	}
	for k, l := range chain.Ledgers() {
		if err := tx.Bucket(bBudget).Put(ledgerKey(k), ledger{l.Spent, l.Cap, l.Seq}.encode()); err != nil {
			return err
		}
	}
	_, err := tl.flush(putIn(tx))
	return err
}
