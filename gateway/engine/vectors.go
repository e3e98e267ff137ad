package engine

import (
	"unsafe"

	"jali/gateway/query"
)

// Passes 1 and 2 of the loop: from DuckDB's vectors, of any width, to cells and to what each row adds.

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
		switch l.enc.typ {
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
	switch enc.typ {
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

// numberAt is one stored number of any width.
func numberAt(v unsafe.Pointer, i int, enc encoding) int64 {
	var n [1]int64
	widen(n[:], unsafe.Add(v, i*enc.bytes()), enc)
	return n[0]
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
		switch clips := m.clipLo > m.enc.lo || m.clipHi < m.enc.hi; {
		case !clips && m.center == 0:
			widen(to, v, m.enc)
		case m.enc.typ == "INTEGER":
			clipWide(to, values[int32](v, len(to)), m.clipLo, m.clipHi, m.center)
		case m.enc.typ == "SMALLINT":
			clipWide(to, values[int16](v, len(to)), m.clipLo, m.clipHi, m.center)
		default:
			widen(to, v, m.enc)
			clipWide(to, to, m.clipLo, m.clipHi, m.center)
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

// clipWide holds numbers within [lo, hi] and takes the centre off.
func clipWide[T int16 | int32 | int64](to []int64, from []T, lo, hi, center int64) {
	for i, x := range from {
		to[i] = min(max(int64(x), lo), hi) - center
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
