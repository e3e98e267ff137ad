package gateway

import (
	"fmt"
	"math/big"

	"jali/gateway/protect"
)

// label is on every quote and answer about a population in mode sdc.
func (a *ask) label() string {
	if a.controlled() {
		return protect.ControlledLabel
	}
	return ""
}

// unit is what price and budget count, as Ledger.Unit says it.
func (a *ask) unit() string {
	if a.controlled() {
		return unitCells
	}
	return ""
}

// promise is the quote's sentence about what protects the answer.
func (a *ask) promise() string {
	if a.controlled() {
		return protect.ControlledLabel + ": smallest cell, rounding, dominance, memory of what was told, quotas"
	}
	return "exact discrete Gaussian, rho-zCDP, neighbours add or remove one person"
}

// rounding lists how far rounding moves each figure at most. That of a mean depends on its group.
func (a *ask) rounding() []OfferError {
	var out []OfferError
	for _, c := range a.columns {
		switch o := a.spec.Outputs[c.Index]; o.Kind {
		case protect.OutCount, protect.OutSum:
			dec := 0
			if o.Kind == protect.OutSum {
				dec = o.Decimals
			}
			unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(dec)), nil)
			v, _ := new(big.Rat).SetFrac(a.control.rules.HalfWidth(dec), unit).Float64()
			out = append(out, OfferError{Name: c.Name, Value: v})
		}
	}
	return out
}

// cautions says in words what mode sdc does, and what it does not.
func (a *ask) cautions() []string {
	r := a.control.rules
	return []string{
		protect.ControlledLabel + ": combined with other answers or knowledge, figures may tell about a person",
		fmt.Sprintf("groups of fewer than %d persons, groups in which one person dominates, and groups too close to what your organisation has been told already are withheld, and look the same", r.K),
		fmt.Sprintf("counts and sums are rounded to multiples of %d, means are quotients of rounded figures; the error stated is that of rounding", r.Base),
		fmt.Sprintf("each figure of each group counts, withheld or not: this question counts %d cells", int64(a.cost.Rho)/perCell),
	}
}

// review is the refusal that a question would meet for the refusals before it; nil in mode dp.
func (a *ask) review() *Refusal {
	if a.control == nil {
		return nil
	}
	return a.control.memory.reviewed(a)
}
