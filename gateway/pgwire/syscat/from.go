package syscat

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// combined is relations and the rows of their product that have been kept so far.
type combined struct {
	bound []*relation
	rows  [][][]any
}

// from evaluates FROM and WHERE. Each condition of the WHERE is asked as soon as the relations it names are there, so that lists of
// relations do not grow to their product.
func (e *engine) from(clause []*pg.Node, where *pg.Node, outer *scope) ([]*relation, [][][]any) {
	conditions := conjuncts(where)
	done := make([]bool, len(conditions))
	at := combined{rows: [][][]any{{}}}
	filter := func(all bool, later []*pg.Node) {
		for i, c := range conditions {
			if done[i] || !all && !e.settled(c, at.bound, later, outer) {
				continue
			}
			done[i] = true
			var kept [][][]any
			for _, row := range at.rows {
				if e.truth(c, &scope{outer: outer, bound: at.bound, row: row}) {
					kept = append(kept, row)
				}
			}
			at.rows = kept
		}
	}
	for i, n := range clause {
		at = e.product(at, n, outer)
		filter(false, clause[i+1:])
	}
	filter(true, nil)
	return at.bound, at.rows
}

// conjuncts splits a condition at its ANDs.
func conjuncts(n *pg.Node) []*pg.Node {
	if n == nil {
		return nil
	}
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		var out []*pg.Node
		for _, a := range b.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	return []*pg.Node{n}
}

// settled reports that a condition is about nothing but relations that are bound: plain comparisons of columns and constants, of which no column can be
// one of a relation still to come.
func (e *engine) settled(n *pg.Node, bound []*relation, later []*pg.Node, outer *scope) bool {
	e.work(1 + len(bound) + len(later))
	settled := func(n *pg.Node) bool { return n == nil || e.settled(n, bound, later, outer) }
	switch x := n.Node.(type) {
	case *pg.Node_AConst:
		return true
	case *pg.Node_ColumnRef:
		f := x.ColumnRef.Fields
		name := f[len(f)-1].GetString_().GetSval()
		if len(f) == 2 {
			return slices.ContainsFunc(bound, func(r *relation) bool { return r.alias == f[0].GetString_().GetSval() })
		}
		return len(f) == 1 && slices.ContainsFunc(bound, func(r *relation) bool { return slices.Contains(r.cols, name) }) &&
			!slices.ContainsFunc(later, func(n *pg.Node) bool { return e.mayHave(n, name, outer) })
	case *pg.Node_AExpr:
		return settled(x.AExpr.Lexpr) && settled(x.AExpr.Rexpr)
	case *pg.Node_TypeCast:
		return settled(x.TypeCast.Arg)
	case *pg.Node_NullTest:
		return settled(x.NullTest.Arg)
	case *pg.Node_List:
		return !slices.ContainsFunc(x.List.Items, func(i *pg.Node) bool { return !settled(i) })
	}
	return false
}

// mayHave reports that an entry of FROM could have a column of that name: what is no plain relation could have any.
func (e *engine) mayHave(n *pg.Node, name string, outer *scope) bool {
	v := n.GetRangeVar()
	if v == nil || v.Alias != nil && len(v.Alias.Colnames) > 0 {
		return true
	}
	r, _ := e.relation(n, outer)
	return slices.Contains(r.cols, name)
}

// product joins one more entry of FROM to what is there. Functions and subqueries may name what stands before them.
func (e *engine) product(at combined, n *pg.Node, outer *scope) combined {
	if j := n.GetJoinExpr(); j != nil && n.GetJoinExpr() != nil {
		right := e.joined(j, outer, at)
		return right
	}
	return e.cross(at, n, outer)
}

// cross adds a relation without a condition.
func (e *engine) cross(at combined, n *pg.Node, outer *scope) combined {
	e.wide(at.bound)
	out := combined{}
	for i, row := range at.rows {
		r, t := e.relation(n, &scope{outer: outer, bound: at.bound, row: row})
		if i == 0 {
			out.bound = append(slices.Clone(at.bound), r)
		}
		for _, values := range t {
			e.step()
			out.rows = append(out.rows, append(slices.Clip(row), values))
			e.bounded(len(out.rows) * (1 + len(at.bound)/8)) // wide rows count for more
		}
	}
	if len(at.rows) == 0 {
		r, _ := e.relation(n, nullRow(at.bound, outer))
		out.bound = append(slices.Clone(at.bound), r)
	}
	return out
}

