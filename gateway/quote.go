package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"jali/crypto/noise"
	"jali/gateway/budget"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/policy"
)

// Quote tells error, price, what would be hidden and whether policy and budget allow the question. It is free, touches no
// data, and binds price and accuracy for its lifetime; it reserves no budget. It runs steps 3 to 5 of Answer with the same code.
func (g *Gateway) Quote(ctx context.Context, who identity.Principal, req Request) (Offer, error) {
	req.QuoteID = ""
	a, refusal := g.plan(who, req)
	if refusal != nil {
		return Offer{}, refusal
	}
	if refusal := g.price(a); refusal != nil {
		return Offer{}, refusal
	}
	offer := Offer{Label: a.label(), Unit: a.unit(), Price: a.cost, Budget: g.visible(a), Population: "sufficient", Plan: OfferPlan{
		Dataset: a.data.catalog.ID, Version: a.data.version,
		Formulation: formulation(a.plan), Mechanism: a.promise(),
		Columns: a.plan.Columns, Cells: a.plan.Cells,
		RowsPerPerson: a.plan.Bounds.Rows, GroupsPerPerson: a.plan.Bounds.Groups, RowsPerGroup: a.plan.Bounds.PerCol,
		Hash: hex.EncodeToString(hashOf(a)),
	}}
	if refusal := g.authorise(ctx, a); refusal != nil {
		offer.Reasons = refusal.Reasons
		if slices.ContainsFunc(offer.Reasons, func(r policy.Reason) bool { return r.Code == "price" }) {
			offer.Fits = g.fits(a)
		}
		if len(offer.Reasons) == 0 {
			offer.Reasons = []policy.Reason{{Code: string(refusal.Code), Text: refusal.Message, Hint: refusal.Hint}}
		}
		return offer, nil
	}
	offer.Plan.HideBelow = a.hidesBelow()
	offer.Error95 = a.errors()
	offer.Warnings = a.warnings()
	offer.Detectable, offer.Hiding = a.detectable(), a.hiding()
	if over := g.affordable(a); over != "" {
		r := g.overBudget(a, over, 0)
		offer.Reasons = []policy.Reason{{Code: string(r.Code), Text: r.Message, Hint: r.Hint}}
		if over == overPopulation {
			offer.Population = "insufficient"
		} else {
			offer.Fits = g.fits(a)
		}
	} else if r := a.review(); r != nil {
		offer.Reasons = r.Reasons
	} else {
		offer.Allowed = true
		q, err := g.quotes.Put(budget.Quote{Who: who.Key, Plan: a.key, Pins: a.pinText(), Price: a.cost})
		if err != nil {
			return Offer{}, &Refusal{Code: Rate, Message: "too many open quotes", Hint: "use or let expire the ones you have"}
		}
		offer.ID, offer.Expires = q.ID, q.Expires
	}
	return offer, nil
}

func hashOf(a *ask) []byte {
	h := a.planHash()
	return h[:]
}

func (a *ask) pinText() string {
	var b strings.Builder
	for _, p := range a.pins {
		fmt.Fprintf(&b, "%s=%s\n", p.Name, p.Value)
	}
	return b.String()
}

// bind checks a quote named by the request: same asker, same question, same pins, not expired. The price is then the quoted
// one, which the same code computed.
func (g *Gateway) bind(a *ask) *Refusal {
	if a.req.QuoteID == "" {
		return nil
	}
	q, err := g.quotes.Take(a.req.QuoteID, a.who.Key)
	if err != nil || q.Plan != a.key || q.Pins != a.pinText() {
		return &Refusal{
			Code:    QuoteStale,
			Message: "the quote has expired, belongs to someone else, or was made for another question or state",
			Hint:    "ask for a new quote, or leave the quote out",
		}
	}
	a.cost = q.Price
	return nil
}

