package gateway

import (
	"errors"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"jali/gateway/query"
)

// DefaultSlots is the response ladder of disclosure-control.md section 11.
var DefaultSlots = []time.Duration{
	25 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond,
	1600 * time.Millisecond, 6400 * time.Millisecond, 25 * time.Second,
}

var errSlotMissed = errors.New("slot missed")

// unslotted bounds a run where the slots are switched off.
const unslotted = 2 * time.Minute

// slots hands out response slots. At most cap(permits) questions run at once, and a permit is kept until its slot ends: how
// long others wait depends on the shapes of the questions before them, never on what the data made of them.
type slots struct{ permits chan struct{} }

func newSlots() *slots { return &slots{permits: make(chan struct{}, 2*runtime.GOMAXPROCS(0))} }

// slot is one question's time to run in. Without slots its length only bounds the run.
type slot struct {
	start  time.Time
	length time.Duration
	off    bool
}

// take waits for a permit. The returned function gives the permit back; more calls than one do nothing.
func (s *slots) take(a *ask) (*slot, func()) {
	s.permits <- struct{}{}
	return &slot{start: time.Now(), length: a.slotLength(), off: !a.data.slotted()}, sync.OnceFunc(func() { <-s.permits })
}

func (s *slot) deadline() time.Time { return s.start.Add(s.length) }

// wait sleeps to the end of the slot and reports whether the slot was kept.
func (s *slot) wait() bool {
	left := time.Until(s.deadline())
	if s.off {
		return left > 0
	}
	if left <= 0 {
		return false
	}
	time.Sleep(left)
	return true
}

// slotLength picks the first rung that is wide enough for the plan's shape: its formulation, the public sizes of its tables
// (rows rounded up to a power of two) and its cells, times a margin. Nothing in it depends on what the filter finds.
func (a *ask) slotLength() time.Duration {
	if !a.data.slotted() {
		return unslotted
	}
	const (
		fixed   = 8 * time.Millisecond // what any query takes on a busy machine; a missed slot is a charge without an answer
		perCell = 3 * time.Microsecond // one draw and its encoding
		margin  = 4
	)
	need := fixed
	scan := func(tables []query.TableRef) {
		for _, t := range tables {
			rows := uint64(max(1, a.data.rows(t.Table.Name)))
			need += time.Duration(float64(uint64(1)<<bits.Len64(rows-1)) * a.data.nsPerRow(a.plan.Form != query.F0))
		}
	}
	scan(a.plan.Tables)
	walkCohorts(a.plan.Where, func(c *query.Cohort) { scan(c.Tables) })
	cells := a.plan.Cells
	if a.plan.Private {
		cells = maxPrivateCells
	}
	need += time.Duration(cells*int64(len(a.plan.Items))) * perCell
	need *= margin
	ladder := a.data.ladder()
	for _, rung := range ladder {
		if need <= rung {
			return rung
		}
	}
	return ladder[len(ladder)-1]
}

// maxPrivateCells is the public guess at how many private keys a plan touches, for choosing a slot.
const maxPrivateCells = 20_000

// walkCohorts calls f for each semi-join in the condition, at any depth.
func walkCohorts(c query.Cond, f func(*query.Cohort)) {
	switch c := c.(type) {
	case query.And:
		for _, x := range c.Args {
			walkCohorts(x, f)
		}
	case query.Or:
		for _, x := range c.Args {
			walkCohorts(x, f)
		}
	case query.Not:
		walkCohorts(c.Arg, f)
	case query.InPersons:
		f(c.Sub)
		walkCohorts(c.Sub.Where, f)
	}
}
