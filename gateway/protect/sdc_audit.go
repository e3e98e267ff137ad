package protect

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Exposure is what Memory.Audit found for an organisation. Its numbers are exact: they are for the custodian.
type Exposure struct {
	Party string
	Sets  int // sets of persons it was told figures of
	Atoms int // classes of persons that are in the same sets
	Small int // atoms of fewer than k persons
	// Free is the number of independent combinations of what was told that are about small atoms alone, Told of those whose persons
	// are fewer than k: sums and differences of figures that give them, up to rounding.
	Free, Told int
}

// Audit looks for longer trackers than pairs (Chin and Ozsoyoglu 1982): for each organisation, the row space of what it was told over
// the atoms. Free = 0 proves that no sum or difference of told sets is about fewer than k persons. Told counts rows of one basis, so
// Told = 0 with Free > 0 proves nothing. Of sums and counts of rows the same is said of who contributes, as far as a person
// contributes the same to each. Arithmetic is modulo 2^61-1, which could only by accident of that prime differ from exact.
func (m *Memory) Audit(k int64) []Exposure {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parties []string
	for _, s := range m.sets {
		parties = append(parties, s.parties...)
	}
	slices.Sort(parties)
	var out []Exposure
	for _, p := range slices.Compact(parties) {
		// A sum of costs and a count of persons do not add up to anything about persons: the two are looked at apart.
		counts, sums := apart(m.of([]string{p}))
		e, more := expose(p, counts, k), expose(p, sums, k)
		e.Sets, e.Atoms, e.Small, e.Free, e.Told = e.Sets+more.Sets, e.Atoms+more.Atoms, e.Small+more.Small, e.Free+more.Free, e.Told+more.Told
		out = append(out, e)
	}
	return out
}

// apart parts counts of persons from figures to which they contribute more than 1.
func apart(sets []*told) (counts, sums []*told) {
	for _, s := range sets {
		if s.each == nil {
			counts = append(counts, s)
		} else {
			sums = append(sums, s)
		}
	}
	return counts, sums
}

func expose(party string, sets []*told, k int64) Exposure {
	sizes, in := atoms(sets)
	order := make([]int, len(sizes)) // large atoms first
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return b2i(sizes[a] < k) - b2i(sizes[b] < k) })
	e := Exposure{Party: party, Sets: len(sets), Atoms: len(sizes)}
	for _, n := range sizes {
		e.Small += b2i(n < k)
	}
	rows := make([][]uint64, len(sets))
	for i := range rows {
		rows[i] = make([]uint64, len(sizes))
	}
	for column, atom := range order {
		for _, set := range in[atom] {
			rows[set][column] = 1
		}
	}
	for i := reduce(rows, len(sizes)-e.Small); i < len(rows); i++ {
		persons := int64(0)
		for column, v := range rows[i] {
			if v != 0 {
				persons += sizes[order[column]]
			}
		}
		if persons == 0 {
			continue
		}
		e.Free++
		e.Told += b2i(persons < k)
	}
	return e
}

// atoms are the classes of persons with equal membership: their sizes, and the sets that each is in.
func atoms(sets []*told) (sizes []int64, in [][]uint32) {
	member := map[uint32][]byte{}
	for i, s := range sets {
		for it := s.persons.Iterator(); it.HasNext(); {
			p := it.Next()
			member[p] = binary.BigEndian.AppendUint32(member[p], uint32(i))
		}
	}
	at := map[string]int{}
	for _, key := range member {
		i, known := at[string(key)]
		if !known {
			i = len(sizes)
			at[string(key)] = i
			var of []uint32
			for b := key; len(b) > 0; b = b[4:] {
				of = append(of, binary.BigEndian.Uint32(b))
			}
			sizes, in = append(sizes, 0), append(in, of)
		}
		sizes[i]++
	}
	return sizes, in
}

const prime = 1<<61 - 1

func times(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, r := bits.Div64(hi%prime, lo, prime)
	return r
}

func inverse(a uint64) uint64 {
	r := uint64(1)
	for e := uint64(prime - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			r = times(r, a)
		}
		a = times(a, a)
	}
	return r
}

// reduce brings the rows into reduced echelon form and returns how many of them have something in the first large columns: those after
// them are a basis of all combinations that do not.
func reduce(rows [][]uint64, large int) int {
	at := 0
	for column := 0; at < len(rows) && column < len(rows[0]); column++ {
		pivot := slices.IndexFunc(rows[at:], func(r []uint64) bool { return r[column] != 0 })
		if pivot < 0 {
			continue
		}
		rows[at], rows[at+pivot] = rows[at+pivot], rows[at]
		unit := inverse(rows[at][column])
		for c := range rows[at] {
			rows[at][c] = times(rows[at][c], unit)
		}
		for i, r := range rows {
			if f := r[column]; i != at && f != 0 {
				for c := range r {
					r[c] = (r[c] + prime - times(f, rows[at][c])) % prime
				}
			}
		}
		at++
	}
	n := 0
	for n < len(rows) && slices.ContainsFunc(rows[n][:large], func(v uint64) bool { return v != 0 }) {
		n++ // pivots go from left to right, so these rows are the first
	}
	return n
}
