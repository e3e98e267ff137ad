package store

import bolt "go.etcd.io/bbolt"

// getter reads a row; nil if it is not there.
type getter func(bucket, key []byte) []byte

// rowsOf reads from a bbolt transaction.
func rowsOf(tx *bolt.Tx) getter {
	return func(bucket, key []byte) []byte { return tx.Bucket(bucket).Get(key) }
}

// transaction is one run of the writer. It puts rows in the frame that is being made and sees the log as it will be with them: the
// segment that takes frames, the one that is being settled, and audit.db as it was last settled.
type transaction struct {
	s     *Store
	now   int64
	seg   *segment
	older *segment // nil if there is none
	base  *bolt.Tx

	buckets [128]*bolt.Bucket // of base, by letter
}

// get reads a row. The slice is valid until the next row is put.
func (w *transaction) get(bucket, key []byte) []byte {
	letter := bucket[0]
	if v, known := w.seg.get(letter, key); known {
		return v
	}
	if w.older != nil {
		if v, known := w.older.get(letter, key); known {
			return v
		}
	}
	b := w.buckets[letter]
	if b == nil {
		b = w.base.Bucket(bucket)
		w.buckets[letter] = b
	}
	return b.Get(key)
}

func (w *transaction) set(bucket, key, value []byte) { w.seg.put(bucket[0], key, value) }
func (w *transaction) delete(bucket, key []byte)     { w.seg.delete(bucket[0], key) }

// putRow is set as a putter.
func (w *transaction) putRow(bucket, key, value []byte) error {
	w.set(bucket, key, value)
	return nil
}
