package gateway_test

import (
	"fmt"
	"math"
	"testing"

	"jali/audit"
	"jali/gateway"
	"jali/sdk/analysis"
)

const womenWhoQuit = "(exposure => sex, outcome => qsmk, cohort => wt82 IS NOT NULL)"

// A table function buys one histogram: another statistic of the same histogram is free, the receipt covers the histogram, and
// anyone derives the same table from it.
func TestTableFunction(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	a, err := s.Answer(t.Context(), alice, question("SELECT * FROM odds_ratio"+womenWhoQuit, "5"))
	if err != nil {
		t.Fatal(err)
	}
	// 542 and 621 smokers, 220 and 183 quitters: odds ratio 0.726. One draw at sigma 2.6 moves its logarithm by 0.02.
	got := a.Derived.Rows[0][0].(float64)
	if truth := 183.0 * 542 / (621 * 220); math.Abs(math.Log(got/truth)) > 0.16 {
		t.Errorf("odds ratio %.3f, far from %.3f", got, truth)
	}
	if _, err := audit.VerifyReceipt(a.Receipt, a.Result, vkeys(t, s), "test.example/jali/1"); err != nil {
		t.Errorf("receipt: %v", err)
	}
	spec, err := analysis.ParseSpec(a.Analysis)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := analysis.Derive(spec, a.Result); err != nil || fmt.Sprint(again) != fmt.Sprint(*a.Derived) {
		t.Errorf("derived from the recorded bytes: %v, %v; the gateway said %v", again, err, *a.Derived)
	}

	for _, fn := range []string{"risk_ratio", "risk_difference"} {
		b, err := s.Answer(t.Context(), alice, question("SELECT * FROM "+fn+womenWhoQuit, "5"))
		if err != nil {
			t.Fatal(err)
		}
		if !b.Replayed || b.Price.Rho != 0 || string(b.Result) != string(a.Result) || b.Derived.Columns[0].Name != fn {
			t.Errorf("%s is not free from the same histogram: replayed %v, price %v", fn, b.Replayed, b.Price.Rho)
		}
	}
	// The raw cells are what was bought; a figure that rests on few is hidden all the same.
	small, err := s.Answer(t.Context(), alice, question("SELECT * FROM prevalence(outcome => qsmk, cohort => age > 73)", "5"))
	if err != nil {
		t.Fatal(err)
	}
	if n := small.Derived.Rows[0]; n[0] != nil {
		t.Errorf("a share of %v rests on a handful of persons", n)
	}
}

func TestTableFunctionRefused(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	before := s.Status().Size
	_, err := s.Answer(t.Context(), alice, question("SELECT * FROM odds_ratio(exposure => sex, outcome => nothing)", "5"))
	if r := refusal(t, err); r.Code != gateway.UnknownName || r.Line != 1 || r.Column == 0 || r.Decision == 0 {
		t.Errorf("refusal %+v; want UNKNOWN_NAME with its place, on record", r)
	}
	if after := s.Status().Size; after != before+1 {
		t.Errorf("the log grew from %d to %d entries, want one refusal", before, after)
	}
}

// The chance that a group is hidden falls with its size, and is about a half at the minimum itself.
func TestQuoteTellsHiding(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	q, err := s.Quote(t.Context(), alice, question("SELECT sex, COUNT(*) FROM nhefs GROUP BY sex", "20"))
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Hiding) != 5 || q.Plan.HideBelow == 0 {
		t.Fatalf("hiding %v below %d", q.Hiding, q.Plan.HideBelow)
	}
	for i, h := range q.Hiding {
		if i > 0 && (h.Value >= q.Hiding[i-1].Value || h.N <= q.Hiding[i-1].N) {
			t.Errorf("hiding %v does not fall with the size", q.Hiding)
		}
	}
	if at := q.Hiding[1]; at.N != q.Plan.HideBelow || at.Value < 0.4 || at.Value > 0.5 {
		t.Errorf("a group of %d, the minimum, is hidden with chance %.3f", at.N, at.Value)
	}
	q, err = s.Quote(t.Context(), alice, question("SELECT * FROM odds_ratio"+womenWhoQuit, "20"))
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Detectable) != 1 || len(q.Detectable[0].Sizes) == 0 {
		t.Fatalf("detectable %v", q.Detectable)
	}
	for i, d := range q.Detectable[0].Sizes {
		if d.Value <= 1 || i > 0 && d.Value >= q.Detectable[0].Sizes[i-1].Value {
			t.Errorf("detectable odds ratios %v do not fall towards 1 with the size", q.Detectable[0].Sizes)
		}
	}
}

// Mode sdc has no noise that is accounted for, so nothing is derived from it.
func TestTableFunctionNeedsNoise(t *testing.T) {
	s := newWard(t, patients(500))
	before := s.Status().Size
	_, err := s.Answer(t.Context(), uma, onWard(uma, "SELECT * FROM prevalence(outcome => sex = 1, by => region, of => person)"))
	if r := refusal(t, err); r.Code != gateway.NotSupported || r.Decision == 0 {
		t.Errorf("refusal %+v; want NOT_SUPPORTED, on record", r)
	}
	if after := s.Status().Size; after != before+1 {
		t.Errorf("the log grew from %d to %d entries, want one refusal", before, after)
	}
}
