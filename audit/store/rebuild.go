package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Headers are the header lines of a log from a mirror or an export, which hold no personal data.
type Headers struct {
	// Size and Root are the tree that witnesses have cosigned; the lines must give it.
	Size uint64
	Root [32]byte
	// Entries returns lines from a number on, at least one while there are any below Size.
	Entries func(from uint64) ([][]byte, error)
}

// Rebuilt is what Rebuild has made of a store.
type Rebuilt struct {
	Had, Has uint64 // entries before and after
	Old      string // the file that was there before
	// Erasures that were ordered in the entries made from headers. Their lists are lost, and an old copy of keys.db opens again what they
	// destroyed: order them again.
	Erasures []uint64
}

// Rebuild brings a restored store up to what witnesses have cosigned (audit-log.md section 8a): entries, tiles, head, open
// intents, what is active and every ledger are made again from the headers, so no budget returns. Details and stored results
// of entries that the store still had are kept; those of the others are lost, and the next start puts that on record: ADMIN
// act=restore with their range, in its first commit, whatever happens in between. The store must not have a single entry that the headers do not have: a fork is not repaired.
//
// The new file appears complete, by rename; the old one stays beside it. A crash leaves the old one in place, or, between the
// two renames, a state that the next start completes.
func Rebuild(cfg Config, h Headers) (Rebuilt, error) {
	cfg = cfg.withDefaults()
	if err := finishRebuild(cfg); err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild: %w", err)
	}
	db, err := openDB(cfg.Path, false, 0) // for writing: nobody else may have it
	if err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild: %w", err)
	}
	// What a killed process has left in the journal belongs to the old log, and is kept with it. Without its journal the old log is a
	// shorter one, which the headers make good.
	if err := settleCopy(db, cfg); err != nil && !errors.Is(err, ErrDamaged) {
		return Rebuilt{}, errors.Join(fmt.Errorf("rebuild: %w", err), db.Close())
	}
	out := Rebuilt{Has: h.Size, Old: cfg.restored()}
	if _, err := os.Lstat(out.Old); !errors.Is(err, fs.ErrNotExist) {
		return Rebuilt{}, errors.Join(fmt.Errorf("rebuild: %w: %s is there from an earlier run: move it away", ErrExists, out.Old), db.Close())
	}
	next := cfg.rebuilt()
	err = db.View(func(from *bolt.Tx) error {
		return placeDB(next, func(to *bolt.Tx) error { return refill(from, to, h, &out) })
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild: %w", err)
	}
	if err := errors.Join(os.Rename(cfg.Path, out.Old), os.Rename(next, cfg.Path), syncDir(filepath.Dir(cfg.Path))); err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild: %w", err)
	}
	return out, nil
}

// settleCopy brings what the journal holds into audit.db.
func settleCopy(db *bolt.DB, c Config) error {
	err := db.Update(func(tx *bolt.Tx) error { _, err := replay(tx, c); return err })
	if errors.Is(err, ErrDamaged) {
		c.Logger.Warn("audit store: the journal of this copy cannot be used; what only it held is lost", "error", err)
	}
	return err
}

// Abandon makes audit.db stand alone before another log takes its place, as its journal will be that of the other. If the journal
// cannot be used, audit.db is from then on the shorter log that it is without it: never call it for a log that is to go on.
func Abandon(cfg Config) error {
	cfg = cfg.withDefaults()
	db, err := openDB(cfg.Path, false, 0)
	if err != nil {
		return fmt.Errorf("abandon audit log: %w", err)
	}
	if err = settleCopy(db, cfg); errors.Is(err, ErrDamaged) {
		err = db.Update(withoutJournal)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("abandon audit log: %w", err)
	}
	return nil
}

func (c Config) rebuilt() string  { return c.Path + ".rebuilt" }
func (c Config) restored() string { return c.Path + ".restored" }

// finishRebuild gives a rebuilt log its name if a crash came before that. The old log was moved away first, so only then is
// there none; what was written under the name "rebuilt" is complete.
func finishRebuild(c Config) error {
	there := func(path string) bool { _, err := os.Lstat(path); return !errors.Is(err, fs.ErrNotExist) }
	if there(c.Path) || !there(c.rebuilt()) || !there(c.restored()) {
		return nil
	}
	c.Logger.Warn("audit store: a restore that a crash had interrupted was completed", "old", c.restored())
	if err := errors.Join(os.Rename(c.rebuilt(), c.Path), syncDir(filepath.Dir(c.Path))); err != nil {
		return fmt.Errorf("finish rebuild: %w", err)
	}
	return nil
}

