package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"jali/gateway/catalog"
)

// maxDerived bounds the derived tables of one question: a WITH query counts as often as it is used, because it is compiled, and
// run, as often.
const maxDerived = 16

// withQuery is one query of WITH.
type withQuery struct {
	name string
	sel  *pg.SelectStmt
	at   int
	used bool
}

// withQueries reads WITH: names for derived tables, each visible to those after it.
func (c *compiler) withQueries(s *pg.SelectStmt) {
	if s.WithClause == nil {
		return
	}
	for _, n := range s.WithClause.Ctes {
		q := n.GetCommonTableExpr()
		at := int(q.Location)
		sel := q.Ctequery.GetSelectStmt()
		switch {
		case sel == nil:
			c.fail(at, NotSupported, "WITH names SELECTs", "write WITH x AS (SELECT person_id, ... FROM ... GROUP BY person_id)")
		case c.ds.Table(q.Ctename) != nil || slices.ContainsFunc(c.with, func(w withQuery) bool { return w.name == q.Ctename }):
			c.fail(at, NotSupported, "there is already a table called "+quote(q.Ctename), "choose another name")
		}
		c.with = append(c.with, withQuery{name: q.Ctename, sel: sel, at: at})
	}
	c.visible = len(c.with)
}

// allUsed refuses a WITH query that nothing reads: it has been looked at by nobody.
func (c *compiler) allUsed() {
	for _, q := range c.with {
		if !q.used {
			c.fail(q.at, NotSupported, "the query "+quote(q.name)+" is not used", "leave it out")
		}
	}
}

// named finds a visible query of WITH.
func (c *compiler) named(name string) *withQuery {
	for i := range c.with[:c.visible] {
		if c.with[i].name == name {
			return &c.with[i]
		}
	}
	return nil
}

// expand compiles a use of a WITH query, which sees those before it.
func (c *compiler) expand(q *withQuery, at int) scoped {
	q.used = true
	seen := c.visible
	defer func() { c.visible = seen }()
	c.visible = slices.IndexFunc(c.with, func(w withQuery) bool { return w.name == q.name })
	if c.derived >= maxDerived {
		c.fail(at, TextLimit, "more than 16 derived tables", "each use of a WITH query counts; write conditions as person_id IN (SELECT person_id FROM ...)")
	}
	return c.derive(proto.Clone(q.sel).(*pg.SelectStmt))
}

// relation compiles one derived table.
type relation struct {
	c    *compiler
	sc   *scope
	sel  *pg.SelectStmt
	p    *Plan // tables and conditions, for bounds
	rows int64 // most rows of a person before grouping
	out  *Derived
	as   *catalog.Table
	keys []ColumnRef // GROUP BY besides the person
}

const derivedForm = "write (SELECT person_id, MIN(day) AS first_day, COUNT(*) AS n FROM t WHERE ... GROUP BY person_id) x"

// derive compiles a SELECT in FROM into a person-local relation (section 12.4): the person key is one of its outputs, and
// whatever is taken together is taken within one person.
func (c *compiler) derive(s *pg.SelectStmt) scoped {
	at := selectAt(s)
	if c.derived++; c.derived > maxDerived {
		c.fail(at, TextLimit, "more than 16 derived tables", "write conditions as person_id IN (SELECT person_id FROM ...)")
	}
	switch {
	case s.WithClause != nil:
		c.fail(at, NotSupported, "WITH stands at the beginning of the question only", "move it there")
	case s.HavingClause != nil:
		c.fail(c.at(s.HavingClause), NotSupported, "a derived table has no HAVING", "give the aggregate a name, and write the condition on it in the WHERE around")
	case len(s.SortClause) > 0 || s.LimitCount != nil:
		c.fail(at, NotSupported, "ORDER BY and LIMIT would choose among persons", "for the first rows of each person write ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY day) AS k, and k <= 3 in the WHERE around")
	}
	r := &relation{c: c, sel: s, out: &Derived{}, as: &catalog.Table{Name: derivedName}}
	r.sc = c.from(s)
	where := c.where(r.sc, s.WhereClause)
	switch where {
	case Cond(constant(false)):
		c.fail(at, NotSupported, "the conditions can never be true", "look for values or ranges that exclude each other")
	case Cond(constant(true)):
		where = nil
	}
	r.p = &Plan{Dataset: c.ds, Tables: r.sc.refs(), Where: where}
	r.out.Tables, r.out.Where = r.p.Tables, where
	r.rows = r.most(nil)
	if r.rows > maxRows {
		c.fail(at, BoundMissing, "the join may give one person too many rows to bound", "join fewer tables; conditions on other tables go into person_id IN (SELECT person_id FROM ...)")
	}
	r.group()
	for _, n := range s.TargetList {
		r.output(n.GetResTarget())
	}
	r.finish(at)
	return scoped{table: r.as, sub: r.out}
}

// most bounds a person's rows, some columns being fixed.
func (r *relation) most(fixed []ColumnRef) int64 {
	all := newJoined(r.p, fixed, hardRows).rows()
	return all[len(all)-1]
}

