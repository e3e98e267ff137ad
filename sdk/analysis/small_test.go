package analysis_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"jali/sdk/analysis"
)

// Derived tables are made outside of response slots, and again for every replay, which is free. So their work must stay near linear in
// the cells: here 30,000 groups of 3 with a smallest group, which took minutes when each row summed the whole table.
func TestWorkIsLinear(t *testing.T) {
	groups := make([]any, 30_000)
	for i := range groups {
		groups[i] = fmt.Sprint("g", i)
	}
	spec := analysis.Spec{
		Statistic: analysis.Prevalence, Dims: []analysis.Dim{{Name: "g"}, {Name: "ill"}}, Count: "rows", Sigma2: "1", By: []string{"g"}, MinGroup: 50,
		Outcome: analysis.Pair{Dim: "ill", Yes: "1", No: "0"},
	}
	result := histogram([][]any{groups, {0, 1}}, []string{"g", "ill"}, func(at []int) any { return 10 + at[0]%40 })
	start := time.Now()
	d, err := analysis.Derive(spec, result)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second { // 0.3 s measured
		t.Errorf("took %v", took)
	}
	hidden := 0
	for i, row := range d.Rows {
		small := 2*(10+i%40) < 50
		if (row[1] == nil) != small {
			t.Fatalf("group %d of %d persons: %v", i, 2*(10+i%40), row)
		}
		if small {
			hidden++
		}
	}
	if len(d.Rows) != 30_000 || hidden == 0 {
		t.Errorf("%d rows, %d hidden", len(d.Rows), hidden)
	}
}

// What would be drawn or reckoned too often is refused from the labels alone, so before it is charged.
func TestWorkIsRefused(t *testing.T) {
	labels := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint(i)
		}
		return out
	}
	bounds := func(n int) (b []analysis.Bound) {
		for i := range n {
			b = append(b, analysis.Bound(i))
		}
		return b
	}
	many := make([]float64, 401)
	for i := range many {
		many[i] = 0.5
	}
	two := analysis.Dim{Name: "v", Lo: bounds(2), Hi: bounds(2)}
	number := func(name string) analysis.Dim { return analysis.Dim{Name: name, Lo: bounds(50), Hi: bounds(50)} }
	terms := make([]analysis.Term, 150)
	for i := range terms {
		terms[i] = analysis.Term{Dim: []string{"x", "y"}[i%2], Form: "number"}
	}
	for name, c := range map[string]struct {
		spec   analysis.Spec
		labels [][]string
	}{
		"shares of groups": {analysis.Spec{Statistic: analysis.Quantile, Dims: []analysis.Dim{{Name: "g"}, two}, By: []string{"g"}, Value: "v", At: many}, [][]string{labels(9000), labels(2)}},
		"shares of bins":   {analysis.Spec{Statistic: analysis.Quantile, Dims: []analysis.Dim{{Name: "v", Lo: bounds(9000), Hi: bounds(9000)}}, Value: "v", At: many}, [][]string{labels(9000)}},
		"times of groups":  {analysis.Spec{Statistic: analysis.KaplanMeier, Dims: []analysis.Dim{{Name: "g"}, two, {Name: "e"}}, By: []string{"g"}, Time: "v", Event: analysis.Pair{Dim: "e", Yes: "1", No: "0"}, At: many}, [][]string{labels(9000), labels(2), labels(2)}},
		"tests":            {analysis.Spec{Statistic: analysis.ChiSquare, Dims: []analysis.Dim{{Name: "g"}, {Name: "r"}, {Name: "c"}}, By: []string{"g"}, Exposure: analysis.Pair{Dim: "r"}, Outcome: analysis.Pair{Dim: "c"}}, [][]string{labels(800), labels(10), labels(10)}},
		"terms":            {analysis.Spec{Statistic: analysis.LinearRegression, Dims: []analysis.Dim{number("x"), number("y"), {Name: "z", Lo: bounds(20), Hi: bounds(20)}, two}, Value: "v", Terms: append(terms, analysis.Term{Dim: "z", Form: "number"})}, [][]string{labels(50), labels(50), labels(20), labels(2)}},
	} {
		start := time.Now()
		err := c.spec.Check(c.labels)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		if errors.Is(err, analysis.ErrSpec) && analysis.Reason(err) == "" {
			t.Errorf("%s: no reason in %v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v to refuse", name, took)
		}
	}
}
