package query

import (
	"math"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/sdk/analysis"
)

// columns writes the group columns of the histogram, role by role, and what they mean into the spec.
func (t *tabular) columns() {
	s := t.spec
	for _, name := range []string{"by", "strata"} {
		for _, n := range t.list(name) {
			d := t.compared(n)
			if name == "by" {
				s.By = append(s.By, d)
			} else {
				s.Strata = append(s.Strata, d)
			}
		}
	}
	if n := t.args["row_group"]; n != nil {
		s.Exposure = analysis.Pair{Dim: t.group(n)}
	}
	if n := t.args["column_group"]; n != nil {
		s.Outcome = analysis.Pair{Dim: t.group(n)}
	}
	if n := t.args["exposure"]; n != nil {
		s.Exposure = t.flag("exposure", n, nil)
	}
	if n := t.args["outcome"]; n != nil {
		s.Outcome = t.flag("outcome", n, nil)
	}
	for _, n := range t.list("terms") {
		s.Terms = append(s.Terms, t.term(n))
	}
	for _, name := range []string{"value", "x", "y"} {
		if n := t.args[name]; n != nil {
			d := t.numeric(name, n)
			if name == "x" {
				s.X = d
			} else {
				s.Value = d
			}
		}
	}
	if n := t.args["time"]; n != nil {
		t.survival(n)
	}
	for _, n := range t.list("at") {
		s.At = append(s.At, t.real("at", n))
	}
	if t.stat == analysis.MeanSurvival {
		s.At = []float64{t.real("until", t.args["until"])}
	}
	t.h.TargetList = append(t.h.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{
		Name: "cells", Val: call("count", t.at, nil), Location: int32(t.at),
	}}})
}

func (t *tabular) list(name string) []*pg.Node {
	if t.args[name] == nil {
		return nil
	}
	return list(t.args[name])
}

// add puts a group column into the histogram and returns its name in the statistics.
func (t *tabular) add(name string, n *pg.Node, d dimension) string {
	for _, x := range t.dims {
		if x.ref == d.ref && x.plain == d.plain && x.until == nil && d.until == nil {
			return x.name // one column in two roles
		}
	}
	d.name = name
	for i := 2; slices.ContainsFunc(t.dims, func(x dimension) bool { return x.name == d.name }); i++ {
		d.name = name + "_" + strconv.Itoa(i)
	}
	t.dims = append(t.dims, d)
	at := t.c.at(n)
	t.h.TargetList = append(t.h.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Name: d.name, Val: n, Location: int32(at)}}})
	t.h.GroupClause = append(t.h.GroupClause, integer(int64(len(t.h.TargetList)), at))
	return d.name
}

// group is a column with declared groups, a band, BIN, CASE or a condition.
func (t *tabular) group(n *pg.Node) string {
	ref, name := t.resolve(n, "group")
	return t.add(name, n, dimension{ref: ref, plain: true})
}

// compared is a group, perhaps with the label that others are compared with: ref(arm, 'placebo').
func (t *tabular) compared(n *pg.Node) string {
	f := n.GetFuncCall()
	if f == nil || len(f.Funcname) != 1 || names(f.Funcname)[0] != "ref" || t.stat != analysis.RateRatio {
		return t.group(n)
	}
	if len(f.Args) != 2 {
		t.c.fail(t.c.at(n), NotSupported, "this is not how ref is written", "write by => ref(arm, 'placebo')")
	}
	ref, _ := t.resolve(f.Args[0], "group")
	t.spec.Ref = t.c.typed(ref, t.c.needConstant(f.Args[1]), true).String()
	return t.group(f.Args[0])
}

// resolve finds what a group expression is. name is how people know it.
func (t *tabular) resolve(n *pg.Node, role string) (ColumnRef, string) {
	c := t.c
	o := &outputs{c: c, sc: t.sc, p: &Plan{}}
	if ref, ok := o.computed(n); ok {
		if isBin(ref) && ref.Column.Name != "" {
			return ref, ref.Column.Name
		}
		return ref, role
	}
	if n.GetColumnRef() == nil {
		c.failExpr(n)
	}
	col := c.column(t.sc, n)
	if col.person {
		c.fail(col.at, NotSupported, "persons cannot be groups", "group by a column or band of the catalogue")
	}
	return col.ref, refName(col.ref)
}

