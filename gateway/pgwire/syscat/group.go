package syscat

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

var aggregateNames = []string{"count", "min", "max", "sum", "array_agg", "string_agg", "bool_or", "bool_and", "every"}

// funcName is a function's name without its schema.
func funcName(f *pg.FuncCall) string { return f.Funcname[len(f.Funcname)-1].GetString_().GetSval() }

// aggregates reports that an expression holds an aggregate of this query.
func aggregates(n *pg.Node) bool {
	if n == nil {
		return false
	}
	any := func(list ...*pg.Node) bool { return slices.ContainsFunc(list, aggregates) }
	switch x := n.Node.(type) {
	case *pg.Node_FuncCall:
		return x.FuncCall.Over == nil && slices.Contains(aggregateNames, funcName(x.FuncCall)) || any(x.FuncCall.Args...)
	case *pg.Node_AExpr:
		return any(x.AExpr.Lexpr, x.AExpr.Rexpr)
	case *pg.Node_BoolExpr:
		return any(x.BoolExpr.Args...)
	case *pg.Node_TypeCast:
		return aggregates(x.TypeCast.Arg)
	case *pg.Node_CoalesceExpr:
		return any(x.CoalesceExpr.Args...)
	case *pg.Node_NullTest:
		return aggregates(x.NullTest.Arg)
	case *pg.Node_CaseExpr:
		for _, w := range x.CaseExpr.Args {
			if any(w.GetCaseWhen().Expr, w.GetCaseWhen().Result) {
				return true
			}
		}
		return any(x.CaseExpr.Arg, x.CaseExpr.Defresult)
	}
	return false
}

// grouped makes one scope per group; without GROUP BY, one in all.
func (e *engine) grouped(s *pg.SelectStmt, bound []*relation, rows [][][]any, targets []target, outer *scope) []*scope {
	var groups []*scope
	byKey := map[string]*scope{}
	if len(s.GroupClause) == 0 {
		g := &scope{outer: outer, bound: bound, row: make([][]any, len(bound)), group: [][][]any{}}
		groups, byKey[""] = append(groups, g), g
	}
	for _, row := range rows {
		at := &scope{outer: outer, bound: bound, row: row}
		var values []any
		for _, n := range s.GroupClause {
			values = append(values, e.eval(groupNode(n, targets, bound), at))
		}
		k := e.key(values)
		g := byKey[k]
		if g == nil {
			g = &scope{outer: outer, bound: bound, row: row, group: [][][]any{}}
			groups, byKey[k] = append(groups, g), g
		}
		if len(g.group) == 0 {
			g.row = row
		}
		g.group = append(g.group, row)
	}
	if s.HavingClause != nil {
		groups = slices.DeleteFunc(groups, func(g *scope) bool { return !e.truth(s.HavingClause, g) })
	}
	return groups
}

// groupNode resolves a number or an output's name in GROUP BY.
func groupNode(n *pg.Node, targets []target, bound []*relation) *pg.Node {
	if k := n.GetAConst(); k != nil && k.GetIval() != nil {
		if i := int(k.GetIval().GetIval()); i >= 1 && i <= len(targets) && targets[i-1].node != nil {
			return targets[i-1].node
		}
		fail("42P10", "GROUP BY position is not in the select list")
	}
	if ref := n.GetColumnRef(); ref != nil && len(ref.Fields) == 1 {
		name := ref.Fields[0].GetString_().GetSval()
		if slices.ContainsFunc(bound, func(r *relation) bool { return slices.Contains(r.cols, name) }) {
			return n
		}
		for _, t := range targets {
			if t.name == name && t.node != nil {
				return t.node
			}
		}
	}
	return n
}

// aggregate evaluates an aggregate over the rows of a group.
func (e *engine) aggregate(f *pg.FuncCall, g *scope) any {
	name := funcName(f)
	var values []any
	var keys [][]any
	sep := ""
	for _, row := range g.group {
		at := &scope{outer: g.outer, bound: g.bound, row: row}
		if f.AggFilter != nil && !e.truth(f.AggFilter, at) {
			continue
		}
		v := any(int64(1))
		if len(f.Args) > 0 {
			v = e.eval(f.Args[0], at)
		}
		if v == nil && name != "array_agg" {
			continue
		}
		if len(f.Args) > 1 {
			sep = text(e.eval(f.Args[1], at))
		}
		e.step()
		values = append(values, v)
		if len(f.AggOrder) > 0 {
			keys = append(keys, e.sortKeys(f.AggOrder, nil, nil, at))
		}
	}
	if keys != nil {
		t := table{}
		for _, v := range values {
			t.rows = append(t.rows, []any{v})
		}
		values = values[:0]
		for _, row := range e.sorted(t, keys, f.AggOrder).rows {
			values = append(values, row[0])
		}
	}
	if f.AggDistinct {
		seen := map[string]bool{}
		values = slices.DeleteFunc(values, func(v any) bool {
			k := e.key([]any{v})
			old := seen[k]
			seen[k] = true
			return old
		})
	}
	if name == "count" {
		return int64(len(values))
	}
	if len(values) == 0 {
		return nil
	}
	switch name {
	case "min":
		e.work(weigh(values))
		return slices.MinFunc(values, compare)
	case "max":
		e.work(weigh(values))
		return slices.MaxFunc(values, compare)
	case "sum":
		total := int64(0)
		for _, v := range values {
			n, _ := integer(v)
			total += n
		}
		return total
	case "array_agg":
		return values
	case "string_agg":
		var parts []string
		for _, v := range values {
			parts = append(parts, text(v))
		}
		return e.join(parts, sep)
	case "bool_or":
		return slices.ContainsFunc(values, isTrue)
	}
	return !slices.ContainsFunc(values, func(v any) bool { return !isTrue(v) })
}

// window evaluates row_number(), the one window function that drivers use.
func (e *engine) window(f *pg.FuncCall, at *scope) any {
	if funcName(f) != "row_number" || at.all == nil || f.Over.Name != "" {
		fail("0A000", "of window functions, row_number() is answered")
	}
	keys := func(row [][]any) (part, order []any) {
		s := &scope{outer: at.outer, bound: at.bound, row: row}
		for _, p := range f.Over.PartitionClause {
			part = append(part, e.eval(p, s))
		}
		return part, e.sortKeys(f.Over.OrderClause, nil, nil, s)
	}
	part, order := keys(at.row)
	mine := e.key(part)
	n := int64(1)
	for i, row := range at.all {
		e.step()
		p, o := keys(row)
		if e.key(p) != mine {
			continue
		}
		if c := compareKeys(o, order, f.Over.OrderClause); c < 0 || c == 0 && i < at.at {
			n++
		}
	}
	return n
}
