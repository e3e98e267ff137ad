package store

import (
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// MaxRead bounds one read: a long read transaction keeps old pages alive.
const MaxRead = 65536

// Balance is what is spent and allowed on both ledgers of an agreement's population.
type Balance struct{ Agreement, Population Ledger }

// Ledger is one budget. A ledger that was never set has a cap of nothing.
type Ledger struct{ Spent, Cap audit.Amount }

// Balance reads both ledgers. The writer decides again, exactly, when it charges.
func (s *Store) Balance(agreement, population string) (Balance, error) {
	var out Balance
	err := s.read(func(tx *bolt.Tx) error {
		get := rowsOf(tx)
		ag, err := ledgerIn(get, ledgerKey(audit.LedgerKey{Agreement: agreement, Population: population}))
		if err != nil {
			return err
		}
		if agreement == "" {
			ag = ledger{}
		}
		pop, err := ledgerIn(get, ledgerKey(audit.LedgerKey{Population: population}))
		out = Balance{Ledger{ag.spent, ag.cap}, Ledger{pop.spent, pop.cap}}
		return err
	})
	if err != nil {
		return Balance{}, fmt.Errorf("read balance: %w", err)
	}
	return out, nil
}

// Ledgers lists every ledger.
func (s *Store) Ledgers() (map[audit.LedgerKey]Ledger, error) {
	out := map[audit.LedgerKey]Ledger{}
	err := s.read(func(tx *bolt.Tx) error {
		return tx.Bucket(bBudget).ForEach(func(key, value []byte) error {
			k, err := parseLedgerKey(key)
			if err != nil {
				return err
			}
			l, err := decodeLedger(value)
			out[k] = Ledger{l.spent, l.cap}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}
	return out, nil
}

// Active tells which value is active under a name, and the entry that made it so.
func (s *Store) Active(name string) (value string, seq uint64, ok bool) {
	err := s.read(func(tx *bolt.Tx) error {
		value, seq = activeValue(tx.Bucket(bActive).Get([]byte(name)))
		return nil
	})
	return value, seq, err == nil && value != ""
}

// ActiveNames lists what is active under names with a prefix, in order of name.
func (s *Store) ActiveNames(prefix string) []Pin {
	var out []Pin
	err := s.read(func(tx *bolt.Tx) error {
		c := tx.Bucket(bActive).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, v = c.Next() {
			if value, _ := activeValue(v); value != "" {
				out = append(out, Pin{string(k), value})
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}

// Lookup finds the INTENT that was indexed under an agreement (RequestIndex, QueryIndex).
func (s *Store) Lookup(agreement, index string) (seq uint64, ok bool) {
	if len(index) < 2 {
		return 0, false
	}
	key, err := s.keys.indexKey(agreement, false)
	if err != nil || key == nil {
		return 0, false
	}
	err = s.view(func(tx *bolt.Tx) error {
		if v := tx.Bucket(bIndex).Get(indexEntry(key, index)); len(v) >= 8 {
			seq, ok = fromU64(v), true
		}
		return nil
	})
	return seq, ok && err == nil
}

// Outcome tells how an INTENT ended: kind RELEASE, FAILURE or INTERRUPTED and the entry that says so; kind "" while it is
// open. For a RELEASE result is the released bytes, or nil if none were kept or their key is gone. ok is false if there is
// no such INTENT or the store cannot say; why it cannot is logged.
func (s *Store) Outcome(intent uint64) (kind audit.Kind, seq uint64, result []byte, ok bool) {
	err := s.view(func(tx *bolt.Tx) error {
		e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(u64(intent)))
		if err != nil || e.Kind != audit.Intent {
			return fmt.Errorf("%w: %d", ErrNoEntry, intent)
		}
		if kind, seq, err = outcomeOf(rowsOf(tx), intent); err != nil {
			return err
		}
		value := tx.Bucket(bResults).Get(u64(intent))
		if value == nil {
			return nil
		}
		sealed, err := s.cfg.sealedResult(value)
		if err != nil {
			return err
		}
		result, err = s.keys.open(sealed, aad(s.Origin(), intent, resultName))
		if isWithheld(err) {
			return nil
		}
		return err
	})
	if err != nil {
		s.cfg.Logger.Error("audit store: read outcome", "entry", intent, "error", err)
		return "", 0, nil, false
	}
	return kind, seq, result, true
}

// Entry returns one header line.
func (s *Store) Entry(seq uint64) ([]byte, error) {
	lines, err := s.Entries(seq, 1)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("read entry: %w: %d", ErrNoEntry, seq)
	}
	return lines[0], nil
}

// Entries returns at most n header lines from a sequence number on, and at most MaxRead.
func (s *Store) Entries(from uint64, n int) ([][]byte, error) {
	return readEntries(s.readFirst(from+uint64(max(n, 0))), from, n)
}

func readEntries(view func(func(*bolt.Tx) error) error, from uint64, n int) ([][]byte, error) {
	var out [][]byte
	err := view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bEntries).Cursor()
		for k, v := c.Seek(u64(from)); k != nil && len(out) < min(n, MaxRead); k, v = c.Next() {
			out = append(out, append([]byte(nil), v...))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return out, nil
}

// Details returns the disclosures of an entry that can still be opened, in order of name.
func (s *Store) Details(seq uint64) ([]string, error) {
	return readDetails(s.view, s.keys, s.Origin(), seq)
}

// view is a read transaction in which what is sealed stays openable, or stays not: no key is destroyed under it.
func (s *Store) view(f func(*bolt.Tx) error) error {
	if err := s.settled(s.latest().frame); err != nil { // before the lock: settling may take a while
		return err
	}
	s.destroying.RLock()
	defer s.destroying.RUnlock()
	return s.db.View(f)
}

func readDetails(view func(func(*bolt.Tx) error) error, keys *keyring, origin string, seq uint64) ([]string, error) {
	var out []string
	err := view(func(tx *bolt.Tx) error {
		var err error
		out, err = openDetails(tx, keys, origin, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read details of entry %d: %w", seq, err)
	}
	return out, nil
}

func openDetails(tx *bolt.Tx, keys *keyring, origin string, seq uint64) ([]string, error) {
	var out []string
	c := tx.Bucket(bDetails).Cursor()
	prefix := u64(seq)
	for k, v := c.Seek(prefix); len(k) > 8 && fromU64(k) == seq; k, v = c.Next() {
		d, err := keys.open(v, aad(origin, seq, string(k[8:])))
		if isWithheld(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, string(d))
	}
	return out, nil
}
