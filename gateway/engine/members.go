package engine

import (
	"context"
	"fmt"
	"math/big"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// errUncapped: a plan for RunMembers must be exact. One that has to choose groups for a person would leave persons out at random.
var errUncapped = fmt.Errorf("%w: members of a plan whose bounds may cut", errPlan)

// RunMembers executes a plan like Run and seals, with each cell, who is in it and how its totals come from them: for
// protect.Suppress. The plan's bounds must be so wide that they cut nothing, and its keys public.
func (e *Engine) RunMembers(ctx context.Context, plan *query.Plan) (protect.Raw, error) {
	e.life.RLock()
	defer e.life.RUnlock()
	cells, err := e.members(ctx, plan)
	if err == nil {
		return protect.NewRaw(cells), nil
	}
	if c := ctx.Err(); c != nil {
		err = c
	}
	e.operator.Error("query not executed", "form", plan.Form, "cause", causeOf(err))
	return protect.Raw{}, fmt.Errorf("%w: %w", ErrExecute, err)
}

func (e *Engine) members(ctx context.Context, plan *query.Plan) (protect.Cells, error) {
	if e.closed {
		return protect.Cells{}, errClosed
	}
	if err := e.admit(plan); err != nil {
		return protect.Cells{}, err
	}
	s, err := newStreaming(plan, [32]byte{}) // nobody has a choice of groups, so the key chooses nothing
	if err != nil {
		return protect.Cells{}, err
	}
	switch {
	case plan.Private, s.choose, s.rowsHi < s.rows:
		return protect.Cells{}, errUncapped
	case s.wide:
		return protect.Cells{}, errRange
	}
	s.members = true
	loops, err := e.loops(ctx, s)
	if err != nil {
		return protect.Cells{}, err
	}
	cells := s.cells(loops)
	cells.Members = s.gather(loops)
	return cells, nil
}

// roster is what a share of the stream notes of its cells. Persons come in ascending order, so appending keeps it.
type roster struct {
	persons [][]uint32
	parts   [][]part // per measure and, last, of the rows: per cell
}

type part struct {
	persons       []uint32
	each          []int64 // nil while all add 1
	first, second int64
	total         int128
}

func newRoster(s *streaming) *roster {
	r := &roster{persons: make([][]uint32, s.size), parts: make([][]part, len(s.measures)+1)}
	for i := range r.parts {
		r.parts[i] = make([]part, s.size)
	}
	return r
}

// note takes the current person's cells before they are settled. What a person adds is what settle will add.
func (r *roster) note(l *loop, touch []int32) {
	for _, c := range touch {
		who, s := uint32(l.person), &l.slots[c]
		r.persons[c] = append(r.persons[c], who)
		for j := range l.measures {
			sum := s.sum
			if j > 0 {
				sum = l.sums[int(c)*(len(l.measures)-1)+j-1]
			}
			m := &l.measures[j]
			r.parts[j][c].add(who, min(max(sum, m.lo64), m.hi64))
		}
		r.parts[len(l.measures)][c].add(who, min(int64(s.rows), l.rowsHi))
	}
}

func (p *part) add(who uint32, x int64) {
	if x == 0 {
		return
	}
	if x < 0 {
		x = -x // narrow sums have 63 bits at most
	}
	if x != 1 && p.each == nil {
		p.each = ones(len(p.persons), cap(p.persons))
	}
	if p.each != nil {
		p.each = append(p.each, x)
	}
	p.persons = append(p.persons, who)
	p.total = p.total.add(wide(x))
	switch {
	case x > p.first:
		p.first, p.second = x, p.first
	case x > p.second:
		p.second = x
	}
}

// gather puts the shares together, in the order of their persons.
func (s *streaming) gather(loops []*loop) *protect.Members {
	out := &protect.Members{Persons: make([][]uint32, s.size), Shares: make([][]protect.Share, len(s.itemAt))}
	for c := range out.Persons {
		for _, l := range loops {
			out.Persons[c] = append(out.Persons[c], l.roster.persons[c]...)
		}
	}
	for item, at := range s.itemAt {
		switch at {
		case slotPersons:
			continue
		case slotRows:
			at = len(s.measures)
		}
		shares := make([]protect.Share, s.size)
		for c := range shares {
			shares[c].Total = new(big.Int)
			for _, l := range loops {
				shares[c] = join(shares[c], l.roster.parts[at][c])
			}
		}
		out.Shares[item] = shares
	}
	return out
}

func join(s protect.Share, p part) protect.Share {
	switch {
	case s.Each == nil && p.each != nil:
		s.Each = ones(len(s.Persons), len(s.Persons)+len(p.each))
		fallthrough
	case p.each != nil:
		s.Each = append(s.Each, p.each...)
	case s.Each != nil:
		s.Each = append(s.Each, ones(len(p.persons), 0)...)
	}
	s.Persons = append(s.Persons, p.persons...)
	s.Total.Add(s.Total, p.total.big())
	for _, x := range []int64{p.first, p.second} {
		switch {
		case x > s.First:
			s.First, s.Second = x, s.First
		case x > s.Second:
			s.Second = x
		}
	}
	return s
}

// ones is n times 1, with room for more.
func ones(n, room int) []int64 {
	out := make([]int64, n, max(n, room))
	for i := range out {
		out[i] = 1
	}
	return out
}
