package gateway

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"jali/gateway/budget"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// price turns the accuracy asked for into the noise of each item and its rho: the sum over items, one number. Counts are
// asked for in rows or persons, sums in their output unit; the parts of an average or a variance are bought at the same rho
// as a count of that many persons. When outputs share an item, the smallest error asked counts.
func (g *Gateway) price(a *ask) *Refusal {
	if a.controlled() {
		return g.count(a)
	}
	asks := make([]budget.Ask, len(a.plan.Items))
	for i, it := range a.plan.Items {
		asks[i] = budget.Ask{Name: a.spec.Items[i].Name, S2: it.S2, Dec: itemDecimals(it)}
	}
	if r := a.knownOutputs(); r != nil {
		return r
	}
	for _, o := range a.plan.Outputs {
		if o.Kind == protect.OutGroup {
			continue
		}
		if r := a.accuracy(asks, o); r != nil {
			return r
		}
	}
	if a.plan.Private {
		e, err := budget.ParseError(a.req.Error, 0)
		if err != nil {
			return badError("", a.req.Error)
		}
		smallest(&asks[a.plan.PersonItem], e)
	}
	delta := int64(0)
	if a.plan.Private {
		if delta = a.data.catalog.ThresholdDelta; delta <= 0 {
			return &Refusal{Code: BoundMissing, Message: "the dataset has no threshold_delta, so keys that come from the data cannot be released", Hint: "group by a column with a public code list"}
		}
	}
	cost, err := budget.PriceItems(asks, delta)
	if err != nil {
		return &Refusal{Code: PrecisionRange, Message: "the accuracy asked for has no price in range", Hint: "ask for a larger error"}
	}
	a.cost = cost
	return nil
}

// accuracy sets the half-width of the items an output uses.
func (a *ask) accuracy(asks []budget.Ask, o protect.Output) *Refusal {
	text := a.req.Error
	if t, ok := a.req.ErrorFor[o.Name]; ok {
		text = t
	}
	dec := 0
	if o.Kind == protect.OutSum {
		dec = o.Decimals
	}
	e, err := budget.ParseError(text, dec)
	if err != nil {
		return badError(o.Name, text)
	}
	switch o.Kind {
	case protect.OutCount:
		smallest(&asks[o.N], e)
	case protect.OutSum:
		smallest(&asks[o.S], e)
	default:
		smallest(&asks[o.N], e)
		parts := []int{o.S}
		if o.Kind != protect.OutMean {
			parts = append(parts, o.Q)
		}
		for _, p := range parts {
			smallest(&asks[p], sameRho(e, asks[o.N].S2, asks[p].S2))
		}
	}
	return nil
}

// sameRho is the half-width that costs for squared sensitivity s2 what e costs for n2: floor(e sqrt(s2/n2)), at least 1.
func sameRho(e, n2, s2 *big.Int) *big.Int {
	x := new(big.Int).Mul(e, e)
	x.Mul(x, s2).Div(x, n2).Sqrt(x)
	if x.Sign() == 0 {
		x.SetInt64(1)
	}
	return x
}

func smallest(l *budget.Ask, e *big.Int) {
	if l.E == nil || e.Cmp(l.E) < 0 {
		l.E = e
	}
}

// knownOutputs refuses an accuracy for a column that is not there: a typing error must not silently buy another one.
func (a *ask) knownOutputs() *Refusal {
next:
	for name := range a.req.ErrorFor {
		for _, c := range a.columns {
			if c.Name == name && a.spec.Outputs[c.Index].Kind != protect.OutGroup {
				continue next
			}
		}
		return &Refusal{Code: UnknownName, Message: "an error is asked for an output that the query does not have", Hint: "name outputs with AS and use these names: --error 50,total=1000"}
	}
	return nil
}

func badError(name, text string) *Refusal {
	hint := "give the half-width at 95 % as a positive number, e.g. --error 50"
	if text == "" {
		return &Refusal{Code: PrecisionRange, Message: "no accuracy was asked for", Hint: hint}
	}
	if name != "" {
		return &Refusal{Code: PrecisionRange, Message: fmt.Sprintf("the error asked for %s is not a positive number in range", name), Hint: hint + "; counts, AVG, VAR and STDDEV take whole rows or persons, sums their own unit with the decimals of their column"}
	}
	return &Refusal{Code: PrecisionRange, Message: "the error asked for is not a positive number in range", Hint: hint}
}

func itemDecimals(it query.Item) int {
	if it.Col == nil || it.Kind == query.Rows {
		return 0
	}
	d := it.Col.Column.Decimals
	if it.Kind == query.Squares {
		return 2 * d
	}
	return d
}

// smallestCountError is the accuracy policy judges: the smallest half-width bought, in rows or persons. A sum counts as many
// rows as its half-width holds of the largest value one row may have.
func (a *ask) smallestCountError() float64 {
	least := math.Inf(1)
	for i, l := range a.cost.Lines {
		e, _ := new(big.Float).SetInt(l.E).Float64()
		if a.controlled() { // rounding is the same for every figure, in its own unit
			least = min(least, e/math.Pow10(l.Dec))
			continue
		}
		least = min(least, e/rowWeight(a.plan.Items[i]))
	}
	return least
}

// rowWeight is the most one row adds to an item, in scaled units.
func rowWeight(it query.Item) float64 {
	switch it.Kind {
	case query.Sum, query.Squares:
		lo, hi := it.Col.Column.ClipLo-it.Center, it.Col.Column.ClipHi-it.Center
		w := float64(max(lo, -lo, hi, -hi, 1))
		if it.Kind == query.Squares {
			return w * w
		}
		return w
	}
	return 1
}

