package sdk

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	jaliv1 "jali/proto/jali/v1"
)

func TestQuoteJSON(t *testing.T) {
	q := quoteOf(&jaliv1.QuoteResponse{
		Allowed: true, QuoteId: "q-1", ExpiresAt: 1_800_000_000, PricePu: 77,
		Lines:   []*jaliv1.PriceLine{{Name: "rows", S2: "1", Sigma: 25.5, HalfWidth: 50, NanoRho: 770_000}},
		Error95: []*jaliv1.OutputError{{Name: "n", Value: 50}, {Name: "m", Sizes: []*jaliv1.SizeError{{N: 100, Value: 2.5}}}},
		Plan:    &jaliv1.PlanSummary{Dataset: "cms10k", Version: "v", Formulation: "F0", Mechanism: "dgauss", Columns: []string{"t.sex"}, Cells: 3, Hash: "ab"},
		Budget:  &jaliv1.Budget{AgreementRemainingPu: 900, PopulationRemainingPu: 5000}, Population: "sufficient",
	})
	got, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"allowed":true,"reasons":[],"price_pu":77,"error95":[{"name":"n","value":50},{"name":"m","value":0,"sizes":[{"n":100,"value":2.5}]}],` +
		`"plan":{"dataset":"cms10k","version":"v","formulation":"F0","mechanism":"dgauss","columns":["t.sex"],"cells":3,"rows_per_person":0,"groups_per_person":0,"rows_per_group":0,"hide_below":0,"hash":"ab"},` +
		`"quote_id":"q-1","lines":[{"name":"rows","s2":"1","sigma":25.5,"half_width":50,"nano_rho":770000}],` +
		`"budget":{"agreement_remaining_pu":900,"population_remaining_pu":5000},"population":"sufficient","expires_at":"2027-01-15T08:00:00Z"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if q.Err() != nil {
		t.Errorf("an allowed quote is an error: %v", q.Err())
	}
	refused, err := json.Marshal(quoteOf(&jaliv1.QuoteResponse{}))
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(refused, &back); err != nil || back["expires_at"] != nil || back["allowed"] != false {
		t.Errorf("a refused quote is %s", refused)
	}
}

func TestQuoteErr(t *testing.T) {
	for _, c := range []struct {
		codes  []string
		budget bool
	}{
		{[]string{"BUDGET_AGREEMENT"}, true},
		{[]string{"BUDGET_POPULATION", "BUDGET_AGREEMENT"}, true},
		{[]string{"purpose"}, false},
		{[]string{"BUDGET_AGREEMENT", "purpose"}, false},
		{nil, false},
	} {
		m := &jaliv1.QuoteResponse{}
		for _, code := range c.codes {
			m.Reasons = append(m.Reasons, &jaliv1.Reason{Code: code, Text: "because"})
		}
		err := quoteOf(m).Err()
		var budget *BudgetExhausted
		var policy *PolicyDenied
		if errors.As(err, &budget) != c.budget || errors.As(err, &policy) == c.budget {
			t.Errorf("%v: %T", c.codes, err)
		}
	}
}
