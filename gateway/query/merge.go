package query

import (
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// bag collects the conditions on one column in one AND or OR and merges them.
type bag struct {
	ref ColumnRef
	and bool

	smalls      []small
	in, out     [][]catalog.Value // IN lists, NOT IN lists
	lo, hi      []int64           // >=, <=
	likes       []Cond            // Like and Not{Like}
	null, given bool              // IS NULL, IS NOT NULL
}

func (b *bag) add(c Cond) {
	switch x := c.(type) {
	case small:
		b.smalls = append(b.smalls, x)
	case Compare:
		switch x.Op {
		case "=":
			b.in = append(b.in, []catalog.Value{x.Value})
		case "<>":
			b.out = append(b.out, []catalog.Value{x.Value})
		case ">=":
			b.lo = append(b.lo, x.Value.N)
		case "<=":
			b.hi = append(b.hi, x.Value.N)
		}
	case In:
		b.in = append(b.in, x.Values)
	case Like:
		b.likes = append(b.likes, x)
	case IsNull:
		b.null = true
	case Not:
		switch y := x.Arg.(type) {
		case In:
			b.out = append(b.out, y.Values)
		case Like:
			b.likes = append(b.likes, x)
		case IsNull:
			b.given = true
		}
	}
}

// merged returns the conditions that remain, to be combined by the same operator.
func (b *bag) merged() []Cond {
	if len(b.smalls) > 0 {
		return []Cond{b.mergeSmall()}
	}
	if b.and {
		return b.mergeAnd()
	}
	return b.mergeOr()
}

func (b *bag) mergeSmall() Cond {
	s := b.smalls[0]
	for _, x := range b.smalls[1:] {
		if b.and {
			s.accept, s.null = s.accept&x.accept, s.null && x.null
		} else {
			s.accept, s.null = s.accept|x.accept, s.null || x.null
		}
	}
	if k, ok := s.written().(constant); ok {
		return k
	}
	return s
}

func (b *bag) mergeAnd() []Cond {
	rejects := len(b.in)+len(b.out)+len(b.lo)+len(b.hi)+len(b.likes) > 0
	switch {
	case b.null && (rejects || b.given):
		return []Cond{constant(false)}
	case b.null:
		return []Cond{IsNull{b.ref}}
	case !rejects:
		return []Cond{nullTest(b.ref, true)}
	}
	if len(b.in) > 0 {
		left := slices.Clone(b.in[0])
		left = slices.DeleteFunc(left, func(v catalog.Value) bool { return !b.admits(v) })
		if len(left) == 0 {
			return []Cond{constant(false)}
		}
		return []Cond{oneOf(b.ref, left)}
	}
	out := slices.Concat(b.out...)
	res := slices.Clone(b.likes)
	if len(b.lo) > 0 && len(b.hi) > 0 {
		lo, hi := slices.Max(b.lo), slices.Min(b.hi)
		v := b.value(lo)
		switch {
		case lo > hi || lo == hi && (slices.Contains(out, v) || !b.known(v)):
			return []Cond{constant(false)}
		case lo == hi:
			return []Cond{oneOf(b.ref, []catalog.Value{v})}
		}
	}
	if len(b.lo) > 0 {
		res = append(res, Compare{b.ref, ">=", b.value(slices.Max(b.lo))})
	}
	if len(b.hi) > 0 {
		res = append(res, Compare{b.ref, "<=", b.value(slices.Min(b.hi))})
	}
	out = slices.DeleteFunc(out, func(v catalog.Value) bool { // already outside the range
		return len(b.lo) > 0 && v.N < slices.Max(b.lo) || len(b.hi) > 0 && v.N > slices.Min(b.hi)
	})
	if len(out) > 0 {
		res = append(res, noneOf(b.ref, out))
	}
	return res
}

// admits reports whether all of an AND's conditions hold for a value.
func (b *bag) admits(v catalog.Value) bool {
	for _, l := range b.in {
		if !slices.Contains(l, v) {
			return false
		}
	}
	for _, l := range b.out {
		if slices.Contains(l, v) {
			return false
		}
	}
	for _, c := range b.likes {
		switch x := c.(type) {
		case Like:
			if !strings.HasPrefix(v.S, x.Prefix) {
				return false
			}
		case Not:
			if strings.HasPrefix(v.S, x.Arg.(Like).Prefix) {
				return false
			}
		}
	}
	return (len(b.lo) == 0 || v.N >= slices.Max(b.lo)) && (len(b.hi) == 0 || v.N <= slices.Min(b.hi))
}

func (b *bag) mergeOr() []Cond {
	given := func() []Cond { // every value
		if b.null {
			return []Cond{constant(true)}
		}
		return []Cond{nullTest(b.ref, true)}
	}
	if b.given {
		return given()
	}
	var res []Cond
	in := slices.Concat(b.in...)
	if len(b.lo) > 0 && len(b.hi) > 0 {
		// The ranges cover every value when they meet: lo <= hi+1, written so that nothing overflows.
		if lo, hi := slices.Min(b.lo), slices.Max(b.hi); lo <= hi || lo-1 == hi {
			return given()
		}
	}
	if len(b.lo) > 0 {
		lo := slices.Min(b.lo)
		in = slices.DeleteFunc(in, func(v catalog.Value) bool { return v.N >= lo })
		res = append(res, Compare{b.ref, ">=", b.value(lo)})
	}
	if len(b.hi) > 0 {
		hi := slices.Max(b.hi)
		in = slices.DeleteFunc(in, func(v catalog.Value) bool { return v.N <= hi })
		res = append(res, Compare{b.ref, "<=", b.value(hi)})
	}
	switch {
	case len(b.out) > 0:
		out := slices.Clone(b.out[0])
		out = slices.DeleteFunc(out, func(v catalog.Value) bool {
			return slices.Contains(in, v) || slices.ContainsFunc(b.out, func(l []catalog.Value) bool { return !slices.Contains(l, v) })
		})
		if len(out) == 0 {
			return given()
		}
		res = append(res, noneOf(b.ref, out))
	case len(in) > 0:
		res = append(res, oneOf(b.ref, in))
	}
	if b.null {
		res = append(res, IsNull{b.ref})
	}
	return append(res, b.likes...)
}

// known reports whether the column can have a value: a range may narrow down to one that is not in the code list, and what is
// compared for equality is always a code.
func (b *bag) known(v catalog.Value) bool {
	codes := domainOf(b.ref)
	return codes == nil || slices.Contains(codes, v)
}

// value is a number of the column's kind and scale.
func (b *bag) value(n int64) catalog.Value {
	if b.ref.Band != nil {
		return catalog.IntValue(n)
	}
	return catalog.Value{Kind: b.ref.Column.Kind(), N: n, Decimals: b.ref.Column.Decimals}
}
