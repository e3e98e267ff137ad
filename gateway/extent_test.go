package gateway

import (
	"strings"
	"testing"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/sdk/analysis"
)

// The bound of a derived table is the same whatever came out, and holds for what can come out.
func TestExtent(t *testing.T) {
	long := strings.Repeat("l", 90)
	released := protect.Released{Columns: []protect.Column{{Name: "arm", Kind: protect.OutGroup}, {Name: "n", Kind: protect.OutCount}}}
	for _, l := range []string{"A", "B", long} {
		v := catalog.StringValue(l)
		released.Rows = append(released.Rows, protect.Row{Values: []protect.Cell{{Label: &v}, {}}})
	}
	none := extent(analysis.Spec{Statistic: analysis.LinearRegression, Terms: []analysis.Term{{Dim: "arm", Form: "category"}}}, analysis.Derived{}, released)
	rows := [][]any{{"(intercept)"}, {"arm=B"}, {"arm=" + long}}
	all := extent(analysis.Spec{Statistic: analysis.LinearRegression, Terms: []analysis.Term{{Dim: "arm", Form: "category"}}}, analysis.Derived{Rows: rows}, released)
	if none != all || none.Rows < len(rows) || none.Label < len("arm="+long) {
		t.Errorf("a regression without coefficients %+v, with them %+v", none, all)
	}
	table := extent(analysis.Spec{Statistic: analysis.Histogram}, analysis.Derived{Rows: rows}, released)
	if table.Rows != 3 || table.Label != len(long) || table.Note < len(long)+100 {
		t.Errorf("a table %+v: want its rows, labels as long as they are, notes that may name one", table)
	}
	released.Rows = released.Rows[:1]
	if e := extent(analysis.Spec{Statistic: analysis.Crosstab}, analysis.Derived{Rows: rows}, released); e.Label < len("(missing)") {
		t.Errorf("%+v has no room for the labels that we add", e)
	}
}
