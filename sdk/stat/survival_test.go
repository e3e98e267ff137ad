package stat

import (
	"math"
	"testing"
)

// lifeTable has one time label for each entry: single values, or bins when width > 0.
func lifeTable(width, sigma float64, arms map[string][][2]float64, order ...string) Table {
	n := len(arms[order[0]])
	time := Dim{Name: "t"}
	for i := range n {
		lo := float64(i) * width
		hi := lo + width
		if width == 0 {
			lo, hi = float64(i), float64(i)
		}
		time.Labels = append(time.Labels, "b")
		time.Lo, time.Hi = append(time.Lo, lo), append(time.Hi, hi)
	}
	tab := Table{Dims: []Dim{{Name: "arm", Labels: order}, time, {Name: "s", Labels: []string{"censored", "event"}}}, Sigma: sigma}
	for _, a := range order {
		for _, c := range arms[a] {
			tab.Cells = append(tab.Cells, c[1], c[0])
		}
	}
	return tab
}

var byArm = Survival{Time: "t", Status: Pair{Dim: "s"}, By: []string{"arm"}}

// points lays single times out as a table: survival's aml data (Miller 1997), R: survfit(Surv(time, status) ~ x, aml).
func points(times map[string][]float64) Table {
	arms := map[string][][2]float64{}
	var order []string
	for _, a := range []string{"Maintained", "Nonmaintained"} {
		cells := make([][2]float64, 162)
		for _, t := range times[a] {
			if t < 0 {
				cells[int(-t)][1]++
			} else {
				cells[int(t)][0]++
			}
		}
		arms[a], order = cells, append(order, a)
	}
	return lifeTable(0, 0, arms, order...)
}

var aml = points(map[string][]float64{ // negative: censored
	"Maintained":    {9, 13, -13, 18, 23, -28, 31, 34, -45, 48, -161},
	"Nonmaintained": {5, 5, 8, 8, 12, -16, 23, 27, 30, 33, 43, 45},
})

func TestKaplanMeierAML(t *testing.T) {
	curve, err := KaplanMeier(aml, byArm)
	if err != nil {
		t.Fatal(err)
	}
	at := func(arm string, time float64) CurvePoint {
		for _, p := range curve {
			if p.Group[0] == arm && p.Time == time {
				return p
			}
		}
		t.Fatalf("no point %s %v", arm, time)
		return CurvePoint{}
	}
	// Products by hand.
	near(t, "S(23) Maintained", at("Maintained", 23).Value, 10./11*9./10*7./8*6./7, 1e-12)
	near(t, "S(48) Maintained", at("Maintained", 48).Value, 10./11*9./10*7./8*6./7*4./5*3./4*1./2, 1e-12)
	near(t, "S(30) Nonmaintained", at("Nonmaintained", 30).Value, 10./12*8./10*7./8*5./6*4./5*3./4, 1e-12)
	if p := at("Nonmaintained", 45); p.Hidden || p.Value != 0 || p.Warning == "" {
		t.Errorf("when nobody is left S is 0 and has no interval: %+v", p)
	}
	p := at("Maintained", 23)
	near(t, "Greenwood by the naive interval", math.Log(-math.Log(p.NaiveLo))-math.Log(-math.Log(p.NaiveHi)),
		2*z*math.Sqrt(1./110+1./90+1./56+1./42)/-math.Log(p.Value), 1e-9)
	if p.Bias != 0 {
		t.Errorf("single times have bias %v", p.Bias)
	}
}

// R: survdiff(Surv(time, status) ~ x, aml): chisq 3.396389, p 0.0653393; expected 10.69 and 7.31;
// survfit medians 31 and 23.
func TestLogRankAML(t *testing.T) {
	r, err := LogRank(aml, byArm, Seed{1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "chi-square", r.Statistic, 3.39639, 1e-5)
	near(t, "p", r.NaiveP, 0.0653393, 1e-5)
	near(t, "expected", r.Arms[0].Expected.Value, 10.69, 5e-4)
	near(t, "expected", r.Arms[1].Expected.Value, 7.31, 7e-4)
	near(t, "observed", r.Arms[1].Observed.Value, 11, 0)
	near(t, "Wald without noise is the statistic", r.Wald, r.Statistic, 1e-9)
	// 2,000 replicates at p = .065 have a standard error of .0055: 4 of them miss once in 16,000 seeds; this seed is fixed.
	near(t, "bootstrap p", r.P, r.NaiveP, 0.022)
	m, err := MedianSurvival(aml, byArm)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "median", m[0].Value, 31, 0)
	near(t, "median", m[1].Value, 23, 0)
}

