package query

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// maxBins bounds the groups of one BIN.
const maxBins = 10_000

const computesHint = "GROUP BY BIN(expression, lo, hi, width), SUM(CLIP(expression, lo, hi))"

// computes reports whether a call is BIN or CLIP: functions of a row, not aggregates.
func computes(f *pg.FuncCall) bool {
	fn := names(f.Funcname)
	return len(fn) == 1 && (fn[0] == "bin" || fn[0] == "clip")
}

// isBin reports whether a reference is what BIN makes.
func isBin(ref ColumnRef) bool { return ref.Band != nil && ref.Band.Column == "" }

// arguments checks the form of a call of BIN or CLIP and resolves what it is about.
func (c *compiler) arguments(sc *scope, f *pg.FuncCall, n int, form string) (ColumnRef, []literal) {
	at := int(f.Location)
	if len(f.Args) != n || f.AggStar || f.AggDistinct || f.Over != nil || f.AggFilter != nil {
		c.fail(at, NotSupported, "this is not how "+strings.ToUpper(names(f.Funcname)[0])+" is written", form)
	}
	ref := c.scalar(sc, f.Args[0])
	if typeOf(ref) == catalog.Text {
		c.fail(c.at(f.Args[0]), NotSupported, refName(ref)+" is text", "take numbers, dates or differences of dates; text is grouped by its codes")
	}
	var out []literal
	for _, a := range f.Args[1:] {
		l, ok := c.constant(a)
		if !ok {
			c.fail(c.at(a), NotSupported, "the bounds stand in the question", form)
		}
		out = append(out, l)
	}
	return ref, out
}

// bin resolves BIN(expression, lo, hi, width): groups of width from lo up to hi, and one group each for what lies below and
// above, where something can. The groups are public because they stand in the question.
func (c *compiler) bin(sc *scope, f *pg.FuncCall) ColumnRef {
	const form = "write BIN(expression, lo, hi, width), as in BIN(exit_date - entry_date, 0, 365, 30)"
	at := int(f.Location)
	ref, args := c.arguments(sc, f, 4, form)
	col := ref.Column
	if !bounded(col) {
		c.fail(at, BoundMissing, "the column "+quote(col.Name)+" has no bounds", "ask the custodian to declare bounds for it")
	}
	lo, hi := c.typed(ref, args[0], false).N, c.typed(ref, args[1], false).N
	width, err := catalog.ParseFixed(args[2].text, col.Decimals)
	switch {
	case args[2].kind != number || err != nil || width < 1:
		c.fail(args[2].at, NotSupported, "the width is a number above 0", form)
	case lo < -maxNumber || hi > maxNumber || lo >= hi:
		c.fail(args[1].at, NotSupported, "the upper end lies above the lower", form)
	case (hi-lo-1)/width >= maxBins:
		c.fail(args[2].at, BoundMissing, "more than 10,000 groups", "take wider groups")
	}
	v := func(n int64) catalog.Value { return catalog.Value{Kind: col.Kind(), N: n, Decimals: col.Decimals} }
	b := &catalog.Band{Kind: catalog.BandCuts, Name: "bin(" + v(lo).String() + "," + v(hi).String() + "," + args[2].text + ")"}
	cut := func(from int64, label string) {
		b.Cuts, b.Labels = append(b.Cuts, from), append(b.Labels, catalog.StringValue(label))
	}
	if col.Lo < lo {
		cut(col.Lo, "<"+v(lo).String())
	}
	for from := lo; from < hi; from += width {
		cut(from, binLabel(col, v(from), v(min(hi, from+width))))
		if hi-from <= width {
			break // from+width could leave the range
		}
	}
	if col.Hi >= hi {
		cut(hi, ">="+v(hi).String())
		hi = col.Hi + 1
	}
	b.Cuts = append(b.Cuts, hi)
	ref.Band = b
	return sc.intern(ref)
}

// binLabel names from <= x < to as the catalogue names its bands.
func binLabel(col *catalog.Column, from, to catalog.Value) string {
	if col.Type == catalog.Decimal {
		return "[" + from.String() + "," + to.String() + ")"
	}
	to.N--
	switch {
	case from == to:
		return from.String()
	case col.Type == catalog.Date || from.N < 0:
		return from.String() + ".." + to.String()
	}
	return from.String() + "-" + to.String()
}

// clip resolves CLIP(expression, lo, hi), the argument of a sum: each value is held within bounds that stand in the question.
func (c *compiler) clip(sc *scope, f *pg.FuncCall) ColumnRef {
	const form = "write CLIP(expression, lo, hi), as in SUM(CLIP(exit_date - entry_date, 0, 365))"
	ref, args := c.arguments(sc, f, 3, form)
	if ref.Column.Type == catalog.Date {
		c.fail(c.at(f.Args[0]), NotSupported, "dates have no sum", "sum a difference of dates: a number of days")
	}
	lo, hi := c.typed(ref, args[0], false).N, c.typed(ref, args[1], false).N
	switch {
	case lo < -maxChoice || hi > maxChoice || lo > hi:
		c.fail(args[1].at, NotSupported, "the upper bound lies above the lower", form)
	case hi < ref.Column.Lo || lo > ref.Column.Hi:
		c.fail(args[0].at, NotSupported, "no value lies within these bounds", form)
	}
	col := *ref.Column
	col.Table, col.Codes, col.Bands, col.PrivateKeys = "", nil, nil, false
	col.Roles = []catalog.Role{catalog.RoleMeasure}
	col.ClipLo, col.ClipHi = max(lo, col.Lo), min(hi, col.Hi)
	if ref.Expr == nil {
		ref.Expr = &Expr{Terms: []Term{{1, ref}}}
	}
	ref.Table, ref.Column = 0, &col
	return sc.intern(ref)
}
