package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// Pick says which of several values of a row an expression gives. NULLs are passed over, as PostgreSQL and DuckDB do: the result is
// NULL only where all are.
type Pick string

// Picks. The zero Pick is a sum.
const (
	PickLeast    Pick = "least"
	PickGreatest Pick = "greatest"
	PickFirst    Pick = "coalesce"
)

const pickHint = "write it of columns and at most one value of one type, as in LEAST(death_date, DATE '2010-12-31'); to calculate with it, name it in a derived table"

// picked returns the call when an expression is LEAST, GREATEST or COALESCE.
func picked(n *pg.Node) (Pick, []*pg.Node) {
	if m := n.GetMinMaxExpr(); m != nil {
		if m.Op == pg.MinMaxOp_IS_LEAST {
			return PickLeast, m.Args
		}
		return PickGreatest, m.Args
	}
	return PickFirst, n.GetCoalesceExpr().GetArgs()
}

// pick resolves LEAST, GREATEST and COALESCE of a row's own columns: the end of follow-up that comes first, a value or what stands
// for its absence.
func (c *compiler) pick(sc *scope, n *pg.Node) ColumnRef {
	at := c.at(n)
	kind, args := picked(n)
	e := &Expr{Pick: kind}
	var like ColumnRef
	var value *literal
	sure := false // from here on nothing can be NULL
	for _, a := range args {
		if l, ok := c.constant(a); ok {
			if value != nil {
				c.fail(l.at, NotSupported, "two values stand here", pickHint)
			}
			if !sure {
				value = &l
			}
			sure = sure || kind == PickFirst
			continue
		}
		col := c.value(sc, a)
		switch {
		case col.ref.Band != nil || col.ref.Column.Type == catalog.Text:
			c.fail(col.at, NotSupported, col.text+" is no number or date", pickHint)
		case like.Column == nil:
			like = col.ref
		case like.Column.Type != col.ref.Column.Type || like.Column.Decimals != col.ref.Column.Decimals:
			c.fail(col.at, NotSupported, "the columns are of different types", pickHint)
		}
		if !sure && !slices.Contains(e.Terms, Term{1, col.ref}) {
			e.Terms = append(e.Terms, Term{1, col.ref})
		}
		if len(e.Terms) > maxTerms {
			c.fail(col.at, TextLimit, "more than 8 columns", "take fewer")
		}
		sure = sure || kind == PickFirst && !nullable(col.ref)
	}
	if len(e.Terms) == 0 {
		c.fail(at, NotSupported, "no column decides", pickHint)
	}
	if value != nil {
		e.Fixed, e.Const = true, c.typed(like, *value, false).N
	}
	if len(e.Terms) == 1 && !e.Fixed {
		return e.Terms[0].Col
	}
	if kind != PickFirst {
		slices.SortFunc(e.Terms, func(a, b Term) int { return strings.Compare(refKey(a.Col), refKey(b.Col)) })
	}
	col := *like.Column
	col.Name, col.Table, col.Codes, col.Labels, col.Bands, col.PrivateKeys, col.PerPerson = string(kind), "", nil, nil, nil, false, false
	col.Roles = []catalog.Role{catalog.RoleFilter}
	col.Lo, col.Hi, col.Nullable = e.picks()
	col.ClipLo, col.ClipHi = col.Lo, col.Hi
	return sc.intern(ColumnRef{Column: &col, Expr: e})
}

// picks proves the range of a pick from those of its columns. A value that is always there bounds the least from above.
func (e *Expr) picks() (lo, hi int64, open bool) {
	type span struct {
		lo, hi int64
		open   bool
	}
	var all []span
	if e.Fixed {
		all = append(all, span{e.Const, e.Const, false})
	}
	for _, t := range e.Terms {
		all = append(all, span{t.Col.Column.Lo, t.Col.Column.Hi, t.Col.Column.Nullable})
	}
	lo, hi, open = all[0].lo, all[0].hi, true
	for _, s := range all {
		lo, hi, open = min(lo, s.lo), max(hi, s.hi), open && s.open
	}
	for _, s := range all {
		switch {
		case s.open:
		case e.Pick == PickLeast:
			hi = min(hi, s.hi)
		case e.Pick == PickGreatest:
			lo = max(lo, s.lo)
		}
	}
	return lo, hi, open
}
