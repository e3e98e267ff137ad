package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// foldKinds are the aggregates of a person's rows inside a derived table.
var foldKinds = map[string]DerivedKind{"min": Least, "max": Greatest, "sum": Total, "count": RowCount}

// aggregate reads MIN, MAX, SUM and COUNT over the rows of one person.
func (r *relation) aggregate(t *pg.ResTarget, f *pg.FuncCall) {
	c, at := r.c, int(f.Location)
	fn := names(f.Funcname)
	name := fn[len(fn)-1]
	kind, ok := foldKinds[name]
	switch {
	case !ok || len(fn) != 1 || f.AggFilter != nil:
		hint := "use MIN, MAX, SUM and COUNT; a condition inside one is MAX(CASE WHEN ... THEN 1 ELSE 0 END)"
		if name == "avg" {
			hint = "take SUM and COUNT of the column"
		}
		c.fail(at, NotSupported, strings.ToUpper(name)+" is not part of a derived table", hint)
	case !r.out.Grouped:
		c.fail(at, NotSupported, "this aggregate takes rows of different persons together", "add GROUP BY person_id: a derived table has one row for each person, and totals of all persons stand in the outermost SELECT")
	}
	as := t.Name
	if as == "" {
		as = name
	}
	if kind == RowCount && (f.AggStar || len(f.Args) == 1 && isConstant(c, f.Args[0])) {
		r.add(t, as, DerivedColumn{Kind: RowCount, Column: counted(1, r.rows)})
		return
	}
	if len(f.Args) != 1 || f.AggStar {
		c.fail(at, NotSupported, strings.ToUpper(name)+" takes one column", "write "+strings.ToUpper(name)+"(column)")
	}
	if n := f.Args[0]; n.GetColumnRef() != nil && c.column(r.sc, n).person {
		if kind != RowCount || f.AggDistinct {
			c.fail(at, NotSupported, "the person key is the same in all rows of the person", "write COUNT(*)")
		}
		r.add(t, as, DerivedColumn{Kind: RowCount, Column: counted(1, r.rows)})
		return
	}
	ref := c.scalar(r.sc, f.Args[0])
	text := typeOf(ref) == catalog.Text
	switch {
	case kind == RowCount && f.AggDistinct:
		r.add(t, as, DerivedColumn{Kind: Distinct, Arg: &ref, Column: counted(0, r.rows)})
		return
	case kind == RowCount:
		r.add(t, as, DerivedColumn{Kind: Filled, Arg: &ref, Column: counted(0, r.rows)})
		return
	case text:
		c.fail(c.at(f.Args[0]), NotSupported, "text has no order here", "write MAX(CASE WHEN column = 'code' THEN 1 ELSE 0 END)")
	}
	if f.AggDistinct {
		c.fail(at, NotSupported, "DISTINCT stands only in COUNT", "leave DISTINCT out")
	}
	col := passed(ref, as, false)
	if kind == Total {
		if ref.Column.Type == catalog.Date {
			c.fail(at, NotSupported, "dates have no sum", "take MIN or MAX, or sum a difference of dates")
		}
		lo, hi := times(max(0, -ref.Column.Lo), r.rows), times(max(0, ref.Column.Hi), r.rows)
		if lo > maxNumber || hi > maxNumber || !bounded(ref.Column) {
			c.fail(at, BoundMissing, "the sum of one person may leave the exact range", "sum a column with declared bounds, or CASE WHEN ... THEN 1 ELSE 0 END")
		}
		col.Lo, col.Hi, col.Codes, col.PrivateKeys = -lo, hi, nil, false
		if ref.Column.Lo > 0 {
			col.Lo = ref.Column.Lo
		}
		if ref.Column.Hi < 0 {
			col.Hi = ref.Column.Hi
		}
		col.ClipLo, col.ClipHi = col.Lo, col.Hi
		col.Roles = []catalog.Role{catalog.RoleFilter} // SUM of it needs CLIP
	}
	r.add(t, as, DerivedColumn{Kind: kind, Arg: &ref, Column: col})
}

func isConstant(c *compiler, n *pg.Node) bool {
	_, ok := c.constant(n)
	return ok
}

// counted describes a count of a person's rows.
func counted(lo, hi int64) *catalog.Column {
	return &catalog.Column{Type: catalog.Integer, Roles: []catalog.Role{catalog.RoleFilter}, Lo: lo, Hi: hi, ClipLo: lo, ClipHi: hi}
}

// number reads ROW_NUMBER() OVER (PARTITION BY person ORDER BY columns): the k-th row of each person.
func (r *relation) number(t *pg.ResTarget, f *pg.FuncCall) {
	c, at := r.c, int(f.Location)
	const form = "write ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY day) AS k"
	fn := names(f.Funcname)
	w := f.Over
	person := false
	for _, n := range w.PartitionClause {
		if n.GetColumnRef() == nil || !c.column(r.sc, n).person {
			c.fail(c.at(n), NotSupported, "rows are numbered within each person", form)
		}
		person = true
	}
	switch {
	case len(fn) != 1 || fn[0] != "row_number" || len(f.Args) > 0 || f.AggStar || f.AggDistinct:
		c.fail(at, NotSupported, "this window function is not part of the language", form+"; totals of a person are MIN, MAX, SUM and COUNT with GROUP BY person_id")
	case !person:
		c.fail(at, NotSupported, "this window runs over rows of different persons", form)
	case w.Name != "" || w.Refname != "" || w.FrameOptions&^defaultFrame != 0:
		c.fail(at, NotSupported, "this window is not part of the language", form)
	case r.out.Grouped:
		c.fail(at, NotSupported, "the rows of a GROUP BY are not numbered", "number them in another derived table around this one")
	case len(w.OrderClause) == 0:
		c.fail(at, NotSupported, "rows are numbered in an order", form)
	case slices.ContainsFunc(r.out.Columns, func(d DerivedColumn) bool { return d.Kind == Number }):
		c.fail(at, NotSupported, "a derived table numbers its rows once", "write another derived table for another order")
	case t.Name == "":
		c.fail(at, NotSupported, "the number needs a name", form)
	}
	for _, n := range w.OrderClause {
		b := n.GetSortBy()
		if b.SortbyNulls != pg.SortByNulls_SORTBY_NULLS_DEFAULT {
			c.fail(c.at(n), NotSupported, "NULLS FIRST and LAST are not part of the language", "rows without a value come last, or first with DESC; leave them out with IS NOT NULL")
		}
		if b.Node.GetColumnRef() == nil {
			c.failExpr(b.Node)
		}
		r.out.Order = append(r.out.Order, OrderBy{r.key(b.Node), b.SortbyDir == pg.SortByDir_SORTBY_DESC})
	}
	r.add(t, t.Name, DerivedColumn{Kind: Number, Column: counted(1, r.rows)})
}

// defaultFrame are the frame options of a window that names none (FRAMEOPTION_DEFAULTS of PostgreSQL's parsenodes.h): RANGE, from
// UNBOUNDED PRECEDING, to CURRENT ROW.
const defaultFrame = 0x2 | 0x20 | 0x400
