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

	// What follows belongs to the writer goroutine (before it starts, to Open).
	tail    *tail
	lastNow int64
	final   []byte // of the log before this one
	kept    int64  // when a commit last stored a checkpoint, microseconds
	// units are those of ledgers, by key; a ledger never changes its own. A commit that fails ends the store, so none is of a ledger
	// that was taken back.
	units         map[string]string
	openIntents   int64
	settledBefore uint64    // entries in audit.db before a start applied the journal
	held          *prepared // taken from submit, for the next group
	flying        bool      // a frame is being written
	eager         int       // so many groups are settled at once, because readers wait

	generation generation
	segments   [2]*segment
	seg        *segment // takes frames

	flights  chan group    // to the goroutine that writes frames
	landed   chan []answer // back from it: space to use again
	toSettle chan *segment
	poke     chan struct{} // a reader waits, or a segment was settled
	settling atomic.Pointer[segment]
	asked    atomic.Bool   // by a reader
	settledF atomic.Uint64 // the last frame that is in audit.db
	settledN atomic.Uint64 // entries that are
	settledC chan struct{} // closed and replaced whenever these two grow; under watch

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
	failOnce sync.Once
	broken   chan struct{} // closed after failed is set
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
	// frame is the last frame of the journal that it needs.
	frame uint64
	// note is the checkpoint, signed when it is first asked for.
	note func() ([]byte, error)
}

// Open opens a store, checks and repairs it (recover.go), records the start, and starts the writer. See ExitCode for what a
// process should do about the error.
func Open(cfg Config) (*Store, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	go s.write()
	return s, nil
}

// load is Open without the writer.
func load(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	s := &Store{
		units: map[string]string{},
		cfg:   cfg, changed: make(chan struct{}), submit: make(chan *prepared, maxBatch),
		stop: make(chan struct{}), stopped: make(chan struct{}), broken: make(chan struct{}),
		flights: make(chan group), landed: make(chan []answer, 1), toSettle: make(chan *segment, 1),
		poke: make(chan struct{}, 1), settledC: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		if s.keys != nil {
			err = errors.Join(err, s.keys.close())
		}
		if s.db != nil {
			err = errors.Join(err, s.db.Close(), s.closeJournal())
		}
		return nil, fmt.Errorf("open audit store: %w", err)
	}
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
	if err := s.settleFiles(); err != nil {
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
	default:
		select {
		case s.submit <- p:
		case <-ctx.Done():
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ctx.Err())
		case <-s.stopped:
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ErrStopped)
		}
	}
	var o outcome
	select {
	case o = <-p.done:
	case <-ctx.Done():
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ctx.Err())
	case <-s.stopped:
		// The writer may have answered before it stopped.
		select {
		case o = <-p.done:
		default:
			return Appended{}, fmt.Errorf("append %s: %w", it.Kind, ErrStopped)
		}
	}
	waits.Put(p.done) // nobody else has it any more
	if o.err != nil {
		return Appended{}, fmt.Errorf("append %s: %w", it.Kind, o.err)
	}
	return o.a, nil
}

// waits are channels on which callers are answered, once each.
var waits = sync.Pool{New: func() any { return make(chan outcome, 1) }}

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
		err = s.finish()
	}
	return errors.Join(err, s.db.Close(), s.closeJournal(), s.keys.close())
}

// finish is the last transaction of a store that is closed in order. After it the journal means nothing.
func (s *Store) finish() error {
	p, err := s.signer.seal(s.Size(), s.latest)
	if err != nil {
		return err
	}
	s.state.Store(&p)
	base, err := s.db.Begin(false)
	if err != nil {
		return err
	}
	w := &transaction{s: s, base: base, seg: s.seg}
	s.seg.begin()
	err = w.keepCheckpoint(true)
	if err == nil {
		_, err = s.tail.flush(w.putRow)
	}
	if err = errors.Join(err, base.Rollback()); err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		if err := applyRows(tx, s.seg.rows()); err != nil {
			return err
		}
		return withoutJournal(tx)
	})
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