func TestRMST(t *testing.T) {
	// Area by hand up to 30: Maintained falls at 9, 13, 18, 23.
	s := []float64{1, 10. / 11, 9. / 11, 9. / 11 * 7 / 8, 9. / 11 * 7 / 8 * 6 / 7}
	want := 9*s[0] + 4*s[1] + 5*s[2] + 5*s[3] + 7*s[4]
	got, err := RMST(aml, byArm, 30)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "area", got[0].Value, want, 1e-12)
	if got[0].Bias != 0 {
		t.Errorf("single times have bias %v", got[0].Bias)
	}
	if got, _ = RMST(aml, byArm, 500); !got[0].Hidden {
		t.Errorf("area beyond the data: %+v", got[0])
	}
}

// The noise variances are gradients: each must agree with moving one cell at a time.
func TestNoiseIsTheGradient(t *testing.T) {
	arms := map[string][][2]float64{}
	for k, a := range []string{"x", "y"} {
		for i := range 12 {
			arms[a] = append(arms[a], [2]float64{float64(30 + 5*k - i), float64(20 + i)})
		}
		arms[a][11][1] = 300
	}
	const sigma = 0.5
	tab := lifeTable(1, sigma, arms, "x", "y")
	for _, c := range []struct {
		name string
		f    func(Table) (value, noiseSD float64)
	}{
		{"survival", func(tab Table) (float64, float64) {
			p, _ := KaplanMeier(tab, byArm)
			e := p[7]
			return math.Log(-math.Log(e.Value)), (math.Log(-math.Log(e.NoiseLo)) - math.Log(-math.Log(e.NoiseHi))) / (2 * z)
		}},
		{"RMST", func(tab Table) (float64, float64) {
			e, _ := RMST(tab, byArm, 9.5)
			return e[1].Value, (e[1].NoiseHi - e[1].NoiseLo) / (2 * z)
		}},
		{"expected", func(tab Table) (float64, float64) {
			r, _ := LogRank(tab, byArm, Seed{})
			e := r.Arms[0].Expected
			return e.Value, (e.NoiseHi - e.NoiseLo) / (2 * z)
		}},
		{"log-rank score", func(tab Table) (float64, float64) {
			a, _ := byArm.arms(tab)
			s := compare(a)
			return s.u[0], math.Sqrt(s.e[0][0])
		}},
		{"log hazard ratio", func(tab Table) (float64, float64) {
			f, _ := HazardRatio(tab, Survival{Time: "t", Status: Pair{Dim: "s"}}, Model{Terms: []Term{{Dim: "arm"}}}, 4)
			return f.Coefficients[0].Value, f.Coefficients[0].NoiseSE
		}},
		{"log rate ratio", func(tab Table) (float64, float64) {
			e, _ := RateRatio(tab, byArm, "x")
			return math.Log(e[0].Value), math.Log(e[0].NoiseHi/e[0].NoiseLo) / (2 * z)
		}},
	} {
		v0, sd := c.f(tab)
		sum := 0.0
		const h = 1e-3
		for i := range tab.Cells {
			moved := tab
			moved.Cells = append([]float64(nil), tab.Cells...)
			moved.Cells[i] += h
			v, _ := c.f(moved)
			sum += (v - v0) / h * (v - v0) / h
		}
		near(t, c.name, sd, sigma*math.Sqrt(sum), 1e-3*sd)
		if !(math.Abs(sd/(sigma*math.Sqrt(sum))-1) < 2e-3) {
			t.Errorf("%s: standard deviation of the noise %v, gradient says %v", c.name, sd, sigma*math.Sqrt(sum))
		}
	}
}

// Formula 9.2 of the design, written out, is the noise variance of a log rate.
func TestLogRateIsTheDesigns(t *testing.T) {
	a := arm{sigma: 3}
	const T = 60
	D, PT := 0.0, 0.0
	for i := range T {
		lo := float64(i)
		a.lo, a.hi = append(a.lo, lo), append(a.hi, lo+1)
		a.d, a.c = append(a.d, 40), append(a.c, 30)
		D += 40
		PT += 70 * (lo + 0.5)
	}
	s2 := 9.0
	want := T*s2/(D*D) + s2*T*(4*T*T-1)/6/(PT*PT) - s2*T*T/(D*PT)
	near(t, "noise variance", a.logRate().noise, want, 1e-12)
}