// group reads GROUP BY: the person, and columns besides. SELECT DISTINCT groups by all outputs.
func (r *relation) group() {
	c, s := r.c, r.sel
	if len(s.DistinctClause) > 0 {
		if len(s.GroupClause) > 0 || len(s.DistinctClause) > 1 || s.DistinctClause[0].GetNode() != nil {
			c.fail(selectAt(s), NotSupported, "DISTINCT ON and DISTINCT with GROUP BY are not part of the language", derivedForm)
		}
		r.out.Grouped = true
		for _, n := range s.TargetList {
			if v := n.GetResTarget().GetVal(); v.GetColumnRef() != nil && !c.column(r.sc, v).person {
				r.keys = append(r.keys, r.key(v))
			}
		}
		return
	}
	person := false
	for _, n := range s.GroupClause {
		if n.GetColumnRef() == nil {
			c.failExpr(n)
		}
		if c.column(r.sc, n).person {
			person = true
			continue
		}
		r.keys = append(r.keys, r.key(n))
	}
	if r.out.Grouped = len(s.GroupClause) > 0; r.out.Grouped && !person {
		c.fail(c.at(s.GroupClause[0]), NotSupported, "this GROUP BY takes rows of different persons together", "add the person key: GROUP BY person_id; groups of persons stand in the outermost SELECT")
	}
}

func (r *relation) key(n *pg.Node) ColumnRef {
	col := r.c.value(r.sc, n)
	if col.ref.Band != nil {
		r.c.fail(col.at, NotSupported, quote(col.text)+" is a band", "a derived table has columns; group by the band outside, on the column "+col.ref.Column.Name)
	}
	return col.ref
}

// output reads one output of a derived table.
func (r *relation) output(t *pg.ResTarget) {
	c, v := r.c, t.GetVal()
	at := int(t.Location)
	name := t.Name
	f := v.GetFuncCall()
	switch {
	case v.GetColumnRef() != nil:
		col := c.column(r.sc, v)
		if name == "" {
			name = col.text
		}
		if col.person {
			r.person(name, at)
			return
		}
		ref := r.key(v)
		if r.out.Grouped && !slices.Contains(r.keys, ref) {
			c.fail(at, NotSupported, "the column "+quote(col.text)+" is neither grouped by nor aggregated", "write MIN("+col.text+") or MAX("+col.text+"), or add it to GROUP BY")
		}
		r.add(t, name, DerivedColumn{Kind: Value, Arg: &ref, Column: passed(ref, name, name == ref.Column.Name)})
	case f != nil && f.Over != nil:
		r.number(t, f)
	case f != nil && !computes(f):
		r.aggregate(t, f)
	default:
		if r.out.Grouped {
			c.fail(c.at(v), NotSupported, "a calculation stands outside the aggregates", "write it inside, as in MAX(CASE WHEN ... THEN 1 ELSE 0 END), or in the SELECT around")
		}
		ref := c.scalar(r.sc, v)
		if name == "" {
			c.fail(c.at(v), NotSupported, "a calculated column needs a name", "add AS name")
		}
		r.add(t, name, DerivedColumn{Kind: Value, Arg: &ref, Column: passed(ref, name, false)})
	}
}

func (r *relation) person(name string, at int) {
	if r.as.PersonKey != "" {
		r.c.fail(at, NotSupported, "the person key is there twice", "leave one out")
	}
	if strings.HasPrefix(name, "_") || r.as.Column(name) != nil {
		r.c.fail(at, NotSupported, "the name "+quote(name)+" cannot be used here", "choose another name")
	}
	r.as.PersonKey = name
}

func (r *relation) add(t *pg.ResTarget, name string, d DerivedColumn) {
	// Names that begin with an underscore are the engine's own.
	if strings.HasPrefix(name, "_") || r.as.Column(name) != nil || name == r.as.PersonKey {
		r.c.fail(int(t.Location), NotSupported, "the name "+quote(name)+" cannot be used here", "give each output its own name with AS; names begin with a letter")
	}
	d.Column.Name = name
	// A value that all rows of a person share is the same in each group of them, its sums and counts are not.
	d.Column.PerPerson = (d.Kind == Value || d.Kind == Least || d.Kind == Greatest) && perPerson(r.p, *d.Arg)
	r.out.Columns, r.as.Columns = append(r.out.Columns, d), append(r.as.Columns, d.Column)
}

// passed describes a column as it comes through a derived table: of no table of the catalogue, but with its bounds and codes.
// Its bands keep their names only where the column keeps its own.
func passed(ref ColumnRef, name string, bands bool) *catalog.Column {
	col := *ref.Column
	col.Name, col.Table = name, ""
	if !bands {
		col.Bands = nil
	}
	return &col
}

// finish proves how many rows the derived table has for each person.
func (r *relation) finish(at int) {
	c, t := r.c, r.as
	if t.PersonKey == "" {
		c.fail(at, NotSupported, "a derived table has the person key", derivedForm)
	}
	for _, k := range r.keys {
		if !slices.ContainsFunc(r.out.Columns, func(d DerivedColumn) bool { return d.Kind == Value && *d.Arg == k }) {
			c.fail(at, NotSupported, "the column "+quote(k.Column.Name)+" is grouped by but not selected", "add it to the SELECT list")
		}
	}
	t.RowsPerPerson = r.rows
	if r.out.Grouped {
		groups := int64(1)
		key := []string{t.PersonKey}
		for _, k := range r.keys {
			n := distinct(r.p.Where, k)
			if perPerson(r.p, k) {
				n = 1
			} else if n == 0 {
				n = unbounded
			} else {
				n++ // NULL
			}
			groups = times(groups, n)
		}
		for _, d := range r.out.Columns {
			if d.Kind == Value {
				key = append(key, d.Column.Name)
			}
		}
		t.RowsPerPerson = min(groups, r.rows)
		if !slices.ContainsFunc(r.keys, nullable) { // a unique set proves nothing about NULLs
			t.Unique = append(t.Unique, key)
		}
	}
	for _, d := range r.out.Columns {
		if d.Kind == Number {
			t.Unique = append(t.Unique, []string{t.PersonKey, d.Column.Name})
		}
	}
	t.GroupsPerPerson, t.RowsPerGroup = t.RowsPerPerson, t.RowsPerPerson
	r.out.Fans = fans(r.p)
}
