package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// maxTables keeps the search for join bounds small.
const maxTables = 8

// from resolves FROM and the joins' conditions. Inner joins commute, so the scope is put in a canonical order: private
// tables by name, then each public table after the tables it is joined to. Conditions in ON that compare a column with a
// value mean the same in WHERE and go there.
func (c *compiler) from(s *pg.SelectStmt) *scope {
	switch len(s.FromClause) {
	case 0:
		c.fail(selectAt(s), NotSupported, "there is no FROM", "write SELECT COUNT(*) FROM table")
	case 1:
	default:
		c.fail(c.at(s.FromClause[1]), NotSupported, "tables are not joined with a comma", "write JOIN t ON t.person_id = s.person_id")
	}
	f := &from{c: c, sc: &scope{}}
	f.tree(s.FromClause[0])
	for _, q := range f.quals {
		f.qual(q)
	}
	f.connected()
	f.order()
	if len(f.filters) > 0 {
		all := f.filters
		if s.WhereClause != nil {
			all = append(all, s.WhereClause)
		}
		s.WhereClause = &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: pg.BoolExprType_AND_EXPR, Args: all}}}
		if len(all) == 1 {
			s.WhereClause = all[0]
		}
	}
	for _, t := range f.sc.tables {
		c.touchTable(t.table)
	}
	for _, e := range f.sc.eqs {
		c.touch(e.a.Column)
		c.touch(e.b.Column)
	}
	return f.sc
}

type from struct {
	c       *compiler
	sc      *scope
	quals   []*pg.Node
	persons [][2]int // private tables equated on the person
	filters []*pg.Node
}

func (f *from) tree(n *pg.Node) {
	c := f.c
	switch {
	case n.GetRangeVar() != nil:
		f.table(n.GetRangeVar())
	case n.GetJoinExpr() != nil:
		j := n.GetJoinExpr()
		if j.Jointype != pg.JoinType_JOIN_INNER && j.Jointype != pg.JoinType_JOIN_LEFT {
			c.fail(c.at(j.Rarg), NotSupported, "RIGHT and FULL joins are not part of the language", "write LEFT JOIN, with the table whose persons are kept first")
		}
		f.tree(j.Larg)
		left := len(f.sc.tables)
		f.tree(j.Rarg)
		if j.Jointype == pg.JoinType_JOIN_LEFT {
			f.leftJoin(j, left)
			return
		}
		switch {
		case j.Quals != nil:
			f.conjuncts(j.Quals)
		case len(j.UsingClause) > 0:
			f.using(names(j.UsingClause), left, c.at(j.Rarg))
		default:
			c.fail(c.at(j.Rarg), NotSupported, "a join needs ON", "write JOIN t ON t.person_id = s.person_id")
		}
	case n.GetRangeSubselect() != nil:
		r := n.GetRangeSubselect()
		sub := r.Subquery.GetSelectStmt()
		if sub == nil {
			c.fail(c.at(r.Subquery), NotSupported, "this construct is not part of FROM", derivedForm)
		}
		at := selectAt(sub)
		if r.Alias == nil {
			c.fail(at, Syntax, "a derived table needs a name", "write (SELECT ...) x")
		}
		f.add(at, r.Alias.Aliasname, f.c.derive(sub))
	default:
		c.fail(c.at(n), NotSupported, "FROM names tables and joins", "name a table of the catalogue")
	}
}

// add puts a table into the scope.
func (f *from) add(at int, alias string, t scoped) {
	c := f.c
	if slices.ContainsFunc(f.sc.tables, func(s scoped) bool { return s.alias == alias }) {
		c.fail(at, NotSupported, "two tables are called "+quote(alias), "give each its own alias, as in FROM claim a JOIN claim b")
	}
	if len(f.sc.tables) == maxTables {
		c.fail(at, TextLimit, "more than 8 tables in one FROM", "use person_id IN (SELECT ...) for conditions on other tables")
	}
	t.alias, t.at = alias, at
	f.sc.tables = append(f.sc.tables, t)
}