// joined evaluates a JOIN to the right of what is there.
func (e *engine) joined(j *pg.JoinExpr, outer *scope, at combined) combined {
	left := e.product(at, j.Larg, outer)
	switch j.Jointype {
	case pg.JoinType_JOIN_INNER, pg.JoinType_JOIN_LEFT:
	default:
		fail("0A000", "of joins, inner and left ones are answered")
	}
	if j.IsNatural || j.Alias != nil {
		fail("0A000", "natural and aliased joins are not answered")
	}
	out := combined{}
	width := -1
	for _, row := range left.rows {
		one := e.product(combined{bound: left.bound, rows: [][][]any{row}}, j.Rarg, outer)
		out.bound, width = one.bound, len(one.bound)
		matched := false
		for _, r := range one.rows {
			e.step()
			if !e.matches(j, one.bound, len(left.bound), r, outer) {
				continue
			}
			matched = true
			out.rows = append(out.rows, r)
			e.bounded(len(out.rows) * (1 + len(left.bound)/8))
		}
		if !matched && j.Jointype == pg.JoinType_JOIN_LEFT {
			out.rows = append(out.rows, append(slices.Clip(row), make([][]any, width-len(row))...))
		}
	}
	if width < 0 {
		out.bound = e.product(left, j.Rarg, outer).bound
	}
	return out
}

func (e *engine) matches(j *pg.JoinExpr, bound []*relation, left int, row [][]any, outer *scope) bool {
	at := &scope{outer: outer, bound: bound, row: row}
	for _, u := range j.UsingClause {
		name := u.GetString_().GetSval()
		var values []any
		for _, side := range [][2]int{{0, left}, {left, len(bound)}} {
			for i := side[0]; i < side[1]; i++ {
				if k := slices.Index(bound[i].cols, name); k >= 0 && row[i] != nil {
					values = append(values, row[i][k])
					break
				}
			}
		}
		if len(values) != 2 || values[0] == nil || values[1] == nil || compare(values[0], values[1]) != 0 {
			return false
		}
	}
	return j.Quals == nil || e.truth(j.Quals, at)
}

func nullRow(bound []*relation, outer *scope) *scope {
	return &scope{outer: outer, bound: bound, row: make([][]any, len(bound))}
}

// relation evaluates one entry of FROM that is no join, at a row of what stands before it.
func (e *engine) relation(n *pg.Node, at *scope) (*relation, [][]any) {
	switch x := n.Node.(type) {
	case *pg.Node_RangeVar:
		v := x.RangeVar
		t, ok := table{}, false
		if v.Schemaname == "" {
			t, ok = at.cte(v.Relname)
		}
		if !ok {
			t = e.relationOf(v.Schemaname, v.Relname)
		}
		r := &relation{alias: v.Relname, cols: t.cols}
		aliased(r, v.Alias)
		return r, t.rows
	case *pg.Node_RangeSubselect:
		t := e.selected(x.RangeSubselect.Subquery.GetSelectStmt(), at)
		r := &relation{cols: t.cols}
		aliased(r, x.RangeSubselect.Alias)
		return r, t.rows
	case *pg.Node_RangeFunction:
		return e.rangeFunction(x.RangeFunction, at)
	}
	fail("0A000", "this kind of FROM is not answered")
	return nil, nil
}

func (e *engine) rangeFunction(f *pg.RangeFunction, at *scope) (*relation, [][]any) {
	if len(f.Functions) != 1 {
		fail("0A000", "ROWS FROM is not answered")
	}
	call := f.Functions[0].GetList().Items[0]
	r := &relation{alias: nameOf(call), cols: []string{nameOf(call)}}
	var rows [][]any
	if set, ok := e.set(call, at); ok {
		for _, v := range set {
			if pair, ok := v.(record); ok {
				rows = append(rows, pair.values)
				r.cols = pair.cols
				continue
			}
			rows = append(rows, []any{v})
		}
	} else {
		rows = [][]any{{e.eval(call, at)}}
	}
	if f.Alias != nil && len(f.Alias.Colnames) == 0 && len(r.cols) == 1 && !f.Ordinality {
		r.cols = []string{f.Alias.Aliasname}
	}
	if f.Ordinality {
		r.cols = append(slices.Clone(r.cols), "ordinality")
		for i := range rows {
			rows[i] = append(slices.Clip(rows[i]), int64(i+1))
		}
	}
	aliased(r, f.Alias)
	return r, rows
}

// aliased gives a relation, and if they are listed its columns, other names.
func aliased(r *relation, a *pg.Alias) {
	if a == nil {
		return
	}
	r.alias = a.Aliasname
	if len(a.Colnames) == 0 {
		return
	}
	r.cols = slices.Clone(r.cols)
	for i, n := range a.Colnames {
		if i < len(r.cols) {
			r.cols[i] = n.GetString_().GetSval()
		}
	}
}
