package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// scope is what the names of one SELECT mean: the tables of its FROM, in the plan's order.
type scope struct {
	tables []scoped
	eqs    []equality
	// computed holds the expressions of this SELECT by their keys.
	computed map[string]ColumnRef
}

type scoped struct {
	table *catalog.Table
	alias string // what SQL calls it
	at    int
	sub   *Derived
	left  bool
}

// equality is a join condition other than on the person.
type equality struct{ a, b ColumnRef }

// refs lists the tables as the plan holds them: each equality stands with the later table.
func (s *scope) refs() []TableRef {
	out := make([]TableRef, len(s.tables))
	for i, t := range s.tables {
		out[i] = TableRef{Table: t.table, Sub: t.sub, Left: t.left}
	}
	for _, e := range s.eqs {
		left, right := e.a, e.b
		if left.Table > right.Table {
			left, right = right, left
		}
		on := &out[right.Table].On
		if j := (JoinOn{left, right}); !slices.Contains(*on, j) {
			*on = append(*on, j)
		}
	}
	for i := range out {
		slices.SortFunc(out[i].On, func(x, y JoinOn) int {
			return strings.Compare(refKey(x.Left)+refKey(x.Right), refKey(y.Left)+refKey(y.Right))
		})
	}
	return out
}

// name is a resolved name: a column, a band, or the person key of a private table.
type named struct {
	ref    ColumnRef
	person bool
	at     int
	text   string
}

// column resolves a column reference.
func (c *compiler) column(sc *scope, n *pg.Node) named {
	ref := n.GetColumnRef()
	at := int(ref.GetLocation())
	if ref == nil {
		c.failExpr(n)
	}
	parts := make([]string, len(ref.Fields))
	for i, f := range ref.Fields {
		if f.GetAStar() != nil {
			c.fail(at, NotSupported, "* stands only in COUNT(*)", "rows never leave; ask for COUNT(*), COUNT(DISTINCT person key), SUM or AVG")
		}
		parts[i] = f.GetString_().GetSval()
	}
	switch len(parts) {
	case 1:
		return c.bare(sc, parts[0], at)
	case 2:
		for i, t := range sc.tables {
			if t.alias == parts[0] {
				if found, ok := c.lookup(t.table, i, parts[1], at); ok {
					if found.person && t.left {
						c.failLeftKey(at)
					}
					return found
				}
				c.unknown(at, "table "+t.table.Name+" has no column", parts[1], columnNames(t.table))
			}
		}
		var aliases []string
		for _, t := range sc.tables {
			if aliases = append(aliases, t.alias); t.table.Name == parts[0] {
				c.fail(at, UnknownName, "the table "+quote(parts[0])+" has an alias here", "write "+t.alias+"."+parts[1])
			}
		}
		c.unknown(at, "no table of this FROM is called", parts[0], aliases)
	}
	c.fail(at, NotSupported, "a name has at most two parts", "write alias.column")
	return named{}
}

// bare resolves a name without a table. The person key is the same in every table, so it is never ambiguous.
func (c *compiler) bare(sc *scope, name string, at int) named {
	var hits []named
	var in []string
	for i, t := range sc.tables {
		if found, ok := c.lookup(t.table, i, name, at); ok {
			hits, in = append(hits, found), append(in, t.alias+"."+name)
		}
	}
	persons := 0
	for _, h := range hits {
		if h.person {
			persons++
		}
	}
	switch {
	case len(hits) == 0:
		var all []string
		for _, t := range sc.tables {
			all = append(all, columnNames(t.table)...)
		}
		for _, t := range c.ds.Tables {
			if t.Column(name) != nil && catalog.Nearest(name, all) == "" {
				c.fail(at, UnknownName, "no table of this FROM has a column "+quote(name), "it is a column of "+t.Name+": join that table")
			}
		}
		c.unknown(at, "no column is called", name, all)
	case len(hits) > 1 && persons != len(hits):
		c.fail(at, UnknownName, "the column "+quote(name)+" is in several tables", "write "+strings.Join(in, " or "))
	}
	if hits[0].person && sc.tables[hits[0].ref.Table].left {
		c.failLeftKey(at)
	}
	return hits[0]
}

// failLeftKey refuses the key of a left-joined table: it would be NULL for persons without a row there, and what is counted and joined
// is the person.
func (c *compiler) failLeftKey(at int) {
	c.fail(at, NotSupported, "the person key of a left-joined table may be NULL", "use the key of the table whose persons are kept")
}

// lookup finds a name in one table.
func (c *compiler) lookup(t *catalog.Table, i int, name string, at int) (named, bool) {
	n := named{at: at, text: name}
	if !t.Public && name == t.PersonKey {
		n.person = true
		n.ref.Table = i
		return n, true
	}
	if col := t.Column(name); col != nil {
		if col.Has(catalog.RoleNever) {
			c.fail(at, NotSupported, "the column "+quote(name)+" is never released, so it is not in the data", "ask with other columns")
		}
		n.ref = ColumnRef{Table: i, Column: col}
		return n, true
	}
	if col, b := t.Band(name); b != nil {
		n.ref = ColumnRef{Table: i, Column: col, Band: b}
		return n, true
	}
	return n, false
}

