package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// recheck is how many entries at the end of the log every start hashes again.
const recheck = 4096

// recover is the start of audit-log.md section 7, steps 2 to 6; step 5, asking witnesses, is Config.Admit.
func (s *Store) recover() error {
	var repair bool
	err := s.db.View(func(tx *bolt.Tx) error {
		origin, vkeys, final, err := checkSchema(tx)
		if err != nil {
			return err
		}
		if origin != s.signer.keys.Origin || strings.Join(vkeys, "\n") != strings.Join(s.signer.keys.VKeys, "\n") {
			return fmt.Errorf("%w: the log keys are not those of this log", ErrKeyFile)
		}
		h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
		if err != nil {
			return err
		}
		if last, _ := tx.Bucket(bEntries).Cursor().Last(); h.n == 0 || last == nil || fromU64(last) != h.n-1 {
			return fmt.Errorf("%w: the head does not stand at the last entry", ErrDamaged)
		}
		tiles := tilesOf(tx)
		if repair, err = s.loadTree(tx, h, tiles); err != nil {
			return err
		}
		if repair {
			rebuilt, err := tilesOfEntries(tx, h.n)
			if err != nil {
				return err
			}
			tiles = func(level uint8, index uint64, _ int) ([]byte, error) {
				return rebuilt[[2]uint64{uint64(level), index}], nil
			}
		}
		if err := s.checkTail(tx, h, origin, vkeys, final); err != nil {
			return err
		}
		s.final = final
		if err := checkWitnessed(tx, h.n, tiles); err != nil {
			return err
		}
		if err := s.checkLatest(tx, h, tiles); err != nil {
			return err
		}
		return checkOpen(tx, h.n)
	})
	if errors.Is(err, ErrShardClosed) && !repair {
		if e := s.completeClosed(); e != nil {
			return fmt.Errorf("complete closed shard: %w", e)
		}
	}
	if err != nil {
		return err
	}
	if repair {
		s.cfg.Logger.Warn("audit store: tiles did not match the log and were rebuilt from the entries; find out who changed them")
		if err := s.db.Update(writeTiles); err != nil {
			return fmt.Errorf("rebuild tiles: %w", err)
		}
	}
	if err := s.admit(); err != nil {
		return err
	}
	if err := s.openJournal(); err != nil {
		return err
	}
	return s.recordStart()
}

// loadTree is step 2: the tail is rebuilt from tiles. If they do not give the recorded root but the entries do, the tiles
// were damaged, and it reports that they must be repaired.
func (s *Store) loadTree(tx *bolt.Tx, h head, tiles audit.TileReader) (repair bool, err error) {
	tl, err := loadTail(h.n, h.leaf, h.t, tiles)
	if err == nil {
		if tl.tree.Root() == h.root {
			s.tail = tl
			return false, nil
		}
	}
	rebuilt, err := tilesOfEntries(tx, h.n)
	if err != nil {
		return false, err
	}
	tl, err = loadTail(h.n, h.leaf, h.t, func(level uint8, index uint64, _ int) ([]byte, error) {
		return rebuilt[[2]uint64{uint64(level), index}], nil
	})
	if err != nil {
		return false, err
	}
	if tl.tree.Root() != h.root {
		return false, fmt.Errorf("%w: neither tiles nor entries give the recorded root", ErrDamaged)
	}
	s.tail = tl
	return true, nil
}

// tilesOfEntries computes all tiles from the entries.
func tilesOfEntries(tx *bolt.Tx, n uint64) (map[[2]uint64][]byte, error) {
	tl := newTail()
	for i := range n {
		line := tx.Bucket(bEntries).Get(u64(i))
		if line == nil {
			return nil, fmt.Errorf("%w: entry %d is missing", ErrDamaged, i)
		}
		tl.append(line, 0)
	}
	out := map[[2]uint64][]byte{}
	for _, t := range tl.dirty {
		out[[2]uint64{uint64(t.level), t.index}] = t.hashes
	}
	return out, nil
}

// writeTiles replaces all tiles by those of the entries.
func writeTiles(tx *bolt.Tx) error {
	h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
	if err != nil {
		return err
	}
	tiles, err := tilesOfEntries(tx, h.n)
	if err != nil {
		return err
	}
	if err := tx.DeleteBucket(bTiles); err != nil {
		return err
	}
	b, err := tx.CreateBucket(bTiles)
	if err != nil {
		return err
	}
	for k, hashes := range tiles {
		if err := b.Put(tileKey(uint8(k[0]), k[1]), hashes); err != nil {
			return err
		}
	}
	return nil
}

// checkTail is step 3: the last entries, and all that came from the journal, are hashed again, and what they say is compared with the ledgers, the open intents
// and what is active.
func (s *Store) checkTail(tx *bolt.Tx, h head, origin string, vkeys []string, final []byte) error {
	e := tx.Bucket(bEntries)
	chain := audit.NewChain(origin, vkeys, final)
	from := uint64(0)
	if h.n > recheck {
		from = min(h.n-recheck, s.settledBefore) // whatever the journal brought is among them
		before := e.Get(u64(from - 1))
		entry, err := audit.ParseEntry(before)
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, from-1, err)
		}
		chain = audit.ResumeChain(origin, from, audit.LeafHash(before), entry.Time)
	}
	for i := from; i < h.n; i++ {
		if err := chain.Next(e.Get(u64(i))); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if chain.Head() != h.leaf || chain.Time() != h.t {
		return fmt.Errorf("%w: the head is not that of entry %d", ErrDamaged, h.n-1)
	}
	for _, open := range []map[uint64]struct{}{chain.Open(), chain.Erasing()} {
		for seq := range open {
			if tx.Bucket(bOpen).Get(u64(seq)) == nil {
				return fmt.Errorf("%w: entry %d is open but not listed as open", ErrDamaged, seq)
			}
		}
	}
	if err := checkLedgers(tx, chain); err != nil {
		return err
	}
	return checkActive(tx)
}

