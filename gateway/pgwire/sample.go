package pgwire

import (
	"regexp/syntax"
	"strings"

	"jali/gateway/catalog"
)

// sample is a literal that fits the hole, from the published catalogue.
func (h hole) sample(ds *catalog.Dataset) string {
	if h.like {
		return "'x%'"
	}
	c, b := columnNamed(ds, h.column)
	if c == nil {
		switch h.target(ds, 0) {
		case catalog.Date:
			return "DATE '2000-01-01'"
		case catalog.Decimal, catalog.Integer:
			return "1"
		}
		return "'x'"
	}
	var v catalog.Value
	switch {
	case b != nil && len(b.Labels) > 0:
		v = b.Labels[0]
	case len(c.Codes) > 0:
		v = c.Codes[0]
	case len(c.Matching) > 0:
		v = c.Matching[0]
	case c.Type == catalog.Date:
		v = catalog.DayValue(c.Lo)
	case c.Type == catalog.Decimal:
		v = catalog.FixedValue(c.Lo, c.Decimals)
	case c.Type == catalog.Integer:
		v = catalog.IntValue(c.Lo)
	default:
		v = catalog.StringValue(matching(c.Pattern))
	}
	var text string
	var err error
	switch heldBy(c, b) {
	case catalog.Date:
		text, err = dateLiteral(v.String())
	case catalog.Integer, catalog.Decimal:
		text, err = numberLiteral(v.String())
	default:
		text, err = textLiteral(v.String())
	}
	if err != nil {
		return "NULL" // the planner says what it thinks of that
	}
	return text
}

// matching is a text that matches a pattern of the catalogue.
func matching(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	written(&b, re)
	return b.String()
}

func written(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus:
		written(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			written(b, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, s := range re.Sub {
			written(b, s)
		}
	case syntax.OpAlternate:
		written(b, re.Sub[0])
	}
}
