package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/export"
)

// Reader reads the files of a stopped gateway. It changes nothing and verifies nothing: see Verify.
type Reader struct {
	db   *files
	keys *keyring // nil: details cannot be opened here
	log  *audit.Keys
	size uint64
	note []byte

	cosigned []byte
	final    []byte
	cfg      Config
}

// OpenReader opens a store for reading. Where keys.db is not there, details stay closed.
func OpenReader(cfg Config) (*Reader, error) { return openReader(cfg, openSettled) }

// OpenCopy is OpenReader for a log that is given up: where the journal that belongs to audit.db cannot be used, it reads the shorter log
// that audit.db is without it.
func OpenCopy(cfg Config) (*Reader, error) {
	return openReader(cfg, func(c Config) (*files, error) {
		f, err := openSettled(c)
		if !errors.Is(err, ErrDamaged) {
			return f, err
		}
		db, e := openDB(c.Path, true, 0)
		if e != nil {
			return nil, errors.Join(err, e)
		}
		c.Logger.Warn("audit store: the journal of this copy cannot be used; what only it held is lost", "error", err)
		return &files{db: db, view: db.View}, nil
	})
}

func openReader(cfg Config, open func(Config) (*files, error)) (*Reader, error) {
	cfg = cfg.withDefaults()
	r := &Reader{cfg: cfg}
	if err := r.open(cfg, open); err != nil {
		return nil, fmt.Errorf("read audit store: %w", errors.Join(err, r.Close()))
	}
	return r, nil
}

func (r *Reader) open(cfg Config, open func(Config) (*files, error)) (err error) {
	if r.db, err = open(cfg); err != nil {
		return err
	}
	if _, e := os.Stat(cfg.Keys); e == nil {
		if r.keys, err = openKeyring(cfg, true); err != nil {
			return err
		}
	} else if !errors.Is(e, fs.ErrNotExist) {
		return e
	}
	return r.db.view(func(tx *bolt.Tx) error {
		_, vkeys, final, err := checkSchema(tx)
		if err != nil {
			return err
		}
		if r.log, err = audit.ParseKeys(vkeys); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		r.final = final
		h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
		r.size = h.n
		_, note := tx.Bucket(bCheck).Cursor().Last()
		r.note = append(r.note, note...)
		r.cosigned = lastCosigned(tx)
		return err
	})
}

// Close closes the files.
func (r *Reader) Close() error {
	var err error
	if r.keys != nil {
		err = r.keys.close()
	}
	if r.db != nil {
		err = errors.Join(err, r.db.close())
	}
	return err
}

// Size is the number of entries, Keys are the verifier keys in the file, Checkpoint is the newest kept there: of the last
// commit if the gateway was stopped in order, else of one before; nil if there is none.
func (r *Reader) Size() uint64       { return r.size }
func (r *Reader) Keys() *audit.Keys  { return r.log }
func (r *Reader) Checkpoint() []byte { return r.note }

// CanOpenDetails reports whether keys.db was there.
func (r *Reader) CanOpenDetails() bool { return r.keys != nil }

// Entries returns at most n header lines from a number on.
func (r *Reader) Entries(from uint64, n int) ([][]byte, error) {
	return readEntries(r.db.view, from, n)
}

// Details returns the disclosures of an entry that can be opened and are not held.
func (r *Reader) Details(seq uint64) ([]string, error) {
	if r.keys == nil {
		return nil, nil
	}
	holds, err := readHolds(r.db.view)
	if err != nil {
		return nil, err
	}
	if held, err := heldAt(r.Entries, holds, seq, r.cfg.Now); err != nil || held {
		return nil, err
	}
	return readDetails(r.db.view, r.keys, r.log.Origin, seq)
}

// Export writes the log up to the newest checkpoint kept. It cannot record that it did: only the gateway appends.
func (r *Reader) Export(dir, audience string) (export.Report, error) {
	policy, err := r.cfg.sealPolicy()
	if err != nil {
		return export.Report{}, err
	}
	return export.Write(dir, export.Source{
		Policy: policy, Cosigned: r.cosigned,
		Keys: r.log, Checkpoint: r.note, Final: r.final, Details: r.Details,
		Entries: func(from uint64) ([][]byte, error) { return r.Entries(from, 4096) },
	}, audience)
}

// ReadKeys reads the verifier keys that audit.db of a stopped gateway names, and looks at nothing else in it.
func ReadKeys(cfg Config) (keys *audit.Keys, err error) {
	db, err := openDB(cfg.withDefaults().Path, true, 0)
	if err != nil {
		return nil, fmt.Errorf("read keys of audit log: %w", err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		_, vkeys, _, err := checkSchema(tx)
		if err == nil {
			keys, err = audit.ParseKeys(vkeys)
		}
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("read keys of audit log: %w", err)
	}
	return keys, nil
}
