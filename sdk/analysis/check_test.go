package analysis_test

import (
	"strings"
	"testing"

	"jali/sdk/analysis"
)

// What no table over these groups could be derived with is found without a table.
func TestCheck(t *testing.T) {
	good := analysis.Spec{
		Statistic: analysis.LogisticRegression,
		Dims: []analysis.Dim{
			{Name: "bili", Lo: []analysis.Bound{0.1, 0.1, 10}, Hi: []analysis.Bound{0.1, 10, 10}},
			{Name: "case"},
		},
		Outcome: analysis.Pair{Dim: "case", Yes: "1", No: "0"},
		Terms:   []analysis.Term{{Dim: "bili", Form: "log"}},
	}
	labels := [][]string{{"<0.1", "[0.1,10)", ">=10"}, {"0", "1", ""}}
	if err := good.Check(labels); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*analysis.Spec)
		reason string
	}{
		"log of 0":     {func(s *analysis.Spec) { s.Dims[0].Lo = []analysis.Bound{0, 0.1, 10} }, "logarithm needs values above 0"},
		"one label":    {func(s *analysis.Spec) { s.Outcome.Yes = "2" }, "needs two of its labels"},
		"no covariate": {func(s *analysis.Spec) { s.Terms[0].Dim = "age" }, "age"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			s.Dims, s.Terms = append([]analysis.Dim{}, good.Dims...), append([]analysis.Term{}, good.Terms...)
			c.change(&s)
			err := s.Check(labels)
			if err == nil || !strings.Contains(analysis.Reason(err), c.reason) {
				t.Errorf("Check: %v, want %q", err, c.reason)
			}
		})
	}
}