// checkLedgers compares every ledger with the entry that changed it last; those that the chain has followed, with the chain.
func checkLedgers(tx *bolt.Tx, chain *audit.Chain) error {
	for k, l := range chain.Ledgers() {
		got, err := decodeLedger(tx.Bucket(bBudget).Get(ledgerKey(k)))
		if err != nil {
			return err
		}
		if got.seq != l.Seq {
			return fmt.Errorf("%w: entry %d changed a ledger, the ledger says entry %d", ErrDamaged, l.Seq, got.seq)
		}
	}
	return tx.Bucket(bBudget).ForEach(func(key, value []byte) error {
		k, err := parseLedgerKey(key)
		if err != nil {
			return err
		}
		l, err := decodeLedger(value)
		if err != nil {
			return err
		}
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(u64(l.seq)))
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, l.seq, err)
		}
		side := "p"
		if k.Agreement != "" {
			side = "a"
		}
		ok := e.Text("pop") == k.Population && (k.Agreement == "" || e.Text("ag") == k.Agreement)
		switch e.Kind {
		case audit.Intent:
			ok = ok && l.spent == audit.Amount{Rho: e.Part("bud1", side+"r"), Delta: e.Part("bud1", side+"d")}
		case audit.Budget:
			ok = ok && e.Text("ag") == k.Agreement && l.cap == audit.Amount{Rho: e.Part("cap", "r"), Delta: e.Part("cap", "d")}
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("%w: a ledger is not what entry %d says", ErrDamaged, l.seq)
		}
		return nil
	})
}

// checkActive compares bucket a with the entries it names.
func checkActive(tx *bolt.Tx) error {
	return tx.Bucket(bActive).ForEach(func(name, b []byte) error {
		value, seq := activeValue(b)
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(u64(seq)))
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, seq, err)
		}
		if n, v, ok := audit.Activates(e.Kind, e.Text, e.Int); ok && n == string(name) && v != value {
			return fmt.Errorf("%w: what is active is not what entry %d says", ErrDamaged, seq)
		}
		return nil
	})
}

// openEntries lists what bucket o holds: the intents without outcome, and the erasures not carried out.
func openEntries(tx *bolt.Tx) (intents, erasures []uint64, err error) {
	err = tx.Bucket(bOpen).ForEach(func(k, _ []byte) error {
		if len(k) != 8 {
			return fmt.Errorf("%w: malformed key in bucket o", ErrDamaged)
		}
		seq := fromU64(k)
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(k))
		switch {
		case err == nil && e.Kind == audit.Intent:
			intents = append(intents, seq)
		case err == nil && e.Kind == audit.Erase:
			erasures = append(erasures, seq)
		default:
			return fmt.Errorf("%w: entry %d is listed as open and is neither INTENT nor ERASE", ErrDamaged, seq)
		}
		return nil
	})
	return intents, erasures, err
}

// checkLatest is step 4: the newest checkpoint kept must lie on this tree.
func (s *Store) checkLatest(tx *bolt.Tx, h head, tiles audit.TileReader) error {
	_, note := tx.Bucket(bCheck).Cursor().Last()
	if note == nil {
		return nil
	}
	cp, err := s.signer.keys.OpenCheckpoint(note)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return onTree(cp, h.n, tiles)
}

// onTree checks that a checkpoint is of a tree that these tiles extend.
func onTree(cp audit.Checkpoint, n uint64, tiles audit.TileReader) error {
	if cp.Size > n {
		return fmt.Errorf("%w: a checkpoint was signed for %d entries, there are %d: the end of the log is gone", ErrDamaged, cp.Size, n)
	}
	tree, err := audit.RangeFromTiles(cp.Size, tiles)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if root, err := audit.RootOf(tree); err != nil || !bytes.Equal(root[:], cp.Root[:]) {
		return fmt.Errorf("%w: the checkpoint signed for %d entries is of another history", ErrDamaged, cp.Size)
	}
	return nil
}

// recordStart is step 6: in one transaction each open intent gets INTERRUPTED (its charge stands) and ADMIN records the
// start. A crash here leaves all of it to the next start.
func (s *Store) recordStart() error {
	var items []Item
	err := s.db.View(func(tx *bolt.Tx) error {
		intents, _, err := openEntries(tx)
		s.openIntents = int64(len(intents))
		for _, seq := range intents {
			items = append(items, Item{Kind: audit.Interrupted, Ref: &seq})
		}
		if it := restored(tx, s.cfg.StartDetails); it != nil {
			items = append(items, *it)
		}
		return err
	})
	if err != nil {
		return err
	}
	items = append(items, Item{Kind: audit.Admin, Fields: s.cfg.Start, Details: s.cfg.StartDetails})
	batch := make([]*prepared, len(items))
	for i, it := range items {
		if batch[i], err = s.prepare(it); err != nil {
			return fmt.Errorf("record start: %w", err)
		}
	}
	out, pub, err := s.commit(batch)
	if err != nil {
		return fmt.Errorf("record start: %w", err)
	}
	for _, o := range out {
		if o.err != nil {
			return fmt.Errorf("record start: %w", o.err)
		}
	}
	s.state.Store(&pub)
	return nil
}
