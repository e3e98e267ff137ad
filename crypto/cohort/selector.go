package cohort

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrSelector: the selector does not fit the table or its declared rules.
var ErrSelector = errors.New("selector does not fit")

// Selector is the secret: a set of entries. It never prints.
type Selector struct {
	n    int
	bits func() []uint64 // a closure: no formatter reaches into it
}

// NewSelector returns an empty selector over n entries.
func NewSelector(n int) (*Selector, error) {
	if n < 1 || n > maxSlots {
		return nil, fmt.Errorf("%w: %d entries, between 1 and %d are possible", ErrSlots, n, maxSlots)
	}
	b := make([]uint64, (n+63)/64)
	return &Selector{n: n, bits: func() []uint64 { return b }}, nil
}

// Select adds entry i.
func (s *Selector) Select(i int) error {
	if i < 0 || i >= s.n {
		return fmt.Errorf("%w: an entry lies outside the %d of the table", ErrSelector, s.n)
	}
	s.bits()[i>>6] |= 1 << (i & 63)
	return nil
}

// Count is the number of selected entries.
func (s *Selector) Count() int { return s.countIn(0, s.n) }

// Erase forgets the selection.
func (s *Selector) Erase() { clear(s.bits()) }

// String says only how many entries there are to select from.
func (s *Selector) String() string { return fmt.Sprintf("selector over %d entries [secret]", s.n) }

// bit is 0 or 1. Which index is read is public: all are read in turn.
func (s *Selector) bit(i int) uint64 { return s.bits()[i>>6] >> (i & 63) & 1 }

func (s *Selector) countIn(from, to int) int {
	count := 0
	if from == 0 && to == s.n {
		for _, w := range s.bits() {
			count += bits.OnesCount64(w)
		}
		return count
	}
	for i := from; i < to; i++ {
		count += int(s.bit(i))
	}
	return count
}

// slotBits lays the selector out with the slack bits its rules need: a bitmap over all blocks.
func (s *Selector) slotBits(l *Layout) []byte {
	m := make([]byte, l.blocks*l.params.n()/8)
	for i := range l.n {
		m[i>>3] |= byte(s.bit(i)) << (i & 7)
	}
	for c, r := range l.rules {
		over := uint(s.countIn(r.from, r.to) - r.min) // at most 2^slack - 1: check ran before
		at := l.slackStart(c)
		for b := range r.slack {
			m[(at+b)>>3] |= byte(over>>b&1) << ((at + b) & 7)
		}
	}
	return m
}
