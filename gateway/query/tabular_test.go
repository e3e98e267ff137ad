package query

import (
	"errors"
	"strings"
	"testing"

	"jali/gateway/catalog"
	"jali/sdk/analysis"
)

func colon(t *testing.T) *catalog.Dataset {
	t.Helper()
	ds, err := catalog.Load("../../examples/colon/colon.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func TestTableFunctionsBuyOneHistogram(t *testing.T) {
	for _, c := range []struct {
		sql   string
		dims  []string
		cells int64
	}{
		{"SELECT * FROM kaplan_meier(time => time, event => status, by => rx, cohort => etype = 2, until => 1825, width => 73)", []string{"rx", "time", "event"}, 3 * 27 * 3},
		{"SELECT * FROM kaplan_meier(TIME=>time, event => status = 1, cohort => etype = 2, until => 1825, width => 365)", []string{"time", "event"}, 7 * 3},
		{"SELECT * FROM odds_ratio(exposure => obstruct, outcome => status = 1, cohort => etype = 2)", []string{"obstruct", "outcome"}, 2 * 3},
		{"SELECT * FROM mantel_haenszel(exposure => obstruct, outcome => perfor, strata => (sex, rx), cohort => etype = 2, of => colon)", []string{"sex", "rx", "obstruct", "perfor"}, 24},
		{"SELECT * FROM linear_regression(value => time, terms => (ref(rx, 'Obs'), age, square(age)), bins => 30, cohort => etype = 2)", []string{"rx", "age", "time"}, 3 * 31 * 31},
		{"SELECT * FROM crosstab(row_group => obstruct, column_group => perfor, cohort => etype = 2)", []string{"obstruct", "perfor"}, 4},
		{"SELECT * FROM weighted_difference(exposure => obstruct, value => BIN(age, 20, 90, 10), terms => (sex, rx), cohort => etype = 2)", []string{"obstruct", "sex", "rx", "age"}, 2 * 2 * 3 * 9},
		{"SELECT * FROM quantile(value => BIN(age, 20, 90, 10), at => (0.25, 0.5), by => age > 60, cohort => etype = 2)", []string{"group", "age"}, 2 * 9},
	} {
		p, err := Compile(colon(t), c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		var dims []string
		for _, d := range p.Analysis.Dims {
			dims = append(dims, d.Name)
		}
		if strings.Join(dims, " ") != strings.Join(c.dims, " ") || p.Cells != c.cells || len(p.Items) != 1 {
			t.Errorf("%s: dimensions %v, %d cells, %d items; want %v, %d cells, 1 item", c.sql, dims, p.Cells, len(p.Items), c.dims, c.cells)
		}
		if p.Form != F0 || p.Items[0].S2.Int64() != 1 {
			t.Errorf("%s: %s with squared sensitivity %v; every patient is in one cell", c.sql, p.Form, p.Items[0].S2)
		}
	}
}

// Whole times fall into bins that end with a multiple of the width, and what lies beyond the end is seen no longer.
func TestTimeBinsEndWithTheirMultiple(t *testing.T) {
	p, err := Compile(colon(t), "SELECT * FROM kaplan_meier(time => time, event => status, cohort => etype = 2, until => 100, width => 50)")
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]analysis.Bound
	for i, lo := range p.Analysis.Dims[0].Lo {
		got = append(got, [2]analysis.Bound{lo, p.Analysis.Dims[0].Hi[i]})
	}
	want := [][2]analysis.Bound{{0, 0}, {1, 50}, {51, 100}, {101, 101}}
	if len(got) != len(want) {
		t.Fatalf("bins %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("bin %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// A value beyond the bins of a covariate counts as their end: the bin that reaches to the bounds of the catalogue has no middle worth
// naming. Quantiles count ranks, and keep it.
func TestValuesBeyondTheBinsAreHeld(t *testing.T) {
	for fn, want := range map[string][2]analysis.Bound{
		"linear_regression(value => time, terms => BIN(age, 20, 90, 10), cohort => etype = 2)": {20, 90},
		"quantile(value => BIN(age, 20, 90, 10), at => 0.5, cohort => etype = 2)":              {0, 120},
	} {
		p, err := Compile(colon(t), "SELECT * FROM "+fn)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Analysis.Dims {
			if n := len(d.Lo); d.Name == "age" && (d.Lo[0] != want[0] || d.Hi[n-1] != want[1]) {
				t.Errorf("%s: ages from %v to %v, want %v", fn, d.Lo[0], d.Hi[n-1], want)
			}
		}
	}
}

func TestTableFunctionsRefuse(t *testing.T) {
	for _, c := range []struct {
		sql  string
		code Code
		part string
	}{
		{"SELECT * FROM kaplan_meyer(time => time, event => status)", NotSupported, "did you mean kaplan_meier"},
		{"SELECT * FROM kaplan_meier(time => time)", NotSupported, "needs event"},
		{"SELECT * FROM kaplan_meier(time, status)", NotSupported, "have names"},
		{"SELECT * FROM kaplan_meier(time => time, event => status, event => status)", NotSupported, "twice"},
		{"SELECT * FROM kaplan_meier(time => time, event => status, outcome => status)", UnknownName, "no argument"},
		{"SELECT rx FROM kaplan_meier(time => time, event => status)", NotSupported, "stands alone"},
		{"SELECT * FROM kaplan_meier(time => time, event => status) WHERE etype = 2", NotSupported, "cohort"},
		{"SELECT * FROM kaplan_meier(time => time, event => status) LIMIT 3", NotSupported, "stands alone"},
		{"SELECT * FROM kaplan_meier(time => time, event => rx)", NotSupported, "does not hold 0 and 1"},
		{"SELECT * FROM kaplan_meier(time => rx, event => status)", NotSupported, "time is a number"},
		{"SELECT * FROM kaplan_meier(time => time, event => status, until => 99999999)", NotSupported, "above the bounds"},
		{"SELECT * FROM kaplan_meier(time => time, event => status, by => id)", NotSupported, "persons cannot be groups"},
		{"SELECT * FROM kaplan_meier(time => (SELECT MAX(time) FROM colon), event => status)", NotSupported, ""},
		{"SELECT * FROM quantile(value => age, at => 2)", NotSupported, "between 0 and 1"},
		{"SELECT * FROM quantile(value => age, at => 0.5, of => nowhere)", UnknownName, "no table"},
		{"SELECT * FROM pg_read_file(path => 'x')", NotSupported, "no table function"},
		{"SELECT * FROM linear_regression(value => time, terms => (age, random()))", NotSupported, ""},
		// What could not be derived is not charged.
		{"SELECT * FROM logistic_regression(outcome => status, terms => log(BIN(age, 0, 90, 10)))", NotSupported, "needs values above 0"},
		{"SELECT * FROM log_rank(time => time, event => status, by => (rx, sex))", NotSupported, "exactly one dimension"},
	} {
		_, err := Compile(colon(t), c.sql)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want a refusal", c.sql, err)
			continue
		}
		if e.Code != c.code || !strings.Contains(e.Error(), c.part) {
			t.Errorf("%s: %v, want %s with %q", c.sql, e, c.code, c.part)
		}
	}
}
