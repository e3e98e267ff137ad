package store

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/compact"
	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// tileChecker compares every node that the chain completes with the tile that stores it.
type tileChecker struct {
	bucket *bolt.Bucket
	cur    map[uint8]storedTile
	edge   uint64 // index of the tile of leaves that is not full: what is stored of it is a prefix
	bad    bool
	level  uint8
	index  uint64
}

type storedTile struct {
	index  uint64
	hashes []byte
}

// begin is called with every transaction: tile slices do not outlive one.
func (t *tileChecker) begin(tx *bolt.Tx) {
	t.bucket, t.cur, t.edge = tx.Bucket(bTiles), map[uint8]storedTile{}, math.MaxUint64
	if h, err := decodeHead(tx.Bucket(bState).Get(keyHead)); err == nil {
		t.edge = h.n / audit.TileWidth
	}
}

func (t *tileChecker) visit(id compact.NodeID, hash []byte) {
	if id.Level%8 != 0 || t.bad {
		return
	}
	level, index, at := uint8(id.Level/8), id.Index/audit.TileWidth, int(id.Index%audit.TileWidth)
	cur, ok := t.cur[level]
	if !ok || cur.index != index {
		cur = storedTile{index, t.bucket.Get(tileKey(level, index))}
		t.cur[level] = cur
	}
	if level == 0 && index == t.edge && len(cur.hashes) <= 32*at {
		return
	}
	if len(cur.hashes) < 32*(at+1) || !bytes.Equal(cur.hashes[32*at:32*at+32], hash) {
		t.bad, t.level, t.index = true, level, index
	}
}

// finish compares everything else in the file with what the entries say, and writes the report.
func (v *verifier) finish(tx *bolt.Tx, h head) (Report, error) {
	root, err := v.chain.Root()
	if err != nil {
		return Report{}, err
	}
	if v.chain.Head() != h.leaf || root != h.root || v.chain.Time() != h.t {
		return Report{}, fmt.Errorf("%w: the head is not that of the entries", ErrDamaged)
	}
	rep := Report{
		Origin: v.logKeys.Origin, VKeys: v.logKeys.VKeys, Size: h.n, Head: h.leaf, Root: root,
		First: time.UnixMicro(v.first).UTC(), Last: time.UnixMicro(h.t).UTC(),
		Counts: v.chain.Counts(), Uninterpreted: v.chain.Uninterpreted(), OpenIntents: len(v.chain.Open()), Holds: v.chain.Holds(),
		Details: v.details, DetailsOpened: v.keys != nil, Withheld: uint64(len(v.withheld)), Ledgers: map[audit.LedgerKey]Ledger{},
	}
	if err := v.chain.Unmet(); err != nil {
		return Report{}, err
	}
	for _, cp := range v.cfg.Earlier {
		rep.note("the log continues the one of %d entries whose checkpoint was kept", cp.Size)
	}
	keys := "the keys in the file itself"
	if v.trusted {
		keys = "the keys given"
	}
	rep.note("%d headers read, hashed and chained from the genesis on, under %s", h.n, keys)
	for _, step := range []func(*bolt.Tx, *Report) error{v.lostOnRecord, v.tileCount, v.ledgers, v.openIntents, v.activeVersions, v.results, v.indexes, v.checkpoints, v.withheldOnRecord, v.erasedForGood} {
		if err := step(tx, &rep); err != nil {
			return Report{}, err
		}
	}
	return rep, nil
}

func (r *Report) note(format string, args ...any) {
	r.Checks = append(r.Checks, fmt.Sprintf(format, args...))
}

// lostOnRecord is the alarm for details that are not there: only a restore on record, which had nothing but headers for a
// range before it, explains that.
func (v *verifier) lostOnRecord(_ *bolt.Tx, rep *Report) error {
	for _, m := range v.lost {
		if !slices.ContainsFunc(v.restored, func(r [2]uint64) bool { return r[0] <= m.seq && m.seq <= r[1] }) {
			return &audit.EntryError{Seq: m.seq, Field: "dtl." + m.name, Err: fmt.Errorf("%w: the detail is missing", ErrDamaged)}
		}
	}
	for _, r := range v.restored {
		rep.note("entries %d to %d were restored from headers; their details are lost, on record", r[0], r[1])
	}
	return nil
}

