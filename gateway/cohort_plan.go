package gateway

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"time"

	"jali/crypto/cohort"
	"jali/gateway/catalog"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// CohortRequest is an encrypted question as a transport hands it over: all that is public about it.
type CohortRequest struct {
	Agreement, Purpose, Dataset string
	Key                         []byte // kd of a registered key; empty: a quote without nonce
	By                          string // table.column: a column with public codes, or a declared band; or two with a comma
	Study                       string // id of a study: its participants are selected, and By is the table they have rows in
	Group                       string // table.column to report by, in the clear; empty: one number over all
	Where                       string // SQL condition over the table; not encrypted
	Aggregate                   string // count, sum or mean
	Measure                     string // column of the table, for sum and mean
	// PerPerson caps the categories in which one person counts below what the catalogue allows, which is cheaper; 0: the catalogue's.
	PerPerson int64
	Rule      SizeRule
	Error     string
}

// SizeRule is a public condition on how many entries are selected. The zero SizeRule is none.
type SizeRule struct {
	Exact int64 `json:"exact,omitempty"`
	// Min and Max bound a hidden number; Max 0 is no bound above. Range tells a lower bound of 0 from no rule.
	Range bool  `json:"range,omitempty"`
	Min   int64 `json:"min,omitempty"`
	Max   int64 `json:"max,omitempty"`
}

// blind is what an ask has besides when its selector is encrypted.
type blind struct {
	req     CohortRequest
	domain  domain
	spec    protect.BlindSpec
	outputs []CohortAggregate
	layout  *cohort.Layout
	opened  bool // key and upload carry an opening to the agreement's auditor
	table   cohort.Digest
	mapping [32]byte
	key     cohort.Digest
	nonce   [32]byte
	commit  cohort.Digest
	hash    [32]byte // of the plan, while light
	light   bool     // without what grows with the list
}

// CohortAggregate is one number of a reply and how to read it, in units of 10^-Decimals.
type CohortAggregate struct {
	Name      string
	HalfWidth int64
	Bound     int64 // the largest absolute value of an honest answer
	Decimals  int
	Center    int64
	Unit      string
	Group     *catalog.Value // the label that the number is of; nil: not grouped
}

// floodDelta is what one aggregate costs in delta, in units of 1e-18: 2^-40 for flooding and less than one unit for noise that
// is drawn again beyond 12 sigma (encrypted-queries.md section 8).
const floodDelta = 909_495 + 1

// planBlind compiles the SQL twin of the question, GROUP BY over the published list, so that filters and bounds are the
// planner's; then it replaces the sensitivity of the table by that of any sum over selected cells.
func (g *Gateway) planBlind(who identity.Principal, req CohortRequest) (*ask, *Refusal) {
	b := &blind{req: req}
	a := &ask{who: who, blind: b, req: Request{Agreement: req.Agreement, Purpose: req.Purpose, Dataset: req.Dataset, Error: req.Error, SQL: req.text()}}
	recorded := a.req.SQL
	if ag := g.agreement(req.Agreement); ag != nil && ag.maySee(who) {
		id := req.Dataset
		if id == "" && len(ag.Datasets) == 1 {
			id = ag.Datasets[0].ID
		}
		if d := g.dataset(id); d != nil && ag.covers(id) {
			var refusal *Refusal
			if req.Study != "" {
				b.domain.study, refusal = g.study(ag.ID, req.Study)
			}
			var twin string
			if refusal == nil {
				twin, refusal = b.twin(d.catalog)
			}
			if refusal != nil {
				a.agreement, a.data = ag, d
				return a, refusal
			}
			a.req.SQL = twin
		}
	}
	// What is unknown or not covered is refused there, in the same words as for SQL.
	planned, refusal := g.planned(a, compileListed)
	planned.req.SQL = recorded
	if refusal != nil {
		switch refusal.Line -= whereLine; {
		case refusal.Line > strings.Count(req.Where, "\n")+1: // at the parenthesis that closes it
			refusal.Line, refusal.Column, refusal.Message = 0, 0, "the condition is not complete"
		case refusal.Line < 1:
			refusal.Line, refusal.Column = 0, 0
		}
		return planned, refusal
	}
	planned.pins = append(planned.pins, b.domain.pins()...)
	return planned, b.fit(planned)
}

