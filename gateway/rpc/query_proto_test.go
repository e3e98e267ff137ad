package rpc

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"jali/crypto/noise"
	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/policy"
	jaliv1 "jali/proto/jali/v1"
)

func TestRequestNative(t *testing.T) {
	want := gateway.Request{
		Agreement: "agr-1", Purpose: "DUO:0000042", Dataset: "cms", SQL: "SELECT COUNT(*) FROM t", Error: "10",
		ErrorFor: map[string]string{"n": "5"},
	}
	got := quoteNative(&jaliv1.QuoteRequest{
		Agreement: "agr-1", Purpose: "DUO:0000042", Dataset: "cms", Sql: "SELECT COUNT(*) FROM t", Error: "10", ErrorFor: map[string]string{"n": "5"},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quote (-want +got):\n%s", diff)
	}
	want.RequestID, want.QuoteID = "r", "q"
	got = queryNative(&jaliv1.QueryRequest{
		Agreement: "agr-1", Purpose: "DUO:0000042", Dataset: "cms", Sql: "SELECT COUNT(*) FROM t", Error: "10", ErrorFor: map[string]string{"n": "5"},
		RequestId: "r", QuoteId: "q",
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
}

func integer(n int64) *jaliv1.ResultValue {
	return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Integer{Integer: n}}
}

func number(f float64) *jaliv1.ResultValue {
	return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Number{Number: f}}
}

func text(s string) *jaliv1.ResultValue {
	return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Text{Text: s}}
}

func unset() *jaliv1.ResultValue { return &jaliv1.ResultValue{} }

