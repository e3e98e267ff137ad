package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Keys that are to be destroyed are retired first: a successor takes what is sealed from then on, and the neighbours that
// were sealed with them and must stay. Until keys.db is rewritten a crash leaves both, and the next start goes on.

// kNext: id of a retired key -> id of its successor; MAC(agreement) -> wrapped successor of its index key.
var kNext = []byte("n")

// retire gives keys successors, durably, and returns them by the id of the key they follow. A key that is gone already has
// none. Afterwards nothing is sealed with a retired key: what was prepared with one is sealed anew by the writer, which
// compares generations.
func (k *keyring) retire(ids map[[16]byte]bool) (map[[16]byte]*dek, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[[16]byte][16]byte{}
	err := k.db.Update(func(tx *bolt.Tx) error {
		n, err := tx.CreateBucketIfNotExists(kNext)
		if err != nil {
			return err
		}
		for id := range ids {
			row := tx.Bucket(kDEKs).Get(id[:])
			if len(row) < 60 {
				continue
			}
			if to := n.Get(id[:]); len(to) == 16 {
				next[id] = [16]byte(to)
				continue
			}
			scope := bytes.Clone(row[60:])
			to, err := k.newDEK(tx, scope)
			if err != nil {
				return err
			}
			if err := n.Put(id[:], to[:]); err != nil {
				return err
			}
			next[id] = to
		}
		var moved [][]byte
		err = tx.Bucket(kScopes).ForEach(func(row, id []byte) error {
			if _, ok := next[[16]byte(id)]; ok {
				moved = append(moved, bytes.Clone(row))
			}
			return nil
		})
		for _, row := range moved {
			to := next[[16]byte(tx.Bucket(kScopes).Get(row))]
			err = errors.Join(err, tx.Bucket(kScopes).Put(row, to[:]))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("retire keys: %w", err)
	}
	out := map[[16]byte]*dek{}
	for id, to := range next {
		if out[id], err = k.load(to); err != nil {
			return nil, fmt.Errorf("retire keys: %w", err)
		}
		k.retired[id] = out[id]
	}
	clear(k.scopes)
	k.generation.Add(1)
	return out, nil
}

// newDEK makes a key inside a transaction. scope is "class LF month".
func (k *keyring) newDEK(tx *bolt.Tx, scope []byte) (id [16]byte, err error) {
	rand.Read(id[:])
	key := make([]byte, 32)
	rand.Read(key)
	return id, tx.Bucket(kDEKs).Put(id[:], append(k.seal(key, id[:]), scope...))
}

// successor is the key to seal with in the place of one that was current when an item was prepared.
func (k *keyring) successor(d *dek) *dek {
	k.mu.Lock()
	defer k.mu.Unlock()
	for d != nil && k.retired[d.id] != nil {
		d = k.retired[d.id]
	}
	return d
}

// nextIndexKey returns the index key that is to take the place of an agreement's, durable; nil if it has none.
func (k *keyring) nextIndexKey(agreement string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := k.name("agreement", agreement)
	var row []byte
	err := k.db.Update(func(tx *bolt.Tx) error {
		n, err := tx.CreateBucketIfNotExists(kNext)
		if err != nil || tx.Bucket(kIndex).Get(name) == nil {
			return err
		}
		if row = bytes.Clone(n.Get(name)); row != nil {
			return nil
		}
		key := make([]byte, 32)
		rand.Read(key)
		row = k.seal(key, name)
		return n.Put(name, row)
	})
	if err != nil {
		return nil, fmt.Errorf("make index key durable: %w", err)
	}
	if row == nil {
		return nil, nil
	}
	return k.unseal(row, name)
}

// switchIndexKey makes a successor the index key of this process. The writer calls it between two entries.
func (k *keyring) switchIndexKey(agreement string, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.index[agreement] = key
	k.generation.Add(1)
}

// destroy removes keys, and index keys that have successors, from keys.db and rewrites the file without them.
func (k *keyring) destroy(ids map[[16]byte]bool, agreements []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.db.Update(func(tx *bolt.Tx) error {
		n, err := tx.CreateBucketIfNotExists(kNext)
		if err != nil {
			return err
		}
		for id := range ids {
			if err := errors.Join(tx.Bucket(kDEKs).Delete(id[:]), n.Delete(id[:])); err != nil {
				return err
			}
		}
		for _, ag := range agreements {
			name := k.name("agreement", ag)
			if row := bytes.Clone(n.Get(name)); row != nil {
				if err := errors.Join(tx.Bucket(kIndex).Put(name, row), n.Delete(name)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroy keys: %w", err)
	}
	for id := range ids {
		delete(k.byID, id)
	}
	clear(k.scopes)
	return k.rewrite()
}

// rewrite copies keys.db into a fresh file that has only what is in it now, makes that durable under the old name, and
// overwrites what was the old file. A deleted key stays in a bbolt file for as long as its page is not used again. What is
// beyond reach: blocks that a file system or a disk has kept elsewhere, and process memory.
func (k *keyring) rewrite() error {
	path := k.db.Path()
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("rewrite keys.db: %w", err)
	}
	defer old.Close()
	tmp := tempName(path)
	to, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if err == nil {
		err = errors.Join(bolt.Compact(to, k.db, 0), to.Close())
	}
	if err == nil {
		err = syncFile(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("rewrite keys.db: %w", err)
	}
	db, err := openDB(path, false, 0)
	if err != nil {
		return fmt.Errorf("rewrite keys.db: %w", err)
	}
	before := k.db
	k.db = db
	if err := errors.Join(before.Close(), overwrite(old)); err != nil {
		return fmt.Errorf("rewrite keys.db: the old file: %w", err)
	}
	return nil
}

func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < info.Size(); at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), info.Size()-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// sweep removes what a crash has left of rewritten files: a copy of keys.db must not outlive the keys in it.
func sweep(path string) error {
	left, err := filepath.Glob(path + ".tmp-*")
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, f := range slices.Compact(left) {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}
