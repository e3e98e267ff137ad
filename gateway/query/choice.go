package query

import (
	"slices"
	"strings"
	"unicode"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// maxChoice bounds the whole numbers a CASE may give.
const maxChoice = int64(1) << 40

// isCondition reports whether an expression is true or false.
func isCondition(n *pg.Node) bool {
	if e := n.GetAExpr(); e != nil {
		switch e.Kind {
		case pg.A_Expr_Kind_AEXPR_OP:
			return len(e.Name) == 1 && mirrored[names(e.Name)[0]] != ""
		case pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_LIKE, pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
			return true
		}
		return false
	}
	return n.GetBoolExpr() != nil || n.GetNullTest() != nil || n.GetSubLink() != nil
}

// truth makes a condition a column: 1 where it is true, 0 where it is false, NULL where it is neither.
func (c *compiler) truth(sc *scope, n *pg.Node) ColumnRef {
	yes := c.where(sc, n)
	if _, fixed := yes.(constant); fixed {
		c.failFixed(c.at(n))
	}
	e := &Expr{Whens: []When{{yes, catalog.IntValue(1)}}, Else: catalog.IntValue(0)}
	open := nullableCond(yes)
	if open {
		e.Else = catalog.Value{}
		if no := finish(c.cond(sc, n, true)); no != Cond(constant(false)) {
			e.Whens = append(e.Whens, When{no, catalog.IntValue(0)})
		}
	}
	return sc.choose(e, "condition", []catalog.Value{catalog.IntValue(0), catalog.IntValue(1)}, open)
}

func (c *compiler) failFixed(at int) {
	c.fail(at, NotSupported, "the condition is the same for every row", "leave it out, or look for values or ranges that exclude each other")
}

// choice resolves CASE WHEN condition THEN value ... ELSE value END. The values stand in the question, so they are a public
// domain.
func (c *compiler) choice(sc *scope, n *pg.CaseExpr) ColumnRef {
	e := &Expr{}
	var codes []catalog.Value
	open, done := false, false
	value := func(n *pg.Node) catalog.Value {
		if n == nil || n.GetAConst().GetIsnull() {
			open = true
			return catalog.Value{}
		}
		v := c.chosen(n)
		if len(codes) > 0 && codes[0].Kind != v.Kind {
			c.fail(c.at(n), NotSupported, "CASE gives numbers and text", "give all values one type")
		}
		if !slices.Contains(codes, v) {
			codes = append(codes, v)
		}
		return v
	}
	for _, a := range n.Args {
		w := a.GetCaseWhen()
		if done {
			break
		}
		switch cond := c.where(sc, w.Expr); cond {
		case Cond(constant(false)):
		case Cond(constant(true)):
			e.Else, done = value(w.Result), true
		default:
			e.Whens = append(e.Whens, When{cond, value(w.Result)})
		}
	}
	if !done {
		e.Else = value(n.Defresult)
	}
	if len(e.Whens) == 0 || len(codes) == 0 {
		c.failFixed(int(n.Location))
	}
	if codes[0].Kind == catalog.Int {
		slices.SortFunc(codes, compareValues) // numbers have an order of their own; text has the question's
	}
	return sc.choose(e, "case", codes, open)
}

// chosen reads a value that CASE gives: a whole number or text.
func (c *compiler) chosen(n *pg.Node) catalog.Value {
	l, ok := c.constant(n)
	if !ok {
		c.fail(c.at(n), NotSupported, "CASE gives values", "write THEN 1 or THEN 'label'")
	}
	if l.kind == text {
		if l.text == "" || len(l.text) > maxText || strings.ContainsFunc(l.text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			c.fail(l.at, NotSupported, "a label is 1 to 256 bytes of printable text", "write THEN 'label', or NULL for none")
		}
		return catalog.StringValue(l.text)
	}
	i, err := catalog.ParseFixed(l.text, 0)
	if l.kind != number || err != nil || i > maxChoice || i < -maxChoice {
		c.fail(l.at, NotSupported, "CASE gives whole numbers or text", "write THEN 1 or THEN 'label'")
	}
	return catalog.IntValue(i)
}

// choose describes the column that a choice computes.
func (s *scope) choose(e *Expr, name string, codes []catalog.Value, open bool) ColumnRef {
	col := &catalog.Column{Name: name, Type: catalog.Text, Roles: []catalog.Role{catalog.RoleGroup}, Codes: codes, Nullable: open}
	if codes[0].Kind == catalog.Int {
		col.Type, col.Roles = catalog.Integer, append(col.Roles, catalog.RoleMeasure)
		col.Lo, col.Hi = codes[0].N, codes[len(codes)-1].N
		col.ClipLo, col.ClipHi = col.Lo, col.Hi
	}
	return s.intern(ColumnRef{Column: col, Expr: e})
}
