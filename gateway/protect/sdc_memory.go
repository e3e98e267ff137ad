package protect

import (
	"bytes"
	"encoding/binary"
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

// told is one set of persons somebody has a figure of.
type told struct {
	persons *roaring.Bitmap
	n       uint64
	parties []string // sorted
}

func newTold(persons *roaring.Bitmap) *told {
	return &told{persons: persons, n: persons.GetCardinality()}
}

// Format keeps the sets out of logs, whatever the verb.
func (m *Memory) Format(f fmt.State, _ rune) { fmt.Fprint(f, "protect.Memory") }

// Disclosed is what one answer tells of: to be made durable before it leaves, and restored at the next start.
type Disclosed struct {
	parties []string
	sets    []*roaring.Bitmap
}

// Format keeps the sets out of logs, whatever the verb.
func (d Disclosed) Format(f fmt.State, _ rune) { fmt.Fprint(f, "protect.Disclosed") }

// clashes reports whether figures of both sets would tell of fewer than k persons by their difference: with x = |A\B| and
// y = |B\A| if x = 0 and 0 < y < k, or y = 0 and 0 < x < k, or both lie between.
func (a *told) clashes(with []*told, k int64) bool {
	return slices.ContainsFunc(with, func(b *told) bool { return a.clash(b, uint64(k)) })
}

func (a *told) clash(b *told, k uint64) bool {
	if a.n >= b.n+k || b.n >= a.n+k {
		return false // x - y = |A| - |B|: one of them is k at least
	}
	both := a.persons.AndCardinality(b.persons)
	x, y := a.n-both, b.n-both
	return x < k && y < k && x+y > 0
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
		s := newTold(set)
		s.parties = d.parties
		for _, old := range m.sets {
			if old.n == s.n && slices.Equal(old.parties, s.parties) && old.persons.Equals(set) {
				continue next
			}
		}
		m.sets = append(m.sets, s)
	}
}

// Encode is the one form in which disclosed sets are stored: counts and lengths as varints, sets in the portable format of roaring
// bitmaps. It holds exact data: it belongs where the rows are.
func (d Disclosed) Encode() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(d.parties)))
	for _, p := range d.parties {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.sets)))
	for _, s := range d.sets {
		set, err := s.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("encode disclosed cells: %w", ErrMemory)
		}
		b = append(binary.AppendUvarint(b, uint64(len(set))), set...)
	}
	return b, nil
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

// Limits of what is read: far above what one answer tells.
const (
	mostParties = 256
	mostSets    = 1 << 21
)

func decodeDisclosed(b []byte) (d Disclosed, err error) {
	// The bitmap library is for its own bytes; what it does with others must not end the gateway.
	defer func() {
		if recover() != nil {
			d, err = Disclosed{}, ErrMemory
		}
	}()
	number := func(most uint64) uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > most {
			panic(ErrMemory)
		}
		b = b[size:]
		return n
	}
	part := func() []byte {
		n := number(uint64(len(b)))
		if n > uint64(len(b)) {
			panic(ErrMemory)
		}
		p := b[:n]
		b = b[n:]
		return p
	}
	for range number(mostParties) {
		d.parties = append(d.parties, string(part()))
	}
	for range number(mostSets) {
		p, set := part(), roaring.New()
		if err := set.UnmarshalBinary(bytes.Clone(p)); err != nil || set.Validate() != nil || set.IsEmpty() {
			return Disclosed{}, ErrMemory
		}
		d.sets = append(d.sets, set)
	}
	if len(b) > 0 || len(d.parties) == 0 || len(d.sets) == 0 || !slices.IsSorted(d.parties) {
		return Disclosed{}, ErrMemory
	}
	return d, nil
}
