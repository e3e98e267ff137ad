package engine

import "slices"

// keepScratch is reused from person to person.
type keepScratch struct {
	ranks, few []uint64
	kept       []int32
}

func (k *keepScratch) grow(n int) {
	if len(k.ranks) < n {
		k.ranks, k.few, k.kept = make([]uint64, 2*n), make([]uint64, 2*n), make([]int32, 2*n)
	}
}

// keep chooses the n cells of least rank, n < len(cells), in no particular order.
//
// It is called for nearly every person who claims much, and which group wins is random by design, so it does not branch on
// ranks. Ranks are uniform: a bound a little above n/len(cells) of their range leaves a few candidates, whose n-th smallest is
// then found from above.
func (l *loop) keep(cells []int32, n int) []int32 {
	hashes := l.hashes
	if l.private != nil {
		hashes = l.private.hashes
	}
	l.scratch.grow(len(cells))
	ranks, few, kept := l.scratch.ranks[:len(cells)], l.scratch.few[:len(cells)], l.scratch.kept[:len(cells)]
	bound := ^uint64(0)
	if wanted := n + 2 + n/4; wanted < len(cells) {
		bound = ^uint64(0) / uint64(len(cells)) * uint64(wanted)
	}
	kp, m := l.rank.ofPerson(l.person), 0
	for i, c := range cells {
		r := mix64(kp ^ hashes[c])
		ranks[i], few[m] = r, r
		in := 0
		if r <= bound {
			in = 1
		}
		m += in
	}
	if m < n {
		m = copy(few, ranks)
	}
	last, k := nth(few[:m], n), 0
	for i, r := range ranks {
		kept[k] = cells[i]
		in := 0
		if r <= last {
			in = 1
		}
		k += in
	}
	if k != n { // equal ranks
		return l.keepTied(cells, ranks, n)
	}
	return kept[:n]
}

// nth is the n-th smallest of distinct ranks; with equal ranks it may be another one, which keep notices.
func nth(ranks []uint64, n int) uint64 {
	if len(ranks)-n > 16 {
		slices.Sort(ranks)
		return ranks[n-1]
	}
	var last uint64
	for _, r := range ranks {
		last = max(last, r)
	}
	for range len(ranks) - n {
		var next uint64
		for _, r := range ranks {
			if r >= last {
				r = 0
			}
			next = max(next, r)
		}
		last = next
	}
	return last
}

// keepTied chooses among cells some of which have equal ranks: the group itself decides.
func (l *loop) keepTied(cells []int32, ranks []uint64, n int) []int32 {
	order := make([]int, len(cells))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case ranks[a] < ranks[b]:
			return -1
		case ranks[a] > ranks[b], l.after(cells[a], cells[b]):
			return 1
		}
		return -1
	})
	kept := make([]int32, n)
	for i := range kept {
		kept[i] = cells[order[i]]
	}
	return kept
}

// after breaks a tie of ranks by the group itself: numbers of private keys depend on arrival, so their keys decide.
func (l *loop) after(a, b int32) bool {
	if l.private != nil {
		return l.private.keys[a] > l.private.keys[b]
	}
	return a > b
}
