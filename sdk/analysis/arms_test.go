package analysis_test

import (
	"strings"
	"testing"

	"jali/sdk/analysis"
)

// A log-rank test that noise has drowned has a row for each arm, like any other: how many rows there are says nothing of the figures, and each says
// why it has none.
func TestLogRankWithoutFigures(t *testing.T) {
	spec := analysis.Spec{
		Statistic: analysis.LogRank, Count: "rows",
		Dims: []analysis.Dim{
			{Name: "arm"}, {Name: "time", Lo: []analysis.Bound{0, 10, 20}, Hi: []analysis.Bound{9, 19, 29}}, {Name: "status"},
		},
		Time: "time", Event: analysis.Pair{Dim: "status", Yes: "1", No: "0"}, By: []string{"arm"},
	}
	result := histogram([][]any{{"A", "B", "C"}, {0, 10, 20}, {0, 1}}, []string{"arm", "time", "status"}, func(at []int) any {
		return 200 + 7*at[0] + 30*at[1] + 11*at[2]*at[0]
	})
	for sigma2, drowned := range map[string]bool{"1": false, "1000000": true} {
		spec.Sigma2 = sigma2
		d, err := analysis.Derive(spec, result)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Rows) != 3 {
			t.Fatalf("sigma2 %s: %d rows for three arms: %v", sigma2, len(d.Rows), d.Rows)
		}
		for i, row := range d.Rows {
			if len(row) != len(d.Columns) || row[0] != string("ABC"[i]) {
				t.Errorf("sigma2 %s: row %v of columns %v", sigma2, row, d.Columns)
			}
			if hidden := row[1] == nil; hidden != drowned {
				t.Errorf("sigma2 %s: row %v, hidden %v", sigma2, row, hidden)
			}
			if note, _ := row[len(row)-1].(string); drowned && !strings.HasPrefix(note, "too noisy: ") {
				t.Errorf("no reason in %v", row)
			}
		}
	}
}
