package query

import (
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// A fact is a top-level conjunct of WHERE: every row that counts satisfies it, whatever the data are.
func facts(where Cond) []Cond {
	switch x := where.(type) {
	case nil:
		return nil
	case And:
		return x.Args
	}
	return []Cond{where}
}

// about reports whether all of a condition concerns one column or one of its bands.
func about(c Cond, same func(ColumnRef) bool) bool {
	switch x := c.(type) {
	case And:
		return !slices.ContainsFunc(x.Args, func(a Cond) bool { return !about(a, same) })
	case Or:
		return !slices.ContainsFunc(x.Args, func(a Cond) bool { return !about(a, same) })
	}
	ref, ok := leafRef(c)
	return ok && same(ref)
}

// selects evaluates a condition that is about one column for one of its values; the zero Value is NULL.
func selects(c Cond, v catalog.Value) bool {
	null := v.Kind == catalog.Null
	switch x := c.(type) {
	case And:
		return !slices.ContainsFunc(x.Args, func(a Cond) bool { return !selects(a, v) })
	case Or:
		return slices.ContainsFunc(x.Args, func(a Cond) bool { return selects(a, v) })
	case Compare:
		return !null && holds(compareValues(v, x.Value), x.Op)
	case In:
		return !null && slices.Contains(x.Values, v)
	case Like:
		return !null && strings.HasPrefix(v.S, x.Prefix)
	case IsNull:
		return null
	case Not:
		if _, ok := x.Arg.(IsNull); ok {
			return !null
		}
		return !null && !selects(x.Arg, v)
	}
	return true
}

// given reports whether the facts rule out that the column is NULL.
func given(where Cond, ref ColumnRef) bool {
	if !ref.Column.Nullable {
		return true
	}
	// A band is NULL wherever its column is, so a fact about any band of the column counts.
	same := func(r ColumnRef) bool { return r.Table == ref.Table && r.Column == ref.Column }
	return slices.ContainsFunc(facts(where), func(f Cond) bool { return about(f, same) && !selects(f, catalog.Value{}) })
}

// narrowed lists the values of a listed domain that the facts leave, with NULL last when it remains possible.
func narrowed(where Cond, ref ColumnRef) []catalog.Value {
	labels := slices.Clone(domainOf(ref))
	if ref.Band == nil && ref.Column.PrivateKeys {
		labels = slices.Clone(ref.Column.Matching)
	}
	if nullable(ref) && (ref.Band != nil && !covers(ref.Column, ref.Band) || !given(where, ref)) {
		labels = append(labels, catalog.Value{})
	}
	for _, f := range facts(where) {
		if about(f, func(r ColumnRef) bool { return r == ref }) {
			labels = slices.DeleteFunc(labels, func(v catalog.Value) bool { return !selects(f, v) })
		}
	}
	return labels
}

// maxSpread is the widest range of integers that is counted as a domain for bounds.
const maxSpread = 1 << 20

// distinct bounds the number of different non-NULL values that a column can have in the rows that count; 0 is unknown.
func distinct(where Cond, ref ColumnRef) int64 {
	if ref.Column.Codes != nil {
		n := int64(0)
		for _, v := range narrowed(where, ref) {
			if v.Kind != catalog.Null {
				n++
			}
		}
		return n
	}
	lo, hi := ref.Column.Lo, ref.Column.Hi
	for _, f := range facts(where) {
		switch x := f.(type) {
		case Compare:
			switch {
			case x.Col != ref:
			case x.Op == "=":
				return 1
			case x.Op == ">=":
				lo = max(lo, x.Value.N)
			case x.Op == "<=":
				hi = min(hi, x.Value.N)
			}
		case In:
			if x.Col == ref {
				return int64(len(x.Values))
			}
		}
	}
	if ref.Column.Type == catalog.Text || lo > hi || uint64(hi)-uint64(lo) >= maxSpread {
		return 0
	}
	return hi - lo + 1
}