// flag is a column of zeros and ones, or a condition. Rows for which it is unknown stay out. seen restricts where it can be true.
func (t *tabular) flag(name string, n, seen *pg.Node) analysis.Pair {
	c, at := t.c, t.c.at(n)
	pair := analysis.Pair{Yes: "1", No: "0"}
	if n.GetColumnRef() != nil {
		ref, shown := t.resolve(n, name)
		one, zero := catalog.Value{Kind: catalog.Int, N: 1}, catalog.Value{Kind: catalog.Int}
		labels := domainOf(ref)
		if ref.Band != nil || !slices.Contains(labels, one) || !slices.Contains(labels, zero) {
			c.fail(at, NotSupported, "the column "+quote(shown)+" does not hold 0 and 1", "write a condition, as in "+name+" => "+shown+" = 'value'")
		}
		if seen == nil {
			pair.Dim = t.add(shown, n, dimension{ref: ref, plain: true})
			return pair
		}
		n = compare("=", n, integer(1, at), at)
	}
	yes, no := n, not(proto.Clone(n).(*pg.Node), at)
	if seen != nil {
		yes, no = both(pg.BoolExprType_AND_EXPR, yes, seen, at), both(pg.BoolExprType_OR_EXPR, no, not(proto.Clone(seen).(*pg.Node), at), at)
	}
	when := func(cond *pg.Node, then int64) *pg.Node {
		return &pg.Node{Node: &pg.Node_CaseWhen{CaseWhen: &pg.CaseWhen{Expr: cond, Result: integer(then, at), Location: int32(at)}}}
	}
	choice := &pg.Node{Node: &pg.Node_CaseExpr{CaseExpr: &pg.CaseExpr{Args: []*pg.Node{when(yes, 1), when(no, 0)}, Location: int32(at)}}}
	ref, _ := t.resolve(choice, name)
	pair.Dim = t.add(name, choice, dimension{ref: ref, plain: true})
	return pair
}

// wrappers say how a covariate enters, as in terms => (age, square(age), ref(arm, 'placebo')).
var wrappers = map[string]string{"square": "square", "log": "log", "category": "category", "ref": "category"}

// term is a covariate: a group column as categories, a number by the middle of its bins.
func (t *tabular) term(n *pg.Node) analysis.Term {
	c := t.c
	var out analysis.Term
	inner, how := n, ""
	var refAt *pg.Node
	if f := n.GetFuncCall(); f != nil && len(f.Funcname) == 1 && wrappers[names(f.Funcname)[0]] != "" {
		fn := names(f.Funcname)[0]
		if want := map[bool]int{true: 2, false: 1}[fn == "ref"]; len(f.Args) != want {
			c.fail(c.at(n), NotSupported, "this is not how "+fn+" is written", "write square(age), log(dose), category(year) or ref(arm, 'placebo')")
		}
		inner, how = f.Args[0], wrappers[fn]
		if fn == "ref" {
			refAt = f.Args[1]
		}
	}
	ref, name := t.resolve(inner, "term")
	number := isBin(ref) || ref.Band == nil && !ref.Column.Has(catalog.RoleGroup) && ref.Column.Type != catalog.Text
	switch {
	case how != "" && how != "category" && !numbered(ref):
		c.fail(c.at(n), NotSupported, quote(name)+" has labels, which are no numbers", "take "+how+" of a number or of BIN(column, lo, hi, width); labels enter as category("+name+")")
	case how == "category" && number && !isBin(ref):
		c.fail(c.at(n), NotSupported, "the column "+quote(name)+" has no groups", "write category(BIN("+name+", lo, hi, width))")
	case how == "category":
		out.Form = "category"
	case number, how != "":
		out.Form = "number"
		if how != "" {
			out.Form = how
		}
		if !isBin(ref) && domainOf(ref) == nil {
			out.Dim = t.numeric(name, inner)
			return out
		}
	default:
		out.Form = "category"
	}
	out.Dim = t.add(name, inner, dimension{ref: ref, plain: out.Form == "category", held: out.Form != "category"})
	if refAt != nil {
		out.Ref = c.typed(ref, c.needConstant(refAt), true).String()
	}
	return out
}

