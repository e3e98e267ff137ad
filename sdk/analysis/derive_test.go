package analysis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"jali/sdk/analysis"
)

// histogram writes a recorded result over dimensions with the given labels; count gives each cell.
func histogram(dims [][]any, names []string, count func(at []int) any) []byte {
	var b strings.Builder
	b.WriteString(`{"columns":[`)
	for _, n := range names {
		fmt.Fprintf(&b, `{"name":%q,"role":"group","kind":"text","unit":""},`, n)
	}
	b.WriteString(`{"name":"rows","role":"measure","kind":"count","unit":""}],"rows":[`)
	at := make([]int, len(dims))
	for first := true; ; first = false {
		if !first {
			b.WriteByte(',')
		}
		var row []any
		for d, i := range at {
			row = append(row, dims[d][i])
		}
		line, _ := json.Marshal(append(row, count(at)))
		b.Write(line)
		d := len(at) - 1
		for ; d >= 0; d-- {
			if at[d]++; at[d] < len(dims[d]) {
				break
			}
			at[d] = 0
		}
		if d < 0 {
			break
		}
	}
	b.WriteString(`],"error95":[],"hidden_groups":0}`)
	return []byte(b.String())
}

// Births by smoking and low weight (Hosmer & Lemeshow 1989): odds ratio 2.0219, Wald interval 1.0807 to 3.7834.
func TestOddsRatioOfAnExactTable(t *testing.T) {
	cells := [][]int{{86, 29}, {44, 30}}
	spec := analysis.Spec{
		Statistic: analysis.OddsRatio, Dims: []analysis.Dim{{Name: "smoke"}, {Name: "low"}}, Count: "rows", Sigma2: "0",
		Exposure: analysis.Pair{Dim: "smoke", Yes: "1", No: "0"}, Outcome: analysis.Pair{Dim: "low", Yes: "1", No: "0"},
	}
	result := histogram([][]any{{0, 1}, {0, 1, nil}}, []string{"smoke", "low"}, func(at []int) any {
		if at[1] == 2 {
			return 7 // without outcome: stays out
		}
		return cells[at[0]][at[1]]
	})
	d, err := analysis.Derive(spec, result)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{2.021944, 1.080660, 3.783083, 2.021944, 2.021944} {
		if got := d.Rows[0][i].(float64); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s is %.6f, want %.6f", d.Columns[i].Name, got, want)
		}
	}
	// The specification survives its journey, and gives the same table.
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	read, err := analysis.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := analysis.Derive(read, result)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(d) {
		t.Errorf("derived again: %v, %v", again, err)
	}
}

// A hierarchy whose levels agree gives what the leaves alone give; one whose upper level says otherwise moves the answer.
func TestQuantileReadsAllLevels(t *testing.T) {
	bins := make([]any, 64)
	lo := make([]analysis.Bound, 64)
	for i := range bins {
		bins[i], lo[i] = i, analysis.Bound(i)
	}
	spec := analysis.Spec{
		Statistic: analysis.Quantile, Dims: []analysis.Dim{{Name: "age", Lo: lo, Hi: lo}}, Count: "rows", Sigma2: "25/1",
		Value: "age", At: []float64{0.5},
	}
	flat := histogram([][]any{bins}, []string{"age"}, func([]int) any { return 1000 })
	one, err := analysis.Derive(spec, flat)
	if err != nil {
		t.Fatal(err)
	}
	with := func(upper func(block int) int) []byte {
		s := string(flat)
		s = strings.Replace(s, `"kind":"count","unit":""}]`, `"kind":"count","unit":""},{"name":"rows per 16","role":"measure","kind":"count","unit":""}]`, 1)
		for i := range 64 {
			n := "null"
			if i%16 == 0 {
				n = fmt.Sprint(upper(i / 16))
			}
			s = strings.Replace(s, fmt.Sprintf("[%d,1000]", i), fmt.Sprintf("[%d,1000,%s]", i, n), 1)
		}
		return []byte(s)
	}
	spec.Levels = []analysis.Level{{Count: "rows per 16", Block: 16}}
	same, err := analysis.Derive(spec, with(func(int) int { return 16000 }))
	if err != nil {
		t.Fatal(err)
	}
	if same.Rows[0][1] != one.Rows[0][1] {
		t.Errorf("median %v with a level that agrees, %v without", same.Rows[0][1], one.Rows[0][1])
	}
	width := func(d analysis.Derived) float64 { return d.Rows[0][5].(float64) - d.Rows[0][4].(float64) }
	if width(same) > width(one) {
		t.Errorf("the interval is %v wide with two levels, %v with one", width(same), width(one))
	}
	moved, err := analysis.Derive(spec, with(func(block int) int { return 12000 + 4000*(block/2)*2 }))
	if err != nil {
		t.Fatal(err)
	}
	if moved.Rows[0][1].(float64) <= one.Rows[0][1].(float64) {
		t.Errorf("median %v although the upper level says that more lies above, %v without it", moved.Rows[0][1], one.Rows[0][1])
	}
}

