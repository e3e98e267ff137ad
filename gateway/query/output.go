package query

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// aggregates maps function names to what they release.
var aggregates = map[string]protect.OutputKind{
	"count": protect.OutCount, "sum": protect.OutSum, "avg": protect.OutMean,
	"var": protect.OutVar, "variance": protect.OutVar, "var_samp": protect.OutVar,
	"stddev": protect.OutSD, "stdev": protect.OutSD, "stddev_samp": protect.OutSD,
}

const extremeHint = "one person decides an extreme value; count the groups of a band of the column and read the range from the table"

const quantileHint = "write SELECT * FROM quantile(value => column, at => 0.5, cohort => condition), or count the groups of a band"

// refusedAggregates are written by people and are no part of the language.
var refusedAggregates = map[string]string{
	"min": extremeHint, "max": extremeHint, "first": extremeHint, "last": extremeHint, "any_value": extremeHint, "mode": extremeHint,
	"median": quantileHint, "percentile_cont": quantileHint, "percentile_disc": quantileHint, "quantile": quantileHint,
	"var_pop": "use VAR_SAMP", "stddev_pop": "use STDDEV_SAMP", "mean": "use AVG", "total": "use SUM", "std": "use STDDEV",
	"corr": "write SELECT * FROM correlation(x => column, y => column)", "covar_samp": "use SUM and AVG by groups", "covar_pop": "use SUM and AVG by groups",
	"regr_slope": "write SELECT * FROM linear_regression(value => column, terms => column)", "string_agg": "values never leave; use COUNT", "array_agg": "values never leave; use COUNT",
	"bool_and": "use COUNT(*) with a condition", "bool_or": "use COUNT(*) with a condition", "every": "use COUNT(*) with a condition",
}

// outputs resolves GROUP BY and the SELECT list into the noisy numbers to buy and what is shown of them.
type outputs struct {
	c     *compiler
	sc    *scope
	p     *Plan
	names map[string]int // shown name -> output
}

// group resolves GROUP BY: columns with a declared domain, bands, or outputs named by alias or number.
func (o *outputs) group(s *pg.SelectStmt) {
	for _, n := range s.GroupClause {
		at := o.c.at(n)
		if k := n.GetAConst(); k != nil {
			n = o.ordinal(s, k, "GROUP BY")
		} else if name, ok := bareName(n); ok && !o.known(name) {
			for _, t := range s.TargetList {
				if r := t.GetResTarget(); r.GetName() == name {
					n = r.Val
				}
			}
		}
		ref, computed := o.computed(n)
		if !computed {
			if n.GetColumnRef() == nil {
				o.c.failExpr(n)
			}
			col := o.c.column(o.sc, n)
			if col.person {
				o.c.fail(at, NotSupported, "persons cannot be groups", "group by a column or band of the catalogue")
			}
			o.c.touch(col.ref.Column)
			o.groupable(col)
			ref = col.ref
		}
		if !slices.Contains(o.p.GroupBy, ref) {
			o.p.GroupBy = append(o.p.GroupBy, ref)
		}
	}
}

// computed resolves a group that the question computes: BIN, CASE or a condition.
func (o *outputs) computed(n *pg.Node) (ref ColumnRef, ok bool) {
	f := n.GetFuncCall()
	switch {
	case f != nil && computes(f) && names(f.Funcname)[0] == "bin":
		return o.c.bin(o.sc, f), true
	case n.GetCaseExpr() != nil:
		return o.c.choice(o.sc, n.GetCaseExpr()), true
	case n.GetSubLink() != nil && n.GetSubLink().SubLinkType != pg.SubLinkType_ANY_SUBLINK:
		return ref, false
	case isCondition(n):
		return o.c.truth(o.sc, n), true
	case n.GetAExpr() != nil && n.GetAExpr().Kind == pg.A_Expr_Kind_AEXPR_OP:
		o.c.fail(o.c.at(n), BoundMissing, "a calculation has no declared groups", "group by BIN(expression, lo, hi, width); an aggregate calculated from others is calculated afterwards")
	}
	return ref, false
}

func (o *outputs) known(name string) bool {
	for i, t := range o.sc.tables {
		if _, ok := o.c.lookup(t.table, i, name, 0); ok {
			return true
		}
	}
	return false
}

