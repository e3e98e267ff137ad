package query

import (
	"math"
	"slices"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// arrange resolves HAVING, ORDER BY and LIMIT. They act on released values only, so they cost nothing but the items of an
// aggregate that the SELECT list does not have.
func (o *outputs) arrange(s *pg.SelectStmt) {
	if s.HavingClause != nil {
		o.p.Arrange.Having = o.having(s.HavingClause)
	}
	for _, n := range s.SortClause {
		b := n.GetSortBy()
		if b.SortbyNulls != pg.SortByNulls_SORTBY_NULLS_DEFAULT {
			o.c.fail(o.c.at(n), NotSupported, "NULLS FIRST and LAST are not part of the language", "groups without a value come last")
		}
		i := -1
		if k := b.Node.GetAConst(); k != nil {
			o.ordinal(s, k, "ORDER BY")
			i = int(k.GetIval().GetIval()) - 1
		} else {
			i = o.output(b.Node, "ORDER BY")
		}
		o.p.Arrange.Order = append(o.p.Arrange.Order, protect.Order{Output: i, Desc: b.SortbyDir == pg.SortByDir_SORTBY_DESC})
	}
	o.limit(s)
}

func (o *outputs) limit(s *pg.SelectStmt) {
	if s.LimitCount == nil {
		return
	}
	at := o.c.at(s.LimitCount)
	k := s.LimitCount.GetAConst()
	n := k.GetIval().GetIval()
	switch {
	case s.LimitOption == pg.LimitOption_LIMIT_OPTION_WITH_TIES:
		o.c.fail(at, NotSupported, "WITH TIES is not part of the language", "write LIMIT 10")
	case k.GetIsnull(): // LIMIT ALL
	case n < 1:
		o.c.fail(at, NotSupported, "LIMIT takes a whole number from 1", "write LIMIT 10")
	default:
		o.p.Arrange.Limit = int64(n)
	}
}

// output finds what an expression of HAVING or ORDER BY names: an output by its name, a group column, or an aggregate, which
// is added hidden when the SELECT list does not have it.
func (o *outputs) output(n *pg.Node, clause string) int {
	if name, ok := bareName(n); ok {
		if i, ok := o.names[name]; ok {
			return i
		}
	}
	var out protect.Output
	switch {
	case n.GetColumnRef() != nil, n.GetFuncCall() != nil && computes(n.GetFuncCall()), n.GetCaseExpr() != nil:
		out = o.groupOutput(n)
	case n.GetFuncCall() != nil:
		out = o.aggregate(n.GetFuncCall())
	case n.GetSubLink() != nil:
		o.c.fail(o.c.at(n), NotSupported, "a subquery cannot stand in "+clause, "conditions on persons stand in WHERE")
	default:
		o.c.failExpr(n)
	}
	name := out.Name
	out.Name = ""
	for i, x := range o.p.Outputs {
		x.Name, x.Hidden = "", false
		if x == out {
			return i
		}
	}
	if _, taken := o.names[name]; taken {
		name = o.free(name)
	}
	out.Name, out.Hidden = name, true
	o.names[name] = len(o.p.Outputs)
	o.p.Outputs = append(o.p.Outputs, out)
	return len(o.p.Outputs) - 1
}

// maxHaving is below what protect.Arranged takes: a condition it would refuse must be refused before the charge.
const maxHaving = 48

func depth(h *protect.Having) int {
	d := 0
	for _, a := range h.Args {
		d = max(d, depth(a))
	}
	return d + 1
}

func (o *outputs) having(n *pg.Node) *protect.Having {
	at := o.c.at(n)
	if b := n.GetBoolExpr(); b != nil {
		h := &protect.Having{Op: map[pg.BoolExprType]string{pg.BoolExprType_AND_EXPR: "and", pg.BoolExprType_OR_EXPR: "or", pg.BoolExprType_NOT_EXPR: "not"}[b.Boolop]}
		for _, a := range b.Args {
			h.Args = append(h.Args, o.having(a))
		}
		if h.Op == "not" && h.Args[0].Op == "not" {
			return h.Args[0].Args[0]
		}
		if depth(h) > maxHaving {
			o.c.fail(at, TextLimit, "HAVING is nested too deeply", "write it with fewer parentheses")
		}
		return h
	}
	const hint = "compare an aggregate or a group with a value, as in HAVING COUNT(*) > 100"
	e := n.GetAExpr()
	if e == nil || len(e.Name) != 1 {
		o.c.fail(at, NotSupported, "HAVING takes comparisons of released values", hint)
	}
	op := names(e.Name)[0]
	switch e.Kind {
	case pg.A_Expr_Kind_AEXPR_OP:
		left, right := e.Lexpr, e.Rexpr
		if left == nil || right == nil || mirrored[op] == "" {
			o.c.fail(at, NotSupported, "HAVING takes comparisons of released values", hint)
		}
		if _, ok := o.c.constant(left); ok {
			left, right, op = right, left, mirrored[op]
		}
		return o.havingLeaf(o.output(left, "HAVING"), op, right)
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		i, ends := o.output(e.Lexpr, "HAVING"), e.Rexpr.GetList().GetItems()
		if len(ends) != 2 {
			o.c.fail(at, Syntax, "BETWEEN takes two values", "write BETWEEN 1 AND 5")
		}
		h := &protect.Having{Op: "and", Args: []*protect.Having{o.havingLeaf(i, ">=", ends[0]), o.havingLeaf(i, "<=", ends[1])}}
		if e.Kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN {
			return &protect.Having{Op: "not", Args: []*protect.Having{h}}
		}
		return h
	case pg.A_Expr_Kind_AEXPR_IN:
		i, h := o.output(e.Lexpr, "HAVING"), &protect.Having{Op: "or"}
		for _, v := range e.Rexpr.GetList().GetItems() {
			h.Args = append(h.Args, o.havingLeaf(i, "=", v))
		}
		if op == "<>" {
			return &protect.Having{Op: "not", Args: []*protect.Having{h}}
		}
		return h
	}
	o.c.fail(at, NotSupported, "HAVING takes comparisons of released values", hint)
	return nil
}

func (o *outputs) havingLeaf(i int, op string, n *pg.Node) *protect.Having {
	l := o.c.needConstant(n)
	h := &protect.Having{Op: op, Output: i}
	if out := o.p.Outputs[i]; out.Kind == protect.OutGroup {
		ref := o.p.GroupBy[out.Group]
		if op != "=" && op != "<>" && typeOf(ref) == catalog.Text {
			o.c.fail(l.at, NotSupported, "text has no order here", "use = or IN")
		}
		h.Value = o.c.typed(ref, l, op == "=" || op == "<>")
		return h
	}
	x, err := strconv.ParseFloat(l.text, 64)
	if l.kind != number || err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		o.c.fail(l.at, UnknownCode, "an aggregate is compared with a number", "write for example HAVING COUNT(*) > 100")
	}
	h.Number = x
	return h
}

