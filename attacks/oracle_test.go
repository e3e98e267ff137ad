package attacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"jali/sdk"
)

// keyExistence (19): the rare code of one person never appears as a group; public groups appear all, empty or not.
func keyExistence(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	seen, runs := 0, pick(10, 200)
	for range runs {
		r := x.ask(t, a, "left", "10", "SELECT icd, COUNT(DISTINCT person_id) AS n FROM trial WHERE "+x.fresh()+" GROUP BY icd")
		common := false
		for _, row := range r.Rows {
			seen += digit(row[0].String() == "Z99")
			common = common || row[0].String() == "I10"
		}
		if !common {
			t.Error("control: the code of everybody else does not appear")
		}
	}
	if seen > 0 {
		t.Errorf("the code of one person appeared %d times", seen)
	}
	for _, d := range []string{"left", "right"} {
		if r := x.ask(t, a, d, "3", "SELECT cell, note, COUNT(*) AS n FROM trial WHERE v > 1000 GROUP BY cell, note"); len(r.Rows) != 3*cells {
			t.Errorf("%s: %d of %d public groups", d, len(r.Rows), 3*cells)
		}
	}
	report(t, "19", "a key of one person appeared in %d of %d answers (threshold delta 1e-8); all %d public groups shown", seen, runs, 3*cells)
}

// emptyCohort (20): in each cell a filter that nobody matches (right) or one person (left): same shape, the same status, noise in both, so that being
// hidden, or what is shown, tells no more than was paid for.
func emptyCohort(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	var shown [2]int
	v := sure(func(times int) ([]float64, []float64, float64) {
		var ys [2][]float64
		rho := 0.0
		shown = [2]int{}
		for range times * pick(2, 50) {
			where := x.fresh()
			for side, d := range []string{"left", "right"} {
				r := x.ask(t, a, d, "30", "SELECT cell, COUNT(*) AS n, AVG(v) AS m FROM trial WHERE v > 1000 AND "+where+" GROUP BY cell")
				if len(r.Rows) != cells || len(r.Columns) != 3 {
					t.Fatalf("%s: %d rows of %d columns", d, len(r.Rows), len(r.Columns))
				}
				n := column(r, "n")
				shown[side] += len(n) - nulls(n)
				ys[side], rho = append(ys[side], n...), float64(r.PricePU)*1e-5
			}
		}
		return ys[0], ys[1], rho
	})
	if v.Fail {
		t.Errorf("%v", v)
	}
	// Noise of 15 shows about a quarter of the empty cells as ten or more.
	if shown[0] < cells/10 || shown[1] < cells/10 {
		t.Errorf("%d and %d cells are shown: the noise is not there", shown[0], shown[1])
	}
	report(t, "20", "one person or nobody: same shape, %d and %d cells shown; %v", shown[0], shown[1], v)
}

// said is what a caller hears, without what names the data set.
func said(r *sdk.Result, err error) string {
	if err == nil {
		return fmt.Sprintf("answer %d rows %v", len(r.Rows), r.PricePU)
	}
	return strings.NewReplacer("left", "D", "right", "D").Replace(fmt.Sprintf("%T %v %s", err, err, sdk.Hint(err)))
}

// errorOracle (21): what fails for the target only must not be heard: class, text and charge are equal on both neighbours.
func errorOracle(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	queries := []string{
		"SELECT COUNT(*) FROM trial WHERE 1 / (v - 1000000000000) > 0", "SELECT SUM(1 / (v - 1000000000000)) FROM trial", "SELECT SUM(CAST(note AS integer)) FROM trial", "SELECT SUM(SQRT(50 - v)) FROM trial",
		"SELECT SUM(LN(100 - v)) FROM trial", "SELECT SUM(v * v * v) FROM trial", "SELECT SUM(v * 1000000) FROM trial WHERE target = 1", "SELECT SUM(CASE WHEN v > 1000 THEN 1 / (v - v) ELSE 0 END) FROM trial",
		"SELECT AVG(v) FROM trial WHERE target = 1", "SELECT VAR_SAMP(v), STDDEV_SAMP(v) FROM trial WHERE target = 1 AND cell = 3", "SELECT SUM(v + v) FROM trial", "SELECT SUM(GREATEST(v, 1)) FROM trial",
		"SELECT SUM(CLIP(v, 0, 10)) FROM trial WHERE v > 1000", "SELECT note, COUNT(*) FROM trial WHERE v BETWEEN 999999999999 AND 1000000000000 GROUP BY note",
	}
	for _, q := range queries {
		var heard [2]string
		for i, d := range []string{"left", "right"} {
			r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: d, Error: "500", SQL: q})
			heard[i] = said(r, err)
			if errors.Is(err, sdk.ErrNoAnswer) {
				t.Errorf("%s: no answer from %s", q, d)
			}
		}
		if heard[0] != heard[1] {
			t.Errorf("%s\n%s\n%s", q, heard[0], heard[1])
		}
	}
	report(t, "21", "%d questions that would fail for one person: equal replies and charges", len(queries))
}

// priceOracle (27): quotes on both neighbours are byte-identical but for the id.
func priceOracle(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left", "right")
	queries := []string{
		"SELECT COUNT(*) FROM trial", "SELECT COUNT(*) FROM trial WHERE target = 1", "SELECT cell, COUNT(*) AS n, SUM(v) AS s FROM trial GROUP BY cell", "SELECT AVG(v) AS a, VAR_SAMP(v) AS b FROM trial WHERE v > 1000",
		"SELECT kind, COUNT(*) AS n FROM multi GROUP BY kind", "SELECT icd, COUNT(DISTINCT person_id) AS n FROM trial GROUP BY icd", "SELECT plot, COUNT(DISTINCT person_id) AS n FROM multi GROUP BY plot",
		"SELECT COUNT(*) FROM trial WHERE person_id IN (SELECT person_id FROM multi WHERE kind = 3)",
	}
	for _, q := range queries {
		var texts [2]string
		for i, d := range []string{"left", "right"} {
			quote, err := x.mallory.Quote(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: d, Error: "40", SQL: q})
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			b, err := json.Marshal(quote)
			if err != nil {
				t.Fatal(err)
			}
			fields := map[string]any{}
			if err := json.Unmarshal(b, &fields); err != nil {
				t.Fatal(err)
			}
			// The id, the time, and the digest of the data version, which the record publishes, with the plan's digest over it.
			maps.DeleteFunc(fields, func(name string, _ any) bool { return name == "quote_id" || strings.Contains(name, "expires") })
			if plan, ok := fields["plan"].(map[string]any); ok {
				delete(plan, "version")
				delete(plan, "hash")
			}
			b, err = json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = strings.NewReplacer("left", "D", "right", "D").Replace(string(b))
		}
		if texts[0] != texts[1] {
			t.Errorf("%s\n%s\n%s", q, texts[0], texts[1])
		}
	}
	report(t, "27", "%d quotes equal on both neighbours", len(queries))
}
