package store

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// Snapshot writes a copy of the log as of one commit to a new file, and, unless keys is empty, one of the keys of details to another, while the store goes on. The keys are copied after the log, so every
// detail of the copy has its key there; no erasure runs in between, so none of them is of a detail that is erased. The log's copy holds a checkpoint that is returned. On
// an error nothing stays behind. Blobs do not change once they are named: copy them afterwards.
func (s *Store) Snapshot(log, keys string) (checkpoint []byte, err error) {
	s.destroying.RLock()
	defer s.destroying.RUnlock()
	checkpoint, err = s.SealedCheckpoint()
	if err != nil {
		return nil, err
	}
	if err := s.settled(s.latest().frame); err != nil {
		return nil, fmt.Errorf("copy audit log: %w", err)
	}
	if err := snapshot(s.db, log); err != nil {
		return nil, fmt.Errorf("copy audit log: %w", err)
	}
	if err := standAlone(log); err != nil {
		return nil, errors.Join(fmt.Errorf("copy audit log: %w", err), os.Remove(log))
	}
	if keys == "" {
		return checkpoint, nil
	}
	if err := snapshot(s.keys.db, keys); err != nil {
		return nil, errors.Join(fmt.Errorf("copy keys: %w", err), os.Remove(log))
	}
	return checkpoint, nil
}

func snapshot(db *bolt.DB, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// standAlone takes the journal's name from a copy: everything is in it, and it must open without the journal.
func standAlone(path string) error {
	db, err := openDB(path, false, 0)
	if err != nil {
		return err
	}
	err = db.Update(withoutJournal)
	return errors.Join(err, db.Close())
}