// domains lists the cells of the answer: the product of the group columns' public labels.
func (c *compiler) domains(p *Plan) {
	p.Cells = 1
	for i, g := range p.GroupBy {
		d := protect.Domain{Name: refName(g)}
		if slices.ContainsFunc(p.Domains, func(x protect.Domain) bool { return x.Name == d.Name }) {
			if g.Column.Table != "" {
				d.Name = g.Column.Table + "." + d.Name
			}
			if slices.ContainsFunc(p.Domains, func(x protect.Domain) bool { return x.Name == d.Name }) {
				d.Name += "_" + strconv.Itoa(i+1)
			}
		}
		if c.private(g) {
			d.Private = true
		} else if d.Labels = narrowed(p.Where, g); len(d.Labels) == 0 {
			c.fail(0, NotSupported, "the conditions leave no group of "+quote(refName(g)), "look for values that exclude each other")
		}
		p.Domains = append(p.Domains, d)
		if p.Cells *= int64(max(1, len(d.Labels))); p.Cells > c.cells {
			c.fail(0, BoundMissing, "the answer would have more than "+thousands(c.cells)+" groups", "group by fewer or coarser columns, or narrow them in WHERE")
		}
	}
	if p.Cells*int64(len(p.Outputs)) > maxFigures {
		c.fail(0, BoundMissing, "the answer would have more than "+thousands(maxFigures)+" figures in its columns and groups", "ask for fewer columns, or group by fewer or coarser ones")
	}
	if p.Private {
		p.Cells = 0
	}
}

// maxFigures bounds groups times columns. A column that is named twice costs nothing and is sent twice: a hundred thousand groups of two hundred such
// columns would take gigabytes, and nobody could receive what was paid for. At some 200 bytes each, as JSON, so many fit what is sent at most.
const maxFigures = 1_200_000

// private reports whether the group's keys come from the data.
func (c *compiler) private(g ColumnRef) bool {
	return g.Band == nil && g.Column.PrivateKeys && (!c.listed || g.Column.Matching == nil)
}

// MaxCells is the largest public domain of one answer.
const MaxCells = 100_000

// thousands writes n >= 0 with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