// keyRebuilt of bucket s says which range of entries Rebuild made from headers, until an entry says so.
var keyRebuilt = []byte("rebuilt") // u64be first, u64be last

// restored is the ADMIN entry for a rebuild that is not on record yet; nil if there is none.
func restored(tx *bolt.Tx, details []audit.Detail) *Item {
	v := tx.Bucket(bState).Get(keyRebuilt)
	if len(v) != 16 {
		return nil
	}
	return &Item{Kind: audit.Admin, Fields: audit.Object{"act": "restore", "a": fromU64(v), "b": fromU64(v[8:])}, Details: details}
}

func refill(from, to *bolt.Tx, h Headers, out *Rebuilt) error {
	origin, vkeys, final, err := checkSchema(from)
	if err != nil {
		return err
	}
	before, err := decodeHead(from.Bucket(bState).Get(keyHead))
	if err != nil {
		return err
	}
	if out.Had = before.n; before.n >= h.Size {
		return fmt.Errorf("%w: the store holds %d entries, the headers %d: there is nothing to rebuild", ErrItem, before.n, h.Size)
	}
	for _, name := range buckets {
		if _, err := to.CreateBucket(name); err != nil {
			return err
		}
	}
	for _, name := range [][]byte{bMeta, bDetails, bResults, bIndex} {
		if err := copyBucket(from.Bucket(name), to.Bucket(name)); err != nil {
			return err
		}
	}
	if err := withoutJournal(to); err != nil { // that of the old log, where it could not be used
		return err
	}
	chain := audit.NewChain(origin, vkeys, final)
	tl := newTail()
	for chain.Size() < h.Size {
		lines, err := h.Entries(chain.Size())
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return fmt.Errorf("%w: headers end at entry %d of %d", audit.ErrSeq, chain.Size(), h.Size)
		}
		for _, line := range lines {
			if chain.Size() == h.Size {
				break
			}
			if err := appendHeader(from, to, chain, tl, line); err != nil {
				return err
			}
			if chain.LastKind() == audit.Erase && chain.Size() > before.n {
				out.Erasures = append(out.Erasures, chain.Size()-1)
			}
		}
	}
	root, err := tl.flush(putIn(to))
	if err != nil {
		return err
	}
	if root != h.Root {
		return fmt.Errorf("%w: the headers do not give the root that witnesses have cosigned", audit.ErrHistory)
	}
	if err := to.Bucket(bState).Put(keyRebuilt, append(u64(before.n), u64(h.Size-1)...)); err != nil {
		return err
	}
	return derive(from, to, chain)
}

// appendHeader checks a line, compares it with the one that the old store has, and writes it with its outcome index.
func appendHeader(from, to *bolt.Tx, chain *audit.Chain, tl *tail, line []byte) error {
	seq := chain.Size()
	if had := from.Bucket(bEntries).Get(u64(seq)); had != nil && string(had) != string(line) {
		return &audit.EntryError{Seq: seq, Field: "hash", Err: fmt.Errorf("%w: the store has another entry here: a fork is not repaired", audit.ErrHistory)}
	}
	if err := chain.Next(line); err != nil {
		return err
	}
	e := chain.Last()
	if e.Kind.Outcome() && e.Ref != nil {
		if err := to.Bucket(bDerived).Put(outcomeKey(*e.Ref), u64(seq)); err != nil {
			return err
		}
	}
	if err := to.Bucket(bEntries).Put(u64(seq), line); err != nil {
		return err
	}
	tl.append(line, e.Time)
	return nil
}

// derive writes what follows from the entries.
func derive(from, to *bolt.Tx, chain *audit.Chain) error {
	for _, open := range []map[uint64]struct{}{chain.Open(), chain.Erasing()} {
		for seq := range open {
			if err := to.Bucket(bOpen).Put(u64(seq), []byte{}); err != nil {
				return err
			}
		}
	}
	for k, l := range chain.Ledgers() {
		if err := to.Bucket(bBudget).Put(ledgerKey(k), ledger{l.Spent, l.Cap, l.Seq}.encode()); err != nil {
			return err
		}
	}
	// Names that no header carries are kept as the old store had them.
	if err := copyBucket(from.Bucket(bActive), to.Bucket(bActive)); err != nil {
		return err
	}
	for name, a := range chain.Active() {
		if err := to.Bucket(bActive).Put([]byte(name), append(u64(a.Seq), a.Value...)); err != nil {
			return err
		}
	}
	return nil
}

func copyBucket(from, to *bolt.Bucket) error {
	return from.ForEach(func(k, v []byte) error { return to.Put(k, v) })
}
