package store

import (
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Holds lists the holds that stand, whether or not their time has come. They bind whoever shows details to others: the store's
// own exports and Reader; Details, which the gateway itself works with, is not bound.
func (s *Store) Holds() ([]audit.Held, error) { return readHolds(s.read) }

func readHolds(view func(func(*bolt.Tx) error) error) ([]audit.Held, error) {
	var out []audit.Held
	err := view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bActive).Cursor()
		for k, v := c.Seek([]byte(audit.ActiveHold)); strings.HasPrefix(string(k), audit.ActiveHold); k, v = c.Next() {
			value, seq := activeValue(v)
			if value == "" {
				continue
			}
			h, ok := audit.ParseHeld(string(k), seq)
			if !ok {
				return fmt.Errorf("%w: a hold that cannot be read", ErrDamaged)
			}
			out = append(out, h)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return out, nil
}

// heldAt reports whether the details of an entry must stay closed now.
func heldAt(entries func(uint64, int) ([][]byte, error), holds []audit.Held, seq uint64, now func() time.Time) (bool, error) {
	if len(holds) == 0 {
		return false, nil
	}
	lines, err := entries(seq, 1)
	if err != nil || len(lines) == 0 {
		return true, err
	}
	e, err := audit.ParseEntry(lines[0])
	if err != nil {
		return true, fmt.Errorf("%w: entry %d: %w", ErrDamaged, seq, err)
	}
	_, held := audit.HeldBy(holds, e, micros(now()))
	return held, nil
}

// disclosed is Details for others: what is held is not shown. The holds are read for each entry, so one that is ordered while
// an export is written still closes what has not been written.
func (s *Store) disclosed() func(uint64) ([]string, error) {
	return func(seq uint64) ([]string, error) {
		holds, err := s.Holds()
		if err != nil {
			return nil, err
		}
		if held, err := heldAt(s.Entries, holds, seq, s.cfg.Now); err != nil || held {
			return nil, err
		}
		return s.Details(seq)
	}
}
