package store

import (
	"iter"
	"runtime"
	"sync"
	"time"
)

const (
	// maxBatch and maxFrame bound a group, so that the first caller of it does not wait for ever for the last.
	maxBatch = 512
	maxFrame = settleBytes
	// linger is how long the writer waits for callers that were answered a moment ago to come back. Without it two cohorts
	// form that take turns, each paying for a sync of its own.
	linger = 300 * time.Microsecond
)

// write is the single writer: it alone owns the tail of the log. It makes a group of those who wait, has it written to the journal,
// and meanwhile makes the next. It stops at Close or at the first storage error.
func (s *Store) write() {
	var others sync.WaitGroup
	others.Go(s.fly)
	others.Go(s.settler)
	defer func() {
		close(s.flights)
		close(s.toSettle)
		others.Wait()
		close(s.stopped)
	}()
	var peak peak
	var spare []answer
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		first := s.next(pause)
		if first == nil {
			if s.failed.Load() == nil {
				s.settleAll()
			}
			return
		}
		if first.work != nil {
			if !s.settleAll() {
				return
			}
			if err := guarded(func() error { return s.direct(first) }); err != nil {
				s.fail(err)
				return
			}
			first.done <- outcome{}
			continue
		}
		var g group
		err := guarded(func() (err error) {
			g, err = s.gather(s.arrivals(first, peak.want(int(s.inflight.Load()))), spare[:0])
			return err
		})
		if err != nil {
			s.fail(err)
			return
		}
		spare = nil
		if !s.land() {
			return
		}
		if int(s.inflight.Load()) <= len(g.out) { // nobody to make another group of meanwhile
			if !s.answer(&g) {
				return
			}
			spare = g.out
		} else {
			s.flights <- g
			s.flying = true
		}
		if !s.tidy() {
			return
		}
	}
}

// next waits for an item. Where none comes it settles what there is. nil: the store was closed, or has failed.
func (s *Store) next(pause *time.Timer) *prepared {
	if p := s.held; p != nil {
		s.held = nil
		return p
	}
	select {
	case p := <-s.submit:
		return p
	default:
	}
	for {
		if s.asked.Load() && !s.rotate(false) {
			return nil
		}
		if !s.seg.empty() {
			pause.Reset(idle)
		}
		select {
		case p := <-s.submit:
			return p
		case <-s.landed:
			s.flying = false
		case <-s.poke:
		case <-pause.C:
			if !s.rotate(false) {
				return nil
			}
		case <-s.broken:
			return nil
		case <-s.stop:
			// An item whose caller has gone away may still be waiting: submitted is submitted.
			select {
			case p := <-s.submit:
				return p
			default:
				return nil
			}
		}
	}
}

// tidy hands the segment on when it is time to.
func (s *Store) tidy() bool {
	if s.asked.Load() {
		s.eager = eagerly
	}
	switch {
	case s.seg.full(2):
		return s.rotate(true)
	case s.seg.full(1):
		return s.rotate(false)
	case s.eager > 0:
		s.eager--
		return s.rotate(false)
	}
	return true
}

// fly writes frames while the writer makes the next.
func (s *Store) fly() {
	for g := range s.flights {
		if !s.answer(&g) {
			return
		}
		s.landed <- g.out
	}
}

// land waits for the frame that is being written, if there is one.
func (s *Store) land() bool {
	if s.flying {
		select {
		case <-s.landed:
			s.flying = false
		case <-s.broken:
			return false
		}
	}
	return true
}

// answer makes a group durable, and then visible, and then tells its callers. Nobody is answered who would not find the entry again
// after a crash.
func (s *Store) answer(g *group) bool {
	if err := guarded(func() error { return g.seg.write(g.bytes, g.at) }); err != nil {
		s.fail(err)
		return false
	}
	s.publish(g.pub)
	for _, a := range g.out {
		a.p.done <- a.o
	}
	clear(g.out)
	return true
}

// arrivals yields what has been submitted, as it is submitted: the frame takes one item while its neighbours are still being
// prepared. It ends when the frame before is written and as many callers as are about have come, or after lingering for them.
func (s *Store) arrivals(first *prepared, want int) iter.Seq[*prepared] {
	return func(yield func(*prepared) bool) {
		if !yield(first) {
			return
		}
		var deadline time.Time
		for n := 1; n < maxBatch && len(s.seg.image)-s.seg.start < maxFrame; {
			var p *prepared
			select {
			case p = <-s.submit:
			default:
				if s.flying {
					select {
					case p = <-s.submit:
					case <-s.landed:
						s.flying = false
						continue
					case <-s.broken:
						return
					}
					break
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
				continue
			}
			if p.work != nil { // in a transaction of its own, after this group
				s.held = p
				return
			}
			if !yield(p) {
				return
			}
			n++
		}
	}
}

// peak remembers how many callers were about lately: the largest number of the last 16 groups.
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