func compileListed(d *catalog.Dataset, sql string) (*query.Plan, error) {
	return query.CompileListed(d, sql, maxDomain)
}

// whereLine is how many lines of the twin stand before the condition.
const whereLine = 1

// twin writes the SQL. Names are taken from the catalogue; the condition is the caller's, and what it does to the statement is
// looked at in the plan (fit).
func (b *blind) twin(d *catalog.Dataset) (string, *Refusal) {
	var refusal *Refusal
	if s := b.domain.study; s != nil {
		b.domain, refusal = b.req.subjectDomain(d, s)
	} else {
		b.domain, refusal = b.req.domain(d)
	}
	if refusal != nil {
		return "", refusal
	}
	first := b.domain.tables()[0]
	output := "COUNT(DISTINCT " + first.Name + "." + first.PersonKey + ")"
	if b.req.Aggregate != "count" {
		m := b.domain.measure(b.req.Measure)
		if m == "" {
			return "", &Refusal{Code: UnknownName, Message: "the table has no column of the measure's name", Hint: "name a measure of the same table"}
		}
		output = map[string]string{"sum": "SUM(", "mean": "AVG("}[b.req.Aggregate] + m + ")"
	} else if b.req.Measure != "" {
		return "", &Refusal{Code: Invalid, Message: "a count has no measure", Hint: "leave the measure out, or ask for sum or mean"}
	}
	if !slices.Contains([]string{"count", "sum", "mean"}, b.req.Aggregate) {
		return "", &Refusal{Code: Invalid, Message: "unknown aggregate", Hint: "ask for count, sum or mean"}
	}
	var columns []string
	for _, l := range b.domain.all() {
		columns = append(columns, l.full())
	}
	groups := strings.Join(columns, ", ")
	sql := "SELECT " + strings.Join(append(columns, output), ", ") + " FROM " + b.domain.from()
	if strings.TrimSpace(b.req.Where) != "" {
		sql += " WHERE (\n" + b.req.Where + "\n)"
	}
	if groups == "" {
		return sql, nil
	}
	return sql + " GROUP BY " + groups, nil
}

// fit holds the plan to the form of a category question and derives everything the cipher needs from public facts.
func (b *blind) fit(a *ask) *Refusal {
	p := a.plan
	shape := b.domain.fits(p) && !p.Private &&
		p.Arrange.Having == nil && len(p.Arrange.Order) == 0 && p.Arrange.Limit == 0 && len(p.Outputs) == len(p.GroupBy)+1
	if !shape {
		return &Refusal{Code: NotSupported, Message: "the condition is more than a condition", Hint: "write only what stands after WHERE, with balanced parentheses"}
	}
	out := p.Outputs[len(p.GroupBy)]
	want := map[string]struct {
		kind  protect.OutputKind
		items []int
	}{"count": {protect.OutCount, []int{out.N}}, "sum": {protect.OutSum, []int{out.S}}, "mean": {protect.OutMean, []int{out.N, out.S}}}[b.req.Aggregate]
	// The reply has the items in the order of the plan, which puts counts before sums.
	if out.Kind != want.kind || len(p.Items) != len(want.items) || !slices.IsSorted(want.items) {
		return &Refusal{Code: NotSupported, Message: "the question is not one count, sum or mean", Hint: "write only what stands after WHERE in the condition, or ask as SQL"}
	}
	if refusal := b.capped(p); refusal != nil {
		return refusal
	}
	for i := range p.Items {
		d := selectedBound(p.Bounds, p.Items[i])
		p.Items[i].S2 = d.Mul(d, d)
	}
	if refusal := b.domain.place(p, &b.spec); refusal != nil {
		return refusal
	}
	b.mapping = b.domain.mapping()
	rows := a.joinedRows()
	for _, it := range p.Items {
		most, ok := publicBound(rows, it)
		if !ok {
			return tooLarge()
		}
		b.spec.Bounds = append(b.spec.Bounds, b.domain.bounded(most, p, it))
	}
	return nil
}

