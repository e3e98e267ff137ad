package stat

import (
	"math"
	"testing"
)

// With noise, Estimate.Reference covers what R computes from the rows. 200 draws for each: a cover of 95 % falls below 89 % with
// probability 3e-4; wider bias bounds make it cover more. R's answers are those of the reference data.
func TestReferenceUnderNoise(t *testing.T) {
	birth := readCSV(t, "classic/birthwt.csv")
	colon := where(readCSV(t, "classic/colon.csv"), func(r record) bool { return r["etype"] == "2" })
	flchain := readCSV(t, "classic/flchain.csv.gz")
	nmes := readCSV(t, "classic/nmes1988.csv.gz")
	nhefs := where(readCSV(t, "classic/nhefs.csv.gz"), func(r record) bool { return r["wt82"] != "" })
	km := func(time string, width float64, status, arm string, at float64, tab Table) (Estimate, error) {
		c, err := KaplanMeier(tab, Survival{Time: time, Status: Pair{Dim: status}, By: []string{arm}})
		if err != nil {
			return Estimate{}, err
		}
		for _, p := range c {
			if p.Group[0] == tab.Dims[0].Labels[0] && math.Abs(p.Time-at) < width/2 {
				return p.Estimate, nil
			}
		}
		return Estimate{}, nil
	}
	for _, c := range []struct {
		name  string
		tab   Table
		sigma float64
		want  float64
		f     func(Table) (Estimate, error)
	}{
		{"birthwt odds ratio", tabulate(birth, label("smoke"), label("low")), 4, named(t, "o-birthwt-02")["or"], func(tab Table) (Estimate, error) {
			return at(0)(OddsRatio(tab, TwoByTwo{Pair{Dim: "smoke"}, Pair{Dim: "low"}}))
		}},
		{"colon S(1095), Lev", tabulate(colon, label("rx"), number("time", 73), label("status")), 1.8, rows(t, "o-colon-06")[1][3].(float64), func(tab Table) (Estimate, error) {
			return km("time", 73, "status", "rx", 1095, tab)
		}},
		{"colon log HR, Lev+5FU", tabulate(colon, label("rx"), number("time", 73), label("status")), 1.8, rows(t, "o-colon-08")[1][1].(float64), func(tab Table) (Estimate, error) {
			return coefficient(1)(HazardRatio(tab, Survival{Time: "time", Status: Pair{Dim: "status"}}, Model{Terms: []Term{{Dim: "rx", Ref: "Obs"}}}, 0))
		}},
		{"flchain S(1000), F", tabulate(flchain, label("sex"), number("futime", 100), label("death")), 6, rows(t, "o-flchain-06")[0][3].(float64), func(tab Table) (Estimate, error) {
			return km("futime", 100, "death", "sex", 1000, tab)
		}},
		{"nmes1988 mean visits", tabulate(nmes, label("health"), number("visits", 0)), 3, rows(t, "o-nmes1988-02")[0][1].(float64), func(tab Table) (Estimate, error) {
			m, err := Moments(tab, "visits", "health")
			if err != nil {
				return Estimate{}, err
			}
			return m[0].Mean, nil
		}},
		{"nhefs difference", tabulate(nhefs, label("qsmk"), number("wt82_71", 2.5)), 3, rows(t, "o-nhefs-04")[1][1].(float64), func(tab Table) (Estimate, error) {
			return coefficient(1)(Linear(tab, "wt82_71", Model{Terms: []Term{{Dim: "qsmk"}}}))
		}},
	} {
		d := seedOf(c.name, 0, c.sigma).draws()
		covered, shown := 0.0, 0.0
		for range 200 {
			noisy := Table{Dims: c.tab.Dims, Sigma: c.sigma}
			for _, v := range c.tab.Cells {
				noisy.Cells = append(noisy.Cells, v+math.Round(c.sigma*d.normal()))
			}
			e, err := c.f(noisy)
			if err != nil {
				t.Fatal(err)
			}
			if e.Hidden {
				continue
			}
			shown++
			if lo, hi := e.Reference(); lo <= c.want && c.want <= hi {
				covered++
			}
		}
		t.Logf("%s: covers R's value in %.1f %% of %.0f answers shown", c.name, 100*covered/shown, shown)
		if !(covered/shown >= 0.89) || shown < 180 {
			t.Errorf("%s: covers R's value in %.1f %% of %.0f answers shown of 200", c.name, 100*covered/shown, shown)
		}
	}
}
