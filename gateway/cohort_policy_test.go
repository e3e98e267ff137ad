package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"jali/audit"
	"jali/crypto/cohort"
	"jali/gateway"
	"jali/policy"
)

// An agreement may demand a size rule and limit the groups; what is refused is on the record with its reason, and free.
func TestCohortTerms(t *testing.T) {
	a := newAsker(t, terms("kinds: [aggregate]", "kinds: [encrypted]\nencrypted: {size: declared, min_size: 2, max_groups: 4}"))
	tests := []struct {
		name   string
		change func(*gateway.CohortRequest)
		reason string // empty: allowed
	}{
		{"no rule", func(*gateway.CohortRequest) {}, "size"},
		{"too small", func(r *gateway.CohortRequest) { r.Rule.Exact = 1 }, "size"},
		{"exact", func(r *gateway.CohortRequest) { r.Rule.Exact = 2 }, ""},
		{"hidden", func(r *gateway.CohortRequest) { r.Rule = gateway.SizeRule{Range: true, Min: 2, Max: 3} }, ""},
		{"hidden from 1", func(r *gateway.CohortRequest) { r.Rule = gateway.SizeRule{Range: true, Min: 1, Max: 4} }, "size"},
		{"groups", func(r *gateway.CohortRequest) { r.Rule.Exact, r.Group = 2, "nhefs.sex" }, ""},
		{"too many groups", func(r *gateway.CohortRequest) { r.Rule.Exact, r.Group = 2, "nhefs.age_band" }, "groups"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := a.request("count", "", "20")
			test.change(&req)
			offer, err := a.QuoteCohort(t.Context(), a.who, req)
			if err != nil {
				t.Fatal(err)
			}
			codes := []string{}
			for _, r := range offer.Reasons {
				codes = append(codes, r.Code)
				if r.Hint == "" {
					t.Error("a reason without hint")
				}
			}
			if offer.Allowed != (test.reason == "") || test.reason != "" && !slices.Equal(codes, []string{test.reason}) {
				t.Errorf("allowed %v, reasons %v", offer.Allowed, codes)
			}
		})
	}
}

// What policy decides on, and the record keeps, describes the question as far as it is public.
func TestCohortInputRecorded(t *testing.T) {
	a := newAsker(t, encrypted())
	req := a.request("count", "", "20")
	req.By, req.Group, req.Where = "nhefs.education,nhefs.race", "nhefs.sex", "age >= 40 AND seqn IN (SELECT seqn FROM nhefs WHERE asthma = 1)"
	req.Rule = gateway.SizeRule{Range: true, Min: 1, Max: 8}
	a.answer(t, req, []cohort.Rule{cohort.SizeBetween(1, 3)}, 0, 3)
	want, err := json.Marshal(policy.InputEncrypted{
		Form: "category", Aggregate: "count", Select: []string{"nhefs.education", "nhefs.race"}, Group: []string{"nhefs.sex"},
		Filter: []string{"nhefs.age", "nhefs.asthma"}, Entries: 10, Groups: 2, Rule: "range", Min: 1, Max: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := a.Entries(t.Context(), clerk, 0, 1000, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, text := range e.Details {
			_, name, value, err := audit.OpenDetail(text)
			if err != nil {
				t.Fatal(err)
			}
			if name == "input" && strings.Contains(value, string(want)) {
				return
			}
		}
	}
	t.Errorf("no recorded input has %s", want)
}
