package engine

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// Vectors of the SipHash reference implementation (vectors.h, SipHash-2-4-64): key 00..0f, message 00..n-1.
func TestSiphash(t *testing.T) {
	var key [16]byte
	for i := range key {
		key[i] = byte(i)
	}
	k := [2]uint64{binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])}
	for n, want := range map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5} {
		var m []byte
		for i := range n {
			m = append(m, byte(i))
		}
		if got := siphash(k, m); got != want {
			t.Errorf("siphash of %d bytes = %x, want %x", n, got, want)
		}
	}
}

// TestKeep compares the branch-free choice with a sort, also where ranks are equal.
func TestKeep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		size := 2 + r.IntN(100)
		hashes := make([]uint64, size)
		for i := range hashes {
			hashes[i] = r.Uint64()
			if r.IntN(4) == 0 && i > 0 {
				hashes[i] = hashes[r.IntN(i)]
			}
		}
		l := &loop{streaming: &streaming{rank: newRanker([32]byte{byte(r.Uint32())}), hashes: hashes}, person: int32(r.IntN(1000))}
		cells := make([]int32, 0, size)
		for _, c := range r.Perm(size) {
			cells = append(cells, int32(c))
		}
		n := 1 + r.IntN(size-1)
		want := slices.Clone(cells)
		kp := l.rank.ofPerson(l.person)
		slices.SortFunc(want, func(a, b int32) int {
			x, y := mix64(kp^hashes[a]), mix64(kp^hashes[b])
			if x < y || x == y && a < b {
				return -1
			}
			return 1
		})
		got := slices.Clone(l.keep(cells, n))
		slices.Sort(got)
		want = slices.Clone(want[:n])
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("keep %d of %d = %v, want %v", n, size, got, want)
		}
	}
}

// TestKeepIsFair: over persons and keys every group is kept equally often. 10 groups, 3 kept, 30,000 persons: 9,000 each, standard
// deviation 79.4; 6 of them reject a fair choice with probability below 2e-8 for the ten groups together. The key is fixed,
// so the test is not random.
func TestKeepIsFair(t *testing.T) {
	s := &streaming{rank: newRanker([32]byte{7})}
	for c := range 10 {
		s.hashes = append(s.hashes, s.rank.ofCell(c))
	}
	var kept [10]int
	for p := range int32(30_000) {
		l := &loop{streaming: s, person: p}
		for _, c := range l.keep([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 3) {
			kept[c]++
		}
	}
	for c, n := range kept {
		if n < 9000-476 || n > 9000+476 {
			t.Errorf("group %d kept %d times, want 9,000", c, n)
		}
	}
}

func TestInt128(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		a, b := int64(r.Uint64()), int64(r.Uint64())>>r.IntN(64)
		sum := square(a).add(wide(b)).add(wide(a))
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(a))
		want.Add(want, big.NewInt(b)).Add(want, big.NewInt(a))
		if sum.big().Cmp(want) != 0 {
			t.Fatalf("%d^2 + %d + %d = %v, want %v", a, b, a, sum.big(), want)
		}
		if int128Of(want) != sum {
			t.Fatalf("int128Of(%v) = %v", want, int128Of(want))
		}
		if wide(a).less(wide(b)) != (a < b) {
			t.Fatalf("%d < %d", a, b)
		}
	}
}

// TestRuns compares the lookup table of a label with the runs it was made from.
func TestRuns(t *testing.T) {
	ds := parseFixture(t)
	for _, c := range []struct{ table, name string }{
		{"person", "born_year"}, {"person", "era"}, {"person", "income_band"}, {"event", "class"}, {"event", "kind"}, {"event", "seq"}, {"event", "flag"},
	} {
		tab := ds.Table(c.table)
		ref := query.ColumnRef{Column: tab.Column(c.name)}
		var d protect.Domain
		if ref.Column == nil {
			ref.Column, ref.Band = tab.Band(c.name)
			d.Labels = ref.Band.Labels
		} else {
			d.Labels = ref.Column.Codes
		}
		l, err := newLabeler(ref, d)
		if err != nil {
			t.Fatal(err)
		}
		if l.dense == nil {
			continue
		}
		for i := range l.dense {
			n := l.lo + int64(i)
			if got, want := l.number(n), l.labelled(l.runs.label(n)); got != want {
				t.Fatalf("%s: %d has label %d, want %d", c.name, n, got, want)
			}
		}
		if l.number(l.enc.hi+1) != l.other || l.number(l.enc.lo-1) != l.other {
			t.Errorf("%s: a value outside the column has a label", c.name)
		}
	}
}
