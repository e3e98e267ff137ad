package engine

import (
	"math/big"
	"slices"
	"unsafe"

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

	slots  []slot
	sums   []int64   // width sums per cell
	wides  []int128  // instead of sums, if wide
	totals []total   // per cell
	added  []int128  // width per cell
	touch  []int32   // cells of the current person
	ranks  []ranked  // scratch of keep
	cellOf []int32   // pass 1
	adds   [][]int64 // pass 2; wide squares are made in pass 3
	nulls  [][]bool  // wide only: no value

	private *dictionary // nil: public cells
}

type (
	slot struct {
		stamp uint32
		rows  uint32
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
		l.sums = append(l.sums, make([]int64, n*width-len(l.sums))...)
	}
}

// chunk takes the rows of one chunk.
func (l *loop) chunk(rows *cursor) error {
	n := rows.rows
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

func (l *loop) addRows(first, end int) {
	for _, c := range l.cellOf[first:end] {
		if c < 0 {
			continue
		}
		s := &l.slots[c]
		if s.stamp != l.stamp {
			*s = slot{l.stamp, 0}
			l.touch = append(l.touch, c)
		}
		s.rows++
	}
}

func (l *loop) addOne(first, end int) {
	adds := l.adds[0][first:end]
	for i, c := range l.cellOf[first:end] {
		if c < 0 {
			continue
		}
		s := &l.slots[c]
		if s.stamp != l.stamp {
			*s = slot{l.stamp, 1}
			l.sums[c] = adds[i]
			l.touch = append(l.touch, c)
			continue
		}
		s.rows++
		l.sums[c] += adds[i]
	}
}

func (l *loop) addMany(first, end int) {
	width := len(l.measures)
	for i := first; i < end; i++ {
		c := l.cellOf[i]
		if c < 0 {
			continue
		}
		s := &l.slots[c]
		sums := l.sums[int(c)*width:][:width]
		if s.stamp != l.stamp {
			*s = slot{l.stamp, 0}
			clear(sums)
			l.touch = append(l.touch, c)
		}
		s.rows++
		for j := range sums {
			sums[j] += l.adds[j][i]
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
		s := &l.slots[c]
		sums := l.wides[int(c)*width:][:width]
		if s.stamp != l.stamp {
			*s = slot{l.stamp, 0}
			clear(sums)
			l.touch = append(l.touch, c)
		}
		s.rows++
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
	touch := l.touch
	if l.choose && int64(len(touch)) > l.plan.Bounds.Groups {
		touch = l.keep(touch, int(l.plan.Bounds.Groups))
	}
	width := len(l.measures)
	for _, c := range touch {
		t := &l.totals[c]
		t.persons++
		t.rows += min(int64(l.slots[c].rows), l.rowsHi)
		for j := range l.measures {
			m, k := &l.measures[j], int(c)*width+j
			if l.wide {
				l.added[k] = l.added[k].add(m.clipWide(l.wides[k]))
			} else {
				l.added[k] = l.added[k].add(wide(min(max(l.sums[k], m.lo64), m.hi64)))
			}
		}
	}
	l.touch = l.touch[:0]
}

// ranked is a cell under its keyed rank.
type ranked struct {
	rank uint64
	cell int32
}

// keep chooses the n cells of least rank.
func (l *loop) keep(cells []int32, n int) []int32 {
	kp := l.streaming.rank.ofPerson(l.person)
	best := l.ranks[:0]
	for _, c := range cells {
		r := ranked{mix64(kp ^ l.hash(c)), c}
		if n > 64 {
			best = append(best, r)
			continue
		}
		i := len(best)
		if i == n {
			if i--; !l.before(r, best[i]) {
				continue
			}
		} else {
			best = append(best, r)
		}
		for ; i > 0 && l.before(r, best[i-1]); i-- {
			best[i] = best[i-1]
		}
		best[i] = r
	}
	if n > 64 {
		slices.SortFunc(best, func(a, b ranked) int {
			switch {
			case l.before(a, b):
				return -1
			case l.before(b, a):
				return 1
			}
			return 0
		})
		best = best[:n]
	}
	l.ranks = best
	for i, r := range best {
		cells[i] = r.cell
	}
	return cells[:len(best)]
}

func (l *loop) hash(c int32) uint64 {
	if l.private != nil {
		return l.private.hashes[c]
	}
	return l.hashes[c]
}

func (l *loop) before(a, b ranked) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	if l.private != nil {
		return l.private.keys[a.cell] < l.private.keys[b.cell]
	}
	return a.cell < b.cell
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
func (l *loop) place(rows *cursor, n int) error {
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

// place folds the labels of one column into the cells of a chunk.
func (l *labeler) place(cells []int32, v unsafe.Pointer, mask *uint64, first bool) {
	size := int32(l.size)
	put := func(i int, label int32) {
		if cells[i] < 0 || label < 0 {
			cells[i] = -1
			return
		}
		cells[i] = cells[i]*size + label
	}
	n := len(cells)
	nulls := mask != nil && !allValid(mask, n)
	if l.enc.kind == texts {
		words := values[textValue](v, n)
		for i := range n {
			if nulls && !valid(mask, i) {
				put(i, l.other)
			} else {
				put(i, l.word(words[i].bytes()))
			}
		}
		return
	}
	if l.dense != nil && !nulls && first {
		switch l.enc.duckType() {
		case "UTINYINT":
			placeDense(cells, values[uint8](v, n), l)
			return
		case "USMALLINT":
			placeDense(cells, values[uint16](v, n), l)
			return
		case "TINYINT":
			placeDense(cells, values[int8](v, n), l)
			return
		case "SMALLINT":
			placeDense(cells, values[int16](v, n), l)
			return
		case "INTEGER":
			placeDense(cells, values[int32](v, n), l)
			return
		}
	}
	var buffer [batchRows]int64
	numbers := buffer[:n]
	widen(numbers, v, l.enc)
	for i, x := range numbers {
		if nulls && !valid(mask, i) {
			put(i, l.other)
		} else {
			put(i, l.number(x))
		}
	}
}

// placeDense is the common case: one narrow column without NULL.
func placeDense[T int8 | int16 | int32 | uint8 | uint16](cells []int32, v []T, l *labeler) {
	dense, lo, other := l.dense, l.lo, l.other
	for i, x := range v {
		if k := uint64(int64(x) - lo); k < uint64(len(dense)) {
			cells[i] = dense[k]
		} else {
			cells[i] = other
		}
	}
}

// widen copies stored numbers of any width.
func widen(to []int64, v unsafe.Pointer, enc encoding) {
	switch enc.duckType() {
	case "UTINYINT":
		copyWide(to, values[uint8](v, len(to)))
	case "USMALLINT":
		copyWide(to, values[uint16](v, len(to)))
	case "UINTEGER":
		copyWide(to, values[uint32](v, len(to)))
	case "TINYINT":
		copyWide(to, values[int8](v, len(to)))
	case "SMALLINT":
		copyWide(to, values[int16](v, len(to)))
	case "INTEGER":
		copyWide(to, values[int32](v, len(to)))
	default:
		copy(to, values[int64](v, len(to)))
	}
}

func copyWide[T int8 | int16 | int32 | uint8 | uint16 | uint32](to []int64, from []T) {
	for i, x := range from {
		to[i] = int64(x)
	}
}

// read turns a column into what each row adds: pass 2. NULL adds 0; with wide sums squares are left for later.
func (m *measure) read(to []int64, v unsafe.Pointer, mask *uint64) {
	nulls := mask != nil && !allValid(mask, len(to))
	if m.kind == query.Rows {
		for i := range to {
			to[i] = 1
		}
	} else {
		widen(to, v, m.enc)
		clipLo, clipHi, center := m.clipLo, m.clipHi, m.center
		if clipLo > m.enc.lo || clipHi < m.enc.hi {
			for i, x := range to {
				to[i] = min(max(x, clipLo), clipHi) - center
			}
		} else if center != 0 {
			for i := range to {
				to[i] -= center
			}
		}
		if m.kind == query.Squares && m.squareFits {
			for i, x := range to {
				to[i] = x * x
			}
		}
	}
	if nulls {
		for i := range to {
			if !valid(mask, i) {
				to[i] = 0
			}
		}
	}
}

// allValid reports whether the first n rows of a mask are all set.
func allValid(mask *uint64, n int) bool {
	words := unsafe.Slice(mask, (n+63)/64)
	for i, w := range words {
		want := ^uint64(0)
		if left := n - i*64; left < 64 {
			want = 1<<left - 1
		}
		if w&want != want {
			return false
		}
	}
	return true
}
