package engine

import (
	"math/big"

	"jali/gateway/query"
)

// loop bounds the contribution of each person of one share. Each chunk is taken in three passes over small buffers that stay in
// the cache: the cell of each row, what each row adds to each measure, then the persons.
//
// A person's sums live in slots indexed by cell. stamp tells whose they are, so that nothing need be cleared between persons.
type loop struct {
	*streaming
	at, end int32 // ordinals still expected: at <= p < end
	person  int32 // current person; -1: none
	seen    int64 // rows of the current person in earlier chunks
	stamp   uint32

	slots   []slot
	sums    []int64  // per cell, the measures after the first
	wides   []int128 // per cell, every measure, if wide: slot.sum and sums are idle then
	totals  []total  // per cell
	added   []int128 // per cell, every measure
	touch   []int32  // cells of the current person: the first touched
	touched int
	scratch keepScratch
	cellOf  []int32   // pass 1
	adds    [][]int64 // pass 2; wide squares are made in pass 3
	nulls   [][]bool  // wide only: no value

	private *dictionary // nil: public cells
	roster  *roster     // nil: nobody asked who is in the cells
}

type (
	slot struct {
		stamp, rows uint32
		sum         int64 // first measure
	}
	total struct{ persons, rows int64 }
)

func (s *streaming) loop(lo, hi int64) *loop {
	l := &loop{streaming: s, at: int32(lo), end: int32(hi), person: -1, cellOf: make([]int32, batchRows)}
	for range s.measures {
		l.adds = append(l.adds, make([]int64, batchRows))
		if s.wide {
			l.nulls = append(l.nulls, make([]bool, batchRows))
		}
	}
	if s.members {
		l.roster = newRoster(s)
	}
	if s.plan.Private {
		l.private = newDictionary(s)
	} else {
		l.grow(int(s.size))
	}
	return l
}

// grow makes room for n cells.
func (l *loop) grow(n int) {
	if n <= len(l.slots) {
		return
	}
	n = max(n, min(2*len(l.slots), n+1<<16))
	width := len(l.measures)
	l.slots = append(l.slots, make([]slot, n-len(l.slots))...)
	l.totals = append(l.totals, make([]total, n-len(l.totals))...)
	l.added = append(l.added, make([]int128, n*width-len(l.added))...)
	if l.wide {
		l.wides = append(l.wides, make([]int128, n*width-len(l.wides))...)
	} else {
		l.sums = append(l.sums, make([]int64, n*max(0, width-1)-len(l.sums))...)
	}
}

// chunk takes the rows of one chunk.
func (l *loop) chunk(rows chunk) error {
	n := rows.size()
	p, mask := rows.vector(0)
	if mask != nil && !allValid(mask, n) {
		return errOrder
	}
	if err := l.place(rows, n); err != nil {
		return err
	}
	for j, m := range l.measures {
		v, mask := rows.vector(1 + len(l.readers) + j)
		m.read(l.adds[j][:n], v, mask)
		if l.wide {
			for i := range n {
				l.nulls[j][i] = !valid(mask, i)
			}
		}
	}
	persons := values[int32](p, n)
	for i := 0; i < n; {
		who, first := persons[i], i
		for i++; i < n && persons[i] == who; i++ {
		}
		if who != l.person {
			if err := l.next(who); err != nil {
				return err
			}
		}
		if l.seen += int64(i - first); l.seen > l.rows {
			return errOrder
		}
		if l.touched+i-first >= len(l.touch) {
			l.touch = append(l.touch, make([]int32, len(l.touch)+batchRows)...)
		}
		switch {
		case l.wide:
			l.addWide(first, i)
		case len(l.measures) == 0:
			l.addRows(first, i)
		case len(l.measures) == 1:
			l.addOne(first, i)
		default:
			l.addMany(first, i)
		}
	}
	return nil
}

// next settles the current person and begins another, who must come later in order and belong to this share.
func (l *loop) next(who int32) error {
	l.settle()
	if who < l.at || who >= l.end {
		return errOrder
	}
	l.person, l.at, l.seen = who, who+1, 0
	l.stamp++
	return nil
}

// finish settles the last person.
func (l *loop) finish() error {
	l.settle()
	return nil
}

// enter counts a row in a cell and reports a mask of ones if it is the person's first there. Whether it is cannot be
// predicted, so nothing here branches on it.
func (l *loop) enter(c int32) (s *slot, first uint32) {
	s = &l.slots[c]
	var fresh uint32
	if s.stamp != l.stamp {
		fresh = 1
	}
	l.touch[l.touched] = c
	l.touched += int(fresh)
	first = -fresh
	s.stamp = l.stamp
	s.rows = s.rows&^first + 1
	return s, first
}

