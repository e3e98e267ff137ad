package query

import (
	"slices"

	"jali/gateway/catalog"
)

// detach turns tables that are tied to the others by the person alone into semi-joins: whoever asks only whether a person has
// a row gets the same answer, and no person's rows are multiplied with its rows elsewhere. Without it the time of a join would
// grow with the rows of the very persons a condition finds. A table stays if keep says so, if a condition other than AND ties
// it to one that stays, or if a declared join does; at least one stays. place gives the new index of each table, or -1.
//
// A left join never decides who counts, so its table is no semi-join: it stays, with the first table, which it hangs on.
func detach(ds *catalog.Dataset, tables []TableRef, where Cond, keep func(int) bool) (rest []TableRef, left Cond, move *mover) {
	group := make([]int, len(tables)) // component of each table, as its smallest index
	for i := range group {
		group[i] = i
	}
	union := func(a, b int) {
		a, b = group[a], group[b]
		for i := range group {
			if group[i] == a || group[i] == b {
				group[i] = min(a, b)
			}
		}
	}
	for i, t := range tables {
		for _, on := range t.On {
			union(i, on.Left.Table)
		}
		if t.Left {
			union(i, 0)
		}
	}
	conjuncts := split(where)
	owner := make([]int, len(conjuncts)) // a table of the conjunct, or -1
	for k, c := range conjuncts {
		owner[k] = -1
		eachRef(c, func(r ColumnRef) {
			if owner[k] < 0 {
				owner[k] = r.Table
			}
			union(owner[k], r.Table)
		})
	}
	stays := map[int]bool{}
	for i := range tables {
		if keep(i) || tables[i].Left {
			stays[group[i]] = true
		}
	}
	if len(stays) == 0 {
		stays[group[slices.IndexFunc(tables, func(t TableRef) bool { return !t.Table.Public })]] = true
	}
	if len(stays) == len(slices.Compact(slices.Sorted(slices.Values(group)))) {
		return tables, where, nil
	}
	var kept []Cond
	move = newMover(make([]int, len(tables)))
	rest = pickTables(tables, move.place, func(i int) bool { return stays[group[i]] })
	for k, c := range conjuncts {
		if owner[k] < 0 || stays[group[owner[k]]] {
			kept = append(kept, move.cond(c))
		}
	}
	for root := range tables {
		if group[root] != root || stays[root] {
			continue
		}
		at := newMover(make([]int, len(tables)))
		sub := &Cohort{Tables: pickTables(tables, at.place, func(i int) bool { return group[i] == root })}
		var own []Cond
		for k, c := range conjuncts {
			if owner[k] >= 0 && group[owner[k]] == root {
				own = append(own, at.cond(c))
			}
		}
		sub.Where = conjoin(own)
		sub.Fans = fans(&Plan{Dataset: ds, Tables: sub.Tables, Where: sub.Where})
		if leaf := (InPersons{sub}); !slices.ContainsFunc(kept, func(c Cond) bool { return condKey(c) == condKey(leaf) }) {
			kept = append(kept, leaf)
		}
	}
	return rest, conjoin(kept), move
}

// detach applies to a plan that counts persons and nothing else: there a table that nothing is grouped by only decides who counts.
func (p *Plan) detach() {
	for _, it := range p.Items {
		if it.Kind != Persons {
			return
		}
	}
	grouped := map[int]bool{}
	for _, g := range p.GroupBy {
		g.EachColumn(func(r ColumnRef) { grouped[r.Table] = true })
	}
	tables, where, move := detach(p.Dataset, p.Tables, p.Where, func(i int) bool { return grouped[i] })
	if move == nil {
		return
	}
	p.Tables, p.Where = tables, where
	for i := range p.GroupBy {
		p.GroupBy[i] = move.ref(p.GroupBy[i])
	}
}

// pickTables keeps some tables and renumbers their joins; place is filled with the new indices.
func pickTables(tables []TableRef, place []int, keep func(int) bool) []TableRef {
	var out []TableRef
	for i, t := range tables {
		place[i] = -1
		if !keep(i) {
			continue
		}
		place[i] = len(out)
		moved := TableRef{Table: t.Table, Sub: t.Sub, Left: t.Left}
		for _, on := range t.On {
			on.Left.Table, on.Right.Table = place[on.Left.Table], place[i]
			moved.On = append(moved.On, on)
		}
		out = append(out, moved)
	}
	return out
}

// split lists the conjuncts of a condition.
func split(c Cond) []Cond {
	switch x := c.(type) {
	case nil:
		return nil
	case And:
		return x.Args
	}
	return []Cond{c}
}

// conjoin is the AND of conditions in normal form.
func conjoin(args []Cond) Cond {
	if len(args) == 0 {
		return nil
	}
	return join(args, true)
}

// eachRef visits the stored columns a condition names in its own FROM, not those of subqueries.
func eachRef(c Cond, visit func(ColumnRef)) {
	switch x := c.(type) {
	case And:
		for _, a := range x.Args {
			eachRef(a, visit)
		}
	case Or:
		for _, a := range x.Args {
			eachRef(a, visit)
		}
	case Not:
		eachRef(x.Arg, visit)
	case Compare:
		x.Col.EachColumn(visit)
	case In:
		x.Col.EachColumn(visit)
	case Like:
		x.Col.EachColumn(visit)
	case IsNull:
		x.Col.EachColumn(visit)
	}
}

// mover renumbers tables. An expression moves once, so that what referred to one still does.
type mover struct {
	place []int
	moved map[*Expr]*Expr
}

func newMover(place []int) *mover { return &mover{place, map[*Expr]*Expr{}} }

func (m *mover) ref(r ColumnRef) ColumnRef {
	if r.Expr == nil {
		r.Table = m.place[r.Table]
		return r
	}
	to := m.moved[r.Expr]
	if to == nil {
		to = &Expr{Const: r.Expr.Const, Else: r.Expr.Else, Pick: r.Expr.Pick, Fixed: r.Expr.Fixed}
		for _, t := range r.Expr.Terms {
			to.Terms = append(to.Terms, Term{t.Coef, m.ref(t.Col)})
		}
		for _, w := range r.Expr.Whens {
			to.Whens = append(to.Whens, When{m.cond(w.If), w.Then})
		}
		m.moved[r.Expr] = to
	}
	r.Expr = to
	return r
}

func (m *mover) cond(c Cond) Cond {
	list := func(args []Cond) []Cond {
		out := make([]Cond, len(args))
		for i, a := range args {
			out[i] = m.cond(a)
		}
		return out
	}
	switch x := c.(type) {
	case And:
		return And{list(x.Args)}
	case Or:
		return Or{list(x.Args)}
	case Not:
		return Not{m.cond(x.Arg)}
	case Compare:
		x.Col = m.ref(x.Col)
		return x
	case In:
		x.Col = m.ref(x.Col)
		return x
	case Like:
		x.Col = m.ref(x.Col)
		return x
	case IsNull:
		x.Col = m.ref(x.Col)
		return x
	}
	return c
}