// numeric is a number in bins: as the question writes them, one per code, or as many equal ones as bins says.
func (t *tabular) numeric(name string, n *pg.Node) string {
	c, at := t.c, t.c.at(n)
	if n.GetColumnRef() != nil {
		ref, shown := t.resolve(n, name)
		if ref.Band == nil && ref.Column.Codes != nil && ref.Column.Type != catalog.Text {
			return t.add(shown, n, dimension{ref: ref})
		}
	}
	if f := n.GetFuncCall(); f != nil && computes(f) && names(f.Funcname)[0] == "bin" {
		ref, shown := t.resolve(n, name)
		return t.add(shown, n, dimension{ref: ref, held: t.weighs()})
	}
	ref := c.scalar(t.sc, n)
	col := ref.Column
	if typeOf(ref) == catalog.Text || col.Type == catalog.Date || ref.Band != nil {
		c.fail(at, NotSupported, "a number should stand here", "name a numeric column, a difference of dates, or BIN(expression, lo, hi, width)")
	}
	lo, hi := col.Lo, col.Hi
	if col.Has(catalog.RoleMeasure) {
		lo, hi = col.ClipLo, col.ClipHi
	}
	if !bounded(col) || lo >= hi {
		c.fail(at, BoundMissing, "the values have no bounds", "write BIN(expression, lo, hi, width)")
	}
	bins := int64(20)
	if b := t.args["bins"]; b != nil {
		bins = t.whole("bins", b, 2, 1000)
	}
	width := max(1, (hi-lo+bins)/bins)
	if w := t.args["width"]; w != nil && (name == "value" || len(t.list("terms")) == 0) {
		width = t.scaled("width", w, col)
	}
	bin := call("bin", at, []*pg.Node{n, fixed(lo, col, at), fixed(hi+1, col, at), fixed(width, col, at)})
	shown := col.Name
	if shown == "" {
		shown = name
	}
	binned, _ := t.resolve(bin, shown)
	return t.add(shown, bin, dimension{ref: binned, held: t.weighs()})
}

// numbered reports whether the labels of a group stand for numbers: values of a column, or ranges of them.
func numbered(ref ColumnRef) bool {
	if ref.Band != nil {
		return ref.Band.Kind == catalog.BandCuts
	}
	return ref.Column.Type == catalog.Integer || ref.Column.Type == catalog.Decimal
}

// weighs reports that values count by their size, not by their rank.
func (t *tabular) weighs() bool { return t.stat != analysis.Quantile && t.stat != analysis.Histogram }

// survival puts time into bins from 0 to until, and the event where it is seen. Whole times t fall into bins that end with a
// multiple of the width, so that the curve at that multiple has counted them.
func (t *tabular) survival(n *pg.Node) {
	c, at := t.c, t.c.at(n)
	ref := c.scalar(t.sc, n)
	col := ref.Column
	if typeOf(ref) == catalog.Text || col.Type == catalog.Date || ref.Band != nil {
		c.fail(at, NotSupported, "time is a number, counted from each person's start", "name a numeric column or a difference of dates, as in time => death_date - index_date")
	}
	if !bounded(col) || col.Hi <= 0 {
		c.fail(at, BoundMissing, "time has no upper bound", "ask the custodian to declare bounds for it")
	}
	step := int64(math.Pow10(col.Decimals))
	until := col.Hi
	if u := t.args["until"]; u != nil {
		if until = t.scaled("until", u, col); until > col.Hi {
			c.fail(c.at(u), NotSupported, "until lies above the bounds of time", "leave it out, or take an earlier time")
		}
	}
	width := max(1, (until+59)/60)
	if step > 1 {
		width = max(width, 1)
	}
	if w := t.args["width"]; w != nil {
		width = t.scaled("width", w, col)
	}
	from, end := int64(1), until+1
	if step > 1 {
		from, end = 0, until
	}
	bin := call("bin", at, []*pg.Node{n, fixed(from, col, at), fixed(end, col, at), fixed(width, col, at)})
	binned, _ := t.resolve(bin, "time")
	t.spec.Time = t.add("time", bin, dimension{ref: binned, until: &end})
	var seen *pg.Node
	if col.Hi >= end {
		seen = compare("<", proto.Clone(n).(*pg.Node), fixed(end, col, at), at)
	}
	t.spec.Event = t.flag("event", t.args["event"], seen)
}

// whole reads an argument that is a whole number.
func (t *tabular) whole(name string, n *pg.Node, lo, hi int64) int64 {
	l := t.c.needConstant(n)
	x, err := strconv.ParseInt(l.text, 10, 64)
	if l.kind != number || err != nil || x < lo || x > hi {
		t.c.fail(l.at, NotSupported, name+" is a whole number from "+strconv.FormatInt(lo, 10)+" to "+strconv.FormatInt(hi, 10), "write "+name+" => 20")
	}
	return x
}

// scaled reads a positive number in the units of a column.
func (t *tabular) scaled(name string, n *pg.Node, col *catalog.Column) int64 {
	l := t.c.needConstant(n)
	x, err := catalog.ParseFixed(l.text, col.Decimals)
	if l.kind != number || err != nil || x < 1 || x > maxNumber {
		t.c.fail(l.at, NotSupported, name+" is a number above 0 in the unit of the column", "write "+name+" => 30")
	}
	return x
}

