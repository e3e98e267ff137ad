package gateway

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"runtime"
	"slices"
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
// long others wait depends on the shapes of the questions before them, never on what the data made of them. Replays touch no
// data; they have permits of their own, so that free questions never hold up paid ones.
type slots struct{ permits, replays chan struct{} }

// maxReplays bounds the stored answers that wait for the end of their slots at once.
const maxReplays = 256

func newSlots() *slots {
	return &slots{permits: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), replays: make(chan struct{}, maxReplays)}
}

// slot is one question's time to run in. Without slots its length only bounds the run.
//
// A question that is not done in time, because the machine is busy, has until grace: two rungs further up. Leaving then tells
// what a failure at the end of the slot would tell, that the slot was missed, and the asker has what was paid for. Later than
// that there is no answer.
type slot struct {
	start         time.Time
	length, grace time.Duration
	off           bool
}

// take waits for a permit. The returned function gives the permit back; more calls than one do nothing.
func (s *slots) take(a *ask) (*slot, func()) {
	s.permits <- struct{}{}
	length, grace := a.slotLength()
	return &slot{start: time.Now(), length: length, grace: grace, off: !a.data.slotted()}, sync.OnceFunc(func() { <-s.permits })
}

// replay waits out the slot of a stored answer, or returns false when the asker has gone.
func (s *slots) replay(ctx context.Context, a *ask) bool {
	select {
	case s.replays <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-s.replays }()
	if !a.data.slotted() {
		return true
	}
	length, _ := a.slotLength()
	end := time.NewTimer(length)
	defer end.Stop()
	select {
	case <-end.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *slot) deadline() time.Time { return s.start.Add(s.grace) }

// wait sleeps to the end of the slot, or of its grace if that has begun, and reports whether the question was in time.
func (s *slot) wait() bool {
	if s.off {
		return time.Now().Before(s.deadline())
	}
	for _, end := range []time.Duration{s.length, s.grace} {
		if left := time.Until(s.start.Add(end)); left > 0 {
			time.Sleep(left)
			return true
		}
	}
	return false
}

// slotLength picks the first rung that is wide enough for the plan's shape, and its grace. Nothing in it depends on what the
// filter finds.
func (a *ask) slotLength() (length, grace time.Duration) {
	if !a.data.slotted() {
		return unslotted, unslotted
	}
	need, ladder := a.work(), a.data.ladder()
	at := len(ladder) - 1
	for i, rung := range ladder {
		if need <= rung {
			at = i
			break
		}
	}
	if at+2 < len(ladder) {
		return ladder[at], ladder[at+2]
	}
	return ladder[at], 4 * ladder[at]
}

// fitsSlot reports whether the longest rung holds all the work the plan's shape can mean. A question that does not fit is
// refused before the charge: if it ran, whether it ends in time would tell how many rows some few persons have.
func (a *ask) fitsSlot() bool {
	longest := unslotted
	if a.data.slotted() {
		longest = slices.Max(a.data.ladder())
	}
	return a.work() <= longest
}

// work bounds the time of a plan: the public sizes of its tables (rows rounded up to a power of two) to scan, the most rows its
// joins and those of its cohorts and derived tables can make of them (query.Plan.Fans, from verified limits), and its cells, times a margin.
func (a *ask) work() time.Duration {
	const (
		fixed   = 8 * time.Millisecond // what any query takes on a busy machine; a missed slot is a charge without an answer
		perCell = 3 * time.Microsecond // one draw and its encoding
		perSlot = 1 * time.Microsecond // one cell of a list that is summed up encrypted
		perJoin = 50.0                 // ns for a row that a join makes
		perSort = 8.0                  // times a streamed row: one that a derived table groups or numbers (5 and 10 measured, 5 M rows)
		margin  = 4
		most    = float64(time.Hour)
	)
	sum := float64(fixed)
	a.plan.EachFrom(func(tables []query.TableRef, fans []int64) {
		for _, t := range tables {
			if t.Sub == nil {
				sum += a.publicRows(t) * a.data.nsPerRow(a.plan.Form != query.F0)
			} else {
				sum += a.readRows(t.Sub.Tables, t.Sub.Fans) * a.data.nsPerRow(true) * perSort
			}
		}
		if len(tables) > 1 {
			sum += a.readRows(tables, fans) * perJoin
		}
	})
	cells := a.plan.Cells
	if a.plan.Private {
		cells = maxPrivateCells
	}
	each := perCell
	if a.blind != nil {
		each = perSlot
		sum += float64(a.blind.cipherTime()) + a.subjectTime()
	}
	sum += float64(cells) * float64(len(a.plan.Items)) * float64(each)
	return time.Duration(min(margin*sum, most))
}

// publicRows bounds the rows of a table by public figures: its size, rounded up to a power of two, or, of a derived table, what it
// reads.
func (a *ask) publicRows(t query.TableRef) float64 {
	if t.Sub != nil {
		return a.readRows(t.Sub.Tables, t.Sub.Fans)
	}
	return float64(uint64(1) << bits.Len64(uint64(max(1, a.data.rows(t.Table.Name)))-1))
}

// readRows bounds the rows that a FROM list makes, also on the way.
func (a *ask) readRows(tables []query.TableRef, fans []int64) float64 {
	joined := math.Inf(1)
	for i, t := range tables {
		joined = min(joined, a.publicRows(t)*float64(fans[i]))
	}
	return joined
}

// maxPrivateCells is the public guess at how many private keys a plan touches, for choosing a slot.
const maxPrivateCells = 20_000