// leftJoin reads A LEFT JOIN B, where B is one derived table tied by the person alone: what else decides whether a row of it
// fits stands inside it. So it never decides who counts, and the order of joins stays free.
func (f *from) leftJoin(j *pg.JoinExpr, left int) {
	b := &f.sc.tables[left]
	c, at := f.c, b.at
	if len(f.sc.tables) != left+1 || b.sub == nil {
		c.fail(at, NotSupported, "only a derived table is joined with LEFT JOIN", "write LEFT JOIN (SELECT person_id, MIN(day) AS first_day FROM t WHERE ... GROUP BY person_id) x ON x.person_id = p.person_id; for persons without rows in a table, person_id NOT IN (SELECT person_id FROM ...)")
	}
	const form = "write LEFT JOIN (...) x ON x.person_id = p.person_id; other conditions stand in the WHERE of the derived table"
	switch u := names(j.UsingClause); {
	case len(u) == 1 && u[0] == b.table.PersonKey:
		c.bare(&scope{tables: f.sc.tables[:left]}, u[0], at)
		f.persons = append(f.persons, [2]int{left, f.anchor(left)})
	default:
		e := j.Quals.GetAExpr()
		if e == nil || e.Kind != pg.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || names(e.Name)[0] != "=" || e.Lexpr.GetColumnRef() == nil || e.Rexpr.GetColumnRef() == nil {
			c.fail(at, NotSupported, "a LEFT JOIN is on the person key alone", form)
		}
		x, y := c.column(f.sc, e.Lexpr), c.column(f.sc, e.Rexpr)
		if x.ref.Table != left {
			x, y = y, x
		}
		if !x.person || !y.person || x.ref.Table != left || y.ref.Table == left || f.sc.tables[y.ref.Table].left {
			c.fail(at, NotSupported, "a LEFT JOIN is on the person key alone", form)
		}
		f.persons = append(f.persons, [2]int{left, y.ref.Table})
	}
	b.left = true
	for _, col := range b.table.Columns {
		col.Nullable = true
	}
}

// anchor is the first private table that is not joined with LEFT JOIN.
func (f *from) anchor(before int) int {
	return slices.IndexFunc(f.sc.tables[:before], func(t scoped) bool { return !t.table.Public && !t.left })
}

func (f *from) table(r *pg.RangeVar) {
	c, at := f.c, int(r.Location)
	if !r.Inh {
		c.fail(at, NotSupported, "ONLY is not part of the language", "leave it out")
	}
	alias := r.Relname
	if r.Alias != nil {
		alias = r.Alias.Aliasname
	}
	if sub := c.named(r.Relname); sub != nil {
		f.add(at, alias, c.expand(sub, at))
		return
	}
	t := c.ds.Table(r.Relname)
	if t == nil {
		all := make([]string, len(c.ds.Tables))
		for i, t := range c.ds.Tables {
			all[i] = t.Name
		}
		hint := "tables: " + strings.Join(all, ", ")
		if near := catalog.Nearest(r.Relname, all); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.fail(at, UnknownName, "no table is called "+quote(r.Relname), hint)
	}
	f.add(at, alias, scoped{table: t})
}

// conjuncts splits a condition at its ANDs.
func (f *from) conjuncts(n *pg.Node) {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			f.conjuncts(a)
		}
		return
	}
	f.quals = append(f.quals, n)
}

// qual reads one conjunct of ON: an equality of two columns, or a condition for WHERE.
func (f *from) qual(n *pg.Node) {
	e := n.GetAExpr()
	if e == nil || e.Lexpr.GetColumnRef() == nil || e.Rexpr.GetColumnRef() == nil {
		f.filters = append(f.filters, n)
		return
	}
	c := f.c
	a, b := c.column(f.sc, e.Lexpr), c.column(f.sc, e.Rexpr)
	equal := e.Kind == pg.A_Expr_Kind_AEXPR_OP && len(e.Name) == 1 && names(e.Name)[0] == "="
	switch derived := f.sc.tables[a.ref.Table].sub != nil || f.sc.tables[b.ref.Table].sub != nil; {
	case equal && (a.person || b.person || !derived):
		f.equate(a, b)
	case !a.person && !b.person: // a comparison within a person's rows
		f.filters = append(f.filters, n)
	default:
		c.fail(int(e.Location), NotSupported, "tables are joined on equal columns", "write ON a.person_id = b.person_id")
	}
}

func (f *from) using(cols []string, left, at int) {
	right := &scope{tables: f.sc.tables[left:]}
	for _, name := range cols {
		a := f.c.bare(&scope{tables: f.sc.tables[:left]}, name, at)
		b := f.c.bare(right, name, at)
		b.ref.Table += left
		f.equate(a, b)
	}
}

// equate checks one equality: the person key of two private tables, or a declared join.
func (f *from) equate(a, b named) {
	c := f.c
	if a.person && b.person {
		if a.ref.Table == b.ref.Table {
			c.fail(a.at, NotSupported, "the condition compares a column with itself", "write ON a.person_id = b.person_id, with the alias of each table")
		}
		f.persons = append(f.persons, [2]int{a.ref.Table, b.ref.Table})
		return
	}
	hint := "private tables are joined on the person key"
	if decl := joinsBetween(c.ds, f.sc.tables[a.ref.Table].table, f.sc.tables[b.ref.Table].table); len(decl) > 0 {
		hint += "; declared joins: " + strings.Join(decl, ", ")
	}
	if a.person || b.person || a.ref.Band != nil || b.ref.Band != nil || a.ref.Table == b.ref.Table || !declared(c.ds, a.ref.Column, b.ref.Column) {
		c.fail(a.at, NotSupported, "the catalogue declares no such join", hint)
	}
	f.sc.eqs = append(f.sc.eqs, equality{a.ref, b.ref})
	if !f.sc.tables[a.ref.Table].table.Public && !f.sc.tables[b.ref.Table].table.Public {
		// Rows of different persons never join: the plan equates the person besides.
		f.persons = append(f.persons, [2]int{a.ref.Table, b.ref.Table})
	}
}