func (t *tabular) real(name string, n *pg.Node) float64 {
	l := t.c.needConstant(n)
	x, err := strconv.ParseFloat(l.text, 64)
	if l.kind != number || err != nil || x < 0 || math.IsInf(x, 0) {
		t.c.fail(l.at, NotSupported, name+" takes numbers from 0", "write at => (0.25, 0.5, 0.75) for quantiles, at => (365, 730) for times")
	}
	if t.stat == analysis.Quantile && (x <= 0 || x >= 1) {
		t.c.fail(l.at, NotSupported, "a quantile lies between 0 and 1", "write at => (0.25, 0.5, 0.75)")
	}
	return x
}

// describe completes the spec from the plan: the dimensions in the order of the recorded groups.
func (t *tabular) describe(p *Plan) {
	s := t.spec
	s.Dims = make([]analysis.Dim, len(p.GroupBy))
	for i, d := range t.dims {
		g := p.Outputs[i].Group
		if p.Domains[g].Private {
			t.c.fail(t.at, NotSupported, "the groups of "+quote(d.name)+" come from the data", "table functions take columns with declared groups, bands or BIN")
		}
		p.Domains[g].Name = d.name
		s.Dims[g] = d.describe(p.GroupBy[g], p.Domains[g].Labels)
	}
	if err := s.Check(labelsOf(p)); err != nil {
		t.c.fail(t.at, NotSupported, "these groups do not make a "+strings.ReplaceAll(string(t.stat), "_", " ")+": "+analysis.Reason(err), "docs/statistics.md says what each statistic needs")
	}
	p.Analysis = s
	t.hierarchy(p)
}

// labelsOf lists the groups of each dimension; no label is empty but that of NULL.
func labelsOf(p *Plan) [][]string {
	out := make([][]string, len(p.Domains))
	for i, d := range p.Domains {
		for _, l := range d.Labels {
			if l.Kind == catalog.Null {
				out[i] = append(out[i], "")
				continue
			}
			out[i] = append(out[i], l.String())
		}
	}
	return out
}

// hierarchy adds the coarser levels of a distribution, where every person is in one cell and so in one node of each level. Each
// level costs as much as the histogram itself, and a rank read from it is off by the noise of a few nodes instead of that of half
// the bins; a level of fewer than four nodes would not be worth it.
func (t *tabular) hierarchy(p *Plan) {
	last := len(p.GroupBy) - 1
	if t.stat != analysis.Quantile || t.spec.Dims[last].Name != t.spec.Value || len(p.Items) != 1 || !p.Bounds.Proved || p.Bounds.Groups != 1 || p.Bounds.PerCol != 1 {
		return
	}
	base := p.Items[0]
	bins := len(p.Domains[last].Labels)
	for block := analysis.Fanout; bins >= 4*block; block *= analysis.Fanout {
		it := base
		it.Block, it.Outputs = block, []int{len(p.Outputs)}
		p.Outputs = append(p.Outputs, protect.Output{Name: "cells_per_" + strconv.Itoa(block), Kind: protect.OutCount, N: len(p.Items)})
		p.Items = append(p.Items, it)
	}
}

// describe gives the labels of a dimension the values they stand for.
func (d dimension) describe(ref ColumnRef, labels []catalog.Value) analysis.Dim {
	out := analysis.Dim{Name: d.name, Unit: ref.Column.Unit}
	if d.plain {
		out.Unit = ""
		return out
	}
	unit := math.Pow10(ref.Column.Decimals)
	point := func(n int64) analysis.Bound { return analysis.Bound(float64(n) / unit) }
	for _, l := range labels {
		lo, hi := analysis.None, analysis.None
		switch {
		case l.Kind == catalog.Null:
		case ref.Band == nil:
			lo, hi = point(l.N), point(l.N)
		default:
			i := slices.Index(ref.Band.Labels, l)
			a, b := ref.Band.Cuts[i], ref.Band.Cuts[i+1]
			below, above := i == 0 && strings.HasPrefix(l.S, "<"), i == len(ref.Band.Labels)-1 && strings.HasPrefix(l.S, ">=")
			switch {
			case d.held && isBin(ref) && below:
				a = b
			case d.held && isBin(ref) && above:
				b = a
			case d.until != nil && a >= *d.until:
				a, b = *d.until, *d.until
			case unit == 1:
				b--
			}
			if d.until != nil {
				a, b = max(a, 0), max(b, 0)
			}
			lo, hi = point(a), point(b)
		}
		out.Lo, out.Hi = append(out.Lo, lo), append(out.Hi, hi)
	}
	return out
}
