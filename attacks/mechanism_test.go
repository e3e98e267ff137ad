package attacks

import (
	"errors"
	"math"
	"testing"

	"jali/sdk"
)

// sure audits the draws of a function; a failure counts only if it repeats with four times as many fresh draws.
func sure(draw func(times int) (left, right []float64, rho float64)) Verdict {
	v := Audit(draw(1))
	if v.Fail {
		v = Audit(draw(4))
	}
	return v
}

// sample asks the same of both neighbours, with new questions each time, and returns a number per cell and the rho of one question.
func (x *arena) sample(t *testing.T, runs int, e, outputs, condition, score string) (left, right []float64, rho float64) {
	t.Helper()
	a := x.agree(t, rich, "left", "right")
	for range runs {
		where := x.fresh()
		if condition != "" {
			where += " AND " + condition
		}
		for _, d := range []string{"left", "right"} {
			r := x.ask(t, a, d, e, "SELECT cell, "+outputs+" FROM trial WHERE "+where+" GROUP BY cell")
			rho = float64(r.PricePU) * 1e-5
			if ys := column(r, score); d == "left" {
				left = append(left, ys...)
			} else {
				right = append(right, ys...)
			}
		}
	}
	return left, right, rho
}

// empiricalEpsilon (15): each aggregate on neighbours that differ in one person, against the curve of what the ledger debited; and noise of
// cells of one answer, which must be independent.
func empiricalEpsilon(t *testing.T, x *arena) {
	runs := pick(5, 100)
	for _, c := range []struct{ name, e, outputs, score string }{
		{"COUNT", "2", "COUNT(*) AS y", "y"},
		{"SUM", "200", "SUM(v) AS y", "y"},
		{"AVG", "4", "AVG(v) AS y", "y"},
		{"VAR", "4", "VAR_SAMP(v) AS y", "y"},
	} {
		var left, right []float64
		var rho float64
		v := sure(func(times int) ([]float64, []float64, float64) {
			left, right, rho = x.sample(t, times*runs, c.e, c.outputs, "", c.score)
			return left, right, rho
		})
		if v.Fail {
			t.Errorf("%s: %v", c.name, v)
		}
		// The control: with noise of half its size the same draws would be found out.
		if c.name == "COUNT" {
			if v := Audit(halved(left, base+1), halved(right, base), rho); !v.Fail {
				t.Errorf("control: half the noise passes, %v", v)
			}
		}
		report(t, "15", "%s: rho %.4f, %v", c.name, rho, v)
		if c.name == "COUNT" {
			independent(t, left, len(left)/cells)
			whole(t, x, left, right)
		}
	}
}

func halved(ys []float64, mean float64) []float64 {
	out := make([]float64, len(ys))
	for i, y := range ys {
		out[i] = math.Round(mean + (y-mean)/2)
	}
	return out
}

// independent compares the noise of neighbouring cells of one answer, and of one cell in two answers: n correlations of normal numbers are
// within 4.5 / sqrt(n) but for 1e-5; equal differences are as many as in shuffled draws.
func independent(t *testing.T, ys []float64, runs int) {
	t.Helper()
	per := len(ys) / runs
	correlate := func(name string, shift int) {
		n, s, ss := 0, 0.0, 0.0
		for i := 0; i+shift < len(ys); i++ {
			a, b := ys[i]-(base+1), ys[i+shift]-(base+1)
			if math.IsNaN(a) || math.IsNaN(b) {
				continue
			}
			s, ss, n = s+a*b, ss+a*a, n+1
		}
		if r := s / ss; math.Abs(r) > 4.5/math.Sqrt(float64(n)) {
			t.Errorf("noise of %s correlates: %.4f in %d pairs", name, r, n)
		}
	}
	correlate("neighbouring cells", 1)
	correlate("one cell in two answers", per)
}

// whole compares the variance of the draws with the variance that was paid for: sigma^2 = 1/(2 rho) and no less; a chi-square bound at
// about 1e-5 each side. The price is rounded up to whole PU, so it may be higher than the noise needs, by less than 1 % here.
func whole(t *testing.T, x *arena, left, right []float64) {
	t.Helper()
	n, ss := 0, 0.0
	for side, ys := range [][]float64{left, right} {
		mean := float64(base + 1 - side)
		for _, y := range ys {
			if !math.IsNaN(y) {
				ss, n = ss+(y-mean)*(y-mean), n+1
			}
		}
	}
	q, err := x.mallory.Quote(t.Context(), sdk.Query{Agreement: x.agree(t, rich, "left"), Purpose: "DUO:0000042", Dataset: "left", Error: "2", SQL: "SELECT cell, COUNT(*) AS y FROM trial GROUP BY cell"})
	if err != nil {
		t.Fatal(err)
	}
	claimed, got := 1/(2*float64(q.PricePU)*1e-5), ss/float64(n)
	if slack := 4.3 * math.Sqrt(2/float64(n)); got < claimed*(1-slack) || got > claimed*(1.02+slack) {
		t.Errorf("the variance is %.4f; what was paid for is %.4f", got, claimed)
	}
	report(t, "15", "variance of %d draws %.4f, paid for %.4f; cells independent", n, got, claimed)
}

