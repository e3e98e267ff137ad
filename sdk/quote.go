package sdk

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	jaliv1 "jali/proto/jali/v1"
)

// Quote tells price and error of a question before anything is spent. It is free, uses no data, and binds until ExpiresAt;
// it reserves nothing. Its JSON form is that of `jali quote --format json`.
type Quote struct {
	Allowed bool          `json:"allowed"`
	Reasons []Reason      `json:"reasons"`
	PricePU int64         `json:"price_pu"`
	Error95 []OutputError `json:"error95"`
	// ExpiresAt is zero when not allowed, and null in JSON.
	ExpiresAt time.Time `json:"expires_at"`
	Plan      Plan      `json:"plan"`
	// ID goes into Query.QuoteID. Empty when not allowed.
	ID string `json:"quote_id"`
	// Lines itemise the price: one per noisy number per group.
	Lines  []PriceLine `json:"lines"`
	Budget Balance     `json:"budget"`
	// Population is "sufficient" or "insufficient".
	Population string `json:"population"`
	// Fits is the smallest plain accuracy the budget can pay for, when this one is too dear.
	Fits     string   `json:"fits,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Detectable is, for an analysis, the smallest ratio that two groups of N persons would show with 80 % power at 5 %, a tenth of
	// one of them with the outcome. Sizes at which it would be 100 or more are left out.
	Detectable []OutputError `json:"detectable,omitempty"`
	// Hiding is the chance that a group of N is hidden by its noise.
	Hiding []SizeError `json:"hiding,omitempty"`
	// Unit is what the price and the budget count: "cells" in mode sdc; empty: privacy units.
	Unit string `json:"unit,omitempty"`
}

// OutputError is the half-width of an output at 95 %. For means and the like it depends on how many persons are in the group;
// Sizes then lists it for some.
type OutputError struct {
	Name  string      `json:"name"`
	Value float64     `json:"value"`
	Sizes []SizeError `json:"sizes,omitempty"`
}

// SizeError is the half-width at a group of N.
type SizeError struct {
	N     int64   `json:"n"`
	Value float64 `json:"value"`
}

// PriceLine is one noisy number per group and its share of the price, in 1e-9 of rho.
type PriceLine struct {
	Name      string  `json:"name"`
	S2        string  `json:"s2"` // squared L2 sensitivity of one person, a decimal integer
	Sigma     float64 `json:"sigma"`
	HalfWidth float64 `json:"half_width"`
	NanoRho   int64   `json:"nano_rho"`
}

// Plan says how the question was understood.
type Plan struct {
	Dataset         string   `json:"dataset"`
	Version         string   `json:"version"`
	Formulation     string   `json:"formulation"`
	Mechanism       string   `json:"mechanism"`
	Columns         []string `json:"columns"`
	Cells           int64    `json:"cells"`
	RowsPerPerson   int64    `json:"rows_per_person"`
	GroupsPerPerson int64    `json:"groups_per_person"`
	RowsPerGroup    int64    `json:"rows_per_group"`
	HideBelow       int64    `json:"hide_below"`
	Hash            string   `json:"hash"`
}

// Quote prices a question. A question that policy or budget would refuse still gets a quote, with Allowed false and the
// reasons; Quote.Err makes them an error.
func (c *Client) Quote(ctx context.Context, q Query) (*Quote, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	offer, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.QuoteResponse, error) {
		return c.queries.Quote(ctx, &jaliv1.QuoteRequest{
			Agreement: q.Agreement, Purpose: q.Purpose, Dataset: q.Dataset, Sql: q.SQL, Error: q.Error, ErrorFor: q.ErrorFor,
		})
	})
	if err != nil {
		return nil, err
	}
	return quoteOf(offer), nil
}

// Err is nil for an allowed quote; else *BudgetExhausted when only budgets stand in the way, or *PolicyDenied.
func (q *Quote) Err() error {
	if q.Allowed {
		return nil
	}
	hint := ""
	budget := len(q.Reasons) > 0
	code := ""
	for _, r := range q.Reasons {
		if hint == "" {
			hint = r.Hint
		}
		if upper := strings.ToUpper(r.Code); strings.HasPrefix(upper, "BUDGET") {
			code = upper
		} else {
			budget = false
		}
	}
	if budget {
		if q.Fits != "" && hint == "" {
			hint = "an accuracy of " + q.Fits + " would fit"
		}
		return &BudgetExhausted{Code: code, Hint: hint, Reasons: q.Reasons}
	}
	return &PolicyDenied{Hint: hint, Reasons: q.Reasons}
}

// MarshalJSON is the object of `jali quote --format json`.
func (q *Quote) MarshalJSON() ([]byte, error) {
	type plain Quote
	out := struct {
		*plain
		ExpiresAt *time.Time `json:"expires_at"`
	}{plain: (*plain)(q)}
	if !q.ExpiresAt.IsZero() {
		out.ExpiresAt = &q.ExpiresAt
	}
	return json.Marshal(out)
}

func sizesOf(sizes []*jaliv1.SizeError) []SizeError {
	var out []SizeError
	for _, s := range sizes {
		out = append(out, SizeError{N: s.GetN(), Value: s.GetValue()})
	}
	return out
}

func quoteOf(m *jaliv1.QuoteResponse) *Quote {
	q := &Quote{
		Allowed: m.GetAllowed(), Reasons: []Reason{}, PricePU: m.GetPricePu(), Error95: []OutputError{},
		ID: m.GetQuoteId(), Lines: []PriceLine{},
		Budget: balanceOf(m.GetBudget()), Population: m.GetPopulation(), Fits: m.GetFits(), Unit: m.GetUnit(), Warnings: m.GetWarnings(),
	}
	if at := m.GetExpiresAt(); at > 0 {
		q.ExpiresAt = time.Unix(at, 0).UTC()
	}
	for _, r := range m.GetReasons() {
		q.Reasons = append(q.Reasons, Reason{Code: r.GetCode(), Text: r.GetText(), Hint: r.GetHint()})
	}
	for _, e := range m.GetError95() {
		q.Error95 = append(q.Error95, OutputError{Name: e.GetName(), Value: e.GetValue(), Sizes: sizesOf(e.GetSizes())})
	}
	for _, e := range m.GetDetectable() {
		q.Detectable = append(q.Detectable, OutputError{Name: e.GetName(), Value: e.GetValue(), Sizes: sizesOf(e.GetSizes())})
	}
	q.Hiding = sizesOf(m.GetHiding())
	for _, l := range m.GetLines() {
		q.Lines = append(q.Lines, PriceLine{Name: l.GetName(), S2: l.GetS2(), Sigma: l.GetSigma(), HalfWidth: l.GetHalfWidth(), NanoRho: l.GetNanoRho()})
	}
	p := m.GetPlan()
	q.Plan = Plan{
		Dataset: p.GetDataset(), Version: p.GetVersion(), Formulation: p.GetFormulation(), Mechanism: p.GetMechanism(),
		Columns: append([]string{}, p.GetColumns()...), Cells: p.GetCells(), RowsPerPerson: p.GetRowsPerPerson(),
		GroupsPerPerson: p.GetGroupsPerPerson(), RowsPerGroup: p.GetRowsPerGroup(), HideBelow: p.GetHideBelow(), Hash: p.GetHash(),
	}
	return q
}