// addRows and addOne are enter spelt out with everything in registers, and take neighbouring rows of one cell together: they
// run for every row of the commonest queries.
func (l *loop) addRows(first, end int) {
	slots, touch, touched, stamp := l.slots, l.touch, l.touched, l.stamp
	cells := l.cellOf[first:end]
	for i := 0; i < len(cells); {
		c, n := cells[i], uint32(1)
		for i++; i < len(cells) && cells[i] == c; i++ {
			n++
		}
		if c < 0 {
			continue
		}
		s := &slots[c]
		var fresh uint32
		if s.stamp != stamp {
			fresh = 1
		}
		touch[touched] = c
		touched += int(fresh)
		s.stamp, s.rows = stamp, s.rows&(fresh-1)+n
	}
	l.touched = touched
}

func (l *loop) addOne(first, end int) {
	slots, touch, touched, stamp := l.slots, l.touch, l.touched, l.stamp
	cells := l.cellOf[first:end]
	adds := l.adds[0][first:end][:len(cells)]
	for i := 0; i < len(cells); {
		c, n, sum := cells[i], uint32(1), adds[i]
		for i++; i < len(cells) && cells[i] == c; i++ {
			n++
			sum += adds[i]
		}
		if c < 0 {
			continue
		}
		s := &slots[c]
		var fresh int64
		if s.stamp != stamp {
			fresh = 1
		}
		touch[touched] = c
		touched += int(fresh)
		s.stamp, s.rows, s.sum = stamp, s.rows&uint32(fresh-1)+n, s.sum&(fresh-1)+sum
	}
	l.touched = touched
}

func (l *loop) addMany(first, end int) {
	more := len(l.measures) - 1
	for i := first; i < end; i++ {
		c := l.cellOf[i]
		if c < 0 {
			continue
		}
		s, fresh := l.enter(c)
		keep := ^int64(int32(fresh))
		s.sum = s.sum&keep + l.adds[0][i]
		sums := l.sums[int(c)*more:][:more]
		for j := range sums {
			sums[j] = sums[j]&keep + l.adds[j+1][i]
		}
	}
}

func (l *loop) addWide(first, end int) {
	width := len(l.measures)
	for i := first; i < end; i++ {
		c := l.cellOf[i]
		if c < 0 {
			continue
		}
		_, fresh := l.enter(c)
		sums := l.wides[int(c)*width:][:width]
		if fresh != 0 {
			clear(sums)
		}
		for j := range sums {
			switch x := l.adds[j][i]; {
			case l.nulls[j][i]:
			case l.measures[j].kind == query.Squares && !l.measures[j].squareFits:
				sums[j] = sums[j].add(square(x))
			default:
				sums[j] = sums[j].add(wide(x))
			}
		}
	}
}

// settle clips what the current person adds and adds it: at most Bounds.Groups groups.
func (l *loop) settle() {
	touch := l.touch[:l.touched]
	if l.choose && int64(len(touch)) > l.plan.Bounds.Groups {
		touch = l.keep(touch, int(l.plan.Bounds.Groups))
	}
	l.touched = 0
	if l.roster != nil {
		l.roster.note(l, touch)
	}
	width := len(l.measures)
	for _, c := range touch {
		t, s := &l.totals[c], &l.slots[c]
		t.persons++
		t.rows += min(int64(s.rows), l.rowsHi)
		if width == 0 {
			continue
		}
		added := l.added[int(c)*width:][:width]
		if l.wide {
			for j, x := range l.wides[int(c)*width:][:width] {
				added[j] = added[j].add(l.measures[j].clip128(x))
			}
			continue
		}
		m := &l.measures[0]
		added[0] = added[0].add(wide(min(max(s.sum, m.lo64), m.hi64)))
		for j := 1; j < width; j++ {
			m := &l.measures[j]
			added[j] = added[j].add(wide(min(max(l.sums[int(c)*(width-1)+j-1], m.lo64), m.hi64)))
		}
	}
}

// value is the total of item j in a cell.
func (l *loop) value(j, cell int) *big.Int {
	switch s := l.itemAt[j]; s {
	case slotPersons:
		return big.NewInt(l.totals[cell].persons)
	case slotRows:
		return big.NewInt(l.totals[cell].rows)
	default:
		return l.added[cell*len(l.measures)+s].big()
	}
}

// place finds the cell of each row: pass 1.
func (l *loop) place(rows chunk, n int) error {
	if l.private != nil {
		if err := l.private.place(rows, l.cellOf[:n]); err != nil {
			return err
		}
		l.grow(len(l.private.keys))
		return nil
	}
	cells := l.cellOf[:n]
	clear(cells)
	for j := range l.readers {
		g := &l.readers[j]
		v, mask := rows.vector(1 + j)
		g.labels.place(cells, v, mask, j == 0)
	}
	return nil
}