// capped lowers the number of a person's categories that count, as the request asks. The engine then chooses them for persons who have
// more, at random and whatever is selected.
func (b *blind) capped(p *query.Plan) *Refusal {
	k := b.req.PerPerson
	switch {
	case k == 0:
		return nil
	case k < 0 || b.domain.study != nil:
		return &Refusal{Code: Invalid, Message: "the cap on one person's categories cannot be used here", Hint: "leave it out, or give a number from 1 in a question about categories"}
	case k < p.Bounds.Groups:
		p.Bounds.Groups, p.Bounds.Proved, p.Form = k, false, query.F2
	}
	return nil
}

// selectedBound is how far one person can move the sum over any selected cells: the L1 bound over all cells of a person. With
// n_g rows of a person in group g, n_g <= C in at most L0 groups and sum n_g <= R, so at most min(L0 C, R) rows count, each by at most
// its unit; a person is in at most min(L0, R) cells.
func selectedBound(b query.Bounds, it query.Item) *big.Int {
	n := new(big.Int).Mul(big.NewInt(b.Groups), big.NewInt(b.PerCol))
	if it.Kind == query.Persons {
		n.SetInt64(b.Groups)
	}
	if r := big.NewInt(b.Rows); r.Cmp(n) < 0 {
		n = r
	}
	return n.Mul(n, big.NewInt(unitOf(it)))
}

// unitOf is the most one row can add, at least 1: noise is never zero.
func unitOf(it query.Item) int64 {
	if it.Kind != query.Sum {
		return 1
	}
	lo, hi := it.Col.Column.ClipLo-it.Center, it.Col.Column.ClipHi-it.Center
	return max(1, lo, -lo, hi, -hi)
}

// publicBound bounds the sum of all cells by the rows of the table, rounded up to a power of two as in response slots: it is no
// finer fact about the data than those show.
func publicBound(rows int64, it query.Item) (int64, bool) {
	hi, most := bits.Mul64(uint64(1)<<bits.Len64(uint64(max(1, rows)-1)), uint64(unitOf(it)))
	return int64(most), hi == 0 && most < 1<<62
}

// choose takes the smallest parameter set that holds sum and noise whatever the data are, and lays out the upload. It needs
// the noise, so it follows price.
func (b *blind) choose(a *ask) *Refusal {
	items := a.spec.Items
	for i := range items {
		items[i].Sigma2 = a.cost.Lines[i].Sigma2
	}
	for _, id := range cohort.IDs() {
		p, err := cohort.ParamsByID(id)
		if err != nil {
			continue
		}
		if b.spec.Params = p; b.spec.Check(items) == nil {
			return b.lay(a, p)
		}
	}
	return tooLarge()
}

func tooLarge() *Refusal {
	return &Refusal{Code: BoundMissing, Message: "no parameter set holds the largest sum that the bounds allow", Hint: "ask for a count, narrow the table, or ask the custodian for narrower bounds of the measure"}
}

// lay makes the layout under the declared rule.
func (b *blind) lay(a *ask, p *cohort.Params) *Refusal {
	bad := func(text string) *Refusal {
		return &Refusal{Code: Invalid, Message: text, Hint: fmt.Sprintf("there are %d entries to select from", b.spec.Entries())}
	}
	var rules []cohort.Rule
	n, r := int64(b.spec.Entries()), b.req.Rule
	switch {
	case r.Exact < 0 || r.Min < 0 || r.Max < 0 || r.Exact > n || r.Min > n || r.Max > 2*n || r.Exact > 0 && r.Range:
		return bad("the size rule does not fit the list")
	case r.Exact > 0:
		rules = append(rules, cohort.ExactSize(int(r.Exact)))
	case r.Range && r.Max == 0:
		rules = append(rules, cohort.AtLeast(int(r.Min), int(n)))
	case r.Range:
		width := r.Max - r.Min + 1
		if width < 2 || bits.OnesCount64(uint64(width)) != 1 {
			return &Refusal{Code: Invalid, Message: "a hidden size has a range of 2, 4, 8, ... numbers", Hint: "choose the maximum so that max - min + 1 is a power of two, or leave it out"}
		}
		rules = append(rules, cohort.SizeBetween(int(r.Min), bits.Len64(uint64(width))-1))
	}
	layout, err := cohort.NewLayout(p, b.spec.Entries(), rules...)
	if err != nil {
		return bad("the size rule does not fit the list")
	}
	b.layout, b.opened = layout, a.agreement.auditorOf() != nil
	b.table = cohort.Domain{Dataset: a.data.catalog.ID, Version: a.data.version, Mapping: hex.EncodeToString(b.mapping[:]), Entries: b.spec.Entries()}.ID(p)
	return b.describe(a)
}

