package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Claim is what the store holds a ledger to be. Whoever does not trust the store recomputes it from the log.
type Claim struct {
	audit.LedgerKey
	Spent, Cap audit.Amount
	Seq        uint64 // entry of the last change
	Unit       string // "nrho", or "cells" of a population in mode sdc
}

// Claims lists every ledger, and the size of the log, as of one instant.
func (s *Store) Claims() ([]Claim, uint64, error) { return readClaims(s.read) }

// Claims lists every ledger in the files.
func (r *Reader) Claims() ([]Claim, uint64, error) { return readClaims(r.db.view) }

func readClaims(view func(func(*bolt.Tx) error) error) (out []Claim, size uint64, err error) {
	err = view(func(tx *bolt.Tx) error {
		h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
		if err != nil {
			return err
		}
		size = h.n
		return tx.Bucket(bBudget).ForEach(func(key, value []byte) error {
			k, err := parseLedgerKey(key)
			if err != nil {
				return err
			}
			l, err := decodeLedger(value)
			if err != nil {
				return err
			}
			unit, err := unitOf(rowsOf(tx), l)
			out = append(out, Claim{k, l.spent, l.cap, l.seq, unit})
			return err
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read ledgers: %w", err)
	}
	return out, size, nil
}
