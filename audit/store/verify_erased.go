package store

import (
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// missing is a detail that cannot be opened.
type missing struct {
	seq  uint64
	name string
}

// onRecord reports whether some ERASE lists a detail. One whose list a restore has lost explains nothing: the copy of keys.db that
// was put back with the log is from before it.
func (v *verifier) onRecord(seq uint64, name string) bool {
	for _, spans := range v.erasures {
		if audit.Covered(spans, seq, name) {
			return true
		}
	}
	return false
}

// withheldOnRecord is the alarm for details that cannot be opened any more though no ERASE lists them: a plain deletion of
// keys must not pass for an erasure. The range in the header of an ERASE is not enough, it covers what lies between too.
func (v *verifier) withheldOnRecord(_ *bolt.Tx, rep *Report) error {
	for _, m := range v.withheld {
		if !v.onRecord(m.seq, m.name) {
			return &audit.EntryError{Seq: m.seq, Field: "dtl." + m.name, Err: fmt.Errorf("%w: a detail cannot be opened and no ERASE lists it", ErrDamaged)}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(v.unlisted)) {
		s := v.unlisted[seq]
		rep.note("the list of the erasure of entry %d was lost in a restore, on record: whether what it destroyed among entries %d to %d can be opened again is not known", seq, s.From, s.To)
	}
	switch {
	case rep.DetailsOpened:
		rep.note("%d details decrypted, each matches its header; %d erased on record", rep.Details-rep.Withheld, rep.Withheld)
	default:
		rep.note("%d sealed details are there; not opened (no keys.db here)", rep.Details)
	}
	return nil
}

// erasedForGood checks that what is on record as erased cannot be opened: an erasure that was recorded and not done.
func (v *verifier) erasedForGood(tx *bolt.Tx, rep *Report) error {
	if v.keys == nil {
		return nil
	}
	for seq, spans := range v.erasures {
		if _, pending := v.chain.Erasing()[seq]; pending {
			rep.note("the erasure of entry %d is not carried out yet", seq)
			continue
		}
		for _, s := range spans {
			c := tx.Bucket(bDetails).Cursor()
			for k, sealed := c.Seek(u64(s.From)); len(k) > 8 && fromU64(k) <= s.To; k, sealed = c.Next() {
				at, name := fromU64(k), string(k[8:])
				if !s.Covers(at, name) {
					continue
				}
				if e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(k[:8])); err == nil && !erasable(e.Kind) {
					continue
				}
				if _, err := v.keys.open(sealed, aad(rep.Origin, at, name)); !isWithheld(err) {
					return &audit.EntryError{Seq: at, Field: "dtl." + name, Err: fmt.Errorf("%w: on record as erased (entry %d), yet its key is there", ErrDamaged, seq)}
				}
			}
		}
	}
	return nil
}