func TestSmallGroupsAreHidden(t *testing.T) {
	spec := analysis.Spec{
		Statistic: analysis.Prevalence, Dims: []analysis.Dim{{Name: "sex"}, {Name: "case"}}, Count: "rows", Sigma2: "1", By: []string{"sex"},
		Outcome: analysis.Pair{Dim: "case", Yes: "1", No: "0"}, MinGroup: 50,
	}
	d, err := analysis.Derive(spec, histogram([][]any{{"F", "M"}, {0, 1}}, []string{"sex", "case"}, func(at []int) any { return 20 + 1000*at[0] }))
	if err != nil {
		t.Fatal(err)
	}
	if d.Rows[0][1] != nil || !strings.Contains(d.Rows[0][6].(string), "below 50") {
		t.Errorf("a group of 40 shows %v", d.Rows[0])
	}
	if d.Rows[1][1] == nil {
		t.Error("a group of 2,040 is hidden")
	}
}

func TestDeriveRefusesWhatDoesNotFit(t *testing.T) {
	good := analysis.Spec{
		Statistic: analysis.Crosstab, Dims: []analysis.Dim{{Name: "a"}, {Name: "b"}}, Count: "rows", Sigma2: "1",
		Exposure: analysis.Pair{Dim: "a"}, Outcome: analysis.Pair{Dim: "b"},
	}
	result := string(histogram([][]any{{0, 1}, {0, 1}}, []string{"a", "b"}, func([]int) any { return 5 }))
	if _, err := analysis.Derive(good, []byte(result)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*analysis.Spec)
		result string
	}{
		"no json":         {nil, "{"},
		"a row missing":   {nil, strings.Replace(result, ",[1,1,5]", "", 1)},
		"rows swapped":    {nil, strings.Replace(strings.Replace(result, "[0,1,5]", "[x]", 1), "[1,0,5],", "[0,1,5],", 1)},
		"a hidden cell":   {nil, strings.Replace(result, "[0,0,5]", "[0,0,null]", 1)},
		"text for number": {nil, strings.Replace(result, "[0,0,5]", `[0,0,"5"]`, 1)},
		"another count":   {func(s *analysis.Spec) { s.Count = "persons" }, result},
		"bad noise":       {func(s *analysis.Spec) { s.Sigma2 = "x" }, result},
		"negative noise":  {func(s *analysis.Spec) { s.Sigma2 = "-1" }, result},
		"wrong bins":      {func(s *analysis.Spec) { s.Dims[0].Lo, s.Dims[0].Hi = []analysis.Bound{1}, []analysis.Bound{2} }, result},
		"no such column":  {func(s *analysis.Spec) { s.Exposure.Dim = "c" }, result},
		"more dimensions": {func(s *analysis.Spec) { s.Dims = append(s.Dims, analysis.Dim{Name: "c"}) }, result},
	} {
		s := good
		s.Dims = append([]analysis.Dim{}, good.Dims...)
		if c.change != nil {
			c.change(&s)
		}
		if d, err := analysis.Derive(s, []byte(c.result)); err == nil {
			t.Errorf("%s: derived %v", name, d)
		}
	}
	for _, text := range []string{"", "{}", `{"statistic":"cox"}`, `{"statistic":"crosstab","sigma2":"1","dims":[{"lo":["x"]}]}`} {
		if _, err := analysis.ParseSpec([]byte(text)); !errors.Is(err, analysis.ErrSpec) {
			t.Errorf("%q: %v, want ErrSpec", text, err)
		}
	}
}

func FuzzDerive(f *testing.F) {
	f.Add([]byte(`{"statistic":"odds_ratio","dims":[{"name":"a"},{"name":"b"}],"count":"rows","sigma2":"4","exposure":{"dim":"a","yes":"1","no":"0"},"outcome":{"dim":"b","yes":"1","no":"0"}}`),
		histogram([][]any{{0, 1}, {0, 1}}, []string{"a", "b"}, func(at []int) any { return 5 + at[0] }))
	f.Add([]byte(`{"statistic":"kaplan_meier","dims":[{"name":"t","lo":[0,1,null],"hi":[0,"inf",null]},{"name":"e"}],"count":"rows","sigma2":"4/3","time":"t","event":{"dim":"e","yes":"1","no":"0"},"at":[1]}`),
		histogram([][]any{{"<1", "1-2", nil}, {0, 1}}, []string{"t", "e"}, func(at []int) any { return 500 - at[0] }))
	f.Fuzz(func(t *testing.T, spec, result []byte) {
		s, err := analysis.ParseSpec(spec)
		if err != nil {
			return
		}
		d, err := analysis.Derive(s, result)
		if err != nil {
			return
		}
		for _, row := range d.Rows {
			if len(row) != len(d.Columns) {
				t.Fatalf("a row of %d under %d columns", len(row), len(d.Columns))
			}
		}
	})
}
