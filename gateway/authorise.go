package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
	"jali/policy"
)

// authorise asks the policy bundle. The input holds resolved catalogue names, price and clock; never text, literals or data.
// The grant's obligations then fix what is hidden, and with that the replay key.
func (g *Gateway) authorise(ctx context.Context, a *ask) *Refusal {
	grant, reasons, err := g.policy.Decide(ctx, g.policyInput(a))
	if err != nil {
		g.operator.Error("policy did not decide", "err", err)
		return denied("policy.undecided", "the policy did not decide, which counts as no", "tell the custodian: the gateway's log says what failed")
	}
	if len(reasons) > 0 || !grant.Valid(g.now()) {
		for i := range reasons {
			switch reasons[i].Code {
			case "accuracy":
				reasons[i].Hint = "the smallest errors the agreement allows are --error " + a.floors(a.agreement.MinError)
			case "price":
				if fits := g.fits(a); fits != "" {
					reasons[i].Hint = "the smallest error that fits is --error " + fits
				}
			}
		}
		r := &Refusal{Code: PolicyDenied, Message: "the policy does not allow this question", Reasons: reasons}
		if len(reasons) > 0 {
			r.Message, r.Hint = reasons[0].Text, reasons[0].Hint
		}
		return r
	}
	a.grant = grant
	bundle := grant.Bundle()
	a.pins = append(a.pins, store.Pin{Name: pinPolicy, Value: audit.Digest(bundle)})
	if a.controlled() {
		if most := grant.Obligations().MaxCells; a.released() > most {
			return denied("cells", fmt.Sprintf("the answer would have more than %d cells", most), "group by fewer columns or coarser bands")
		}
		return g.rule(a, grant.Obligations())
	}
	if err := a.arm(grant.Obligations().MinCohort); err != nil {
		return &Refusal{Code: PrecisionRange, Message: "no threshold fits the accuracy asked and the delta of the dataset", Hint: "ask for another accuracy"}
	}
	if most := grant.Obligations().MaxCells; most > 0 && a.released() > most {
		return denied("cells", fmt.Sprintf("the answer would have more than %d cells", most), "group by fewer columns or coarser bands")
	}
	// A light ask was checked when it was quoted, and protect.EvaluateBlind checks it again; its key is its nonce.
	if a.blind != nil && a.blind.light {
		return nil
	}
	if err := a.spec.Check(); err != nil {
		return &Refusal{Code: PrecisionRange, Message: "the accuracy asked for cannot be drawn", Hint: "ask for a larger error"}
	}
	a.seal()
	return nil
}

func (g *Gateway) policyInput(a *ask) policy.Input {
	now := g.now()
	p, cat := a.plan, a.data.catalog
	q := policy.InputQuery{
		Kind:       a.kind(),
		Dataset:    cat.ID,
		Population: cat.Population,
		Class:      cat.Class,
		Mode:       string(cat.Mode),
		Cells:      a.released(),
		Private:    p.Private,
		Error:      a.smallestCountError(),
		Aggregates: []string{},
		Columns:    []policy.InputColumn{},
		Tables:     tablesOf(p),
	}
	if a.blind != nil {
		q.Encrypted = a.blind.input(a)
	}
	for _, name := range p.Columns {
		table, column, _ := strings.Cut(name, ".")
		q.Columns = append(q.Columns, policy.InputColumn{Name: name, Sensitivity: sensitivity(cat, table, column)})
	}
	for _, o := range a.spec.Outputs {
		if o.Kind != protect.OutGroup {
			q.Aggregates = append(q.Aggregates, aggregateOf(o, a))
		}
	}
	return policy.Input{
		Now:       now.Unix(),
		Principal: policy.InputPrincipal{Name: a.who.Name, Org: a.who.Org, Role: string(a.who.Role), Key: a.who.Key},
		Agreement: a.agreement.Input(),
		Purpose:   a.req.Purpose,
		Query:     q,
		Price:     policy.InputPrice{PU: int64(a.cost.Rho.PU()), NanoRho: strconv.FormatInt(int64(a.cost.Rho), 10), DeltaE18: strconv.FormatInt(a.cost.Delta, 10)},
		Budget:    policy.InputBudget{AgreementPU: int64(g.remaining(a).Agreement)},
		Rate:      policy.InputRate{LastHour: g.rates.lastHour(a, now)},
	}
}

// tablesOf lists every table the plan reads, also those in subqueries and derived tables and those of which it names no column.
func tablesOf(p *query.Plan) []string {
	read := map[string]bool{}
	p.EachFrom(func(refs []query.TableRef, _ []int64) {
		for _, r := range refs {
			if r.Sub == nil { // what a derived table reads comes by itself
				read[r.Table.Name] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(read))
}

// sensitivity is the class of a column; a name the catalogue does not know has the class "unknown", which no agreement opens.
func sensitivity(d *catalog.Dataset, table, column string) string {
	if t := d.Table(table); t != nil {
		if c := t.Column(column); c != nil {
			return c.Sensitivity
		}
	}
	return "unknown"
}

func aggregateOf(o protect.Output, a *ask) string {
	switch o.Kind {
	case protect.OutCount:
		if a.plan.Items[o.N].Kind == "persons" {
			return "count_distinct"
		}
		return "count"
	case protect.OutMean:
		return "avg"
	case protect.OutVar:
		return "var"
	case protect.OutSD:
		return "stddev"
	}
	return "sum"
}
