package query

import (
	"math/big"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// maxNumber keeps every number that is computed, and every step on the way, within 62 bits.
const maxNumber = int64(1)<<61 - 1

// bounded reports whether the catalogue bounds a column of numbers or dates.
func bounded(col *catalog.Column) bool { return col.Lo > -maxNumber && col.Hi < maxNumber }

// linear is a sum as it is read: multiples of columns and of values.
type linear struct {
	terms    []Term
	literals []literalTerm
}

type literalTerm struct {
	coef int64
	l    literal
}

const maxTerms, maxCoef = 8, 1_000_000

const linearHint = "calculations are + and - of columns, dates and whole numbers, and * by a number, as in exit_date - entry_date"

// linear reads a sum.
func (c *compiler) linear(sc *scope, n *pg.Node, coef int64, into *linear) {
	if l, ok := c.constant(n); ok {
		into.literals = append(into.literals, literalTerm{coef, l})
		return
	}
	e := n.GetAExpr()
	if e == nil {
		col := c.value(sc, n)
		switch {
		case col.ref.Band != nil:
			c.fail(col.at, NotSupported, quote(col.text)+" is a band", "calculate with the column "+col.ref.Column.Name)
		case col.ref.Column.Type == catalog.Text:
			c.fail(col.at, NotSupported, col.text+" is text", "compare text with codes, as in "+col.text+" = 'code'; "+linearHint)
		case !bounded(col.ref.Column):
			c.fail(col.at, BoundMissing, "the column "+quote(col.text)+" has no bounds", "calculate with columns that have bounds in the catalogue")
		}
		if i := slices.IndexFunc(into.terms, func(t Term) bool { return t.Col == col.ref }); i >= 0 {
			into.terms[i].Coef += coef
		} else if into.terms = append(into.terms, Term{coef, col.ref}); len(into.terms) > maxTerms {
			c.fail(col.at, TextLimit, "a calculation has more than 8 columns", "calculate less")
		}
		return
	}
	at := int(e.Location)
	op := ""
	if e.Kind == pg.A_Expr_Kind_AEXPR_OP && len(e.Name) == 1 {
		op = names(e.Name)[0]
	}
	switch op {
	case "+", "-":
		if e.Lexpr != nil {
			c.linear(sc, e.Lexpr, coef, into)
		}
		if op == "-" {
			coef = -coef
		}
		c.linear(sc, e.Rexpr, coef, into)
		return
	case "*":
		if e.Lexpr == nil {
			break
		}
		k, ok := c.constant(e.Lexpr)
		other := e.Rexpr
		if !ok {
			if k, ok = c.constant(e.Rexpr); !ok {
				c.fail(at, NotSupported, "two columns are not multiplied", linearHint)
			}
			other = e.Lexpr
		}
		f, err := catalog.ParseFixed(k.text, 0)
		if k.kind != number || err != nil || f > maxCoef || f < -maxCoef || f*coef > maxCoef || f*coef < -maxCoef {
			c.fail(k.at, NotSupported, "columns are multiplied by whole numbers up to a million", linearHint)
		}
		c.linear(sc, other, coef*f, into)
		return
	case "/":
		c.fail(at, NotSupported, "division is not part of the language", "group by BIN(expression, lo, hi, width), or divide released values afterwards")
	}
	c.fail(at, NotSupported, "this calculation is not part of the language", linearHint)
}

// sum is a linear with everything in one unit: of dates days, of decimals the finest scale.
type sum struct {
	terms []Term
	konst int64
	dates int64 // how many dates it is: 0 a number, 1 a date
	scale int
}

// total brings a linear to one unit and proves its range.
func (c *compiler) total(l linear, at int) sum {
	s := sum{}
	for _, t := range l.terms {
		s.scale = max(s.scale, t.Col.Column.Decimals)
	}
	size, konst := new(big.Int), new(big.Int)
	for _, t := range l.terms {
		if t.Coef == 0 {
			continue
		}
		if t.Col.Column.Type == catalog.Date {
			s.dates += t.Coef
		}
		for range s.scale - t.Col.Column.Decimals {
			t.Coef *= 10 // at most a million times 10^6
		}
		most := big.NewInt(max(-t.Col.Column.Lo, t.Col.Column.Hi, t.Col.Column.Lo, -t.Col.Column.Hi))
		most.Mul(most, new(big.Int).Abs(big.NewInt(t.Coef)))
		size.Add(size, most)
		s.terms = append(s.terms, t)
	}
	for _, t := range l.literals {
		var n int64
		var err error
		switch t.l.kind {
		case number:
			if n, err = catalog.ParseFixed(t.l.text, s.scale); err != nil {
				c.fail(t.l.at, UnknownCode, quote(t.l.text)+" does not fit here", "write a number with no more decimals than the columns have")
			}
		default:
			if n, err = catalog.ParseDay(t.l.text); err != nil || t.l.kind == text && strings.TrimSpace(t.l.text) == "" {
				c.fail(t.l.at, UnknownCode, quote(t.l.text)+" is neither a number nor a date", "write DATE '2008-01-31'")
			}
			s.dates += t.coef
		}
		konst.Add(konst, new(big.Int).Mul(big.NewInt(n), big.NewInt(t.coef)))
	}
	size.Add(size, new(big.Int).Abs(konst))
	if !size.IsInt64() || size.Int64() > maxNumber {
		c.fail(at, BoundMissing, "the numbers may leave the exact range", "calculate with columns of narrower bounds")
	}
	if s.scale > 0 && slices.ContainsFunc(s.terms, func(t Term) bool { return t.Col.Column.Type == catalog.Date }) {
		c.fail(at, NotSupported, "dates and decimals are not added", linearHint)
	}
	s.konst = konst.Int64()
	slices.SortFunc(s.terms, func(a, b Term) int { return strings.Compare(refKey(a.Col), refKey(b.Col)) })
	return s
}

// column makes a sum a reference: the column itself where it is one, else a computed column with proved bounds.
func (s sum) column(sc *scope) ColumnRef {
	if len(s.terms) == 1 && s.terms[0].Coef == 1 && s.konst == 0 {
		return s.terms[0].Col
	}
	col := &catalog.Column{Name: "calculation", Type: catalog.Integer, Roles: []catalog.Role{catalog.RoleFilter}, Lo: s.konst, Hi: s.konst}
	switch {
	case s.dates == 1:
		col.Type = catalog.Date
	case s.scale > 0:
		col.Type, col.Decimals = catalog.Decimal, s.scale
	}
	for _, t := range s.terms {
		a, b := t.Coef*t.Col.Column.Lo, t.Coef*t.Col.Column.Hi
		col.Lo, col.Hi = col.Lo+min(a, b), col.Hi+max(a, b)
		col.Nullable = col.Nullable || t.Col.Column.Nullable
	}
	col.ClipLo, col.ClipHi = col.Lo, col.Hi
	return sc.intern(ColumnRef{Column: col, Expr: &Expr{Terms: s.terms, Const: s.konst}})
}

// scalar resolves an expression that computes a value of a row.
func (c *compiler) scalar(sc *scope, n *pg.Node) ColumnRef {
	at := c.at(n)
	switch {
	case n.GetColumnRef() != nil:
		col := c.value(sc, n)
		if col.ref.Band != nil {
			c.fail(col.at, NotSupported, quote(col.text)+" is a band", "use the column "+col.ref.Column.Name)
		}
		return col.ref
	case n.GetCaseExpr() != nil:
		return c.choice(sc, n.GetCaseExpr())
	case n.GetMinMaxExpr() != nil || n.GetCoalesceExpr() != nil:
		return c.pick(sc, n)
	case isCondition(n):
		return c.truth(sc, n)
	case n.GetAExpr() == nil:
		c.failExpr(n)
	}
	var l linear
	c.linear(sc, n, 1, &l)
	s := c.total(l, at)
	switch {
	case len(s.terms) == 0:
		c.fail(at, NotSupported, "a value stands where a column should", "calculate with columns")
	case s.dates != 0 && s.dates != 1:
		c.fail(at, NotSupported, "dates are not added", "a difference of dates is a number of days, a date and a number of days a date")
	}
	return s.column(sc)
}

// compareSums resolves left op right where either side is calculated, or both are columns: left - right is compared with a value.
// That is NULL where a column of either side is, as in SQL.
func (c *compiler) compareSums(sc *scope, left, right *pg.Node, op string, at int, neg bool) Cond {
	var l linear
	c.linear(sc, left, 1, &l)
	c.linear(sc, right, -1, &l)
	s := c.total(l, at)
	switch {
	case len(s.terms) == 0:
		c.fail(at, NotSupported, "the condition compares nothing but values", "compare columns")
	case s.dates != 0:
		c.fail(at, NotSupported, "a date is compared with a number", "compare dates with dates, and differences of dates with days")
	}
	if s.terms[0].Coef < 0 {
		op, s.konst = mirrored[op], -s.konst
		terms := slices.Clone(s.terms)
		for i := range terms {
			terms[i].Coef = -terms[i].Coef
		}
		s.terms = terms
	}
	value := -s.konst
	s.konst = 0
	if first := s.terms[0]; len(s.terms) == 1 && first.Coef == 1 {
		v := catalog.Value{Kind: first.Col.Column.Kind(), N: value, Decimals: first.Col.Column.Decimals}
		if op == "=" || op == "<>" {
			c.known(first.Col, v, literal{number, v.String(), at})
		}
		return compareLeaf(first.Col, op, v, neg)
	}
	ref := s.column(sc)
	return compareLeaf(ref, op, catalog.Value{Kind: ref.Column.Kind(), N: value, Decimals: ref.Column.Decimals}, neg)
}
