package query

import (
	"cmp"
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// Conditions are kept in a normal form, so that questions that mean the same mostly have the same plan: no NOT above a leaf,
// AND and OR flat and sorted, constants folded, and all conditions of one AND or OR on one column merged into one set.
// This is usability, not safety (disclosure-control.md section 5.3).

// constant is a condition known to be true or false. It never reaches a Plan.
type constant bool

func (constant) cond() {}

// small is a condition on a column whose domain is listed and short: exactly the values it accepts. It never reaches a Plan;
// finish writes it as comparisons.
type small struct {
	ref    ColumnRef
	accept uint64 // bit i: value i of domainOf(ref)
	null   bool   // also NULL
}

func (small) cond() {}

// shortDomain is the longest domain that small represents.
const shortDomain = 64

func isShort(ref ColumnRef) bool { d := domainOf(ref); return len(d) > 0 && len(d) <= shortDomain }

func all(ref ColumnRef) uint64 { return ^uint64(0) >> (64 - len(domainOf(ref))) }

// compareLeaf is ref op v, negated if neg.
func compareLeaf(ref ColumnRef, op string, v catalog.Value, neg bool) Cond {
	if neg {
		op = map[string]string{"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}[op]
	}
	if isShort(ref) {
		return pick(ref, func(x catalog.Value) bool { return holds(compareValues(x, v), op) })
	}
	// Strict bounds become inclusive ones: every ordered type is an integer.
	switch op {
	case "<":
		if v.N == -1<<63+1 {
			return constant(false)
		}
		v.N--
		op = "<="
	case ">":
		if v.N == 1<<63-1 {
			return constant(false)
		}
		v.N++
		op = ">="
	}
	return Compare{Col: ref, Op: op, Value: v}
}

func pick(ref ColumnRef, keep func(catalog.Value) bool) small {
	s := small{ref: ref}
	for i, x := range domainOf(ref) {
		if keep(x) {
			s.accept |= 1 << i
		}
	}
	return s
}

func compareValues(a, b catalog.Value) int {
	if c := cmp.Compare(a.N, b.N); c != 0 {
		return c
	}
	return strings.Compare(a.S, b.S)
}

func likeLeaf(ref ColumnRef, prefix string, neg bool) Cond {
	if isShort(ref) {
		return pick(ref, func(x catalog.Value) bool { return strings.HasPrefix(x.S, prefix) != neg })
	}
	if neg {
		return Not{Like{Col: ref, Prefix: prefix}}
	}
	return Like{Col: ref, Prefix: prefix}
}

// nullTest is ref IS NULL, or IS NOT NULL if neg.
func nullTest(ref ColumnRef, neg bool) Cond {
	switch {
	case !nullable(ref):
		return constant(neg)
	case isShort(ref) && neg:
		return small{ref: ref, accept: all(ref)}
	case isShort(ref):
		return small{ref: ref, null: true}
	case neg:
		return Not{IsNull{ref}}
	}
	return IsNull{ref}
}

func personsLeaf(sub *Cohort, neg bool) Cond {
	if neg {
		return Not{InPersons{sub}}
	}
	return InPersons{sub}
}

// and and or combine conditions that are in normal form.
func and(args []Cond) Cond { return combine(args, true) }
func or(args []Cond) Cond  { return combine(args, false) }

func combine(args []Cond, isAnd bool) Cond {
	var flat []Cond
	for _, a := range args {
		switch x := a.(type) {
		case constant:
			if bool(x) != isAnd {
				return x // false AND ..., true OR ...
			}
		case And:
			if isAnd {
				flat = append(flat, x.Args...)
			} else {
				flat = append(flat, a)
			}
		case Or:
			if !isAnd {
				flat = append(flat, x.Args...)
			} else {
				flat = append(flat, a)
			}
		default:
			flat = append(flat, a)
		}
	}
	// Group what concerns one column; the rest stays as it is.
	bags, order := map[ColumnRef]*bag{}, []ColumnRef{}
	var rest []Cond
	for _, a := range flat {
		ref, ok := leafRef(a)
		if !ok {
			rest = append(rest, a)
			continue
		}
		if bags[ref] == nil {
			bags[ref] = &bag{ref: ref, and: isAnd}
			order = append(order, ref)
		}
		bags[ref].add(a)
	}
	for _, ref := range order {
		for _, a := range bags[ref].merged() {
			if k, ok := a.(constant); ok {
				if bool(k) != isAnd {
					return k
				}
				continue
			}
			rest = append(rest, a)
		}
	}
	return join(rest, isAnd)
}

// join sorts arguments, drops duplicates and wraps them.
func join(args []Cond, isAnd bool) Cond {
	slices.SortFunc(args, func(a, b Cond) int { return strings.Compare(condKey(a), condKey(b)) })
	args = slices.CompactFunc(args, func(a, b Cond) bool { return condKey(a) == condKey(b) })
	switch {
	case len(args) == 0:
		return constant(isAnd)
	case len(args) == 1:
		return args[0]
	case isAnd:
		return And{args}
	}
	return Or{args}
}

// leafRef returns the column of a condition on one column.
func leafRef(c Cond) (ColumnRef, bool) {
	switch x := c.(type) {
	case small:
		return x.ref, true
	case Compare:
		return x.Col, true
	case In:
		return x.Col, true
	case Like:
		return x.Col, true
	case IsNull:
		return x.Col, true
	case Not:
		if _, persons := x.Arg.(InPersons); !persons {
			return leafRef(x.Arg)
		}
	}
	return ColumnRef{}, false
}

// finish writes small conditions as comparisons; the result is what a Plan holds.
func finish(c Cond) Cond {
	switch x := c.(type) {
	case And:
		args := make([]Cond, 0, len(x.Args))
		for _, a := range x.Args {
			if f, ok := finish(a).(And); ok {
				args = append(args, f.Args...)
				continue
			}
			args = append(args, finish(a))
		}
		return join(args, true)
	case Or:
		args := make([]Cond, 0, len(x.Args))
		for _, a := range x.Args {
			if f, ok := finish(a).(Or); ok {
				args = append(args, f.Args...)
				continue
			}
			args = append(args, finish(a))
		}
		return join(args, false)
	case small:
		return x.written()
	}
	return c
}

func (s small) written() Cond {
	every := all(s.ref)
	var in Cond
	switch {
	case s.accept == every && (s.null || !nullable(s.ref)):
		return constant(true)
	case s.accept == every:
		return Not{IsNull{s.ref}}
	case s.accept == 0 && s.null && nullable(s.ref):
		return IsNull{s.ref}
	case s.accept == 0:
		return constant(false)
	default:
		var vs []catalog.Value
		for i, v := range domainOf(s.ref) {
			if s.accept>>i&1 == 1 {
				vs = append(vs, v)
			}
		}
		in = oneOf(s.ref, vs)
	}
	if s.null && nullable(s.ref) {
		return join([]Cond{in, IsNull{s.ref}}, false)
	}
	return in
}

// oneOf is ref IN (vs), or = for one value; vs is not empty.
func oneOf(ref ColumnRef, vs []catalog.Value) Cond {
	vs = slices.Clone(vs)
	slices.SortFunc(vs, compareValues)
	if vs = slices.Compact(vs); len(vs) == 1 {
		return Compare{Col: ref, Op: "=", Value: vs[0]}
	}
	return In{Col: ref, Values: vs}
}

// noneOf is ref NOT IN (vs), or <> for one value.
func noneOf(ref ColumnRef, vs []catalog.Value) Cond {
	switch x := oneOf(ref, vs).(type) {
	case Compare:
		x.Op = "<>"
		return x
	default:
		return Not{x}
	}
}
