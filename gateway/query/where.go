package query

import (
	"math/big"
	"slices"
	"strings"
	"time"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func yearOf(day int64) int64 { return int64(time.Unix(day*86400, 0).UTC().Year()) }

// where resolves a condition into normal form.
func (c *compiler) where(sc *scope, n *pg.Node) Cond {
	return finish(c.cond(sc, n, false))
}

// cond resolves a condition, negated if neg: NOT is pushed down to the leaves on the way, by De Morgan's laws, which hold in
// SQL's three-valued logic. Above the leaves no NOT is left, so a condition that is NULL may be treated as one that is
// false: neither selects a row.
func (c *compiler) cond(sc *scope, n *pg.Node, neg bool) Cond {
	switch {
	case n == nil:
		return constant(!neg)
	case n.GetBoolExpr() != nil:
		b := n.GetBoolExpr()
		if b.Boolop == pg.BoolExprType_NOT_EXPR {
			return c.cond(sc, b.Args[0], !neg)
		}
		args := make([]Cond, len(b.Args))
		for i, a := range b.Args {
			args[i] = c.cond(sc, a, neg)
		}
		if (b.Boolop == pg.BoolExprType_AND_EXPR) != neg {
			return and(args)
		}
		return or(args)
	case n.GetNullTest() != nil:
		t := n.GetNullTest()
		col := c.value(sc, t.Arg)
		return nullTest(col.ref, (t.Nulltesttype == pg.NullTestType_IS_NULL) == neg)
	case n.GetSubLink() != nil:
		return c.persons(sc, n.GetSubLink(), neg)
	case n.GetAExpr() != nil:
		return c.comparison(sc, n.GetAExpr(), neg)
	case n.GetAConst().GetBoolval() != nil:
		return constant(n.GetAConst().GetBoolval().Boolval != neg)
	case n.GetColumnRef() != nil:
		col := c.value(sc, n)
		c.fail(col.at, NotSupported, "a column alone is not a condition", "compare it, as in "+col.text+" = 1")
	}
	c.failExpr(n)
	return nil
}

func (c *compiler) comparison(sc *scope, e *pg.A_Expr, neg bool) Cond {
	at := int(e.Location)
	op := ""
	if len(e.Name) == 1 {
		op = names(e.Name)[0]
	}
	switch e.Kind {
	case pg.A_Expr_Kind_AEXPR_OP:
		return c.compare(sc, e, op, neg)
	case pg.A_Expr_Kind_AEXPR_IN:
		col := c.value(sc, e.Lexpr)
		var leaves []Cond
		for _, item := range e.Rexpr.GetList().GetItems() {
			l := c.needConstant(item)
			if l.text == "" && l.kind == text {
				c.fail(l.at, NotSupported, "an empty text is NULL, and no list holds it", "write OR "+col.text+" IS NULL")
			}
			leaves = append(leaves, compareLeaf(col.ref, "=", c.typed(col.ref, l, true), (op == "<>") != neg))
		}
		if (op == "<>") != neg {
			return and(leaves)
		}
		return or(leaves)
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		ends := e.Rexpr.GetList().GetItems()
		if len(ends) != 2 {
			c.fail(at, Syntax, "BETWEEN takes two values", "write BETWEEN 1 AND 5")
		}
		neg = neg != (e.Kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN)
		side := func(end *pg.Node, op string) Cond {
			if e.Lexpr.GetColumnRef() != nil && isConstant(c, end) {
				return c.ordered(c.value(sc, e.Lexpr), c.needConstant(end), op, neg)
			}
			return c.compareSums(sc, e.Lexpr, end, op, at, neg)
		}
		lo, hi := side(ends[0], ">="), side(ends[1], "<=")
		if neg {
			return or([]Cond{lo, hi})
		}
		return and([]Cond{lo, hi})
	case pg.A_Expr_Kind_AEXPR_LIKE:
		return c.like(sc, e, (op == "!~~") != neg)
	case pg.A_Expr_Kind_AEXPR_ILIKE:
		c.fail(at, NotSupported, "ILIKE is not part of the language", "codes are written one way: use LIKE 'J4%'")
	case pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
		c.fail(at, NotSupported, "ANY and ALL are not part of the language", "write IN (...) or NOT IN (...)")
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		c.fail(at, NotSupported, "IS DISTINCT FROM is not part of the language", "write column <> value OR column IS NULL")
	}
	c.fail(at, NotSupported, "this comparison is not part of the language", "use = <> < <= > >=, IN, BETWEEN, LIKE 'prefix%' and IS NULL")
	return nil
}

var mirrored = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// compare resolves column op literal, literal op column, and literal op literal.
func (c *compiler) compare(sc *scope, e *pg.A_Expr, op string, neg bool) Cond {
	at := int(e.Location)
	if mirrored[op] == "" || e.Lexpr == nil || e.Rexpr == nil {
		c.fail(at, NotSupported, "this calculation is not a condition", "compare it with a value, as in exit_date - entry_date > 30")
	}
	left, right := e.Lexpr, e.Rexpr
	if l, ok := c.constant(left); ok {
		if r, ok := c.constant(right); ok {
			return constant(c.fold(l, r, op, at) != neg)
		}
		left, right, op = right, left, mirrored[op]
	}
	if left.GetSubLink() != nil || right.GetSubLink() != nil {
		c.fail(at, NotSupported, "a comparison with a subquery is not part of the language", "the only subquery is person_id IN (SELECT person_id FROM ... WHERE ...)")
	}
	if left.GetColumnRef() == nil || !isConstant(c, right) {
		return c.compareSums(sc, left, right, op, at, neg)
	}
	col := c.value(sc, left)
	l := c.needConstant(right)
	if l.kind == text && l.text == "" {
		// Empty fields are NULL in the data, so this is how people ask for them.
		switch op {
		case "=":
			return nullTest(col.ref, neg)
		case "<>":
			return nullTest(col.ref, !neg)
		}
		c.fail(l.at, NotSupported, "an empty text has no order", "write IS NULL or IS NOT NULL")
	}
	if op == "=" || op == "<>" {
		return compareLeaf(col.ref, op, c.typed(col.ref, l, true), neg)
	}
	return c.ordered(col, l, op, neg)
}

// ordered resolves < <= > >=, which need numbers or dates.
func (c *compiler) ordered(col named, l literal, op string, neg bool) Cond {
	if typeOf(col.ref) == "text" {
		c.fail(col.at, NotSupported, col.text+" is text, which has no order here", "use = or IN, or LIKE 'J4%' for a prefix")
	}
	return compareLeaf(col.ref, op, c.typed(col.ref, l, false), neg)
}

// fold compares two literals, as in 1 = 1.
func (c *compiler) fold(l, r literal, op string, at int) bool {
	cmp := strings.Compare(l.text, r.text)
	switch {
	case l.kind != r.kind:
		c.fail(at, NotSupported, "the two values are of different kinds", "leave the condition out")
	case l.kind == number:
		x, ok1 := new(big.Rat).SetString(l.text)
		y, ok2 := new(big.Rat).SetString(r.text)
		if !ok1 || !ok2 {
			c.fail(at, NotSupported, "numbers are plain decimals", "leave the condition out")
		}
		cmp = x.Cmp(y)
	case op != "=" && op != "<>":
		c.fail(at, NotSupported, "text has no order here", "leave the condition out")
	}
	return holds(cmp, op)
}

// holds reports whether x op y, given the sign of x - y.
func holds(cmp int, op string) bool {
	switch op {
	case "=":
		return cmp == 0
	case "<>":
		return cmp != 0
	case "<":
		return cmp < 0
	case "<=":
		return cmp <= 0
	case ">":
		return cmp > 0
	}
	return cmp >= 0
}

// like resolves LIKE 'prefix%': one trailing % and no other wildcard.
func (c *compiler) like(sc *scope, e *pg.A_Expr, neg bool) Cond {
	col := c.value(sc, e.Lexpr)
	l := c.needConstant(e.Rexpr)
	if typeOf(col.ref) != "text" || l.kind != text {
		c.fail(col.at, NotSupported, "LIKE compares text", "use = < > or BETWEEN for numbers and dates")
	}
	prefix, ok := strings.CutSuffix(l.text, "%")
	if strings.ContainsAny(prefix, `%_\`) || prefix == "" || len(prefix) > maxText {
		c.fail(l.at, NotSupported, "LIKE takes a prefix and one % at the end", "write LIKE 'J4%'")
	}
	if !ok {
		c.fail(l.at, NotSupported, "LIKE takes a prefix and one % at the end", "write = "+quote(l.text)+" or LIKE "+quote(l.text+"%"))
	}
	return likeLeaf(col.ref, prefix, neg)
}

// persons resolves person IN (SELECT person FROM ... WHERE ...): the persons with at least one row there.
func (c *compiler) persons(sc *scope, s *pg.SubLink, neg bool) Cond {
	const form = "write person_id IN (SELECT person_id FROM table WHERE ...)"
	at := int(s.Location)
	if s.SubLinkType == pg.SubLinkType_EXISTS_SUBLINK {
		c.fail(at, NotSupported, "EXISTS is not part of the language", form)
	}
	if s.SubLinkType != pg.SubLinkType_ANY_SUBLINK || s.Testexpr == nil || s.Testexpr.GetColumnRef() == nil {
		c.fail(at, NotSupported, "this subquery is not part of the language", form)
	}
	if key := c.column(sc, s.Testexpr); !key.person {
		c.fail(key.at, NotSupported, "only the person key is compared with a subquery", form)
	}
	sub := s.Subselect.GetSelectStmt()
	if sub == nil {
		c.fail(at, NotSupported, "this subquery is not part of the language", form)
	}
	if sub.WithClause != nil {
		c.fail(selectAt(sub), NotSupported, "WITH stands at the beginning of the question only", "move it there")
	}
	if len(sub.GroupClause) > 0 || sub.HavingClause != nil || len(sub.SortClause) > 0 || sub.LimitCount != nil {
		c.fail(selectAt(sub), NotSupported, "a subquery has no GROUP BY, HAVING, ORDER BY or LIMIT", "the persons with at least one row that fits are selected; "+form)
	}
	inner := c.from(sub)
	if len(sub.TargetList) != 1 || sub.TargetList[0].GetResTarget().GetVal().GetColumnRef() == nil || !c.column(inner, sub.TargetList[0].GetResTarget().GetVal()).person {
		c.fail(selectAt(sub), NotSupported, "a subquery selects the person key and nothing else", form)
	}
	where := c.where(inner, sub.WhereClause)
	switch where {
	case Cond(constant(false)):
		return constant(neg)
	case Cond(constant(true)):
		where = nil
	}
	cohort := &Cohort{}
	cohort.Tables, cohort.Where, _ = detach(c.ds, inner.refs(), where, func(int) bool { return false })
	cohort.Fans = fans(&Plan{Dataset: c.ds, Tables: cohort.Tables, Where: cohort.Where})
	if len(cohort.Tables) > 1 && slices.Min(cohort.Fans) > maxRows {
		c.fail(selectAt(sub), BoundMissing, "the join may give one person too many rows to bound", "join fewer tables; conditions on other tables go into person_id IN (SELECT person_id FROM ...)")
	}
	return personsLeaf(cohort, neg)
}
