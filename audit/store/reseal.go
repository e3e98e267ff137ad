package store

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// resealBatch is how many rows the writer seals anew between two batches of entries.
const resealBatch = 256

// forget makes erased questions unfindable and moves all others of the agreements concerned to the successors of their
// index keys, in one transaction: at no time can a question that was paid for not be found. It is also the fence after which
// everything the writer puts is sealed with a key that stays.
func (s *Store) forget(d *doomed, next map[[16]byte]*dek, do func(*prepared) (Appended, error)) error {
	keys := map[string][]byte{}
	for _, ag := range d.agreements {
		key, err := s.keys.nextIndexKey(ag)
		if err != nil {
			return err
		}
		if key != nil {
			keys[ag] = key
		}
	}
	_, err := do(&prepared{done: make(chan outcome, 1), work: func(tx *bolt.Tx) error {
		if err := s.moveIndex(tx, d, next, keys); err != nil {
			return err
		}
		for ag, key := range keys {
			s.keys.switchIndexKey(ag, key)
		}
		return nil
	}})
	return err
}

// moveIndex rewrites the rows of bucket q that the erasure concerns.
func (s *Store) moveIndex(tx *bolt.Tx, d *doomed, next map[[16]byte]*dek, keys map[string][]byte) error {
	q := tx.Bucket(bIndex)
	type row struct{ key, value []byte }
	var gone [][]byte
	var put []row
	err := q.ForEach(func(key, value []byte) error {
		if len(value) < 8 {
			return fmt.Errorf("%w: malformed value in bucket q", ErrDamaged)
		}
		seq, sealed := fromU64(value), value[8:]
		if d.intents[seq] {
			gone = append(gone, bytes.Clone(key))
			return nil
		}
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(value[:8]))
		if err != nil {
			return fmt.Errorf("%w: the request index points at no entry", ErrDamaged)
		}
		ag := e.Text("ag")
		indexKey, moves := keys[ag]
		if !moves && !d.sealedWith(sealed) {
			return nil
		}
		if len(sealed) == 0 { // written before index strings were kept: it cannot move, the question can be asked anew
			gone = append(gone, bytes.Clone(key))
			return nil
		}
		x, err := s.keys.open(sealed, indexAAD(s.signer.keys.Origin, ag))
		if err != nil {
			return fmt.Errorf("index of entry %d: %w", seq, err)
		}
		to := row{bytes.Clone(key), bytes.Clone(value)}
		if moves {
			if to.key = indexEntry(indexKey, string(x)); !bytes.Equal(to.key, key) {
				gone = append(gone, bytes.Clone(key))
			}
		}
		if d.sealedWith(sealed) {
			to.value = append(u64(seq), next[[16]byte(sealed[1:17])].seal(x, indexAAD(s.signer.keys.Origin, ag))...)
		}
		put = append(put, to)
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range gone {
		if err := q.Delete(key); err != nil {
			return err
		}
	}
	for _, r := range put {
		if err := q.Put(r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

// resealNeighbours seals every detail and result that must stay, and was sealed with a key that goes, under its successor.
func (s *Store) resealNeighbours(d *doomed, next map[[16]byte]*dek, do func(*prepared) (Appended, error)) error {
	if len(next) == 0 {
		return nil // all of these keys are gone already
	}
	neighbour := func(k, v []byte) (bool, error) {
		return len(k) > 8 && d.sealedWith(v) && !d.covers(fromU64(k), string(k[8:])), nil
	}
	err := s.reseal(bDetails, neighbour, do, func(tx *bolt.Tx, k []byte) error {
		seq, name := fromU64(k), string(k[8:])
		v := tx.Bucket(bDetails).Get(k)
		if !d.sealedWith(v) {
			return nil
		}
		place := aad(s.signer.keys.Origin, seq, name)
		text, err := s.keys.open(v, place)
		if err != nil {
			return &audit.EntryError{Seq: seq, Field: "dtl." + name, Err: err}
		}
		return tx.Bucket(bDetails).Put(k, next[[16]byte(v[1:17])].seal(text, place))
	})
	if err != nil {
		return err
	}
	var blobs []string // replaced: nothing names them after the commit
	neighbour = func(k, v []byte) (bool, error) {
		if len(k) != 8 || d.results[fromU64(k)] {
			return false, nil
		}
		sealed, err := s.cfg.sealedResult(v)
		return err == nil && d.sealedWith(sealed), err
	}
	err = s.reseal(bResults, neighbour, do, func(tx *bolt.Tx, k []byte) error {
		intent, old := fromU64(k), bytes.Clone(tx.Bucket(bResults).Get(k))
		sealed, err := s.cfg.sealedResult(old)
		if err != nil || !d.sealedWith(sealed) {
			return err
		}
		result, err := s.keys.open(sealed, aad(s.signer.keys.Origin, intent, resultName))
		if err != nil {
			return &audit.EntryError{Seq: intent, Field: "result", Err: err}
		}
		value, err := s.storeResult(next[[16]byte(sealed[1:17])], result, intent)
		if err != nil {
			return err
		}
		if len(old) == 33 && old[0] == blobVersion {
			blobs = append(blobs, filepath.Join(s.cfg.blobs(), hex.EncodeToString(old[1:])))
		}
		return tx.Bucket(bResults).Put(k, value)
	})
	if err != nil {
		return err
	}
	for _, f := range blobs {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove replaced result: %w", err)
		}
	}
	return nil
}

// reseal walks a bucket in short read transactions and hands the rows that match to the writer, a few at a time.
func (s *Store) reseal(bucket []byte, match func(k, v []byte) (bool, error), do func(*prepared) (Appended, error), again func(tx *bolt.Tx, k []byte) error) error {
	var at []byte
	for {
		var rows [][]byte
		done := false
		err := s.read(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucket).Cursor()
			k, v := c.Seek(at)
			for n := 0; k != nil && n < MaxRead && len(rows) < resealBatch; n++ {
				ok, err := match(k, v)
				if err != nil {
					return err
				}
				if ok {
					rows = append(rows, bytes.Clone(k))
				}
				k, v = c.Next()
			}
			done, at = k == nil, bytes.Clone(k)
			return nil
		})
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			_, err := do(&prepared{done: make(chan outcome, 1), work: func(tx *bolt.Tx) error {
				for _, k := range rows {
					if err := again(tx, k); err != nil {
						return err
					}
				}
				return nil
			}})
			if err != nil {
				return err
			}
		}
		if done {
			return nil
		}
	}
}
