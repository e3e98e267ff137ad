package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"jali/audit"
	"jali/audit/store"
)

// The audit log goes on in another origin once a year, and after a loss that nobody can make good (audit-log.md sections 8b and
// 14). The new log is made complete in D/next: its genesis commits to the last checkpoint of the old one, and its first
// entries carry every ledger. Then the old log's files move to D/shards/NAME and the new ones into their places. A crash at
// any moment leaves the old log, or a move that the next start finishes; never a log with budgets refunded.

// ErrShard: the log cannot go on in another origin.
var ErrShard = errors.New("the audit log cannot go on in another origin")

// shardFiles are what belongs to one origin. The database comes first: it leaves first and arrives last, so between the two
// there is none to open.
var shardFiles = []string{"audit.db", "audit.db.blobs", "keys.db", "vkeys", filepath.Join("keys", "details.key"), filepath.Join("keys", "log.key")}

// Next is where a new log is made ready. Its file "ready" holds the name under which the old one will be kept.
func (d Layout) Next() Layout { return Layout(filepath.Join(string(d), "next")) }

// Shard is where the files of an earlier log are kept, laid out like a state directory.
func (d Layout) Shard(name string) Layout { return Layout(filepath.Join(string(d), "shards", name)) }

func (d Layout) ready() string { return filepath.Join(string(d), "ready") }

// shardName is an origin as the name of a directory.
func shardName(origin string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("/:@=", c) {
			return '_'
		}
		return c
	}, origin)
}

// checkKept makes sure that the log of an origin can be kept under its name: names of directories have fewer signs than origins, so two
// origins may have the same. What is kept is never overwritten, and a move that skipped it would put no log in this one's place.
func checkKept(layout Layout, origin string) error {
	kept := layout.Shard(shardName(origin))
	for _, f := range shardFiles {
		if _, err := os.Lstat(filepath.Join(string(kept), f)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is there already, of another log: move that directory away", ErrShard, kept)
		}
	}
	return nil
}

// PrepareShard makes the keys of the log's next origin, or finds them. Witnesses must know them before the first entry.
func PrepareShard(cfg Config, origin string) (*audit.Keys, error) {
	next := Layout(cfg.Dir).Next()
	if err := os.MkdirAll(next.Keys(), 0o700); err != nil {
		return nil, fmt.Errorf("prepare shard: %w", err)
	}
	c := next.Log()
	c.Now = cfg.Now
	keys, err := store.CreateKey(c, origin)
	if err != nil {
		return nil, fmt.Errorf("prepare shard: %w", err)
	}
	// The quorum files decide about the new log from its first entry on.
	w, err := loadWitnesses(Layout(cfg.Dir), cfg)
	if err != nil {
		return nil, err
	}
	for _, q := range []*audit.Quorum{w.seal, w.l2} {
		if q == nil {
			continue
		}
		if err := q.CheckLog(keys); err != nil {
			return nil, fmt.Errorf("%w: take the log lines out of the quorum files first: %w", ErrShard, err)
		}
	}
	return keys, nil
}

// replaceLog makes the new log and puts it in the place of the old one.
func replaceLog(cfg Config, keys *audit.Keys, c store.CreateConfig, old string) error {
	layout := Layout(cfg.Dir)
	next := layout.Next()
	for _, f := range []string{next.Audit(), next.DetailKeys()} { // of a run that a crash cut off before it was ready
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make log: %w", err)
		}
	}
	c.Config, c.Origin = next.Log(), keys.Origin
	c.Now = cfg.Now
	if err := store.Create(c); err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	if err := writeSynced(next.ready(), []byte(shardName(old))); err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	return finishShard(layout)
}

// finishShard moves files until the new log is in its place; without a log that is ready it does nothing. Each move happens
// once whatever happened before, so it can be begun again anywhere.
func finishShard(layout Layout) error {
	next := layout.Next()
	name, err := os.ReadFile(next.ready())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finish shard: %w", err)
	}
	if !filepath.IsLocal(string(name)) || strings.ContainsRune(string(name), '/') {
		return fmt.Errorf("finish shard: %w: %s names no directory", ErrShard, next.ready())
	}
	kept := layout.Shard(string(name))
	if err := os.MkdirAll(kept.Keys(), 0o700); err != nil {
		return fmt.Errorf("finish shard: %w", err)
	}
	for _, f := range shardFiles {
		if err := move(layout, kept, f); err != nil {
			return fmt.Errorf("finish shard: keep the old log: %w", err)
		}
	}
	for i := len(shardFiles) - 1; i >= 0; i-- {
		if err := move(next, layout, shardFiles[i]); err != nil {
			return fmt.Errorf("finish shard: place the new log: %w", err)
		}
	}
	if err := os.Remove(next.ready()); err != nil {
		return fmt.Errorf("finish shard: %w", err)
	}
	if err := syncDir(next.ready()); err != nil {
		return fmt.Errorf("finish shard: %w", err)
	}
	return errors.Join(os.Remove(next.Keys()), os.Remove(string(next)))
}

