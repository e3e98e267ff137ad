package engine

import (
	"cmp"
	"slices"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// What is person-local, by its definition: derived tables and computed values.

func (b *brute) compute(j joined, r query.ColumnRef) catalog.Value {
	e := r.Expr
	if len(e.Whens) > 0 {
		for _, w := range e.Whens {
			if b.holds(j, w.If) == yes {
				return w.Then
			}
		}
		return e.Else
	}
	v := catalog.Value{Kind: r.Column.Kind(), N: e.Const, Decimals: r.Column.Decimals}
	if e.Pick != "" {
		var all []catalog.Value
		for _, t := range e.Terms {
			if x := b.value(j, t.Col); x.Kind != catalog.Null {
				all = append(all, x)
			}
		}
		if e.Fixed {
			all = append(all, v)
		}
		switch byNumber := func(x, y catalog.Value) int { return cmp.Compare(x.N, y.N) }; {
		case len(all) == 0:
			return catalog.Value{}
		case e.Pick == query.PickLeast:
			return slices.MinFunc(all, byNumber)
		case e.Pick == query.PickGreatest:
			return slices.MaxFunc(all, byNumber)
		}
		return all[0]
	}
	for _, t := range e.Terms {
		x := b.value(j, t.Col)
		if x.Kind == catalog.Null {
			return catalog.Value{}
		}
		v.N += t.Coef * x.N
	}
	return v
}

// relation lists the rows of a derived table.
func (b *brute) relation(d *query.Derived) []bruteRow {
	if rows, known := b.derived[d]; known {
		return rows
	}
	var rows []joined
	for _, j := range b.join(d.Tables) {
		if b.holds(j, d.Where) == yes {
			rows = append(rows, j)
		}
	}
	var out []bruteRow
	for _, group := range b.split(d, rows) {
		row := bruteRow{person: group[0].person, values: map[string]catalog.Value{}}
		for _, c := range d.Columns {
			row.values[c.Column.Name] = b.fold(c, group)
		}
		out = append(out, row)
	}
	if len(d.Order) > 0 {
		b.number(d, rows, out)
	}
	if b.derived == nil {
		b.derived = map[*query.Derived][]bruteRow{}
	}
	b.derived[d] = out
	return out
}

// split takes rows together: those of one person and one value of each key, or each by itself.
func (b *brute) split(d *query.Derived, rows []joined) [][]joined {
	var out [][]joined
	at := map[string]int{}
	for _, j := range rows {
		if !d.Grouped {
			out = append(out, []joined{j})
			continue
		}
		var key []catalog.Value
		for _, c := range d.Columns {
			if c.Kind == query.Value {
				key = append(key, b.value(j, *c.Arg))
			}
		}
		k := j.person + "\x00" + string(encodeKey(key))
		i, known := at[k]
		if !known {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], j)
	}
	return out
}

func (b *brute) fold(c query.DerivedColumn, rows []joined) catalog.Value {
	var all []catalog.Value
	if c.Arg != nil {
		for _, j := range rows {
			if v := b.value(j, *c.Arg); v.Kind != catalog.Null || c.Kind == query.Value {
				all = append(all, v)
			}
		}
	}
	switch c.Kind {
	case query.Value:
		return all[0]
	case query.RowCount:
		return catalog.IntValue(int64(len(rows)))
	case query.Filled:
		return catalog.IntValue(int64(len(all)))
	case query.Distinct:
		seen := map[catalog.Value]bool{}
		for _, v := range all {
			seen[v] = true
		}
		return catalog.IntValue(int64(len(seen)))
	case query.Number:
		return catalog.Value{}
	}
	if len(all) == 0 {
		return catalog.Value{}
	}
	out := all[0]
	for _, v := range all[1:] {
		switch c.Kind {
		case query.Least:
			out.N = min(out.N, v.N)
		case query.Greatest:
			out.N = max(out.N, v.N)
		case query.Total:
			out.N += v.N
		}
	}
	return out
}

// number fills in row numbers: each person's rows in the order, then in that of all columns.
func (b *brute) number(d *query.Derived, from []joined, to []bruteRow) {
	order := make([]int, len(from))
	for i := range order {
		order[i] = i
	}
	compare := func(r query.ColumnRef, desc bool, i, k int) int {
		x, y := b.value(from[i], r), b.value(from[k], r)
		n := 0
		switch {
		case x.Kind == catalog.Null && y.Kind == catalog.Null:
		case x.Kind == catalog.Null:
			n = 1
		case y.Kind == catalog.Null:
			n = -1
		case x.Kind == catalog.String && r.Column.Codes != nil:
			n = cmp.Compare(slices.Index(r.Column.Codes, x), slices.Index(r.Column.Codes, y))
		default:
			n = cmp.Or(cmp.Compare(x.N, y.N), strings.Compare(x.S, y.S))
		}
		if desc {
			return -n
		}
		return n
	}
	slices.SortStableFunc(order, func(i, k int) int {
		if n := strings.Compare(from[i].person, from[k].person); n != 0 {
			return n
		}
		for _, o := range d.Order {
			if n := compare(o.Col, o.Desc, i, k); n != 0 {
				return n
			}
		}
		for _, c := range d.Columns {
			if c.Kind == query.Value {
				if n := compare(*c.Arg, false, i, k); n != 0 {
					return n
				}
			}
		}
		return 0
	})
	number := int64(0)
	for n, i := range order {
		if number++; n == 0 || from[order[n-1]].person != from[i].person {
			number = 1
		}
		for _, c := range d.Columns {
			if c.Kind == query.Number {
				to[i].values[c.Column.Name] = catalog.IntValue(number)
			}
		}
	}
}
