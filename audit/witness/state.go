package witness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"jali/audit"
)

// Buckets of witness.db.
var (
	bSeen  = []byte("seen")  // origin -> u64be size, root, u64be unix time of the record
	bNotes = []byte("notes") // origin -> the checkpoint with log signatures and cosignatures
)

// ErrState: a state file that this version cannot read, or that another process uses.
var ErrState = errors.New("witness state not usable")

// Seen is what a witness remembers of a log. The zero value is a log never seen.
type Seen struct {
	Size uint64
	Root [32]byte
	Time time.Time
}

// state is the file. Losing it is amnesia: it is created once, by Init, and never again.
type state struct{ db *bolt.DB }

// createState places a complete empty file: bbolt's own creation is not safe against power loss (bbolt issue 567).
func createState(path string) (err error) {
	tmp := tempName(path)
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	db, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("create witness state: %w", err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{bSeen, bNotes} {
			if _, err := tx.CreateBucket(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Sync(), db.Close()); err != nil {
		return fmt.Errorf("create witness state: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("create witness state: %w", err)
	}
	return syncDir(path)
}

func openState(path string) (*state, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open witness state: %w", err)
	} else if info.Size() == 0 {
		return nil, fmt.Errorf("open %s: %w: the file is empty", path, ErrState)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: time.Second,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag&^os.O_CREATE, mode)
		},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: %w: another process uses it", path, ErrState)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", path, ErrState, err)
	}
	s := &state{db}
	err = db.View(func(tx *bolt.Tx) error {
		if tx.Bucket(bSeen) == nil || tx.Bucket(bNotes) == nil {
			return fmt.Errorf("%w: a bucket is missing", ErrState)
		}
		return tx.Bucket(bSeen).ForEach(func(_, v []byte) error { _, err := decodeSeen(v); return err })
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	return s, nil
}

func (s *state) close() error { return s.db.Close() }

// read returns what is remembered of a log and its cosigned checkpoint.
func (s *state) read(origin string) (seen Seen, note []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		if seen, err = decodeSeen(tx.Bucket(bSeen).Get([]byte(origin))); err != nil {
			return err
		}
		note = append(note, tx.Bucket(bNotes).Get([]byte(origin))...)
		return nil
	})
	return seen, note, err
}

// swap records next if the record still is was; otherwise it returns the one that is. It returns after fsync.
func (s *state) swap(origin string, was, next Seen, note []byte) (now Seen, swapped bool, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		if now, err = decodeSeen(tx.Bucket(bSeen).Get([]byte(origin))); err != nil {
			return err
		}
		if now.Size != was.Size || now.Root != was.Root {
			return nil
		}
		swapped = true
		if err := tx.Bucket(bSeen).Put([]byte(origin), next.encode()); err != nil {
			return err
		}
		return tx.Bucket(bNotes).Put([]byte(origin), note)
	})
	if err != nil {
		return Seen{}, false, fmt.Errorf("record checkpoint: %w", err)
	}
	return now, swapped, nil
}

func (s Seen) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.Size)
	b = append(b, s.Root[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(s.Time.Unix()))
}

func decodeSeen(b []byte) (Seen, error) {
	switch len(b) {
	case 0:
		return Seen{Root: audit.EmptyRoot()}, nil
	case 48:
		return Seen{binary.BigEndian.Uint64(b), [32]byte(b[8:40]), time.Unix(int64(binary.BigEndian.Uint64(b[40:])), 0).UTC()}, nil
	}
	return Seen{}, fmt.Errorf("%w: a record has %d bytes, want 48", ErrState, len(b))
}