// describe says how to read each number of the reply: group by group, in each the items of the plan.
func (b *blind) describe(a *ask) *Refusal {
	var items []CohortAggregate
	for i, it := range a.plan.Items {
		line := a.cost.Lines[i]
		half, err := line.Sigma2.HalfWidth95()
		if err != nil || !half.IsInt64() {
			return tooLarge()
		}
		// |noise| <= 12 sigma <= 13 half-widths / 1.95, rounded generously; Check has held the sum to half the range.
		out := CohortAggregate{
			Name: a.spec.Items[i].Name, HalfWidth: half.Int64(), Decimals: line.Dec, Center: it.Center,
			Bound: min(b.spec.Params.Limit(), b.spec.Bounds[i]+7*(half.Int64()+1)),
		}
		if it.Col != nil && it.Kind == query.Sum {
			out.Unit = it.Col.Column.Unit
		}
		items = append(items, out)
	}
	if b.domain.group == nil {
		b.outputs = items
		return nil
	}
	for _, label := range a.plan.Domains[len(b.domain.by)].Labels {
		for _, out := range items {
			out.Group = &label
			b.outputs = append(b.outputs, out)
		}
	}
	return nil
}

// notes say what the numbers mean where they are not what one might think. They are the same whatever is selected.
func (b *blind) notes(a *ask) []string {
	var notes []string
	bounds, each := a.plan.Bounds, "category"
	if len(b.domain.by) > 1 || b.domain.group != nil {
		each = "cell"
	}
	if b.req.Aggregate == "count" && bounds.Groups > 1 {
		notes = append(notes, fmt.Sprintf("counts are of persons per %s, added up: a person in several selected ones counts in each, up to %d times", each, bounds.Groups))
	}
	if !bounds.Proved {
		notes = append(notes, fmt.Sprintf("a person counts in at most %d of all %s and with at most %d rows in each; what lies beyond is left out, selected or not", bounds.Groups, map[string]string{"category": "categories", "cell": "cells"}[each], bounds.PerCol))
	}
	return notes
}

// text is the public part of the question in words, for the record.
func (r CohortRequest) text() string {
	s := "encrypted " + r.Aggregate
	if r.Measure != "" {
		s += " of " + r.Measure
	}
	if r.Study != "" {
		s += " over participants of study " + r.Study + " in " + r.By
	} else {
		s += " by " + r.By
	}
	if r.Where != "" {
		s += " where " + r.Where
	}
	if r.Group != "" {
		s += " in groups of " + r.Group
	}
	return s
}

// cipherTime is a generous estimate of an evaluation from public sizes, for choosing a response slot (before its margin).
func (b *blind) cipherTime() time.Duration {
	if b.layout == nil {
		return 0 // not laid out yet: priceBlind asks again
	}
	fixed, block := 15*time.Millisecond, 3*time.Millisecond
	if b.layout.Params().SlotsPerBlock() > 8192 {
		fixed, block = 35*time.Millisecond, 7*time.Millisecond
	}
	return time.Duration(b.spec.Sums()*len(b.spec.Bounds)) * (fixed + time.Duration(b.layout.Blocks())*block)
}

// kind is the query kind that an agreement opens.
func (a *ask) kind() string {
	if a.blind != nil {
		return "encrypted"
	}
	return "aggregate"
}

// released is the number of cells that leave.
func (a *ask) released() int64 {
	if a.blind != nil {
		return int64(a.blind.spec.Sums())
	}
	return a.plan.Cells
}
