package stat

import (
	"encoding/binary"
	"math"
	"testing"
)

// Any finite table gives figures that are no NaN, in order, or a reason why not; and nothing panics.
func FuzzEstimators(f *testing.F) {
	f.Add(uint8(0), uint8(10), []byte{100, 0, 50, 0, 20, 0, 70, 0})
	f.Add(uint8(7), uint8(0), []byte{0, 0, 0, 0})
	f.Add(uint8(255), uint8(255), []byte{255, 255, 0, 128, 1, 0, 255, 127, 3, 0, 200, 0})
	f.Fuzz(func(t *testing.T, scale, sigma uint8, raw []byte) {
		arms, bins := 2+int(scale%2), 1+int(scale/2%5)
		tab := Table{
			Dims:  []Dim{{Name: "arm"}, {Name: "t"}, {Name: "s", Labels: []string{"no", "yes"}}},
			Sigma: math.Ldexp(float64(sigma%32), int(sigma/32)*4-4),
		}
		for i := range arms {
			tab.Dims[0].Labels = append(tab.Dims[0].Labels, string(rune('a'+i)))
		}
		for i := range bins {
			tab.Dims[1].Labels = append(tab.Dims[1].Labels, string(rune('0'+i)))
			if scale%3 > 0 {
				w := math.Ldexp(float64(scale%3), int(scale/50)*8)
				tab.Dims[1].Lo, tab.Dims[1].Hi = append(tab.Dims[1].Lo, float64(i)*w), append(tab.Dims[1].Hi, float64(i+1)*w)
			}
		}
		for i := range arms * bins * 2 {
			v := 0.0
			if len(raw) >= 2 {
				at := i * 2 % (len(raw) - 1)
				v = float64(int16(binary.LittleEndian.Uint16(raw[at:])))
				v = math.Ldexp(v, int(scale/16)*2-4)
			}
			tab.Cells = append(tab.Cells, v)
		}
		every(t, tab, len(raw)%8 == 0) // bootstraps take most of the time
	})
}

func every(t *testing.T, tab Table, bootstraps bool) {
	t.Helper()
	one := func(e Estimate) {
		if e.Hidden {
			if e.Warning == "" {
				t.Errorf("%s is hidden without a reason", e.Name)
			}
			return
		}
		for _, v := range []float64{e.Value, e.Lo, e.Hi, e.NoiseLo, e.NoiseHi, e.NaiveLo, e.NaiveHi, e.Bias} {
			if math.IsNaN(v) {
				t.Errorf("NaN: %+v", e)
			}
		}
		if math.IsInf(e.Value, 0) || e.Lo > e.Hi || e.NoiseLo > e.NoiseHi || e.NaiveLo > e.NaiveHi || e.Bias < 0 {
			t.Errorf("out of order: %+v", e)
		}
	}
	many := func(es []Estimate, err error) {
		if err != nil {
			return
		}
		for _, e := range es {
			one(e)
		}
	}
	test := func(x Test) {
		for _, v := range []float64{x.Statistic, x.P, x.Wald, x.WaldP, x.NaiveP, x.NoiseLo, x.NoiseHi} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("not finite: %+v", x)
			}
		}
		for _, p := range []float64{x.P, x.WaldP, x.NaiveP} {
			if p < 0 || p > 1 {
				t.Errorf("p value of %+v", x)
			}
		}
	}
	fit := func(f Fit, err error) {
		if err != nil || f.Hidden {
			return
		}
		for _, c := range f.Coefficients {
			one(c.Estimate)
			one(c.Ratio)
			if math.IsNaN(c.Statistic) || !(c.P >= 0 && c.P <= 1) {
				t.Errorf("statistic of %+v", c)
			}
		}
	}
	yes := Pair{Dim: "s"}
	s := Survival{Time: "t", Status: yes, By: []string{"arm"}}
	q := TwoByTwo{Pair{Dim: "arm", Yes: "b", No: "a"}, yes}
	many(Prevalence(tab, yes, "arm"))
	many(Incidence(tab, s))
	many(RateRatio(tab, s, "a"))
	many(OddsRatio(tab, q))
	many(RiskRatio(tab, q))
	many(RiskDifference(tab, q))
	if e, err := MantelHaenszel(tab, q, "t"); err == nil {
		one(e)
	}
	many(MedianSurvival(tab, s))
	many(RMST(tab, s, 2))
	many(Correlation(tab, "t", "s", "arm"))
	if ps, err := KaplanMeier(tab, s); err == nil {
		for _, p := range ps {
			one(p.Estimate)
		}
	}
	if ms, err := Moments(tab, "t", "arm"); err == nil {
		for _, m := range ms {
			one(m.Mean)
			one(m.Variance)
			one(m.SD)
		}
	}
	if bootstraps {
		if ts, err := ChiSquare(tab, "arm", "t", Seed{}); err == nil {
			test(ts[0])
		}
		if r, err := LogRank(tab, s, Seed{}); err == nil {
			test(r.Test)
			for _, a := range r.Arms {
				one(a.N)
				one(a.Observed)
				one(a.Expected)
			}
		}
	}
	number := Model{Terms: []Term{{Dim: "t", Form: Number}, {Dim: "arm"}}}
	fit(Logistic(tab, yes, number))
	fit(Linear(tab, "t", Model{Terms: []Term{{Dim: "arm"}}}))
	fit(Poisson(tab, "t", Model{Terms: []Term{{Dim: "arm"}}, Robust: true}))
	fit(HazardRatio(tab, Survival{Time: "t", Status: yes}, Model{Terms: []Term{{Dim: "arm"}}}, 3))
	if e, err := WeightedDifference(tab, Pair{Dim: "arm", Yes: "b", No: "a"}, "t", Model{Terms: []Term{{Dim: "s"}}}); err == nil {
		one(e)
	}
	if m, err := Crosstab(tab, "arm", "t"); err == nil {
		many(m.RowTotals, nil)
		one(m.Total)
	}
	tree := Tree{Levels: [][]float64{tab.Cells}, Sigma: tab.Sigma}
	for i := range len(tab.Cells) + 1 {
		tree.Edges = append(tree.Edges, float64(i))
	}
	if d, err := tree.Consistent(); err == nil {
		e, _ := d.Quantile(0.5)
		one(e)
		one(d.Total())
		for _, s := range d.Cumulative() {
			one(s.Estimate)
		}
	}
}
