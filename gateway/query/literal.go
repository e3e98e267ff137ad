package query

import (
	"math/big"
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// literal is a value as it was written.
type literal struct {
	kind literalKind
	text string
	at   int
}

type literalKind uint8

const (
	number literalKind = iota
	text
	date // DATE '...'
)

// constant reports whether the node is a literal, and reads it.
func (c *compiler) constant(n *pg.Node) (literal, bool) {
	switch {
	case n.GetAConst() != nil:
		k := n.GetAConst()
		at := int(k.Location)
		switch v := k.Val.(type) {
		case *pg.A_Const_Ival:
			return literal{number, big.NewInt(int64(v.Ival.GetIval())).String(), at}, true
		case *pg.A_Const_Fval:
			return literal{number, v.Fval.GetFval(), at}, true
		case *pg.A_Const_Sval:
			return literal{text, v.Sval.GetSval(), at}, true
		case *pg.A_Const_Boolval:
			c.fail(at, NotSupported, "TRUE and FALSE are not values of a column", "flags are numbers: write flag = 1")
		}
		if k.Isnull {
			c.fail(at, NotSupported, "a comparison with NULL is never true", "write IS NULL or IS NOT NULL")
		}
	case n.GetAExpr() != nil && n.GetAExpr().Lexpr == nil && n.GetAExpr().Kind == pg.A_Expr_Kind_AEXPR_OP && len(n.GetAExpr().Name) == 1:
		e := n.GetAExpr()
		l, ok := c.constant(e.Rexpr)
		if !ok || l.kind != number {
			return literal{}, false
		}
		switch names(e.Name)[0] {
		case "+":
		case "-":
			if l.text = "-" + l.text; strings.HasPrefix(l.text, "--") {
				l.text = l.text[2:]
			}
		default:
			return literal{}, false
		}
		l.at = int(e.Location)
		return l, true
	case n.GetTypeCast() != nil:
		t := n.GetTypeCast()
		k := t.Arg.GetAConst()
		if f := names(t.GetTypeName().GetNames()); k == nil || len(f) != 1 || f[0] != "date" || k.GetSval() == nil {
			c.failExpr(n)
		}
		return literal{date, k.GetSval().GetSval(), int(k.Location)}, true
	}
	return literal{}, false
}

// needConstant reads a literal that a column is compared with.
func (c *compiler) needConstant(n *pg.Node) literal {
	l, ok := c.constant(n)
	if ok {
		return l
	}
	if n.GetColumnRef() != nil {
		c.fail(c.at(n), NotSupported, "a column stands where a value should", "columns are compared with = <> < <= > >= and BETWEEN")
	}
	c.failExpr(n)
	return literal{}
}

// typed converts a literal to the kind and scale of a column or band. exact: it will be compared for equality, so where the
// catalogue lists codes it must be one of them.
func (c *compiler) typed(ref ColumnRef, l literal, exact bool) catalog.Value {
	var v catalog.Value
	var err error
	what := refName(ref)
	switch t := typeOf(ref); {
	case t == catalog.Text && l.kind == text:
		if v = catalog.StringValue(l.text); len(l.text) > maxText {
			c.fail(l.at, UnknownCode, "the value is longer than 256 bytes", "values of "+what+" are codes")
		}
	case t == catalog.Text:
		c.fail(l.at, UnknownCode, what+" holds text", "write the value in single quotes, as in "+what+" = '"+strings.ReplaceAll(l.text, "'", "")+"'")
	case t == catalog.Date && l.kind != number:
		var day int64
		if day, err = catalog.ParseDay(l.text); err == nil {
			v = catalog.DayValue(day)
		} else {
			c.fail(l.at, UnknownCode, quote(l.text)+" is not a date", "write DATE '2008-01-31'")
		}
	case t == catalog.Date:
		c.fail(l.at, UnknownCode, what+" holds dates", "write DATE '2008-01-31'")
	case l.kind == date:
		c.fail(l.at, UnknownCode, what+" does not hold dates", "write a number")
	default:
		decimals := 0
		if t == catalog.Decimal {
			decimals = ref.Column.Decimals
		}
		var n int64
		if n, err = catalog.ParseFixed(l.text, decimals); err != nil || n == minInt64 {
			hint := "write a whole number"
			if decimals > 0 {
				hint = "write a number with at most " + big.NewInt(int64(decimals)).String() + " decimals"
			}
			c.fail(l.at, UnknownCode, quote(l.text)+" is not a value of "+what, hint)
		}
		if v = catalog.IntValue(n); t == catalog.Decimal {
			v = catalog.FixedValue(n, decimals)
		}
	}
	if exact {
		c.known(ref, v, l)
	}
	return v
}

// maxText is the longest text value; codes are shorter.
const maxText = 256

// minInt64 is left out of every range so that a bound can be moved by one either way.
const minInt64 = -1 << 63

// known checks that a value can occur: a code of the list, or text of the pattern.
func (c *compiler) known(ref ColumnRef, v catalog.Value, l literal) {
	if codes := domainOf(ref); codes != nil {
		if slices.Contains(codes, v) {
			return
		}
		c.fail(l.at, UnknownCode, quote(l.text)+" is not a code of "+refName(ref), codeHint(ref, v, codes))
	}
	if ref.Band == nil && ref.Column.Pattern != "" && v.Kind == catalog.String {
		if re, err := regexp.Compile(ref.Column.Pattern); err != nil || !re.MatchString(v.S) {
			c.fail(l.at, UnknownCode, quote(l.text)+" is not a value of "+refName(ref), "values match "+ref.Column.Pattern)
		}
	}
}

// codeHint names the nearest code, or the codes when they are few.
func codeHint(ref ColumnRef, v catalog.Value, codes []catalog.Value) string {
	const few, searched = 12, 20_000
	var all []string
	for i, x := range codes {
		if i == searched {
			break
		}
		if strings.EqualFold(x.S, v.S) && v.Kind == catalog.String {
			return "did you mean '" + x.S + "'?"
		}
		all = append(all, x.String())
	}
	if v.Kind == catalog.String {
		if near := catalog.Nearest(v.S, all); near != "" {
			return "did you mean '" + near + "'?"
		}
	}
	if len(all) <= few {
		return "codes: " + strings.Join(all, ", ")
	}
	return "`jali catalog` lists the codes of " + ref.Column.Table + "." + ref.Column.Name
}

// typeOf is the type of a column's or band's values.
func typeOf(ref ColumnRef) catalog.Type {
	switch {
	case ref.Band == nil:
		return ref.Column.Type
	case ref.Band.Kind == catalog.BandYear:
		return catalog.Integer
	}
	return catalog.Text
}

// domainOf lists the values a column or band can have besides NULL, or nil when the catalogue does not list them.
func domainOf(ref ColumnRef) []catalog.Value {
	if ref.Band != nil {
		return ref.Band.Labels
	}
	return ref.Column.Codes
}

func refName(ref ColumnRef) string {
	if isBin(ref) {
		return "bin"
	}
	if ref.Band != nil {
		return ref.Band.Name
	}
	return ref.Column.Name
}

// nullable reports whether the column or band can be NULL. A band is NULL also for values outside it.
func nullable(ref ColumnRef) bool {
	return ref.Column.Nullable || ref.Band != nil && !covers(ref.Column, ref.Band)
}

// covers reports whether every value of the column falls into a label of the band.
func covers(col *catalog.Column, b *catalog.Band) bool {
	switch b.Kind {
	case catalog.BandCuts:
		return b.Cuts[0] <= col.Lo && col.Hi < b.Cuts[len(b.Cuts)-1]
	case catalog.BandYear:
		first, last := yearOf(col.Lo), yearOf(col.Hi)
		return b.Labels[0].N <= first && last <= b.Labels[len(b.Labels)-1].N
	}
	return col.Codes != nil && !slices.ContainsFunc(col.Codes, func(v catalog.Value) bool {
		return len(v.S) < b.Prefix || !slices.Contains(b.Labels, catalog.StringValue(v.S[:b.Prefix]))
	})
}
