package query

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"jali/gateway/catalog"
	"jali/sdk/analysis"
)

// A table function is a question of the form SELECT * FROM kaplan_meier(time => ..., event => ..., by => ...). It is rewritten, on
// the parse tree, to the SELECT ... GROUP BY that fills one histogram, and planned like any other; what the cells mean goes into
// Plan.Analysis. So a table function can ask for nothing that SQL could not.

// timeWord stands for the argument name time, which PostgreSQL's grammar keeps for its type: scan puts it there.
const timeWord = "tim_"

// signature lists the arguments of a statistic. All take of and cohort.
type signature struct{ need, may []string }

var signatures = map[analysis.Statistic]signature{
	analysis.Prevalence:         {[]string{"outcome"}, []string{"by"}},
	analysis.IncidenceRate:      {[]string{"time", "event"}, []string{"by", "until", "width"}},
	analysis.RateRatio:          {[]string{"time", "event", "by"}, []string{"until", "width"}},
	analysis.RiskDifference:     {[]string{"exposure", "outcome"}, []string{"by"}},
	analysis.RiskRatio:          {[]string{"exposure", "outcome"}, []string{"by"}},
	analysis.OddsRatio:          {[]string{"exposure", "outcome"}, []string{"by"}},
	analysis.MantelHaenszel:     {[]string{"exposure", "outcome", "strata"}, nil},
	analysis.ChiSquare:          {[]string{"row_group", "column_group"}, []string{"by"}},
	analysis.Crosstab:           {[]string{"row_group", "column_group"}, []string{"by"}},
	analysis.KaplanMeier:        {[]string{"time", "event"}, []string{"by", "until", "width", "at"}},
	analysis.MedianSurvival:     {[]string{"time", "event"}, []string{"by", "until", "width"}},
	analysis.MeanSurvival:       {[]string{"time", "event", "until"}, []string{"by", "width"}},
	analysis.LogRank:            {[]string{"time", "event", "by"}, []string{"until", "width"}},
	analysis.HazardRatio:        {[]string{"time", "event", "terms"}, []string{"until", "width", "bins"}},
	analysis.Histogram:          {[]string{"value"}, []string{"by", "width", "bins"}},
	analysis.Quantile:           {[]string{"value", "at"}, []string{"by", "width", "bins"}},
	analysis.Moments:            {[]string{"value"}, []string{"by", "width", "bins"}},
	analysis.Correlation:        {[]string{"x", "y"}, []string{"by", "bins"}},
	analysis.LinearRegression:   {[]string{"value", "terms"}, []string{"width", "bins"}},
	analysis.LogisticRegression: {[]string{"outcome", "terms"}, []string{"bins"}},
	analysis.PoissonRegression:  {[]string{"value", "terms"}, []string{"width", "bins"}},
	analysis.WeightedDifference: {[]string{"exposure", "value", "terms"}, []string{"width", "bins"}},
}

func (s signature) takes(name string) bool {
	return name == "of" || name == "cohort" || slices.Contains(s.need, name) || slices.Contains(s.may, name)
}

// tableFunction returns the call when a statement is SELECT * FROM function(...), or nil.
func tableFunction(tree *pg.ParseResult) *pg.FuncCall {
	if len(tree.Stmts) != 1 {
		return nil
	}
	s := tree.Stmts[0].GetStmt().GetSelectStmt()
	if len(s.GetFromClause()) != 1 {
		return nil
	}
	r := s.FromClause[0].GetRangeFunction()
	if len(r.GetFunctions()) != 1 {
		return nil
	}
	items := r.Functions[0].GetList().GetItems()
	if len(items) == 0 || len(items) > 2 {
		return nil
	}
	return items[0].GetFuncCall()
}

// tabular is a call of a table function on its way to a histogram.
type tabular struct {
	c    *compiler
	at   int
	stat analysis.Statistic
	args map[string]*pg.Node
	h    *pg.SelectStmt // the histogram
	spec *analysis.Spec
	sc   *scope
	dims []dimension // parallel to the outputs of h
}

// dimension is a group column of the histogram.
type dimension struct {
	name string
	ref  ColumnRef
	// until: values from here on are one group, whose members are seen no longer.
	until *int64
	plain bool // labels as they are, no bins
	// held: a value beyond the bins counts as their end, as CLIP has it. The bin of such values reaches to the bounds of the catalogue, and
	// one person of noise in its middle could outweigh everybody else.
	held bool
}

// analyse plans a call of a table function.
func (c *compiler) analyse(tree *pg.ParseResult, call *pg.FuncCall) *Plan {
	t := &tabular{c: c, at: int(call.Location), args: map[string]*pg.Node{}}
	sig := t.named(call)
	t.outer(tree.Stmts[0].GetStmt().GetSelectStmt(), call)
	t.read(call, sig)
	t.source()
	t.spec = &analysis.Spec{Statistic: t.stat}
	t.columns()
	p := c.plan(t.h)
	t.describe(p)
	return p
}

