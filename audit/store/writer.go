package store

import (
	"fmt"
	"iter"
	"runtime"
	"time"
)

const (
	// maxBatch bounds a commit, so that the first caller of a batch does not wait for ever for the last.
	maxBatch = 512
	// linger is how long the writer waits for callers that were answered a moment ago to come back. Without it two cohorts
	// form that take turns, each paying for a commit of its own.
	linger = 300 * time.Microsecond
)

// write is the single writer: it alone owns the tail of the log. It stops at Close or at the first storage error.
func (s *Store) write() {
	defer close(s.stopped)
	var peak peak
	for {
		var first *prepared
		select {
		case first = <-s.submit:
		case <-s.stop:
			// An item whose caller has gone away may still be waiting: submitted is submitted.
			select {
			case first = <-s.submit:
			default:
				return
			}
		}
		out, pub, err := s.guarded(s.arrivals(first, peak.want(int(s.inflight.Load()))))
		if err != nil {
			// Nobody is answered: what is on disk is unknown until the next start has looked.
			s.failed.Store(&err)
			s.cfg.Fatal(err)
			return
		}
		s.publish(pub)
		for _, a := range out {
			a.p.done <- a.o
		}
		clear(out)
	}
}

// arrivals yields what has been submitted, as it is submitted: the transaction applies one item while its neighbours are still
// being prepared. It ends when as many callers as are about have come, or after lingering for them.
func (s *Store) arrivals(first *prepared, want int) iter.Seq[*prepared] {
	return func(yield func(*prepared) bool) {
		if !yield(first) {
			return
		}
		var deadline time.Time
		for n := 1; n < maxBatch; {
			select {
			case p := <-s.submit:
				if !yield(p) {
					return
				}
				n++
				continue
			default:
			}
			if n >= want {
				return
			}
			now := time.Now()
			if deadline.IsZero() {
				deadline = now.Add(linger)
			} else if now.After(deadline) {
				return
			}
			// A timer this short would be rounded up to a millisecond when the process is otherwise idle; yielding lets the
			// callers that we wait for run on this very processor.
			runtime.Gosched()
		}
	}
}

// peak remembers how many callers were about lately: the largest number of the last 16 commits.
type peak struct {
	recent [16]int
	i      int
}

func (p *peak) want(now int) int {
	p.recent[p.i%len(p.recent)] = now
	p.i++
	most := 0
	for _, n := range p.recent {
		most = max(most, n)
	}
	return min(most, maxBatch)
}

// guarded turns a panic during the commit into an error: the state in memory is then as unknown as after a failed fsync.
func (s *Store) guarded(items iter.Seq[*prepared]) (out []answer, pub published, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("commit: panic: %v", r)
		}
	}()
	return s.commitArriving(items)
}