// move renames a file that is there to a place that is free, and makes that durable.
func move(from, to Layout, name string) error {
	a, b := filepath.Join(string(from), name), filepath.Join(string(to), name)
	if _, err := os.Lstat(a); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(b); !errors.Is(err, fs.ErrNotExist) {
		return err // moved already: what lies at a is the other log's
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	return errors.Join(syncDir(b), syncDir(a))
}

// readOld reads what a new log begins with.
func readOld(layout Layout, open func(store.Config) (*store.Reader, error)) (r *store.Reader, carry []store.Carried, err error) {
	if r, err = open(layout.Log()); err != nil {
		return nil, nil, err
	}
	claims, _, err := r.Claims()
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	for _, c := range claims {
		carry = append(carry, store.Carried{LedgerKey: c.LedgerKey, Spent: c.Spent, Cap: c.Cap, Unit: c.Unit})
	}
	return r, carry, nil
}

// RestoreAnew goes on in a new origin when entries that witnesses have cosigned are lost and nobody holds their headers: section
// 8b. What is there is an old copy. The genesis commits to the last cosigned checkpoint, an ADMIN entry names the lost range,
// and every ledger of the copy begins spent up to its cap: what could have been charged counts as charged. The old copy
// is kept; agreements and data versions are registered again. It returns the range that is lost.
func RestoreAnew(ctx context.Context, cfg Config, origin string, from RestoreConfig) (lost store.Lost, err error) {
	layout := Layout(cfg.Dir)
	if err := finishShard(layout); err != nil {
		return lost, err
	}
	w, err := loadWitnesses(layout, cfg)
	if err != nil {
		return lost, err
	}
	if w.seal == nil {
		return lost, fmt.Errorf("%w: no seal.policy names witnesses that could say how far the log had come", ErrRestore)
	}
	final, err := w.latest(ctx)
	if err != nil {
		return lost, err
	}
	if final.Origin == origin {
		return lost, fmt.Errorf("%w: choose an origin that no log has had", ErrShard)
	}
	r, carry, err := readOld(layout, store.OpenCopy)
	if err != nil {
		return lost, err
	}
	size := r.Size()
	if err := errors.Join(checkKept(layout, final.Origin), r.Close()); err != nil {
		return lost, err
	}
	if size >= final.Size {
		return lost, fmt.Errorf("%w: the copy has %d entries, witnesses have cosigned %d: nothing is lost", ErrRestore, size, final.Size)
	}
	keys, err := PrepareShard(cfg, origin) // last of what can refuse: keys of a wrong name must not stay behind
	if err != nil {
		return lost, err
	}
	for i := range carry {
		l := &carry[i]
		l.Spent = audit.Amount{Rho: max(l.Cap.Rho, l.Spent.Rho), Delta: max(l.Cap.Delta, l.Spent.Delta)}
	}
	if err := store.Abandon(layout.Log()); err != nil {
		return lost, err
	}
	lost = store.Lost{Origin: final.Origin, A: size, B: final.Size - 1}
	err = replaceLog(cfg, keys, store.CreateConfig{Final: final.Note, PSize: final.Size, Why: "restore", Carry: carry, Lost: &lost}, final.Origin)
	if err != nil {
		return lost, err
	}
	return lost, startNew(cfg, from.Approver, from.Order)
}

// startNew opens the new log once, so that who made it, and by which order, is on record, and closes it.
func startNew(cfg Config, approver, order string) error {
	layout := Layout(cfg.Dir)
	w, err := loadWitnesses(layout, cfg)
	if err != nil {
		return err
	}
	c := layout.Log()
	c.Now, c.Logger, c.Admit = cfg.Now, cfg.Operator, w.admit
	c.StartDetails = []audit.Detail{{Name: "actor", Value: approver}, {Name: "what", Value: order}}
	log, err := store.Open(c)
	if err != nil {
		return fmt.Errorf("open the new log: %w", err)
	}
	return log.Close()
}