// outer refuses what stands around the call: the derived table has no columns before it is derived.
func (t *tabular) outer(s *pg.SelectStmt, call *pg.FuncCall) {
	c := t.c
	hint := "write SELECT * FROM " + strings.Join(names(call.Funcname), ".") + "(...); conditions go into cohort => ..., groups into by => ..."
	bare := &pg.SelectStmt{TargetList: s.TargetList, FromClause: s.FromClause, LimitOption: s.LimitOption, Op: s.Op}
	star := len(s.TargetList) == 1 && len(s.TargetList[0].GetResTarget().GetVal().GetColumnRef().GetFields()) == 1 &&
		s.TargetList[0].GetResTarget().GetVal().GetColumnRef().Fields[0].GetAStar() != nil
	r := s.FromClause[0].GetRangeFunction()
	plain := &pg.RangeFunction{Functions: r.Functions, Alias: r.Alias}
	if !star || !proto.Equal(bare, s) || !proto.Equal(plain, r) {
		c.fail(t.at, NotSupported, "a table function stands alone", hint)
	}
	plainCall := &pg.FuncCall{Funcname: call.Funcname, Args: call.Args, Funcformat: call.Funcformat, Location: call.Location}
	if !proto.Equal(plainCall, call) {
		c.fail(t.at, NotSupported, "this is not how a table function is written", hint)
	}
}

// named finds the statistic.
func (t *tabular) named(call *pg.FuncCall) signature {
	c := t.c
	fn := names(call.Funcname)
	t.stat = analysis.Statistic(fn[len(fn)-1])
	sig, ok := signatures[t.stat]
	if !ok || len(fn) != 1 {
		all := make([]string, 0, len(signatures))
		for _, s := range analysis.Statistics() {
			all = append(all, string(s))
		}
		hint := "there are " + strings.Join(all, ", ")
		if near := catalog.Nearest(string(t.stat), all); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.fail(t.at, NotSupported, "no table function is called "+quote(string(t.stat)), hint)
	}
	return sig
}

// read sorts the arguments by name.
func (t *tabular) read(call *pg.FuncCall, sig signature) {
	c := t.c
	for _, n := range call.Args {
		a := n.GetNamedArgExpr()
		if a == nil {
			c.fail(c.at(n), NotSupported, "arguments of a table function have names", "write "+string(t.stat)+"("+sig.usage()+")")
		}
		name, at := a.Name, int(a.Location)
		if name == timeWord {
			name = "time"
		}
		switch {
		case !sig.takes(name):
			c.fail(at, UnknownName, string(t.stat)+" has no argument "+quote(name), "write "+string(t.stat)+"("+sig.usage()+")")
		case t.args[name] != nil:
			c.fail(at, NotSupported, "the argument "+name+" is given twice", "give it once")
		}
		for _, part := range list(a.Arg) {
			c.checkTree(part.ProtoReflect(), at)
		}
		t.args[name] = a.Arg
	}
	for _, name := range sig.need {
		if t.args[name] == nil {
			c.fail(t.at, NotSupported, string(t.stat)+" needs "+name+" => ...", "write "+string(t.stat)+"("+sig.usage()+")")
		}
	}
}

func (s signature) usage() string {
	var b []string
	for _, n := range s.need {
		b = append(b, n+" => ...")
	}
	for _, n := range append(slices.Clone(s.may), "of", "cohort") {
		b = append(b, "["+n+" => ...]")
	}
	return strings.Join(b, ", ")
}

// list takes (a, b) apart.
func list(n *pg.Node) []*pg.Node {
	if r := n.GetRowExpr(); r != nil && r.RowFormat == pg.CoercionForm_COERCE_IMPLICIT_CAST {
		return r.Args
	}
	return []*pg.Node{n}
}

// source resolves of and cohort into FROM and WHERE of the histogram.
func (t *tabular) source() {
	c := t.c
	t.h = &pg.SelectStmt{LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE, WhereClause: t.args["cohort"]}
	of := t.args["of"]
	switch {
	case of == nil:
		var private []string
		for _, x := range c.ds.Tables {
			if !x.Public {
				private = append(private, x.Name)
			}
		}
		if len(private) != 1 {
			c.fail(t.at, NotSupported, "the data set has several tables", "name one with of => "+strings.Join(private, " or of => ")+", or write of => (SELECT person_id, ... FROM ... GROUP BY person_id)")
		}
		t.h.FromClause = []*pg.Node{rangeVar(private[0], t.at)}
	case of.GetColumnRef() != nil:
		name, ok := bareName(of)
		if !ok {
			c.fail(c.at(of), NotSupported, "of names one table", "write of => table, or of => (SELECT person_id, ... FROM ...)")
		}
		t.h.FromClause = []*pg.Node{rangeVar(name, c.at(of))}
	case of.GetSubLink() != nil && of.GetSubLink().SubLinkType == pg.SubLinkType_EXPR_SUBLINK:
		t.h.FromClause = []*pg.Node{{Node: &pg.Node_RangeSubselect{RangeSubselect: &pg.RangeSubselect{
			Subquery: of.GetSubLink().Subselect, Alias: &pg.Alias{Aliasname: "source"},
		}}}}
	default:
		c.fail(c.at(of), NotSupported, "of names a table or a derived table", "write of => table, or of => (SELECT person_id, ... FROM ...)")
	}
	// The scope tells types and bounds of the arguments. It is resolved again when the histogram is planned.
	derived, visible := c.derived, c.visible
	t.sc = c.from(&pg.SelectStmt{FromClause: []*pg.Node{proto.Clone(t.h.FromClause[0]).(*pg.Node)}})
	c.derived, c.visible = derived, visible
}

func rangeVar(name string, at int) *pg.Node {
	return &pg.Node{Node: &pg.Node_RangeVar{RangeVar: &pg.RangeVar{Relname: name, Inh: true, Relpersistence: "p", Location: int32(at)}}}
}
