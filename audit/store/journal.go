package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// The journal makes a group of entries durable with one write and one sync; a bbolt commit takes two syncs and a page for every
// few entries. What is in it and not in audit.db yet is applied there later, many groups in one transaction (settle.go), or by the
// next start. audit.db names the generation and the number of the first frame that it lacks, changed in the same transaction: a
// frame is applied exactly once, whatever happens when.

// keyJournal of bucket s is there from the start of a process until it has closed the store in order.
var keyJournal = []byte("journal") // generation, u64be number of the next frame to apply

// ErrUnsettled: the files are those of a process that was killed, and what the journal holds can be read only by whoever may
// write here.
var ErrUnsettled = errors.New("the audit log's journal is not settled")

// journal is the path of one of the two files.
func (c Config) journal(side int) string { return c.Path + ".journal-" + strconv.Itoa(side) }

// Values of format in bucket m. A file that may lack entries of its journal is of the second, so that a version that knows no journal refuses
// it: that would go on from the shorter log, and what was charged in the rest would be there to spend again.
var (
	keyFormat     = []byte("format")
	formatAlone   = []byte{0, 0, 0, 1}
	formatJournal = []byte{0, 0, 0, 2}
)

// nameJournal makes audit.db name its journal and the first frame that it lacks; without is the other way.
func nameJournal(tx *bolt.Tx, g generation, next uint64) error {
	if m := tx.Bucket(bMeta); !bytes.Equal(m.Get(keyFormat), formatJournal) {
		if err := m.Put(keyFormat, formatJournal); err != nil {
			return err
		}
	}
	return tx.Bucket(bState).Put(keyJournal, append(g[:], u64(next)...))
}

func withoutJournal(tx *bolt.Tx) error {
	m, s := tx.Bucket(bMeta), tx.Bucket(bState)
	if m == nil || s == nil {
		return fmt.Errorf("%w: bucket m or s is missing", ErrDamaged)
	}
	if bytes.Equal(m.Get(keyFormat), formatJournal) {
		if err := m.Put(keyFormat, formatAlone); err != nil {
			return err
		}
	}
	return s.Delete(keyJournal)
}

// unsettled reports whether the file was not closed in order.
func unsettled(tx *bolt.Tx) (g generation, next uint64, ok bool, err error) {
	s := tx.Bucket(bState)
	if s == nil {
		return g, 0, false, fmt.Errorf("%w: bucket s is missing", ErrDamaged)
	}
	v := s.Get(keyJournal)
	if v == nil {
		return g, 0, false, nil
	}
	if len(v) != 24 {
		return g, 0, false, fmt.Errorf("%w: the name of the journal has %d bytes, want 24", ErrDamaged, len(v))
	}
	return generation(v[:16]), fromU64(v[16:]), true, nil
}

// replay applies, inside a transaction, the frames that audit.db lacks, and takes the journal's name away: after its commit the
// journal means nothing any more. Of a frame that was being written at the crash nobody was told; it may be torn, and only as the
// very last. It returns how many frames it has applied.
func replay(tx *bolt.Tx, c Config) (applied int, err error) {
	gen, next, ok, err := unsettled(tx)
	if err != nil || !ok {
		return 0, err
	}
	var runs [2][]frame
	highest := uint64(0)
	for side := range runs {
		b, err := readSegment(c, gen, side)
		if err != nil {
			return 0, err
		}
		var behind uint64
		runs[side], behind = parseJournal(b, gen)
		if highest = max(highest, behind); len(runs[side]) > 0 {
			highest = max(highest, runs[side][len(runs[side])-1].number)
		}
	}
	// At most two runs are to be applied: of the segment that was being settled and of the one that took frames meanwhile.
	for range runs {
		for _, run := range runs {
			if len(run) == 0 || run[0].number != next {
				continue
			}
			for _, f := range run {
				if err := f.apply(tx); err != nil {
					return 0, fmt.Errorf("frame %d of the journal: %w", f.number, err)
				}
				applied++
				next++
			}
		}
	}
	if highest >= next {
		return 0, fmt.Errorf("%w: frame %d of the journal is missing or broken, and a later one is there: %s and %s are not what was written; put back those that lay beside this audit.db, or restore the log from its headers",
			ErrDamaged, next, c.journal(0), c.journal(1))
	}
	return applied, withoutJournal(tx)
}

