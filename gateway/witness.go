package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
)

// What witnesses may say of this log that ends serving. A supervisor must not restart after the first two.
var (
	// ErrRollback: a witness has cosigned more entries than there are: the audit log was cut, or restored from an old copy.
	ErrRollback = errors.New("the audit log is older than what a witness has cosigned")
	// ErrFork: a witness has cosigned another history.
	ErrFork = errors.New("the audit log contradicts what a witness has cosigned")
	// ErrNoQuorum: l2.policy is not satisfied by fresh answers.
	ErrNoQuorum = errors.New("too few witnesses answered to start")
)

// Exit statuses of these, after those of audit/store.
const (
	ExitRollback = 73
	ExitFork     = 74
	ExitNoQuorum = 75
)

// ExitCode maps an error of Open or Witness to the process's exit status; 0: it has none of its own.
func ExitCode(err error) int {
	switch {
	case errors.Is(err, ErrRollback):
		return ExitRollback
	case errors.Is(err, ErrFork):
		return ExitFork
	case errors.Is(err, ErrNoQuorum):
		return ExitNoQuorum
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrDamaged):
		return store.ExitCode(err)
	}
	return 0
}

// WitnessConfig are times of the witness loop. Zero values are defaults.
type WitnessConfig struct {
	Interval time.Duration // between rounds while the log grows; 1 s
	Timeout  time.Duration // one witness in one round; 10 s
	Hold     time.Duration // how long an answer of level 2 waits before its asker hears "pending"; 20 s
	Grace    time.Duration // how long answers of level 1 go on without a quorum; 4 h
}

func (c WitnessConfig) withDefaults() WitnessConfig {
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&c.Interval, time.Second}, {&c.Timeout, 10 * time.Second}, {&c.Hold, 20 * time.Second}, {&c.Grace, 4 * time.Hour}} {
		if *d.v <= 0 {
			*d.v = d.d
		}
	}
	return c
}

// cosigned is a checkpoint that satisfies a quorum.
type cosigned struct {
	note []byte
	size uint64
}

// cosignedAt is how many entries a witness cosigned, and when its answer came.
type cosignedAt struct {
	size uint64
	at   time.Time
}

// witnesses are those of the state directory's quorum files, and what they have said.
type witnesses struct {
	cfg      WitnessConfig
	layout   Layout
	operator *slog.Logger
	now      func() time.Time
	client   witness.Client
	seal, l2 *audit.Quorum // nil: no such file, or "quorum none"
	peers    []witness.Peer
	kick     chan struct{}

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced after every round
	sealed   cosigned      // newest that satisfies seal
	released cosigned      // newest that satisfies l2
	met      time.Time     // when the required quorum was met last
	lost     bool
	verdicts map[string]witness.Verdict
	answered map[string]cosignedAt // of each witness, what it cosigned last in this process
	events   []store.Item          // state changes to be recorded
}

// loadWitnesses reads seal.policy and l2.policy. Without them the log is unwitnessed: a development mode that every receipt
// states.
func loadWitnesses(layout Layout, cfg Config) (*witnesses, error) {
	w := &witnesses{
		cfg: cfg.Witness.withDefaults(), layout: layout, operator: cfg.Operator, now: cfg.Now,
		kick: make(chan struct{}, 1), changed: make(chan struct{}), met: cfg.Now(), verdicts: map[string]witness.Verdict{}, answered: map[string]cosignedAt{},
	}
	w.client.Timeout = w.cfg.Timeout
	var err error
	if w.seal, err = readQuorum(layout.SealPolicy()); err != nil {
		return nil, err
	}
	if w.l2, err = readQuorum(layout.L2Policy()); err != nil {
		return nil, err
	}
	w.peers = witness.Peers(w.seal, w.l2)
	names := map[string]string{}
	for _, p := range w.peers {
		if other, twice := names[p.Name]; twice && other != p.URL {
			return nil, fmt.Errorf("witness %s has two URLs in the quorum files", p.Name)
		}
		names[p.Name] = p.URL
	}
	return w, nil
}

func readQuorum(path string) (*audit.Quorum, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read quorum: %w", err)
	}
	q, err := audit.ParseQuorum(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if q.None {
		return nil, nil
	}
	return q, nil
}

// required is the quorum whose loss matters: what answers of level 2 wait for, else what seals receipts.
func (w *witnesses) required() *audit.Quorum {
	if w.l2 != nil {
		return w.l2
	}
	return w.seal
}

// admit is start step 5: every witness is asked before anything is appended.
func (w *witnesses) admit(s *store.Store) error {
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		return err
	}
	for _, q := range []*audit.Quorum{w.seal, w.l2} {
		if q == nil {
			continue
		}
		if err := q.CheckLog(keys); err != nil {
			return err
		}
	}
	if len(w.peers) == 0 {
		return nil
	}
	if _, err := w.round(context.Background(), s); err != nil {
		return err
	}
	if w.l2 != nil && w.lost {
		return fmt.Errorf("%w: l2.policy is not satisfied", ErrNoQuorum)
	}
	return nil
}

// policyChanged makes the entries that record which quorum files are in force, when they are not those on record.
func (w *witnesses) policyChanged(s *store.Store) []store.Item {
	var out []store.Item
	for _, f := range []struct {
		name string
		q    *audit.Quorum
	}{{"seal.policy", w.seal}, {"l2.policy", w.l2}} {
		digest := ""
		if f.q != nil {
			digest = f.q.Digest
		}
		pin := "witness/" + f.name
		if on, _, _ := s.Active(pin); on != digest {
			out = append(out, store.Item{
				Kind:   audit.Witness,
				Fields: audit.Object{"ev": "policy", "w": f.name, "pold": digest, "size": s.Size()},
				Active: []store.Pin{{Name: pin, Value: digest}},
			})
		}
	}
	return out
}

// Witness asks the witnesses whenever the log has grown, until the context ends. Its error is ErrRollback or ErrFork: then
// nothing more is appended, and serving must end.
func (g *Gateway) Witness(ctx context.Context) error {
	w := g.witnesses
	if len(w.peers) == 0 {
		g.operator.Warn("the audit log is unwitnessed: no quorum file names witnesses; NOT FOR PRODUCTION (docs/operations.md, witnesses)")
		<-ctx.Done()
		return nil
	}
	var last uint64
	for {
		if _, err := g.log.Wait(ctx, last); err != nil {
			return nil // ended, or the store has stopped and says so itself
		}
		size, err := w.round(ctx, g.log)
		if err != nil {
			g.log.Halt()
			g.operator.Error("STOPPED: do not restart, nothing was repaired (docs/operations.md, restore)", "cause", err)
			return err
		}
		if err := g.recordEvents(ctx); err != nil && ctx.Err() == nil {
			g.operator.Error("witness event not recorded", "err", err)
		}
		if w.quorum() {
			last = size
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.kick:
		case <-time.After(w.cfg.Interval):
		}
	}
}

func (w *witnesses) quorum() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.lost
}

// recordEvents appends WITNESS entries: state changes only. An entry for every cosignature would need a cosignature.
func (g *Gateway) recordEvents(ctx context.Context) error {
	w := g.witnesses
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, it := range events {
		if _, err := g.log.Append(ctx, it); err != nil {
			return err
		}
	}
	return nil
}
