package store

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Settling brings what the journal holds into audit.db: a goroutine of its own applies one segment while the other takes frames.
// Readers look into audit.db only. Who needs an entry that is not there yet asks for it to be settled, and waits.

// idle is how long the writer waits for more before it settles what there is.
const idle = 5 * time.Millisecond

// eagerly is for how many groups the writer settles each at once after a reader had to wait.
const eagerly = 64

// settle applies a segment's frames to audit.db, in one transaction with the number of the frame that comes next.
func (s *Store) settle(g *segment) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		for b := g.image[journalPage:g.start]; len(b) > 0; {
			f, ok := parseFrame(b, s.generation)
			if !ok {
				return fmt.Errorf("%w: a frame changed in memory", ErrDamaged)
			}
			if err := f.apply(tx); err != nil {
				return err
			}
			b = b[pages(frameHead+len(f.rows)):]
		}
		return nameJournal(tx, s.generation, g.next)
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.settledF.Store(g.next - 1)
	s.settledN.Store(g.n)
	s.watch.Lock()
	close(s.settledC)
	s.settledC = make(chan struct{})
	s.watch.Unlock()
	return nil
}

// settler settles what the writer hands on, one segment after the other.
func (s *Store) settler() {
	for g := range s.toSettle {
		if err := guarded(func() error { return s.settle(g) }); err != nil {
			s.fail(err)
			return
		}
		s.settling.Store(nil)
		s.wake()
	}
}

// wake has the writer look around.
func (s *Store) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// rotate hands the segment that takes frames on to be settled, and goes on with the other. It does nothing while that one is still
// being settled, unless wait is set. It reports whether it is still in business.
func (s *Store) rotate(wait bool) bool {
	if s.seg.empty() {
		s.asked.Store(false)
		return true
	}
	for s.settling.Load() != nil {
		if !wait {
			return true
		}
		select {
		case <-s.poke:
		case <-s.broken:
			return false
		}
	}
	if !s.land() { // audit.db is never ahead of the journal
		return false
	}
	s.asked.Store(false)
	full := s.seg
	s.seg = s.segments[1-full.side]
	s.seg.reset(full.next)
	s.settling.Store(full)
	s.toSettle <- full
	return true
}

// settleAll waits until everything is in audit.db.
func (s *Store) settleAll() bool {
	if !s.rotate(true) {
		return false
	}
	for s.settling.Load() != nil {
		select {
		case <-s.poke:
		case <-s.broken:
			return false
		}
	}
	return true
}

// settled waits until a frame is in audit.db.
func (s *Store) settled(frame uint64) error {
	for s.settledF.Load() < frame {
		s.watch.Lock()
		grown := s.settledC
		s.watch.Unlock()
		if s.settledF.Load() >= frame {
			return nil
		}
		s.asked.Store(true)
		s.wake()
		select {
		case <-grown:
		case <-s.broken:
			return ErrStopped
		}
	}
	return nil
}

// read is a read transaction that sees all that is published.
func (s *Store) read(f func(*bolt.Tx) error) error {
	if err := s.settled(s.latest().frame); err != nil {
		return err
	}
	return s.db.View(f)
}

// readFirst is read for who needs no more than the first n entries.
func (s *Store) readFirst(n uint64) func(func(*bolt.Tx) error) error {
	if n <= s.settledN.Load() {
		return s.db.View
	}
	return s.read
}

// fail stops the store: what is on disk is unknown until the next start has looked, and nobody is answered.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		s.failed.Store(&err)
		close(s.broken)
		s.cfg.Fatal(err)
	})
}

// guarded turns a panic into an error: the state in memory is then as unknown as after a failed sync.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(err, fmt.Errorf("commit: panic: %v", r))
		}
	}()
	return f()
}
