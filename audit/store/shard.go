package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// ErrShardClosed: the last entry is a SHARDCLOSE. The log is complete: it can be read, verified and exported, and goes on in
// another origin.
var ErrShardClosed = errors.New("this shard of the audit log is closed")

// CreateKey makes the key of a log that is to be created later, or finds it, and returns its verifier keys: witnesses must know
// them before the first entry.
func CreateKey(c Config, origin string) (*audit.Keys, error) {
	c = c.withDefaults()
	s, err := makeSigner(c, origin)
	if err != nil {
		return nil, fmt.Errorf("create log key: %w", err)
	}
	return s.keys, placeFile(c.VKeysFile(), 0o644, []byte(s.keys.Text()))
}

// CloseShard appends the last entry of this log: SHARDCLOSE with the second hash of all entries before it, and the origin in
// which the log goes on. Before it, a KEY entry announces that origin's keys under this one's. Every further Append is
// refused. A crash between the two leaves an open shard with an announcement, and CloseShard may run again.
func (s *Store) CloseShard(ctx context.Context, next *audit.Keys, details []audit.Detail) (Appended, error) {
	if next.Origin == s.Origin() {
		return Appended{}, fmt.Errorf("close shard: %w: it cannot go on under its own origin", ErrItem)
	}
	_, err := s.Append(ctx, Item{
		Kind:    audit.Key,
		Fields:  audit.Object{"use": "log", "act": "announce", "alg": audit.Ed25519 + "+" + audit.MLDSA44, "kid": audit.KeysDigest(next.VKeys), "next": next.Origin},
		Details: nil,
	})
	if err != nil {
		return Appended{}, fmt.Errorf("close shard: announce the next keys: %w", err)
	}
	if _, err := s.Append(ctx, Item{Kind: audit.Admin, Fields: audit.Object{"act": "shardclose"}, Details: details}); err != nil {
		return Appended{}, fmt.Errorf("close shard: %w", err)
	}
	s.Halt()
	s.senders.Wait() // what was submitted before is written; nobody else appends
	var all audit.Root512
	for size := s.Size(); all.Size() < size; {
		if err := ctx.Err(); err != nil {
			return Appended{}, fmt.Errorf("close shard: %w", err)
		}
		lines, err := s.Entries(all.Size(), 4096)
		if err != nil {
			return Appended{}, fmt.Errorf("close shard: %w", err)
		}
		for _, line := range lines {
			all.Append(line)
		}
	}
	p, err := s.prepare(Item{Kind: audit.ShardClose, Fields: audit.Object{"r512": all.Digest(), "next": next.Origin}})
	if err != nil {
		return Appended{}, fmt.Errorf("close shard: %w", err)
	}
	a, err := s.submitted(p)
	if err != nil {
		return Appended{}, fmt.Errorf("close shard: %w", err)
	}
	if a.Seq != all.Size() {
		return a, fmt.Errorf("close shard: %w: an entry came between", ErrDamaged)
	}
	return a, nil
}

// completeClosed stores what Close stores, where a process was killed between SHARDCLOSE and Close: the next log commits to the checkpoint of the end,
// with both signatures, and nothing can be appended that would bring one. The log was checked before.
func (s *Store) completeClosed() error {
	var note []byte
	if err := s.db.View(func(tx *bolt.Tx) error {
		note = bytes.Clone(tx.Bucket(bCheck).Get(u64(s.tail.n)))
		return nil
	}); err != nil {
		return err
	}
	if cp, err := s.signer.keys.OpenCheckpoint(note); err == nil && cp.Sealable() {
		return nil
	}
	p := s.signer.published(s.tail.n, s.tail.tree.Root(), s.tail.t)
	s.state.Store(&p)
	s.seg = &segment{image: make([]byte, journalPage), changed: map[string]span{}} // for the rows: no file
	s.seg.reset(1)
	return s.finish()
}

// checkOpen refuses a log that is closed: nothing may follow its last entry.
func checkOpen(tx *bolt.Tx, n uint64) error {
	e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(u64(n - 1)))
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrDamaged, n-1, err)
	}
	if e.Kind == audit.ShardClose {
		return fmt.Errorf("%w: it goes on as %s", ErrShardClosed, e.Text("next"))
	}
	return nil
}

// Carried is a ledger that a new log begins with.
type Carried struct {
	audit.LedgerKey
	Spent, Cap audit.Amount
	Unit       string // empty: nrho
}

// Lost is a range of entries of the log before that nobody has any more.
type Lost struct {
	Origin string
	A, B   uint64
}

// opening is what a new log begins with: GENESIS, then, if the log before has lost entries, the ADMIN entry that names them,
// and every ledger that is carried. All of it appears with the file, so at no time is there a log with budgets refunded.
func opening(c CreateConfig, keys *audit.Keys) []audit.Object {
	out := []audit.Object{{
		"k": audit.Genesis, "fmt": "jali-audit/1", "keys": audit.KeysDigest(keys.VKeys), "psize": c.PSize, "why": c.Why,
	}}
	if l := c.Lost; l != nil {
		out = append(out, audit.Object{"k": audit.Admin, "act": "restore", "po": l.Origin, "a": l.A, "b": l.B})
	}
	for _, l := range c.Carry {
		o := audit.Object{
			"k": audit.Budget, "acct": "nrho", "pop": l.Population, "cap0": audit.Object{"d": 0, "r": 0},
			"cap": audit.Object{"d": l.Cap.Delta, "r": l.Cap.Rho}, "spent": audit.Object{"d": l.Spent.Delta, "r": l.Spent.Rho},
		}
		if l.Agreement != "" {
			o["ag"] = l.Agreement
		}
		if l.Unit != "" {
			o["acct"] = l.Unit
		}
		out = append(out, o)
	}
	return out
}

// ActiveVersion is a value that an entry of a log made active.
type ActiveVersion struct {
	Name, Value string
	Seq         uint64
}

// Active lists what is active in the files, in order of name.
func (r *Reader) Active() ([]ActiveVersion, error) {
	var out []ActiveVersion
	err := r.db.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bActive).ForEach(func(k, v []byte) error {
			if value, seq := activeValue(v); value != "" {
				out = append(out, ActiveVersion{string(k), value, seq})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read active versions: %w", err)
	}
	return out, nil
}

// Final is the last checkpoint of the log before this one; empty for a log that began by itself.
func (s *Store) Final() []byte  { return s.final }
func (r *Reader) Final() []byte { return r.final }