func declared(ds *catalog.Dataset, a, b *catalog.Column) bool {
	return slices.ContainsFunc(ds.Joins, func(j catalog.Join) bool {
		x, y := catalog.Join{LeftTable: a.Table, LeftColumn: a.Name, RightTable: b.Table, RightColumn: b.Name}, catalog.Join{LeftTable: b.Table, LeftColumn: b.Name, RightTable: a.Table, RightColumn: a.Name}
		return j == x || j == y
	})
}

func joinsBetween(ds *catalog.Dataset, a, b *catalog.Table) []string {
	var out []string
	for _, j := range ds.Joins {
		if j.LeftTable == a.Name && j.RightTable == b.Name || j.LeftTable == b.Name && j.RightTable == a.Name {
			out = append(out, j.LeftTable+"."+j.LeftColumn+" = "+j.RightTable+"."+j.RightColumn)
		}
	}
	return out
}

// connected checks that the private tables hang together by their persons. A chain through a public table is no such link:
// it would pair rows of different persons.
func (f *from) connected() {
	c, part := f.c, make([]int, len(f.sc.tables))
	for i := range part {
		part[i] = i
	}
	root := func(i int) int {
		for part[i] != i {
			i = part[i]
		}
		return i
	}
	for _, p := range f.persons {
		part[root(p[0])] = root(p[1])
	}
	first := -1
	for i, t := range f.sc.tables {
		switch {
		case t.table.Public:
		case first < 0:
			first = i
		case root(i) != root(first):
			key := t.table.PersonKey
			c.fail(t.at, NotSupported, "the table "+quote(t.alias)+" is not joined on the person", "add ON "+t.alias+"."+key+" = "+f.sc.tables[first].alias+"."+f.sc.tables[first].table.PersonKey)
		}
	}
	if first < 0 {
		c.fail(f.sc.tables[0].at, NotSupported, "public tables hold no persons, so there is nothing to protect or to count", "join a table of persons; the codes of a public table are shown by `jali catalog`")
	}
}

// order puts the tables into the plan's order and renumbers the equalities.
func (f *from) order() {
	c, n := f.c, len(f.sc.tables)
	var order []int
	for i := range n {
		if !f.sc.tables[i].table.Public {
			order = append(order, i)
		}
	}
	key := func(i int) string { // left joins after the tables they hang on
		switch t := f.sc.tables[i]; {
		case t.left:
			return "~" + t.sub.key()
		case t.sub != nil:
			return t.sub.key()
		default:
			return t.table.Name
		}
	}
	byName := func(a, b int) int { return strings.Compare(key(a), key(b)) }
	slices.SortStableFunc(order, byName)
	for len(order) < n {
		var ready []int
		for i := range n {
			if !slices.Contains(order, i) && f.determined(i, order) {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			for i := range n {
				if !slices.Contains(order, i) {
					c.fail(f.sc.tables[i].at, NotSupported, "the public table "+quote(f.sc.tables[i].alias)+" is not joined on a unique key", "join it by a declared join on all columns of one of its unique keys")
				}
			}
		}
		slices.SortStableFunc(ready, byName)
		order = append(order, ready[0])
	}
	tables, place := make([]scoped, n), make([]int, n)
	for to, from := range order {
		tables[to], place[from] = f.sc.tables[from], to
	}
	f.sc.tables = tables
	for i := range f.sc.eqs {
		e := &f.sc.eqs[i]
		e.a.Table, e.b.Table = place[e.a.Table], place[e.b.Table]
	}
}

// determined reports whether a public table has at most one row for each row of the tables in before: all columns of one of
// its unique keys are equated to columns of theirs.
func (f *from) determined(i int, before []int) bool {
	return slices.ContainsFunc(f.sc.tables[i].table.Unique, func(u []string) bool {
		for _, col := range u {
			if !slices.ContainsFunc(f.sc.eqs, func(e equality) bool {
				return e.a.Table == i && e.a.Column.Name == col && slices.Contains(before, e.b.Table) ||
					e.b.Table == i && e.b.Column.Name == col && slices.Contains(before, e.a.Table)
			}) {
				return false
			}
		}
		return true
	})
}
