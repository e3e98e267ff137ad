package gateway

import (
	"crypto/sha256"
	"encoding/binary"
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
	By                          string // table.column: a column with public codes, or a declared band
	Where                       string // SQL condition over the table; not encrypted
	Aggregate                   string // count, sum or mean
	Measure                     string // column of the table, for sum and mean
	Rule                        SizeRule
	Error                       string
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
	spec    protect.BlindSpec
	outputs []CohortAggregate
	layout  *cohort.Layout
	table   cohort.Digest
	mapping [32]byte
	key     cohort.Digest
	nonce   [32]byte
	commit  cohort.Digest
}

// CohortAggregate is one number of a reply and how to read it, in units of 10^-Decimals.
type CohortAggregate struct {
	Name      string
	HalfWidth int64
	Bound     int64 // the largest absolute value of an honest answer
	Decimals  int
	Center    int64
	Unit      string
}

// floodDelta is what one aggregate costs in delta, in units of 1e-18: 2^-40 for flooding and less than one unit for noise that
// is drawn again beyond 12 sigma (encrypted-queries.md section 8).
const floodDelta = 909_495 + 1

// planBlind compiles the SQL twin of the question, GROUP BY over the published list, so that filters and bounds are the
// planner's; then it replaces the sensitivity of the table by that of any sum over selected cells.
func (g *Gateway) planBlind(who identity.Principal, req CohortRequest) (*ask, *Refusal) {
	b := &blind{req: req}
	a := &ask{who: who, blind: b, req: Request{Agreement: req.Agreement, Purpose: req.Purpose, Dataset: req.Dataset, Error: req.Error, SQL: req.text()}}
	if ag := g.agreement(req.Agreement); ag != nil {
		id := req.Dataset
		if id == "" && len(ag.Datasets) == 1 {
			id = ag.Datasets[0].ID
		}
		if d := g.dataset(id); d != nil && ag.covers(id) {
			twin, refusal := b.twin(d.catalog)
			if refusal != nil {
				a.agreement, a.data = ag, d
				return a, refusal
			}
			a.req.SQL = twin
		}
	}
	// What is unknown or not covered is refused there, in the same words as for SQL.
	planned, refusal := g.plan(who, a.req)
	planned.blind = b
	planned.req.SQL = req.text()
	if refusal != nil {
		switch refusal.Line -= whereLine; {
		case refusal.Line > strings.Count(req.Where, "\n")+1: // at the parenthesis that closes it
			refusal.Line, refusal.Column, refusal.Message = 0, 0, "the condition is not complete"
		case refusal.Line < 1:
			refusal.Line, refusal.Column = 0, 0
		}
		return planned, refusal
	}
	return planned, b.fit(planned)
}

// whereLine is how many lines of the twin stand before the condition.
const whereLine = 1

// twin writes the SQL. Names are taken from the catalogue; the condition is the caller's, and what it does to the statement is
// looked at in the plan (fit).
func (b *blind) twin(d *catalog.Dataset) (string, *Refusal) {
	table, name, ok := strings.Cut(b.req.By, ".")
	t := d.Table(table)
	if !ok || t == nil || t.Public {
		return "", &Refusal{Code: UnknownName, Message: "the selected column is not of the form table.column, or the dataset has no such table of persons", Hint: "see the tables: jali catalog"}
	}
	if c := t.Column(name); c != nil {
		if c.Codes == nil || c.PrivateKeys {
			return "", &Refusal{Code: NotSupported, Message: "the selected column has no public code list", Hint: "select by a column with codes or by a declared band; the list must not depend on the data"}
		}
	} else if _, band := t.Band(name); band == nil {
		return "", &Refusal{Code: UnknownName, Message: "the table has no column or band of the name selected by", Hint: "see the columns: jali catalog"}
	}
	output := "COUNT(DISTINCT " + t.PersonKey + ")"
	if b.req.Aggregate != "count" {
		m := t.Column(b.req.Measure)
		if m == nil {
			return "", &Refusal{Code: UnknownName, Message: "the table has no column of the measure's name", Hint: "name a measure of the same table"}
		}
		output = map[string]string{"sum": "SUM(", "mean": "AVG("}[b.req.Aggregate] + m.Name + ")"
	} else if b.req.Measure != "" {
		return "", &Refusal{Code: Invalid, Message: "a count has no measure", Hint: "leave the measure out, or ask for sum or mean"}
	}
	if !slices.Contains([]string{"count", "sum", "mean"}, b.req.Aggregate) {
		return "", &Refusal{Code: Invalid, Message: "unknown aggregate", Hint: "ask for count, sum or mean"}
	}
	sql := "SELECT " + name + ", " + output + " FROM " + t.Name
	if strings.TrimSpace(b.req.Where) != "" {
		sql += " WHERE (\n" + b.req.Where + "\n)"
	}
	return sql + " GROUP BY " + name, nil
}