func (v *verifier) tileCount(tx *bolt.Tx, rep *Report) error {
	want, b := 0, tx.Bucket(bTiles)
	err := audit.TileWidths(rep.Size, func(level uint8, index uint64, width int) error {
		stored := b.Get(tileKey(level, index))
		if level == 0 && width < audit.TileWidth && len(stored)%32 == 0 && len(stored) <= 32*width {
			if stored != nil {
				want++
			}
			return nil
		}
		want++
		if len(stored) != 32*width {
			return fmt.Errorf("%w: tile %d/%d has the wrong length", ErrDamaged, level, index)
		}
		return nil
	})
	if err != nil {
		return err
	}
	have := 0
	if err := b.ForEach(func(_, _ []byte) error { have++; return nil }); err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%w: %d tiles, want %d", ErrDamaged, have, want)
	}
	rep.note("%d Merkle tiles recomputed; root and head agree", want)
	return nil
}

func (v *verifier) ledgers(tx *bolt.Tx, rep *Report) error {
	said := v.chain.Ledgers()
	err := tx.Bucket(bBudget).ForEach(func(key, value []byte) error {
		k, err := parseLedgerKey(key)
		if err != nil {
			return err
		}
		l, err := decodeLedger(value)
		if err != nil {
			return err
		}
		if want := said[k]; want == nil || want.Spent != l.spent || want.Cap != l.cap || want.Seq != l.seq {
			at := l.seq
			if want != nil {
				at = want.Seq
			}
			return &audit.EntryError{Seq: at, Field: "bud1", Err: fmt.Errorf("%w: a ledger is not what the entries add up to", audit.ErrSpend)}
		}
		rep.Ledgers[k] = Ledger{l.spent, l.cap}
		return nil
	})
	if err != nil {
		return err
	}
	if len(rep.Ledgers) != len(said) {
		return fmt.Errorf("%w: %d ledgers, the entries speak of %d", ErrDamaged, len(rep.Ledgers), len(said))
	}
	rep.note("%d budget ledgers recomputed from the headers: every spend adds up and none exceeds its cap", len(said))
	return nil
}