func bareName(n *pg.Node) (string, bool) {
	r := n.GetColumnRef()
	if r == nil || len(r.Fields) != 1 || r.Fields[0].GetString_() == nil {
		return "", false
	}
	return r.Fields[0].GetString_().Sval, true
}

// ordinal is the expression of the SELECT list that a number names.
func (o *outputs) ordinal(s *pg.SelectStmt, k *pg.A_Const, clause string) *pg.Node {
	if n := int(k.GetIval().GetIval()); n >= 1 && n <= len(s.TargetList) {
		return s.TargetList[n-1].GetResTarget().GetVal()
	}
	o.c.fail(int(k.Location), NotSupported, clause+" takes columns", "name a column, or the number of an output")
	return nil
}

func (o *outputs) groupable(col named) {
	if col.ref.Band != nil {
		return
	}
	x := col.ref.Column
	if x.Has(catalog.RoleGroup) && (x.Codes != nil || x.PrivateKeys) {
		return
	}
	hint := "ask the custodian to declare codes or bands for it"
	if len(x.Bands) > 0 {
		var names []string
		for _, b := range x.Bands {
			names = append(names, b.Name)
		}
		hint = "group by its bands: " + strings.Join(names, ", ")
	}
	o.c.fail(col.at, BoundMissing, "the column "+quote(col.text)+" has no declared groups", hint)
}

func (o *outputs) selectList(s *pg.SelectStmt) {
	o.names = map[string]int{}
	measures := 0
	for _, n := range s.TargetList {
		r := n.GetResTarget()
		at := int(r.Location)
		out := protect.Output{Name: r.Name}
		switch v := r.Val; {
		case v.GetColumnRef() != nil, v.GetFuncCall() != nil && computes(v.GetFuncCall()), v.GetCaseExpr() != nil, isCondition(v):
			out = o.groupOutput(v)
			if r.Name != "" {
				out.Name = r.Name
			}
		case v.GetFuncCall() != nil:
			out = o.aggregate(v.GetFuncCall())
			if r.Name != "" {
				out.Name = r.Name
			}
			measures++
		default:
			o.c.failExpr(v)
		}
		if _, taken := o.names[out.Name]; taken {
			if r.Name != "" {
				o.c.fail(at, NotSupported, "two outputs are called "+quote(r.Name), "give each its own name with AS")
			}
			out.Name = o.free(out.Name)
		}
		o.names[out.Name] = len(o.p.Outputs)
		o.p.Outputs = append(o.p.Outputs, out)
	}
	if measures == 0 {
		o.c.fail(selectAt(s), NotSupported, "there is no aggregate", "rows never leave; add COUNT(*), COUNT(DISTINCT person key), SUM or AVG")
	}
}

func (o *outputs) free(name string) string {
	for i := 2; ; i++ {
		s := fmt.Sprintf("%s_%d", name, i)
		if _, taken := o.names[s]; !taken {
			return s
		}
	}
}

// groupOutput is a column of the SELECT list, or what is computed as one: it must be grouped by.
func (o *outputs) groupOutput(n *pg.Node) protect.Output {
	if n.GetColumnRef() == nil {
		ref, ok := o.computed(n)
		if !ok {
			o.c.failExpr(n)
		}
		g := slices.Index(o.p.GroupBy, ref)
		if g < 0 {
			o.c.fail(o.c.at(n), NotSupported, "this group is not grouped by", "name it with AS, and write GROUP BY name")
		}
		return protect.Output{Name: refName(ref), Kind: protect.OutGroup, Group: g}
	}
	col := o.c.column(o.sc, n)
	if col.person {
		o.c.fail(col.at, NotSupported, "the person key is never shown", "count persons with COUNT(DISTINCT "+col.text+")")
	}
	g := slices.Index(o.p.GroupBy, col.ref)
	if g < 0 {
		o.c.fail(col.at, NotSupported, "the column "+quote(col.text)+" is neither grouped by nor aggregated", "add GROUP BY "+col.text+", or aggregate it")
	}
	return protect.Output{Name: refName(col.ref), Kind: protect.OutGroup, Group: g}
}

