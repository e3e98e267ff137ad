package gateway

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"

	"jali/crypto/noise"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
	"jali/policy"
)

// Mode sdc (docs/sdc.md) takes the ten steps with these differences: step 3 widens the plan's bounds until they cut nothing, step 4
// counts the cells that may leave, step 5 takes the rules from the grant, step 6 charges cells, step 7 has the engine say who is in
// each cell, step 8 is protect.Suppress, and step 9 makes what was told durable before the RELEASE that lets it go.

// control is what an ask has besides in mode sdc.
type control struct {
	rules    protect.Rules
	most     int64 // cells an agreement may be told in all, in the ledger's unit
	refusals int64 // NOT_RELEASED before a person looks
	memory   *memory
	told     protect.Disclosed
}

// controlled reports whether the population is in mode sdc.
func (a *ask) controlled() bool { return a.data != nil && a.data.catalog.Mode == catalog.ModeSDC }

// perCell is how the ledger counts a cell: 10,000, as it counts a privacy unit, so that whatever shows whole units shows cells.
const perCell = 10_000

// uncap widens the bounds of the plan to what import verified, so that the engine's figures are those of all rows, and takes the
// centres out of its sums: the rules look at whole contributions.
func (a *ask) uncap() *Refusal {
	switch {
	case a.blind != nil:
		return &Refusal{Code: NotSupported, Message: "the dataset is in mode sdc, which knows no encrypted questions", Hint: "ask in SQL: the rules must see the cells"}
	case a.plan.Analysis != nil:
		return &Refusal{Code: NotSupported, Message: "the dataset is in mode sdc, where table functions have no noise to account for", Hint: "ask for COUNT, SUM or AVG"}
	case a.plan.Private:
		return &Refusal{Code: BoundMissing, Message: "the dataset is in mode sdc, where groups come from public lists only", Hint: "group by a column with a public code list"}
	}
	p := *a.plan
	p.Form, p.Bounds = query.F2, query.Bounds{Rows: p.Bounds.Rows, Groups: max(1, min(p.Bounds.Rows, p.Cells)), PerCol: p.Bounds.Rows, Proved: true}
	rows := big.NewInt(p.Bounds.Rows)
	p.Items = append([]query.Item(nil), p.Items...)
	for i := range p.Items {
		it := &p.Items[i]
		it.Center, it.Lo, it.Hi = 0, new(big.Int), new(big.Int).Set(rows)
		switch it.Kind {
		case query.Persons:
			it.Hi.SetInt64(1)
		case query.Rows:
		case query.Sum:
			c := it.Col.Column
			if (it.Col.Expr != nil || c.Table == "") && !zeroOne(*it) {
				return notDeclared()
			}
			it.Lo.Mul(rows, big.NewInt(min(0, c.ClipLo)))
			it.Hi.Mul(rows, big.NewInt(max(0, c.ClipHi)))
		default:
			return noSpread()
		}
	}
	p.Outputs = append([]protect.Output(nil), p.Outputs...)
	for i := range p.Outputs {
		switch p.Outputs[i].Center = 0; p.Outputs[i].Kind {
		case protect.OutGroup, protect.OutCount, protect.OutSum, protect.OutMean:
		default:
			return noSpread()
		}
	}
	a.plan = &p
	return nil
}

// zeroOne reports a sum of zeros and ones. It is a count, and the rules know it for one: who adds 1 is remembered.
func zeroOne(it query.Item) bool {
	return it.Kind == query.Sum && it.Col.Column.ClipLo == 0 && it.Col.Column.ClipHi == 1 && it.Col.Column.Decimals == 0
}

// notDeclared refuses sums of what the question itself computes. With values and bounds of the asker's choice a sum is a count in
// disguise, in units so large that rounding does nothing to it, while the persons in the cell, who are what is remembered, stay the
// same whatever the condition in the sum says.
func notDeclared() *Refusal {
	return &Refusal{Code: NotSupported, Message: "mode sdc adds up columns of the catalogue, and of what a question computes zeros and ones only", Hint: "write CASE WHEN ... THEN 1 ELSE 0 END, or group by the condition and sum a declared measure"}
}

func noSpread() *Refusal {
	return &Refusal{Code: NotSupported, Message: "VAR and STDDEV are not answered in mode sdc", Hint: "ask for COUNT, SUM or AVG, or for groups by bands of the column"}
}

// mark tells the valve which groups are open and which sums are counts.
func (a *ask) mark() {
	a.spec.Groups = append([]protect.Domain(nil), a.spec.Groups...)
	for i, g := range a.plan.GroupBy {
		a.spec.Groups[i].Open = g.Column != nil && g.Column.Open
	}
	for i, it := range a.plan.Items {
		a.spec.Items[i].Binary = zeroOne(it)
	}
}

