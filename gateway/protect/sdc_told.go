package protect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Encode is the one form in which disclosed sets are stored: counts and lengths as varints, sets in the portable format of roaring
// bitmaps; then, for each set whose persons contribute more than 1, its number and what each contributes. It holds exact data: it
// belongs where the rows are.
func (d Disclosed) Encode() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(d.parties)))
	for _, p := range d.parties {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.sets)))
	for _, s := range d.sets {
		set, err := s.persons.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("encode disclosed cells: %w", ErrMemory)
		}
		b = append(binary.AppendUvarint(b, uint64(len(set))), set...)
	}
	for i, s := range d.sets {
		if s.each == nil {
			continue
		}
		b = binary.AppendUvarint(b, uint64(i))
		for _, x := range s.each {
			b = binary.AppendUvarint(b, uint64(x))
		}
	}
	return b, nil
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
		d.sets = append(d.sets, newTold(set, nil))
	}
	for len(b) > 0 {
		i := number(mostSets)
		if i >= uint64(len(d.sets)) || d.sets[i].each != nil || d.sets[i].n > uint64(len(b)) {
			return Disclosed{}, ErrMemory
		}
		d.sets[i].each = make([]int64, d.sets[i].n)
		for j := range d.sets[i].each {
			if d.sets[i].each[j] = int64(number(math.MaxInt64)); d.sets[i].each[j] < 1 {
				return Disclosed{}, ErrMemory
			}
		}
	}
	if len(b) > 0 || len(d.parties) == 0 || len(d.sets) == 0 || !slices.IsSorted(d.parties) {
		return Disclosed{}, ErrMemory
	}
	return d, nil
}