// aggregate resolves a call and buys the items it needs.
func (o *outputs) aggregate(f *pg.FuncCall) protect.Output {
	c, at := o.c, int(f.Location)
	fn := names(f.Funcname)
	name := fn[len(fn)-1]
	kind, ok := aggregates[name]
	if f.Over != nil {
		c.fail(at, NotSupported, "a window function is not an aggregate", "ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY day) stands in a derived table; ask for plain aggregates with GROUP BY")
	}
	if hint := refusedAggregates[name]; hint != "" {
		c.fail(at, NotSupported, "the aggregate "+quote(name)+" is not part of the language", hint)
	}
	if !ok || len(fn) != 1 {
		c.fail(at, NotSupported, "the function "+quote(name)+" is not part of the language", functionHint(name))
	}
	if kind == protect.OutCount {
		return o.count(f)
	}
	if f.AggFilter != nil {
		c.fail(c.at(f.AggFilter), NotSupported, "FILTER stands with COUNT(*)", "write the condition in WHERE, or sum CASE WHEN ... THEN 1 ELSE 0 END")
	}
	if f.AggDistinct {
		c.fail(at, NotSupported, "DISTINCT stands only in COUNT(DISTINCT person key)", "leave DISTINCT out")
	}
	if len(f.Args) != 1 || f.AggStar {
		c.fail(at, NotSupported, strings.ToUpper(name)+" takes one column", "write "+strings.ToUpper(name)+"(column)")
	}
	col := o.measure(f.Args[0])
	x := col.ref.Column
	switch {
	case col.ref.Band != nil:
		c.fail(col.at, NotSupported, quote(col.text)+" is a band, which has no sum", "aggregate the column "+x.Name)
	case !x.Has(catalog.RoleMeasure):
		c.fail(col.at, BoundMissing, "the column "+quote(col.text)+" is not declared as a measure", "give its values bounds, as in "+strings.ToUpper(name)+"(CLIP("+col.text+", 0, 100)), or count its groups")
	}
	out := protect.Output{Name: map[protect.OutputKind]string{protect.OutSum: "sum_", protect.OutMean: "avg_", protect.OutVar: "var_", protect.OutSD: "stddev_"}[kind] + x.Name, Kind: kind, Decimals: x.Decimals}
	if kind == protect.OutSum {
		out.S = o.item(Item{Kind: Sum, Col: &col.ref})
		return out
	}
	out.Center = floorHalf(x.ClipLo, x.ClipHi)
	out.N = o.rows(&col.ref)
	out.S = o.item(Item{Kind: Sum, Col: &col.ref, Center: out.Center})
	if kind != protect.OutMean {
		out.Q = o.item(Item{Kind: Squares, Col: &col.ref, Center: out.Center})
	}
	return out
}

// measure resolves what is summed: a column, CLIP of an expression, or CASE.
func (o *outputs) measure(n *pg.Node) named {
	c, at := o.c, o.c.at(n)
	f := n.GetFuncCall()
	var ref ColumnRef
	switch {
	case f != nil && computes(f) && names(f.Funcname)[0] == "clip":
		ref = c.clip(o.sc, f)
	case n.GetCaseExpr() != nil:
		if ref = c.choice(o.sc, n.GetCaseExpr()); ref.Column.Type == catalog.Text {
			c.fail(at, NotSupported, "text has no sum", "write CASE WHEN ... THEN 1 ELSE 0 END")
		}
	case isCondition(n):
		c.fail(at, NotSupported, "a condition has no sum", "write CASE WHEN ... THEN 1 ELSE 0 END")
	case n.GetAExpr() != nil && !isConstant(c, n):
		c.fail(at, BoundMissing, "a calculation has no declared bounds", "give its values bounds: CLIP(expression, lo, hi)")
	default:
		return c.value(o.sc, n)
	}
	return named{ref: ref, at: at, text: ref.Column.Name}
}

// floorHalf is floor((a+b)/2); the catalogue keeps both within 2^40.
func floorHalf(a, b int64) int64 { return (a + b) >> 1 }

