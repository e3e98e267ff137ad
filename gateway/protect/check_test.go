package protect

import (
	"errors"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

func TestSpecMustHoldTogether(t *testing.T) {
	for _, c := range []struct {
		want   string
		damage func(*Spec)
	}{
		{"variance", func(s *Spec) { s.Items[0].Sigma2.Num = nil }},
		{"variance", func(s *Spec) { s.Items[1].Sigma2 = sigma2(0, 1) }},
		{"variance", func(s *Spec) { s.Items[1].Sigma2 = sigma2(-4, 1) }},
		{"no items", func(s *Spec) { s.Items = nil }},
		{"no outputs", func(s *Spec) { s.Outputs = nil }},
		{"minimum", func(s *Spec) { s.Min = -1 }},
		{"no labels", func(s *Spec) { s.Groups[0].Labels = nil }},
		{"repeats", func(s *Spec) { s.Groups[0].Labels = text1("M", "M") }},
		{"NULL", func(s *Spec) { s.Groups[0].Labels = text1("", "M") }},
		{"mixes", func(s *Spec) { s.Groups[0].Labels = []catalog.Value{catalog.IntValue(1), catalog.StringValue("1")} }},
		{"cells", func(s *Spec) {
			labels := make([]catalog.Value, 1001)
			for i := range labels {
				labels[i] = catalog.IntValue(int64(i))
			}
			s.Groups[0].Labels, s.Groups[1].Labels = labels, labels
		}},
		{"threshold", func(s *Spec) { s.Groups[0] = Domain{Name: "sex", Private: true} }},
		{"threshold", func(s *Spec) { s.Threshold = &Threshold{Tau: 30, K: 1} }},
		{"lists labels", func(s *Spec) { s.Groups[0].Private = true }},
		{"no item", func(s *Spec) { s.Outputs[1].N = 2 }},
		{"no item", func(s *Spec) { s.Outputs[1].N = -1 }},
		{"no item", func(s *Spec) { s.Outputs[3].S = 7 }},
		{"no group", func(s *Spec) { s.Outputs[0].Group = 2 }},
		{"twice", func(s *Spec) { s.Outputs[1] = Output{Name: "m", Kind: OutMean, N: 1, S: 1} }},
		{"twice", func(s *Spec) { s.Outputs[1] = Output{Name: "v", Kind: OutVar, N: 0, S: 1, Q: 1} }},
		{"kind", func(s *Spec) { s.Outputs[1].Kind = "median" }},
		{"kind", func(s *Spec) { s.Outputs[1].Kind = "" }},
		{"centred", func(s *Spec) { s.Outputs[3].Center = 5 }},
		{"decimals", func(s *Spec) { s.Outputs[3].Decimals = -1 }},
		{"decimals", func(s *Spec) { s.Outputs[3].Decimals = 19 }},
	} {
		s := sexByYear()
		c.damage(&s)
		if err := s.Check(); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want a refusal about %q, got %v", c.want, err)
		}
		if _, err := Release(NewRaw(Cells{}), s); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: Release: %v", c.want, err)
		}
	}
	for _, th := range []Threshold{{Item: 2, Tau: 30, K: 1}, {Item: -1, Tau: 30, K: 1}, {Item: 1, Tau: 1, K: 1}, {Item: 1, Tau: 30, K: 0}} {
		s := privateSpec()
		s.Threshold = &th
		if err := s.Check(); !errors.Is(err, ErrSpec) {
			t.Errorf("threshold %+v: %v", th, err)
		}
	}
	if s := privateSpec(); s.Check() != nil {
		t.Error(s.Check())
	}
}