func (v *verifier) openIntents(tx *bolt.Tx, rep *Report) error {
	n, erasing := 0, 0
	err := tx.Bucket(bOpen).ForEach(func(k, _ []byte) error {
		n++
		if len(k) != 8 {
			return fmt.Errorf("%w: malformed key in bucket o", ErrDamaged)
		}
		if _, ok := v.chain.Erasing()[fromU64(k)]; ok {
			n--
			erasing++
		} else if _, ok := v.chain.Open()[fromU64(k)]; !ok {
			return &audit.EntryError{Seq: fromU64(k), Field: "ref", Err: fmt.Errorf("%w: listed as open and is not", ErrDamaged)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n != rep.OpenIntents {
		return fmt.Errorf("%w: %d intents listed as open, want %d", ErrDamaged, n, rep.OpenIntents)
	}
	if erasing != len(v.chain.Erasing()) {
		return fmt.Errorf("%w: %d erasures listed as not carried out, want %d", ErrDamaged, erasing, len(v.chain.Erasing()))
	}
	rep.note("every intent has exactly one outcome, %d are still open", n)
	return nil
}

func (v *verifier) activeVersions(tx *bolt.Tx, rep *Report) error {
	said, seen := v.chain.Active(), 0
	err := tx.Bucket(bActive).ForEach(func(name, b []byte) error {
		value, seq := activeValue(b)
		if want, ok := said[string(name)]; ok {
			if seen++; want.Value != value || want.Seq != seq {
				return &audit.EntryError{Seq: want.Seq, Err: fmt.Errorf("%w: listed otherwise in bucket a", audit.ErrActive)}
			}
		} else if seq >= rep.Size {
			return fmt.Errorf("%w: bucket a names an entry that is not there", ErrDamaged)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if seen != len(said) {
		return fmt.Errorf("%w: bucket a lacks versions that entries made active", ErrDamaged)
	}
	rep.note("every intent was decided under the policy, dataset and agreement versions active at its place")
	return nil
}

// results checks stored results: only of released intents and, where details can be opened, those that were recorded.
func (v *verifier) results(tx *bolt.Tx, rep *Report) error {
	return tx.Bucket(bResults).ForEach(func(k, value []byte) error {
		if len(k) != 8 || !v.chain.Released(fromU64(k)) {
			return fmt.Errorf("%w: a result is stored for an intent that was not released", ErrDamaged)
		}
		rep.Results++
		if v.keys == nil {
			return nil
		}
		intent := fromU64(k)
		sealed, err := v.cfg.sealedResult(value)
		if err != nil {
			return err
		}
		result, err := v.keys.open(sealed, aad(rep.Origin, intent, resultName))
		_, seq, e := outcomeOf(rowsOf(tx), intent)
		if e != nil {
			return e
		}
		if isWithheld(err) {
			// A result goes with its question or with its RELEASE.
			if !v.onRecord(intent, resultName) && !v.onRecord(seq, "result") {
				return &audit.EntryError{Seq: intent, Field: "result", Err: fmt.Errorf("%w: the stored result cannot be opened and no ERASE lists it", ErrDamaged)}
			}
			return nil
		}
		if err != nil {
			return &audit.EntryError{Seq: intent, Field: "result", Err: err}
		}
		ds, err := openDetails(tx, v.keys, rep.Origin, seq)
		if err != nil {
			return err
		}
		for _, d := range ds {
			if _, name, value, err := audit.OpenDetail(d); err == nil && name == "result" {
				if err := audit.CheckResult(value, result); err != nil {
					return &audit.EntryError{Seq: seq, Field: "dtl.result", Err: err}
				}
			}
		}
		return nil
	})
}

// indexes checks that what requests are found by points at intents and outcomes.
func (v *verifier) indexes(tx *bolt.Tx, _ *Report) error {
	err := tx.Bucket(bIndex).ForEach(func(_, value []byte) error {
		if len(value) < 8 {
			return fmt.Errorf("%w: malformed value in bucket q", ErrDamaged)
		}
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(value[:8]))
		if err != nil || e.Kind != audit.Intent {
			return fmt.Errorf("%w: the request index points at no intent", ErrDamaged)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := uint64(0)
	err = tx.Bucket(bDerived).ForEach(func(k, _ []byte) error {
		if len(k) != 9 || k[0] != 'o' {
			return nil
		}
		n++
		_, _, err := outcomeOf(rowsOf(tx), fromU64(k[1:]))
		return err
	})
	counts := v.chain.Counts()
	if err == nil && n != counts[audit.Release]+counts[audit.Failure]+counts[audit.Interrupted] {
		err = fmt.Errorf("%w: the outcome index is not complete", ErrDamaged)
	}
	return err
}

func (v *verifier) checkpoints(tx *bolt.Tx, rep *Report) error {
	n, cosigned := 0, lastCosigned(tx)
	err := tx.Bucket(bCheck).ForEach(func(k, note []byte) error {
		cp, err := v.logKeys.OpenCheckpoint(note)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if !bytes.Equal(k, u64(cp.Size)) {
			return fmt.Errorf("%w: the checkpoint of %d entries is stored as that of another size", ErrDamaged, cp.Size)
		}
		n++
		rep.Checkpoint = &cp
		if bytes.Equal(note, cosigned) {
			rep.Cosigned = &cp
		}
		return onTree(cp, rep.Size, tilesOf(tx))
	})
	if err == nil {
		err = checkWitnessed(tx, rep.Size, tilesOf(tx))
	}
	if err != nil {
		return err
	}
	rep.note("%d stored checkpoints are signed by the log and lie on this tree", n)
	return nil
}