// floors says in each output's own unit what the agreement's accuracy floor means, for a refusal that can be acted on.
func (a *ask) floors(least float64) string {
	var parts []string
	for _, c := range a.columns {
		o := a.spec.Outputs[c.Index]
		if o.Kind == protect.OutGroup {
			continue
		}
		e := least
		if o.Kind == protect.OutSum && !a.controlled() {
			e *= rowWeight(a.plan.Items[o.S]) / math.Pow10(o.Decimals)
		}
		parts = append(parts, fmt.Sprintf("%s=%s", c.Name, strconv.FormatFloat(math.Ceil(e), 'f', -1, 64)))
	}
	return strings.Join(parts, ",")
}

func sigma(l budget.Line) float64 {
	n, _ := new(big.Float).SetInt(l.Sigma2.Num).Float64()
	d, _ := new(big.Float).SetInt(l.Sigma2.Den).Float64()
	return math.Sqrt(n / d)
}

const (
	overAgreement  = "agreement"
	overPopulation = "population"
)

// affordable tells which ledger could not pay, without charging. Only the charge itself decides.
func (g *Gateway) affordable(a *ask) string {
	b, err := g.log.Balance(a.agreement.ID, a.data.catalog.Population)
	if err != nil {
		return overAgreement
	}
	rho, delta := int64(a.cost.Rho), a.cost.Delta
	switch {
	case a.control != nil && b.Agreement.Spent.Rho+rho > a.control.most:
		return overAgreement
	case b.Agreement.Cap.Rho-b.Agreement.Spent.Rho < rho, b.Agreement.Cap.Delta-b.Agreement.Spent.Delta < delta:
		return overAgreement
	case b.Population.Cap.Rho-b.Population.Spent.Rho < rho, b.Population.Cap.Delta-b.Population.Spent.Delta < delta:
		return overPopulation
	}
	return ""
}

// remaining is what the two ledgers hold, in whole privacy units.
func (g *Gateway) remaining(a *ask) Remaining {
	b, err := g.log.Balance(a.agreement.ID, a.data.catalog.Population)
	if err != nil {
		return Remaining{}
	}
	return Remaining{
		Agreement:  wholePU(b.Agreement.Cap.Rho - b.Agreement.Spent.Rho),
		Population: wholePU(b.Population.Cap.Rho - b.Population.Spent.Rho),
	}
}

// visible is what remains as the asker may see it: the population's figure is for regulators and custodians.
func (g *Gateway) visible(a *ask) Remaining {
	r := g.remaining(a)
	if a.who.Role == identity.Researcher {
		r.Population = -1
	}
	return r
}

// wholePU rounds what is left down: never show more than there is.
func wholePU(rho int64) budget.PU { return budget.PU(max(0, rho) / 10_000) }

// overBudget is the refusal of a ledger. The agreement's own figures are the asker's to see; the population's are not.
func (g *Gateway) overBudget(a *ask, over string, decision uint64) *Refusal {
	if a.control != nil {
		return g.overCells(a, over, decision)
	}
	if over == overPopulation {
		return &Refusal{
			Code: BudgetPopulation, Decision: decision,
			Message: fmt.Sprintf("this question costs %d PU%s, and what is left for the whole population is insufficient", a.cost.Rho.PU(), deltaText(a)),
			Hint:    "ask for a larger error; only a decision of the regulator adds budget to a population",
		}
	}
	r := &Refusal{
		Code: BudgetAgreement, Decision: decision,
		Message: fmt.Sprintf("this question costs %d PU%s and the agreement has %d PU left", a.cost.Rho.PU(), deltaText(a), g.remaining(a).Agreement),
		Hint:    "see what spent it: jali budget",
	}
	if fits := g.fits(a); fits != "" {
		r.Hint = "the smallest error that fits is --error " + fits + "; see what spent the budget: jali budget"
	}
	return r
}

// deltaText names what private group keys, or an encrypted answer, cost besides.
func deltaText(a *ask) string {
	what := "private group keys"
	switch {
	case a.cost.Delta == 0:
		return ""
	case a.blind != nil:
		what = "encrypted answer"
	}
	return fmt.Sprintf(" and delta %.3g for its %s", float64(a.cost.Delta)/1e18, what)
}

// fits is the smallest plain error that the agreement's balance and its limit for one query could pay, or "" when there is none
// or ErrorFor is in use. The population's balance is not in it: an asker could read that figure off.
func (g *Gateway) fits(a *ask) string {
	if a.controlled() || len(a.req.ErrorFor) > 0 {
		return ""
	}
	b, err := g.log.Balance(a.agreement.ID, a.data.catalog.Population)
	if err != nil || b.Agreement.Cap.Delta-b.Agreement.Spent.Delta < a.cost.Delta {
		return "" // no accuracy pays a missing delta
	}
	left := min(budget.NanoRho(b.Agreement.Cap.Rho-b.Agreement.Spent.Rho), budget.PU(a.agreement.MaxPricePU).Nano())
	least := int64(math.Ceil(a.agreement.MinError))
	e, ok, err := budget.FitError(left, func(e int64) (budget.NanoRho, error) {
		try := *a
		try.req.Error = fmt.Sprint(e)
		if r := g.price(&try); r != nil {
			return 0, budget.ErrPrecision
		}
		return try.cost.Rho, nil
	})
	if err != nil || !ok {
		return ""
	}
	return fmt.Sprint(max(e, least))
}

// spentPU rounds what is spent up.
func spentPU(rho int64) budget.PU { return budget.NanoRho(rho).PU() }