// fit holds the plan to the form of a category question and derives everything the cipher needs from public facts.
func (b *blind) fit(a *ask) *Refusal {
	p := a.plan
	table, name, _ := strings.Cut(b.req.By, ".")
	shape := len(p.Tables) == 1 && p.Tables[0].Table.Name == table && len(p.GroupBy) == 1 && !p.Private &&
		p.Arrange.Having == nil && len(p.Arrange.Order) == 0 && p.Arrange.Limit == 0 && len(p.Outputs) == 2
	if shape {
		by := p.GroupBy[0]
		shape = by.Band != nil && by.Band.Name == name || by.Band == nil && by.Column.Name == name
	}
	if !shape {
		return &Refusal{Code: NotSupported, Message: "the condition is more than a condition", Hint: "write only what stands after WHERE, with balanced parentheses"}
	}
	out := p.Outputs[1]
	want := map[string]struct {
		kind  protect.OutputKind
		items []int
	}{"count": {protect.OutCount, []int{out.N}}, "sum": {protect.OutSum, []int{out.S}}, "mean": {protect.OutMean, []int{out.N, out.S}}}[b.req.Aggregate]
	// The reply has the items in the order of the plan, which puts counts before sums.
	if out.Kind != want.kind || len(p.Items) != len(want.items) || !slices.IsSorted(want.items) {
		return &Refusal{Code: NotSupported, Message: "the question is not one count, sum or mean", Hint: "write only what stands after WHERE in the condition, or ask as SQL"}
	}
	for i := range p.Items {
		d := selectedBound(p.Bounds, p.Items[i])
		p.Items[i].S2 = d.Mul(d, d)
	}
	entries := p.GroupBy[0].Column.Codes
	if band := p.GroupBy[0].Band; band != nil {
		entries = band.Labels
	}
	b.spec.Entries, b.spec.Slots = len(entries), slotsOf(p.Domains[0].Labels, entries)
	b.mapping = mappingOf(b.req.By, entries)
	for _, it := range p.Items {
		most, ok := publicBound(a.data.rows(table), it)
		if !ok {
			return tooLarge()
		}
		b.spec.Bounds = append(b.spec.Bounds, most)
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

// slotsOf places the cells of a domain, which conditions may have narrowed, in the whole published list. NULL, the group
// "other", is on no list.
func slotsOf(cells, entries []catalog.Value) []int {
	at := make(map[catalog.Value]int, len(entries))
	for i, v := range entries {
		at[v] = i
	}
	slots := make([]int, len(cells))
	for i, v := range cells {
		slot, ok := at[v]
		if slots[i] = -1; ok && v.Kind != catalog.Null {
			slots[i] = slot
		}
	}
	return slots
}

// mappingOf digests which entry each slot stands for: the column, then the codes as people write them, each preceded by its
// length. Clients compute it again.
func mappingOf(by string, entries []catalog.Value) (d [32]byte) {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part("jali cohort entries 1")
	part(by)
	for _, v := range entries {
		part(v.String())
	}
	h.Sum(d[:0])
	return d
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
		return &Refusal{Code: Invalid, Message: text, Hint: fmt.Sprintf("there are %d entries to select from", b.spec.Entries)}
	}
	var rules []cohort.Rule
	n, r := int64(b.spec.Entries), b.req.Rule
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
	layout, err := cohort.NewLayout(p, b.spec.Entries, rules...)
	if err != nil {
		return bad("the size rule does not fit the list")
	}
	b.layout = layout
	b.table = cohort.Domain{Dataset: a.data.catalog.ID, Version: a.data.version, Mapping: hex.EncodeToString(b.mapping[:]), Entries: b.spec.Entries}.ID(p)
	return b.describe(a)
}

// describe says how to read each number of the reply.
func (b *blind) describe(a *ask) *Refusal {
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
		b.outputs = append(b.outputs, out)
	}
	return nil
}

// text is the public part of the question in words, for the record.
func (r CohortRequest) text() string {
	s := "encrypted " + r.Aggregate
	if r.Measure != "" {
		s += " of " + r.Measure
	}
	if s += " by " + r.By; r.Where != "" {
		s += " where " + r.Where
	}
	return s
}

// cipherTime is a generous estimate of an evaluation from public sizes, for choosing a response slot (before its margin).
func (b *blind) cipherTime() time.Duration {
	fixed, block := 15*time.Millisecond, 3*time.Millisecond
	if b.layout.Params().SlotsPerBlock() > 8192 {
		fixed, block = 35*time.Millisecond, 7*time.Millisecond
	}
	return time.Duration(len(b.spec.Bounds)) * (fixed + time.Duration(b.layout.Blocks())*block)
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
		return 1
	}
	return a.plan.Cells
}