// apply adds a frame to the log that it was written for, at the place that it was written for.
func (f frame) apply(tx *bolt.Tx) error {
	h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
	if err != nil {
		return err
	}
	if h.n != f.n || h.leaf != f.leaf {
		return fmt.Errorf("%w: it does not follow the last entry", ErrDamaged)
	}
	return applyRows(tx, f.rows)
}

// settleFiles is the first step of a start: it applies what a crash has left in the journal, in one transaction. A crash in the
// middle leaves all of it to the next start.
func (s *Store) settleFiles() error {
	var applied int
	var marked bool
	err := s.db.View(func(tx *bolt.Tx) error {
		var h head
		_, _, ok, err := unsettled(tx)
		if marked = ok; err == nil {
			h, err = decodeHead(tx.Bucket(bState).Get(keyHead))
		}
		s.settledBefore = h.n
		return err
	})
	if err != nil || !marked {
		return err
	}
	err = s.db.Update(func(tx *bolt.Tx) error { applied, err = replay(tx, s.cfg); return err })
	if err != nil {
		return fmt.Errorf("settle journal: %w", err)
	}
	if applied > 0 {
		s.cfg.Logger.Warn("audit store: the gateway was not stopped in order; what its journal held was applied", "groups", applied)
	}
	return nil
}

// openJournal begins a generation. The first commit of the process names it (marker).
func (s *Store) openJournal() (err error) {
	rand.Read(s.generation[:])
	for side := range s.segments {
		if s.segments[side], err = openSegment(s.cfg, s.generation, side); err != nil {
			return err
		}
	}
	s.seg = s.segments[0]
	return nil
}

func (s *Store) closeJournal() (err error) {
	for _, g := range s.segments {
		if g != nil {
			err = errors.Join(err, g.file.Close())
		}
	}
	return err
}

// files are those of a stopped gateway, open for reading.
type files struct {
	db   *bolt.DB
	tx   *bolt.Tx // has what the journal holds; nil if it holds nothing
	view func(func(*bolt.Tx) error) error
}

func (f *files) close() error {
	if f.tx == nil {
		return f.db.Close()
	}
	return errors.Join(f.tx.Rollback(), f.db.Close())
}

// openSettled opens the files of a stopped gateway for reading. Where it was killed, what the journal holds is applied to a
// transaction that is never committed: nothing is written, though bbolt asks that the file be writable.
func openSettled(c Config) (*files, error) {
	db, err := openDB(c.Path, true, 0)
	if err != nil {
		return nil, err
	}
	var marked bool
	err = db.View(func(tx *bolt.Tx) error { _, _, marked, err = unsettled(tx); return err })
	if err == nil && !marked {
		return &files{db: db, view: db.View}, nil
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	if db, err = openDB(c.Path, false, 0); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			return nil, fmt.Errorf("%w: the gateway was not stopped in order: run as its user, or on a copy of the directory that may be written, or start and stop it first: %w", ErrUnsettled, err)
		}
		return nil, err
	}
	return settledView(db, c)
}

// settledView takes over a file that is open for writing. One reader at a time has the transaction.
func settledView(db *bolt.DB, c Config) (*files, error) {
	tx, err := db.Begin(true)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	f := &files{db: db, tx: tx}
	if _, err := replay(tx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("read journal: %w", err), f.close())
	}
	var one sync.Mutex
	f.view = func(read func(*bolt.Tx) error) error {
		one.Lock()
		defer one.Unlock()
		return read(tx)
	}
	return f, nil
}