// count is the price in mode sdc: each figure of each cell of the domain, printed or not, for what is withheld tells something too.
func (g *Gateway) count(a *ask) *Refusal {
	if r := a.knownOutputs(); r != nil {
		return r
	}
	a.cost = budget.Price{Lines: make([]budget.Line, len(a.plan.Items))}
	for i, it := range a.plan.Items {
		a.cost.Lines[i] = budget.Line{
			Name: a.spec.Items[i].Name, S2: big.NewInt(1), Dec: itemDecimals(it),
			Sigma2: noise.Variance{Num: new(big.Int), Den: big.NewInt(1)},
		}
	}
	each := budget.NanoRho(a.plan.Cells * perCell) // at most query.MaxCells cells
	for _, o := range a.spec.Outputs {
		if o.Kind == protect.OutGroup {
			continue
		}
		text := a.req.Error
		for _, c := range a.columns {
			if t, ok := a.req.ErrorFor[c.Name]; ok && a.spec.Outputs[c.Index] == o {
				text = t
			}
		}
		at, dec := o.N, 0
		if o.Kind == protect.OutSum {
			at, dec = o.S, o.Decimals
		}
		e, err := budget.ParseError(text, dec)
		if err != nil {
			return badError(o.Name, text)
		}
		lines := []*budget.Line{&a.cost.Lines[at]}
		if o.Kind == protect.OutMean {
			lines = append(lines, &a.cost.Lines[o.S])
		}
		for _, l := range lines {
			if l.E == nil || e.Cmp(l.E) < 0 {
				l.E = e
			}
		}
		lines[0].Rho += each
		a.cost.Rho += each
	}
	for i := range a.cost.Lines {
		if a.cost.Lines[i].E == nil { // an item that no output uses
			a.cost.Lines[i].E = big.NewInt(1)
		}
	}
	return nil
}

// rule takes the rules from the grant: there are no others. An allow without them is no allow.
func (g *Gateway) rule(a *ask, o policy.Obligations) *Refusal {
	c := o.Control
	if c == nil {
		return denied("sdc", "the policy names no rules of disclosure control, which counts as no", "tell the custodian: the active bundle knows no mode sdc")
	}
	m := g.memory(a.data.catalog.Population)
	if m == nil {
		return unavailable()
	}
	a.control = &control{
		rules: protect.Rules{K: max(c.MinCell, o.MinCohort), Base: c.Base, Percent: c.Percent, Dominance: c.Dominance},
		most:  perCell * min(c.Cells, fewest(a.data.manifest.Persons)/4), refusals: c.Refusals, memory: m,
	}
	a.spec.Min = a.control.rules.K
	if err := a.spec.CheckControlled(a.control.rules); err != nil {
		return &Refusal{Code: NotSupported, Message: "the question does not fit the rules of mode sdc", Hint: "ask for COUNT, SUM or AVG by columns with public code lists"}
	}
	for i := range a.cost.Lines {
		l := &a.cost.Lines[i]
		if half := a.control.rules.HalfWidth(l.Dec); l.E.Cmp(half) < 0 {
			return &Refusal{
				Code: PrecisionRange, Message: fmt.Sprintf("figures are rounded to multiples of %d, so no error below %d can be had", c.Base, c.Base/2),
				Hint: fmt.Sprintf("ask for an error of %d or more", max(1, c.Base/2)),
			}
		}
	}
	a.seal()
	return nil
}

// fewest is the number of persons as it bounds the quota: the power of two below it, because a quota tells what it is made of.
func fewest(persons int64) int64 {
	if persons < 1 {
		return 0
	}
	return 1 << (bits.Len64(uint64(persons)) - 1)
}

// most is what the agreement may have spent after the charge, below its cap; 0: its cap alone.
func (a *ask) most() int64 {
	if a.control == nil {
		return 0
	}
	return a.control.most
}

// overCells is the refusal of a ledger of cells.
func (g *Gateway) overCells(a *ask, over string, decision uint64) *Refusal {
	cells := int64(a.cost.Rho) / perCell
	if over == overPopulation {
		return &Refusal{
			Code: BudgetPopulation, Decision: decision,
			Message: fmt.Sprintf("this question asks for %d cells, and what is left for the whole population is insufficient", cells),
			Hint:    "ask for fewer or coarser groups; only a decision of the regulator adds cells to a population",
		}
	}
	left := int64(0)
	if b, err := g.log.Balance(a.agreement.ID, a.data.catalog.Population); err == nil {
		left = max(0, min(b.Agreement.Cap.Rho, a.control.most)-b.Agreement.Spent.Rho) / perCell
	}
	return &Refusal{
		Code: BudgetAgreement, Decision: decision,
		Message: fmt.Sprintf("this question asks for %d cells and the agreement has %d left", cells, left),
		Hint:    "ask for fewer or coarser groups; see what spent them: jali budget",
	}
}

// protect is step 8: the valve of the population's mode.
func (a *ask) protect(raw protect.Raw) (protect.Released, error) {
	if a.control == nil {
		return protect.Release(raw, a.spec)
	}
	released, told, err := protect.Suppress(raw, a.spec, a.control.rules, a.agreement.Parties, a.control.memory.cells)
	a.control.told = told
	return released, err
}

// notReleased is the second constant outcome after the charge: of mode sdc, and without detail.
func notReleased(decision uint64) *Refusal {
	return &Refusal{Code: NotReleased, Decision: decision, Message: notReleasedText, Hint: notReleasedHint}
}

const (
	notReleasedText = "not released; the charge stands"
	notReleasedHint = "ask for larger groups or other ones; asking again is a new charge, and after some refusals a person looks at them"
)

// isNotReleased reports whether a failure is a refusal of the rules.
func isNotReleased(err error) bool { return errors.Is(err, protect.ErrNotReleased) }