// count resolves COUNT(*), COUNT(1), COUNT(column) and COUNT(DISTINCT person key).
func (o *outputs) count(f *pg.FuncCall) protect.Output {
	c, at := o.c, int(f.Location)
	out := protect.Output{Name: "count", Kind: protect.OutCount}
	if f.AggFilter != nil {
		if !f.AggStar {
			c.fail(c.at(f.AggFilter), NotSupported, "FILTER stands with COUNT(*)", "write COUNT(*) FILTER (WHERE ...)")
		}
		ref := c.choice(o.sc, &pg.CaseExpr{Location: f.Location, Args: []*pg.Node{{Node: &pg.Node_CaseWhen{CaseWhen: &pg.CaseWhen{
			Expr: f.AggFilter, Result: &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Val: &pg.A_Const_Ival{Ival: &pg.Integer{Ival: 1}}}}},
		}}}}})
		out.N = o.rows(&ref)
		return out
	}
	if f.AggStar {
		out.N = o.rows(nil)
		return out
	}
	if len(f.Args) != 1 {
		c.fail(at, NotSupported, "COUNT takes one column", "write COUNT(*), COUNT(column) or COUNT(DISTINCT person key)")
	}
	if n := f.Args[0].GetCaseExpr(); n != nil && !f.AggDistinct {
		ref := c.choice(o.sc, n)
		out.Name = "count_case"
		out.N = o.rows(&ref)
		return out
	}
	if f.Args[0].GetColumnRef() == nil {
		if _, ok := c.constant(f.Args[0]); !ok || f.AggDistinct {
			c.failExpr(f.Args[0])
		}
		out.N = o.rows(nil)
		return out
	}
	col := c.column(o.sc, f.Args[0])
	switch {
	case col.person && f.AggDistinct:
		out.Name = "persons"
		out.N = o.item(Item{Kind: Persons})
		return out
	case col.person:
		out.N = o.rows(nil)
		return out
	case f.AggDistinct:
		c.fail(col.at, NotSupported, "only persons are counted distinct", "write COUNT(DISTINCT person key), or group by the column and count the groups that are not empty")
	case col.ref.Band != nil:
		c.fail(col.at, NotSupported, quote(col.text)+" is a band", "count the column "+col.ref.Column.Name+", or group by the band")
	}
	c.touch(col.ref.Column)
	out.Name = "count_" + col.ref.Column.Name
	out.N = o.rows(&col.ref)
	return out
}

// rows is the item that counts rows: all, or those where a column is given. A column that cannot be NULL shares the first.
func (o *outputs) rows(ref *ColumnRef) int {
	if ref == nil || given(o.p.Where, *ref) {
		return o.item(Item{Kind: Rows})
	}
	return o.item(Item{Kind: Rows, Col: ref})
}

// item returns the index of an item, buying it if it is new.
func (o *outputs) item(it Item) int {
	for i, x := range o.p.Items {
		if itemKey(x) == itemKey(it) {
			return i
		}
	}
	o.p.Items = append(o.p.Items, it)
	return len(o.p.Items) - 1
}

func itemKey(it Item) string {
	s := fmt.Sprintf("%d", slices.Index([]ItemKind{Persons, Rows, Sum, Squares}, it.Kind))
	if it.Col != nil {
		s += " " + refKey(*it.Col) + fmt.Sprintf(" %d", it.Center)
	}
	return s
}

// finish puts the items into their canonical order and adds what private keys need.
func (o *outputs) finish() {
	p := o.p
	for _, g := range p.GroupBy {
		if o.c.private(g) {
			p.Private = true
		}
	}
	if p.Private {
		o.item(Item{Kind: Persons})
	}
	order := make([]int, len(p.Items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(itemKey(p.Items[a]), itemKey(p.Items[b])) })
	place, items := make([]int, len(order)), make([]Item, len(order))
	for to, from := range order {
		place[from], items[to] = to, p.Items[from]
	}
	p.Items = items
	for i := range p.Outputs {
		out := &p.Outputs[i]
		var used []int
		switch out.Kind {
		case protect.OutGroup:
			continue
		case protect.OutCount:
			out.N = place[out.N]
			used = []int{out.N}
		case protect.OutSum:
			out.S = place[out.S]
			used = []int{out.S}
		case protect.OutMean:
			out.N, out.S = place[out.N], place[out.S]
			used = []int{out.N, out.S}
		default:
			out.N, out.S, out.Q = place[out.N], place[out.S], place[out.Q]
			used = []int{out.N, out.S, out.Q}
		}
		for _, u := range used {
			p.Items[u].Outputs = append(p.Items[u].Outputs, i)
		}
	}
	p.PersonItem = slices.IndexFunc(p.Items, func(it Item) bool { return it.Kind == Persons })
}