// support (12): every count is whole, every sum a whole multiple of the column's unit, on both sides.
func support(t *testing.T, x *arena) {
	for _, c := range []struct{ e, outputs string }{{"2", "COUNT(*) AS y"}, {"150", "SUM(v) AS y"}} {
		left, right, _ := x.sample(t, 1, c.e, c.outputs, "", "y")
		if s := Strays(left, right, 1); s != 0 {
			t.Errorf("%s: %.4f of the outputs are off the grid", c.outputs, s)
		}
	}
	if Strays([]float64{1.0000000001, 2.3}, nil, 1) == 0 {
		t.Error("control: 2.3 is off the grid")
	}
	report(t, "12", "%d outputs on the declared grid, off it 0", 4*cells)
}

// precision (13): the granularity of an output does not depend on its magnitude: last digits are as frequent for large sums as for small.
func precision(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left")
	var odd [2]int
	for i, q := range []string{"v > 1000", "v >= 0"} {
		r := x.ask(t, a, "left", "500", "SELECT cell, SUM(v) AS y FROM trial WHERE "+q+" AND "+x.fresh()+" GROUP BY cell")
		for _, y := range column(r, "y") {
			if math.Mod(math.Abs(y), 2) == 1 {
				odd[i]++
			}
		}
		if Upper(odd[i], len(r.Rows)) < 0.5 || Lower(odd[i], len(r.Rows)) > 0.5 {
			if nulls(column(r, "y")) == 0 {
				t.Errorf("%s: %d of %d sums are odd", q, odd[i], len(r.Rows))
			}
		}
	}
	report(t, "13", "odd sums: %d (small) and %d (large) of %d", odd[0], odd[1], cells)
}

func nulls(ys []float64) int {
	n := 0
	for _, y := range ys {
		if math.IsNaN(y) {
			n++
		}
	}
	return n
}

// manyGroups (16): a person in all of ten kinds: the score is the sum over them, so that noise for one group of a person would be found out.
func manyGroups(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	var scores [2][]float64
	var rho float64
	draw := func(times int) ([]float64, []float64, float64) {
		scores = [2][]float64{}
		for range times * pick(10, 200) {
			where := x.fresh()
			for side, d := range []string{"left", "right"} {
				r := x.ask(t, a, d, "6", "SELECT plot, kind, COUNT(*) AS n FROM multi WHERE "+where+" GROUP BY plot, kind")
				rho = float64(r.PricePU) * 1e-5
				ys := column(r, "n")
				for p := range plural {
					s := 0.0
					for k := range kinds {
						s += known(ys[p*kinds+k])
					}
					scores[side] = append(scores[side], s)
				}
			}
		}
		return scores[0], scores[1], rho
	}
	v := sure(draw)
	if v.Fail {
		t.Errorf("%v", v)
	}
	// With l0 = 1 the price of this noise would have been a tenth.
	if v := Audit(scores[0], scores[1], rho/kinds); !v.Fail {
		t.Errorf("control: at a tenth of the price the answers pass, %v", v)
	}
	report(t, "16", "person in %d groups: rho %.4f, %v", kinds, rho, v)
}

// outlierSum (17): the target has v = 1e12, clipped at 100: a sum moves by 100 and no more.
func outlierSum(t *testing.T, x *arena) {
	var left, right []float64
	v := sure(func(times int) ([]float64, []float64, float64) {
		var rho float64
		left, right, rho = x.sample(t, times*pick(3, 50), "100", "SUM(v) AS y", "", "y")
		return left, right, rho
	})
	shift, ss := 0.0, 0.0
	for i := range left {
		d := left[i] - right[i]
		shift, ss = shift+d/float64(len(left)), ss+d*d/float64(len(left))
	}
	if slack := 4.5 * math.Sqrt(ss/float64(len(left))); math.Abs(shift-100) > slack || nulls(left)+nulls(right) > 0 {
		t.Errorf("the outlier moves a sum by %.2f, not by 100 -+ %.2f (%d hidden)", shift, slack, nulls(left)+nulls(right))
	}
	if v.Fail {
		t.Errorf("%v", v)
	}
	report(t, "17", "a person at 1e12 moves a sum by %.1f of 100; %v", shift, v)
}

// aroundClamp (18): arithmetic around the clip bounds is refused, or is clamped at the aggregate: priced as what it can be.
func aroundClamp(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	n, answered := 0, 0
	for _, s := range []string{
		"SUM(v * 1000000000)", "SUM(v * v)", "SUM(CASE WHEN person_id = 7 THEN 1000000000 ELSE 0 END)", "SUM(v / 0.000001)", "SUM(POWER(v, 9))", "SUM(v + 1000000000000)", "SUM(EXP(v))", "1000000 * SUM(v)",
		"SUM(-(-v) * 1000000)", "SUM(CASE WHEN target = 1 THEN v * 1000000 ELSE 0 END)",
	} {
		n++
		r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "100", SQL: "SELECT " + s + " AS y FROM trial"})
		var bad *sdk.QueryError
		var out *sdk.BudgetExhausted
		switch {
		case errors.As(err, &bad), errors.As(err, &out): // no question, or what it can be costs more than there is
		case err != nil:
			t.Errorf("%s: %v", s, err)
		default:
			answered++
			if h, ok := r.HalfWidth(0, 0).Float(); !ok || h > 101 {
				t.Errorf("%s: the half-width %v is not what was asked", s, h)
			}
			if y, ok := r.Float(0, "y"); ok && math.Abs(y) > 1e9 {
				t.Errorf("%s: answered %v", s, y)
			}
		}
	}
	report(t, "18", "%d of %d expressions refused or beyond the budget", n-answered, n)
}