// errors lists the half-width of each measure, as far as it is known without data.
func (a *ask) errors() []OfferError {
	if a.control != nil {
		return a.rounding()
	}
	var out []OfferError
	for _, c := range a.columns {
		o := a.spec.Outputs[c.Index]
		e := OfferError{Name: c.Name}
		switch o.Kind {
		case protect.OutGroup:
			continue
		case protect.OutCount, protect.OutSum:
			e.Value, _ = protect.HalfWidthAt(o, a.spec.Items, 0)
		default:
			for _, n := range []int64{100, 1_000, 10_000, 100_000} {
				if w, shown := protect.HalfWidthAt(o, a.spec.Items, n); shown {
					e.Sizes = append(e.Sizes, SizeError{N: n, Value: w})
				}
			}
		}
		out = append(out, e)
	}
	return out
}

// warnings says in words what the numbers mean for small groups and bounds.
func (a *ask) warnings() []string {
	if a.control != nil {
		return a.cautions()
	}
	var w []string
	switch {
	case a.spec.Min > 0 && a.hidesBelow() == 0:
		w = append(w, "sums alone say nothing of the size of a group, so none is hidden; ask for COUNT(*) too to have small groups hidden")
	case a.spec.Min > 0:
		w = append(w, fmt.Sprintf("groups whose noisy count is below %d are hidden; with public keys this is no strict minimum on the true count", a.spec.Min))
	}
	if t := a.spec.Threshold; t != nil {
		w = append(w, fmt.Sprintf("groups of fewer than %d persons are never shown; one is certain to be shown only well above %d persons", t.K, t.Tau+t.K-1))
	}
	for _, o := range a.spec.Outputs {
		if o.Kind == protect.OutMean || o.Kind == protect.OutVar || o.Kind == protect.OutSD {
			w = append(w, fmt.Sprintf("averages are hidden in groups of fewer than about %.0f", 4*sigma(a.cost.Lines[o.N])))
			break
		}
	}
	return append(append(w, a.caps()...), a.analysisWarnings()...)
}

// hidesBelow is the noisy count below which groups are hidden: 0 when the question has no count to judge by.
func (a *ask) hidesBelow() int64 {
	if a.control != nil {
		return a.control.rules.K
	}
	for _, o := range a.spec.Outputs {
		if o.Kind != protect.OutGroup && o.Kind != protect.OutSum {
			return a.grant.Obligations().MinCohort
		}
	}
	if a.spec.Threshold != nil {
		return a.grant.Obligations().MinCohort
	}
	return 0
}

// hiding is the chance that a group is hidden, by its true size: public keys, that the noisy count falls below the minimum; private
// keys, that the group has fewer persons than that or does not pass the threshold.
func (a *ask) hiding() []SizeError {
	k, item := a.hidesBelow(), -1
	for _, o := range a.spec.Outputs {
		if o.Kind == protect.OutCount && (item < 0 || a.spec.Items[o.N].Name == protect.ItemPersons) {
			item = o.N
		}
	}
	if t := a.spec.Threshold; t != nil {
		k, item = t.K, t.Item
	}
	if k < 1 || item < 0 || a.control != nil || a.plan.Analysis != nil {
		return nil
	}
	var out []SizeError
	for _, n := range []int64{0, k, 2 * k, 5 * k, 10 * k} {
		least := k - n // of the noise, for the group to be shown
		if t := a.spec.Threshold; t != nil {
			if least = t.Tau - (n - (t.K - 1)); n < t.K {
				out = append(out, SizeError{N: n, Value: 1})
				continue
			}
		}
		shown, err := noise.Tail(a.cost.Lines[item].Sigma2, least)
		if err != nil {
			return nil
		}
		p, _ := shown.Float64()
		out = append(out, SizeError{N: n, Value: min(1, max(0, 1-p))})
	}
	return out
}

// caps says which contribution caps are enforced, so that nobody takes a clipped figure for a whole one.
func (a *ask) caps() []string {
	b := a.plan.Bounds
	if b.Proved {
		return nil
	}
	return []string{fmt.Sprintf("a person counts in at most %d groups and with at most %d rows in each: what lies beyond is left out, and the intervals are about the figure without it", b.Groups, b.PerCol)}
}

// quoteLife is how long a quote binds.
const quoteLife = 15 * time.Minute
