package protect

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// ErrMemory: bytes are not what Disclosed.Encode writes.
var ErrMemory = errors.New("not a record of disclosed cells")

// Memory is which sets of persons each organisation has been told figures of. It holds exact data, and nothing reads it but this
// package: it has no accessor, and prints as its size. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	sets []*told
}

// told is one figure that somebody has: who contributes to it, and how much.
type told struct {
	persons *roaring.Bitmap
	n       uint64
	each    []int64  // in the order of persons; nil: 1
	parties []string // sorted
}

func newTold(persons *roaring.Bitmap, each []int64) *told {
	return &told{persons: persons, n: persons.GetCardinality(), each: each}
}

func (a *told) equal(b *told) bool {
	return a.n == b.n && slices.Equal(a.each, b.each) && a.persons.Equals(b.persons)
}

// Format keeps the sets out of logs, whatever the verb.
func (m *Memory) Format(f fmt.State, _ rune) { fmt.Fprint(f, "protect.Memory") }

// Disclosed is what one answer tells of: to be made durable before it leaves, and restored at the next start.
type Disclosed struct {
	parties []string
	sets    []*told
}

// Format keeps the sets out of logs, whatever the verb.
func (d Disclosed) Format(f fmt.State, _ rune) { fmt.Fprint(f, "protect.Disclosed") }

// clashes reports whether figures of both sets would tell of fewer than k persons by their difference: with x = |A\B| and
// y = |B\A| if x = 0 and 0 < y < k, or y = 0 and 0 < x < k, or both lie between. Where persons contribute more than 1, x and y are those
// who contribute more to the one and to the other: two sums over the same persons differ by the rows of a few as well.
func (a *told) clashes(with []*told, k int64) bool {
	return slices.ContainsFunc(with, func(b *told) bool { return a.clash(b, uint64(k)) })
}

func (a *told) clash(b *told, k uint64) bool {
	if a.n >= b.n+k || b.n >= a.n+k {
		return false // that many are in one and not in the other: one of x and y is k at least
	}
	var x, y uint64
	if a.each == nil && b.each == nil {
		both := a.persons.AndCardinality(b.persons)
		x, y = a.n-both, b.n-both
	} else {
		x, y = a.compare(b, k)
	}
	return x < k && y < k && x+y > 0
}

// compare counts who contributes more to a, and who to b, until either count is k.
func (a *told) compare(b *told, k uint64) (x, y uint64) {
	of := func(t *told, i int) int64 {
		if t.each == nil {
			return 1
		}
		return t.each[i]
	}
	p, q := a.persons.Iterator(), b.persons.Iterator()
	for i, j := 0, 0; x < k && y < k && (p.HasNext() || q.HasNext()); {
		switch {
		case !q.HasNext() || p.HasNext() && p.PeekNext() < q.PeekNext():
			p.Next()
			x, i = x+1, i+1
		case !p.HasNext() || q.PeekNext() < p.PeekNext():
			q.Next()
			y, j = y+1, j+1
		default:
			switch m, n := of(a, i), of(b, j); {
			case m > n:
				x++
			case n > m:
				y++
			}
			p.Next()
			q.Next()
			i, j = i+1, j+1
		}
	}
	return x, y
}

// of lists what any of the parties has been told. The caller holds the lock.
func (m *Memory) of(parties []string) []*told {
	var out []*told
	for _, s := range m.sets {
		if slices.ContainsFunc(parties, func(p string) bool { return slices.Contains(s.parties, p) }) {
			out = append(out, s)
		}
	}
	return out
}

// add remembers. A set that is there already is not kept twice. The caller holds the lock.
func (m *Memory) add(d Disclosed) {
next:
	for _, set := range d.sets {
		for _, old := range m.sets {
			if slices.Equal(old.parties, d.parties) && old.equal(set) {
				continue next
			}
		}
		s := *set
		s.parties = d.parties
		m.sets = append(m.sets, &s)
	}
}

// Restore adds what Encode wrote. Anything else is ErrMemory, and nothing is added.
func (m *Memory) Restore(b []byte) error {
	d, err := decodeDisclosed(b)
	if err != nil {
		return fmt.Errorf("restore disclosed cells: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(d)
	return nil
}
