package syscat

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// table is rows under names.
type table struct {
	cols []string
	rows [][]any
}

// scope is where names are looked up: the relations of one FROM at one row, then those around it.
type scope struct {
	outer *scope
	bound []*relation
	row   [][]any // of each relation; nil: all NULL, as after a left join
	ctes  map[string]table

	group [][][]any // rows of the group, in a query with aggregates
	all   [][][]any // rows of the whole query, for windows
	at    int
}

// relation is a relation of a FROM under its alias.
type relation struct {
	alias string
	cols  []string
}

func (s *scope) cte(name string) (table, bool) {
	for ; s != nil; s = s.outer {
		if t, ok := s.ctes[name]; ok {
			return t, true
		}
	}
	return table{}, false
}

// selected evaluates a SELECT, VALUES or UNION.
func (e *engine) selected(s *pg.SelectStmt, outer *scope) table {
	e.step()
	if w := s.WithClause; w != nil {
		outer = &scope{outer: outer, ctes: map[string]table{}}
		if w.Recursive {
			fail("0A000", "WITH RECURSIVE is not answered")
		}
		for _, n := range w.Ctes {
			x := n.GetCommonTableExpr()
			t := e.selected(x.Ctequery.GetSelectStmt(), outer)
			for i, name := range x.Aliascolnames {
				if i < len(t.cols) {
					t.cols[i] = name.GetString_().GetSval()
				}
			}
			outer.ctes[x.Ctename] = t
		}
	}
	if s.IntoClause != nil || len(s.LockingClause) > 0 || len(s.WindowClause) > 0 {
		fail("0A000", "INTO, FOR UPDATE and WINDOW are not answered")
	}
	switch {
	case s.Op != pg.SetOperation_SETOP_NONE:
		return e.united(s, outer)
	case len(s.ValuesLists) > 0:
		return e.values(s, outer)
	}
	bound, rows := e.from(s.FromClause, s.WhereClause, outer)
	targets := e.targets(s.TargetList, bound)
	var scopes []*scope
	if len(s.GroupClause) > 0 || s.HavingClause != nil || slices.ContainsFunc(targets, func(t target) bool { return aggregates(t.node) }) {
		scopes = e.grouped(s, bound, rows, targets, outer)
	} else {
		for i, r := range rows {
			scopes = append(scopes, &scope{outer: outer, bound: bound, row: r, all: rows, at: i})
		}
	}
	out := table{}
	for _, t := range targets {
		out.cols = append(out.cols, t.name)
	}
	var keys [][]any
	for _, at := range scopes {
		sets := e.expand(targets, at)
		for _, values := range sets {
			out.rows = append(out.rows, values)
			if len(s.SortClause) > 0 {
				keys = append(keys, e.sortKeys(s.SortClause, out.cols, values, at))
			}
			e.bounded(len(out.rows))
		}
	}
	if len(s.DistinctClause) > 0 {
		out, keys = e.distinct(out, keys)
	}
	out = e.sorted(out, keys, s.SortClause)
	return e.limited(out, s, outer)
}

func (e *engine) bounded(n int) {
	if n > maxRows {
		fail("54000", "the query on the system catalogue makes too many rows")
	}
}

// target is an output.
type target struct {
	name string
	node *pg.Node
	// table and col are set for columns of a *.
	table, col int
	star       bool
}

func (e *engine) targets(list []*pg.Node, bound []*relation) []target {
	var out []target
	for _, n := range list {
		t := n.GetResTarget()
		if ref := t.Val.GetColumnRef(); ref != nil && ref.Fields[len(ref.Fields)-1].GetAStar() != nil {
			of := ""
			if len(ref.Fields) > 1 {
				of = ref.Fields[len(ref.Fields)-2].GetString_().GetSval()
			}
			for i, r := range bound {
				if of == "" || r.alias == of {
					for j, c := range r.cols {
						out = append(out, target{name: c, table: i, col: j, star: true})
						fewTargets(out)
					}
				}
			}
			continue
		}
		name := t.Name
		if name == "" {
			name = nameOf(t.Val)
		}
		out = append(out, target{name: name, node: t.Val})
		fewTargets(out)
	}
	return out
}

func fewTargets(list []target) {
	if len(list) > maxTargets {
		fail("54011", "the query on the system catalogue has more than %d outputs", maxTargets)
	}
}

// nameOf is what PostgreSQL calls an output without a name.
func nameOf(n *pg.Node) string {
	switch x := n.Node.(type) {
	case *pg.Node_ColumnRef:
		return x.ColumnRef.Fields[len(x.ColumnRef.Fields)-1].GetString_().GetSval()
	case *pg.Node_FuncCall:
		return x.FuncCall.Funcname[len(x.FuncCall.Funcname)-1].GetString_().GetSval()
	case *pg.Node_TypeCast:
		if inner := nameOf(x.TypeCast.Arg); inner != "?column?" {
			return inner
		}
		return typeName(x.TypeCast.TypeName)
	case *pg.Node_CaseExpr:
		return "case"
	case *pg.Node_CoalesceExpr:
		return "coalesce"
	case *pg.Node_SqlvalueFunction:
		return strings.ToLower(strings.TrimPrefix(x.SqlvalueFunction.Op.String(), "SVFOP_"))
	case *pg.Node_SubLink:
		switch x.SubLink.SubLinkType {
		case pg.SubLinkType_EXISTS_SUBLINK:
			return "exists"
		case pg.SubLinkType_ARRAY_SUBLINK:
			return "array"
		}
		if list := x.SubLink.Subselect.GetSelectStmt().GetTargetList(); len(list) == 1 {
			if t := list[0].GetResTarget(); t.Name != "" {
				return t.Name
			} else if t.Val != nil {
				return nameOf(t.Val)
			}
		}
	case *pg.Node_AArrayExpr:
		return "array"
	case *pg.Node_CollateClause:
		return nameOf(x.CollateClause.Arg)
	}
	return "?column?"
}