func columnNames(t *catalog.Table) []string {
	var all []string
	if t.PersonKey != "" {
		all = append(all, t.PersonKey)
	}
	for _, col := range t.Columns {
		if col.Has(catalog.RoleNever) {
			continue
		}
		all = append(all, col.Name)
		for _, b := range col.Bands {
			all = append(all, b.Name)
		}
	}
	return all
}

func (c *compiler) unknown(at int, msg, name string, candidates []string) {
	hint := "`jali catalog` lists tables and columns"
	if near := catalog.Nearest(name, candidates); near != "" {
		hint = "did you mean " + near + "?"
	}
	c.fail(at, UnknownName, msg+" "+quote(name), hint)
}

// value resolves a column that a condition or aggregate may read; the person key is not one.
func (c *compiler) value(sc *scope, n *pg.Node) named {
	col := c.column(sc, n)
	if col.person {
		c.fail(col.at, NotSupported, "the person key can only be counted and joined", "write COUNT(DISTINCT "+col.text+"), or "+col.text+" IN (SELECT "+col.text+" FROM ... WHERE ...)")
	}
	c.touch(col.ref.Column)
	return col
}

// failExpr refuses an expression that stands where a column should.
func (c *compiler) failExpr(n *pg.Node) {
	at := c.at(n)
	switch {
	case n.GetFuncCall() != nil:
		f := names(n.GetFuncCall().Funcname)
		name := f[len(f)-1]
		if aggregates[name] != "" || refusedAggregates[name] != "" {
			c.fail(at, NotSupported, "an aggregate cannot stand here", "compare aggregates in HAVING; conditions on persons go into person_id IN (SELECT person_id FROM ... WHERE ...)")
		}
		if computes(n.GetFuncCall()) {
			c.fail(at, NotSupported, strings.ToUpper(name)+" cannot stand here", computesHint)
		}
		c.fail(at, NotSupported, "the function "+quote(name)+" is not part of the language", functionHint(name))
	case ofAggregates(n):
		c.fail(at, NotSupported, "a calculation with aggregates stands where an output should", "ask for the parts, as in SUM(cost) AS cost, SUM(days) AS days, and divide the released values: both errors are in the answer, and sdk/stat.Ratio gives the interval")
	case n.GetAExpr() != nil:
		c.fail(at, NotSupported, "a calculation stands where a column should", "calculations stand in conditions, in BIN(expression, lo, hi, width), in CLIP(expression, lo, hi), and in derived tables")
	case n.GetCaseExpr() != nil:
		c.fail(at, NotSupported, "CASE cannot stand here", "CASE stands in GROUP BY, in SUM, AVG and COUNT, and in derived tables; as a condition write AND and OR")
	case n.GetMinMaxExpr() != nil || n.GetCoalesceExpr() != nil:
		kind, _ := picked(n)
		c.fail(at, NotSupported, strings.ToUpper(string(kind))+" cannot stand here", "name it in a derived table, as in (SELECT person_id, LEAST(death_date, DATE '2010-12-31') AS last_day FROM ...) p; it also stands in BIN and CLIP")
	case n.GetTypeCast() != nil:
		c.fail(at, NotSupported, "casts are not part of the language", "leave it out: AVG of whole numbers is not rounded, a date is DATE '2008-01-31', and the year of a date is a band of the catalogue")
	case n.GetAConst() != nil:
		c.fail(at, NotSupported, "a value stands where a column should", "write column = value")
	case n.GetSubLink() != nil:
		c.fail(at, NotSupported, "a subquery stands where a column should", "the only subquery is person_id IN (SELECT person_id FROM ... WHERE ...)")
	}
	c.fail(at, NotSupported, "a column should stand here", "name a column of the catalogue")
}

// ofAggregates reports whether a calculation has an aggregate in it.
func ofAggregates(n *pg.Node) bool {
	if f := n.GetFuncCall(); f != nil {
		fn := names(f.Funcname)
		return aggregates[fn[len(fn)-1]] != ""
	}
	e := n.GetAExpr()
	return e != nil && (ofAggregates(e.Lexpr) || ofAggregates(e.Rexpr))
}

func functionHint(name string) string {
	switch name {
	case "julianday", "date_part", "extract", "strftime", "year", "age", "datediff", "date_trunc", "now", "date":
		return "use a date column with its bands, for example a declared year band; a difference of dates is written exit_date - entry_date, its mean AVG(CLIP(exit_date - entry_date, 0, 365))"
	case "substr", "substring", "left", "upper", "lower", "trim":
		return "use LIKE 'J4%' or a prefix band of the catalogue"
	case "round", "floor", "ceil", "abs":
		return "answers are rounded by their noise; use bands to group numbers"
	}
	return "use columns and bands of the catalogue with COUNT, SUM, AVG, VAR and STDDEV"
}
