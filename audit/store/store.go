package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// Store is an open audit store. Its methods are for concurrent use. At most one process has a store open.
type Store struct {
	cfg    Config
	db     *bolt.DB
	keys   *keyring
	signer *signer

	// tail and lastNow belong to the writer goroutine (before it starts, to Open).
	tail    *tail
	lastNow int64
	final   []byte   // of the log before this one
	answers []answer // of the last commit: its space is used again
	kept    int64    // when a commit last stored a checkpoint, microseconds
	// units are those of ledgers, by key; a ledger never changes its own. A commit that fails ends the store, so none is of a ledger
	// that was taken back.
	units map[string]string

	state   atomic.Pointer[published]
	watch   sync.Mutex
	changed chan struct{} // closed and replaced after every commit

	submit    chan *prepared
	inflight  atomic.Int64
	pendingMu sync.Mutex
	pending   witnessed // of witnesses, for the next commit

	stop     chan struct{} // closed by Close
	stopOnce sync.Once
	stopped  chan struct{} // closed when the writer is gone
	failed   atomic.Pointer[error]
	senders  sync.WaitGroup
	closing  sync.RWMutex
	closed   bool

	erasing    sync.Mutex   // one erasure at a time
	destroying sync.RWMutex // held while keys are destroyed; readers of details hold it shared (view)
}

// published is a durable tree and its signed checkpoint: all that readers see. signer.published makes it.
type published struct {
	n    uint64
	root [32]byte
	t    int64
	// note is the checkpoint, signed when it is first asked for.
	note func() ([]byte, error)
}

// Open opens a store, checks and repairs it (recover.go), records the start, and starts the writer. See ExitCode for what a
// process should do about the error.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	s := &Store{
		units: map[string]string{},
		cfg:   cfg, changed: make(chan struct{}), submit: make(chan *prepared, maxBatch),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		if s.keys != nil {
			err = errors.Join(err, s.keys.close())
		}
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, fmt.Errorf("open audit store: %w", err)
	}
	go s.write()
	return s, nil
}

func (s *Store) open() (err error) {
	if s.signer, err = loadSigner(s.cfg.Signer, s.cfg.Now); err != nil {
		return err
	}
	if err := finishRebuild(s.cfg); err != nil {
		return err
	}
	if s.db, err = openDB(s.cfg.Path, false, reserve()); err != nil {
		return err
	}
	if s.keys, err = openKeyring(s.cfg, false); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	return s.finishErasures()
}

// Append writes an item's entry and returns after it is durable. The item's charge, if any, is in the same transaction.
// When ctx ends first Append returns its error, but an item once submitted cannot be withdrawn: entry and charge stand.
func (s *Store) Append(ctx context.Context, it Item) (Appended, error) {
	s.inflight.Add(1)
	defer s.inflight.Add(-1)
	if err := ctx.Err(); err != nil {
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, err)
	}
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ErrStopped)
	}
	s.senders.Add(1)
	s.closing.RUnlock()
	defer s.senders.Done()

	p, err := s.prepare(it)
	if err != nil {
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, err)
	}
	select {
	case s.submit <- p:
	case <-ctx.Done():
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ctx.Err())
	case <-s.stopped:
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ErrStopped)
	}
	select {
	case o := <-p.done:
		if o.err != nil {
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, o.err)
		}
		return o.a, nil
	case <-ctx.Done():
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ctx.Err())
	case <-s.stopped:
		// The writer may have answered before it stopped.
		select {
		case o := <-p.done:
			if o.err == nil {
				return o.a, nil
			}
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, o.err)
		default:
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ErrStopped)
		}
	}
}

// Close lets the items already submitted finish, stores a last checkpoint with both log signatures (so that what is
// exported from a stopped gateway carries them) and closes the files.
func (s *Store) Close() error {
	s.closing.Lock()
	s.closed = true
	s.closing.Unlock()
	s.senders.Wait()
	s.stopOnce.Do(func() { close(s.stop) })
	<-s.stopped
	var err error
	if s.failed.Load() == nil {
		var p published
		if p, err = s.signer.seal(s.Size(), s.latest); err == nil {
			s.state.Store(&p)
			err = s.db.Update(func(tx *bolt.Tx) error {
				if err := (&transaction{s: s, tx: tx}).keepCheckpoint(true); err != nil {
					return err
				}
				_, err := s.tail.flush(tx)
				return err
			})
		}
	}
	return errors.Join(err, s.db.Close(), s.keys.close())
}

// Size is the number of durable entries, Origin and VKeys name the log and its verifier keys.
func (s *Store) Size() uint64    { return s.state.Load().n }
func (s *Store) Origin() string  { return s.signer.keys.Origin }
func (s *Store) VKeys() []string { return slices.Clone(s.signer.keys.VKeys) }

// Wait returns the size of the log as soon as it is above from.
func (s *Store) Wait(ctx context.Context, from uint64) (uint64, error) {
	for {
		s.watch.Lock()
		changed := s.changed
		s.watch.Unlock()
		if n := s.Size(); n > from {
			return n, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.Size(), ctx.Err()
		case <-s.stopped:
			return s.Size(), ErrStopped
		}
	}
}

// publish makes a commit visible to readers.
func (s *Store) publish(p published) {
	s.state.Store(&p)
	s.watch.Lock()
	close(s.changed)
	s.changed = make(chan struct{})
	s.watch.Unlock()
}