// expand evaluates the outputs at a row. A function that returns a set makes a row of each of its values.
func (e *engine) expand(targets []target, at *scope) [][]any {
	e.work(len(targets))
	e.list(len(targets))
	values := make([]any, len(targets))
	sets, most := map[int][]any{}, -1
	for i, t := range targets {
		if t.star {
			if r := at.row[t.table]; r != nil {
				values[i] = r[t.col]
			}
			continue
		}
		if set, ok := e.set(t.node, at); ok {
			sets[i], most = set, max(most, len(set))
			continue
		}
		values[i] = e.eval(t.node, at)
	}
	if most < 0 {
		return [][]any{values}
	}
	var out [][]any
	for k := range most {
		e.list(len(values))
		row := slices.Clone(values)
		for i, set := range sets {
			if k < len(set) {
				row[i] = set[k]
			}
		}
		out = append(out, row)
	}
	return out
}

func (e *engine) values(s *pg.SelectStmt, outer *scope) table {
	var t table
	for _, list := range s.ValuesLists {
		var row []any
		for i, n := range list.GetList().Items {
			row = append(row, e.eval(n, outer))
			if i >= len(t.cols) {
				t.cols = append(t.cols, "column"+text(int64(i+1)))
			}
		}
		if len(row) != len(t.cols) {
			fail("42601", "VALUES lists must all be the same length")
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func (e *engine) united(s *pg.SelectStmt, outer *scope) table {
	left, right := e.selected(s.Larg, outer), e.selected(s.Rarg, outer)
	if s.Op != pg.SetOperation_SETOP_UNION || len(left.cols) != len(right.cols) {
		fail("0A000", "of set operations, UNION of the same number of columns is answered")
	}
	left.rows = append(left.rows, right.rows...)
	e.bounded(len(left.rows))
	if !s.All {
		left, _ = e.distinct(left, nil)
	}
	var keys [][]any
	if len(s.SortClause) > 0 {
		for _, row := range left.rows {
			keys = append(keys, e.sortKeys(s.SortClause, left.cols, row, &scope{outer: outer, bound: []*relation{{cols: left.cols}}, row: [][]any{row}}))
		}
	}
	return e.limited(e.sorted(left, keys, s.SortClause), s, outer)
}

func (e *engine) limited(t table, s *pg.SelectStmt, outer *scope) table {
	if s.LimitOffset != nil {
		if n, ok := integer(e.eval(s.LimitOffset, outer)); ok && n > 0 {
			t.rows = t.rows[min(int(min(n, maxRows)), len(t.rows)):]
		}
	}
	if s.LimitCount != nil {
		if n, ok := integer(e.eval(s.LimitCount, outer)); ok && n >= 0 {
			t.rows = t.rows[:min(int(min(n, maxRows)), len(t.rows))]
		}
	}
	return t
}

// sortKeys evaluates ORDER BY at a row: a number or name of an output, or an expression.
func (e *engine) sortKeys(clause []*pg.Node, cols []string, values []any, at *scope) []any {
	var keys []any
	for _, n := range clause {
		node := n.GetSortBy().Node
		if k := node.GetAConst(); k != nil && k.GetIval() != nil {
			i := int(k.GetIval().GetIval())
			if i < 1 || i > len(values) {
				fail("42P10", "ORDER BY position %d is not in the select list", i)
			}
			keys = append(keys, values[i-1])
			continue
		}
		if ref := node.GetColumnRef(); ref != nil && len(ref.Fields) == 1 {
			if i := slices.Index(cols, ref.Fields[0].GetString_().GetSval()); i >= 0 {
				keys = append(keys, values[i])
				continue
			}
		}
		keys = append(keys, e.eval(node, at))
	}
	return keys
}

func (e *engine) sorted(t table, keys [][]any, clause []*pg.Node) table {
	if len(keys) == 0 {
		return t
	}
	e.ordering(keys)
	order := make([]int, len(t.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareKeys(keys[a], keys[b], clause) })
	out := table{cols: t.cols}
	for _, i := range order {
		out.rows = append(out.rows, t.rows[i])
	}
	return out
}

// compareKeys orders by a sort clause: NULL is larger than everything, unless the clause says otherwise.
func compareKeys(a, b []any, clause []*pg.Node) int {
	for i, n := range clause {
		s := n.GetSortBy()
		desc := s.SortbyDir == pg.SortByDir_SORTBY_DESC
		nullsFirst := desc
		switch s.SortbyNulls {
		case pg.SortByNulls_SORTBY_NULLS_FIRST:
			nullsFirst = true
		case pg.SortByNulls_SORTBY_NULLS_LAST:
			nullsFirst = false
		}
		c := 0
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil:
			c = 1
			if nullsFirst {
				c = -1
			}
		case b[i] == nil:
			c = -1
			if nullsFirst {
				c = 1
			}
		default:
			if c = compare(a[i], b[i]); desc {
				c = -c
			}
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func (e *engine) distinct(t table, keys [][]any) (table, [][]any) {
	seen := map[string]bool{}
	out := table{cols: t.cols}
	var kept [][]any
	for i, row := range t.rows {
		k := e.key(row)
		if seen[k] {
			continue
		}
		seen[k] = true
		out.rows = append(out.rows, row)
		if keys != nil {
			kept = append(kept, keys[i])
		}
	}
	return out, kept
}