func TestCellProto(t *testing.T) {
	label := func(v catalog.Value) protect.Cell { return protect.Cell{Label: &v} }
	beyond := new(big.Int).Lsh(big.NewInt(1), 70)
	for name, test := range map[string]struct {
		cell protect.Cell
		want *jaliv1.ResultValue
	}{
		"absent":              {protect.Cell{Absent: true, Fixed: big.NewInt(4)}, unset()},
		"absent float":        {protect.Cell{Absent: true, Float: 4}, unset()},
		"count":               {protect.Cell{Fixed: big.NewInt(-3)}, integer(-3)},
		"money":               {protect.Cell{Fixed: big.NewInt(123456), Dec: 2}, number(1234.56)},
		"beyond 64 bits":      {protect.Cell{Fixed: beyond}, number(1180591620717411303424)},
		"mean":                {protect.Cell{Float: 1.25}, number(1.25)},
		"zero":                {protect.Cell{Fixed: new(big.Int)}, integer(0)},
		"text label":          {label(catalog.StringValue("F")), text("F")},
		"integer label":       {label(catalog.IntValue(2008)), integer(2008)},
		"date label":          {label(catalog.DayValue(0)), text("1970-01-01")},
		"decimal label":       {label(catalog.FixedValue(150, 2)), text("1.50")},
		"other":               {label(catalog.Value{}), unset()},
		"label looks numeric": {label(catalog.StringValue("07")), text("07")},
	} {
		if diff := cmp.Diff(test.want, cellProto(test.cell), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAnswerProto(t *testing.T) {
	f, m := catalog.StringValue("F"), catalog.StringValue("M")
	answer := gateway.Answer{
		Released: protect.Released{
			Columns: []protect.Column{
				{Name: "sex", Role: "group", Kind: protect.OutGroup},
				{Name: "n", Role: "measure", Kind: protect.OutCount},
				{Name: "cost", Role: "measure", Kind: protect.OutMean, Unit: "EUR"},
			},
			Rows: []protect.Row{
				{Values: []protect.Cell{{Label: &f}, {Fixed: big.NewInt(40)}, {Float: 2.5}}, Error95: []protect.Cell{{Absent: true}, {Fixed: big.NewInt(5)}, {Float: 0.5}}},
				{Values: []protect.Cell{{Label: &m}, {Absent: true}, {Absent: true}}, Error95: []protect.Cell{{Absent: true}, {Absent: true}, {Absent: true}}, Hidden: true},
			},
			HiddenGroups: 1,
		},
		// The asker wants the mean first under its own name, no n, and M before F.
		View: protect.View{
			Columns: []protect.ViewColumn{{Name: "avg_cost", Index: 2}, {Name: "sex", Index: 0}},
			Rows:    []int{1, 0},
		},
		Result: []byte(`{"x":1}`), Price: budget.Price{Rho: 10_001}, Budget: gateway.Remaining{Agreement: 5, Population: -1},
		Replayed: true, Receipt: []byte("r"), Decision: 8, SlotOff: true,
	}
	want := &jaliv1.QueryResponse{
		Result:  []byte(`{"x":1}`),
		Columns: []*jaliv1.ResultColumn{{Name: "avg_cost", Role: "measure", Unit: "EUR"}, {Name: "sex", Role: "group"}},
		Rows: []*jaliv1.ResultRow{
			{Values: []*jaliv1.ResultValue{unset(), text("M")}, Error95: []*jaliv1.ResultValue{unset(), unset()}, Hidden: true},
			{Values: []*jaliv1.ResultValue{number(2.5), text("F")}, Error95: []*jaliv1.ResultValue{number(0.5), unset()}},
		},
		ViewColumns: []*jaliv1.ViewColumn{{Name: "avg_cost", Index: 2}, {Name: "sex", Index: 0}}, ViewRows: []int32{1, 0},
		HiddenGroups: 1, PricePu: 2, Budget: &jaliv1.Budget{AgreementRemainingPu: 5, PopulationRemainingPu: -1},
		Replayed: true, Receipt: []byte("r"), Decision: 8, SlotsOff: true,
	}
	if diff := cmp.Diff(want, answerProto(answer), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOfferProto(t *testing.T) {
	offer := gateway.Offer{
		Allowed: true, Reasons: []policy.Reason{{Code: "c", Text: "t", Hint: "h"}}, ID: "q1", Expires: time.Unix(1_700_000_000, 999),
		Price: budget.Price{Rho: 20_000, Lines: []budget.Line{{
			Name: "sum(cost)", S2: new(big.Int).Lsh(big.NewInt(1), 65), E: big.NewInt(12345),
			Sigma2: noise.Variance{Num: big.NewInt(40_000), Den: big.NewInt(1)}, Rho: 20_000, Dec: 2,
		}}},
		Error95: []gateway.OfferError{{Name: "n", Value: 5}, {Name: "m", Sizes: []gateway.SizeError{{N: 100, Value: 0.5}}}},
		Plan:    gateway.OfferPlan{Dataset: "d", Version: "v", Formulation: "F0", Mechanism: "g", Columns: []string{"t.c"}, Cells: 4, RowsPerPerson: 3, GroupsPerPerson: 2, RowsPerGroup: 1, HideBelow: 10, Hash: "ab"},
		Budget:  gateway.Remaining{Agreement: 7, Population: 9}, Population: "sufficient", Fits: "12", Warnings: []string{"w"}, Unit: "cells",
	}
	want := &jaliv1.QuoteResponse{
		Allowed: true, Reasons: []*jaliv1.Reason{{Code: "c", Text: "t", Hint: "h"}}, QuoteId: "q1", ExpiresAt: 1_700_000_000, PricePu: 2,
		Lines:   []*jaliv1.PriceLine{{Name: "sum(cost)", S2: "36893488147419103232", Sigma: 2, HalfWidth: 123.45, NanoRho: 20_000}},
		Error95: []*jaliv1.OutputError{{Name: "n", Value: 5}, {Name: "m", Sizes: []*jaliv1.SizeError{{N: 100, Value: 0.5}}}},
		Plan:    &jaliv1.PlanSummary{Dataset: "d", Version: "v", Formulation: "F0", Mechanism: "g", Columns: []string{"t.c"}, Cells: 4, RowsPerPerson: 3, GroupsPerPerson: 2, RowsPerGroup: 1, HideBelow: 10, Hash: "ab"},
		Budget:  &jaliv1.Budget{AgreementRemainingPu: 7, PopulationRemainingPu: 9}, Population: "sufficient", Fits: "12", Warnings: []string{"w"}, Unit: "cells",
	}
	if diff := cmp.Diff(want, offerProto(offer), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := offerProto(gateway.Offer{}).GetExpiresAt(); got != 0 {
		t.Errorf("a refused quote expires at %d", got)
	}
}

func TestBudgetProto(t *testing.T) {
	report := gateway.BudgetReport{
		Agreement: "a",
		Ledgers:   []gateway.Ledger{{Population: "p", Cap: 10, Spent: 3, Remaining: 7, SpentEpsilon: 0.5, CapEpsilon: 1, PopulationState: "low", PopulationCap: -1, PopulationSpent: -1, Unit: "cells"}},
		Charges:   []gateway.Charge{{Seq: 4, Time: 5, Population: "p", Price: 3, Outcome: "RELEASE", Query: "q"}},
	}
	want := &jaliv1.GetBudgetResponse{
		Agreement: "a",
		Ledgers:   []*jaliv1.Ledger{{Population: "p", CapPu: 10, SpentPu: 3, RemainingPu: 7, SpentEpsilon: 0.5, CapEpsilon: 1, PopulationState: "low", PopulationCapPu: -1, PopulationSpentPu: -1, Unit: "cells"}},
		Charges:   []*jaliv1.Charge{{Seq: 4, Time: 5, Population: "p", PricePu: 3, Outcome: "RELEASE", Query: "q"}},
	}
	if diff := cmp.Diff(want, budgetProto(report), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
