package stat

import (
	"math"
	"testing"
)

// follow gives the cells of arms x bins x {censored, event} where each arm has a constant chance of event and of censoring in
// each bin; who is left ends as censored in the last.
func follow(bins int, censor float64, hazards ...float64) (dims []Dim, p []float64) {
	dims = []Dim{labels("arm", len(hazards)), numbers("t", bins, 0, 1), labels("s", 2)}
	for _, h := range hazards {
		left := 1.0
		for t := range bins {
			d, c := left*h, left*(1-h)*censor
			if t == bins-1 {
				c = left - d
			}
			p = append(p, c, d)
			left -= d + c
		}
	}
	return dims, p
}

func fourfoldOf(p1, p0 float64) (dims []Dim, p []float64) {
	return []Dim{labels("exposed", 2), labels("ill", 2)}, []float64{1 - p0, p0, 1 - p1, p1}
}

func at(i int) func([]Estimate, error) (Estimate, error) {
	return func(es []Estimate, err error) (Estimate, error) {
		if err != nil {
			return Estimate{}, err
		}
		return es[i], nil
	}
}

func coefficient(i int) func(Fit, error) (Estimate, error) {
	return func(f Fit, err error) (Estimate, error) {
		if err != nil || f.Hidden {
			return hidden(f.Name, nil, f.Warning), err
		}
		return f.Coefficients[i].Estimate, nil
	}
}

// of is the noise interval of a test's statistic, as an estimate of which only that is looked at.
func of(t Test) Estimate {
	return Estimate{Value: t.Statistic, Lo: math.Inf(-1), Hi: math.Inf(1), NoiseLo: t.NoiseLo, NoiseHi: t.NoiseHi, Hidden: t.Hidden, Warning: t.Warning}
}

func scenarios() []scenario {
	var out []scenario
	add := func(name string, dims []Dim, p []float64, f func(Table) (Estimate, error), sizes ...[2]float64) {
		for _, s := range sizes {
			out = append(out, scenario{name, dims, p, s[0], s[1], f})
		}
	}
	two := func(p1, p0 float64, sizes ...[2]float64) {
		dims, p := fourfoldOf(p1, p0)
		q := TwoByTwo{Pair{Dim: "exposed"}, Pair{Dim: "ill"}}
		add("odds ratio", dims, p, func(t Table) (Estimate, error) { return at(0)(OddsRatio(t, q)) }, sizes...)
		add("risk ratio", dims, p, func(t Table) (Estimate, error) { return at(0)(RiskRatio(t, q)) }, sizes...)
		add("risk difference", dims, p, func(t Table) (Estimate, error) { return at(0)(RiskDifference(t, q)) }, sizes...)
		add("prevalence", dims, p, func(t Table) (Estimate, error) { return at(0)(Prevalence(t, Pair{Dim: "ill"})) }, sizes...)
	}
	two(0.15, 0.10, [2]float64{4000, 20}, [2]float64{4000, 5})
	two(0.30, 0.20, [2]float64{1000, 20})
	two(0.015, 0.010, [2]float64{40000, 20})

	strata := []Dim{labels("site", 4), labels("exposed", 2), labels("ill", 2)}
	var mh []float64
	for k := range 4 {
		base := 0.1 + 0.08*float64(k)
		odds := 1.8 * base / (1 - base)
		mh = append(mh, 1-base, base, 1/(1+odds), odds/(1+odds))
	}
	add("Mantel-Haenszel", strata, mh, func(t Table) (Estimate, error) {
		return MantelHaenszel(t, TwoByTwo{Pair{Dim: "exposed"}, Pair{Dim: "ill"}}, "site")
	}, [2]float64{4000, 5}, [2]float64{20000, 20})

	survivalScenarios(add)
	distributionScenarios(add)
	return out
}

type adder func(name string, dims []Dim, p []float64, f func(Table) (Estimate, error), sizes ...[2]float64)

func survivalScenarios(add adder) {
	dims, p := follow(60, 0.008, 0.007, 0.010)
	s := Survival{Time: "t", Status: Pair{Dim: "s"}, By: []string{"arm"}}
	sizes := [][2]float64{{2000, 2}, {10000, 5}, {10000, 10}, {100000, 20}}
	add("incidence", dims, p, func(t Table) (Estimate, error) { return at(1)(Incidence(t, s)) }, sizes...)
	add("rate ratio", dims, p, func(t Table) (Estimate, error) { return at(0)(RateRatio(t, s, "arm0")) }, sizes...)
	for _, month := range []int{12, 36} {
		add("S("+string(rune('0'+month/10))+string(rune('0'+month%10))+")", dims, p, func(t Table) (Estimate, error) {
			c, err := KaplanMeier(t, s)
			if err != nil {
				return Estimate{}, err
			}
			return c[60+month-1].Estimate, nil
		}, sizes...)
	}
	add("RMST to 48", dims, p, func(t Table) (Estimate, error) { return at(1)(RMST(t, s, 48)) }, sizes...)
	add("log HR", dims, p, func(t Table) (Estimate, error) {
		return coefficient(0)(HazardRatio(t, Survival{Time: "t", Status: s.Status}, Model{Terms: []Term{{Dim: "arm"}}}, 6))
	}, sizes...)
	add("log-rank chi-square", dims, p, func(t Table) (Estimate, error) {
		r, err := LogRank(t, s, Seed{9})
		return of(r.Test), err
	}, [2]float64{2000, 2}, [2]float64{10000, 5})
	fast, q := follow(36, 0.005, 0.03, 0.05)
	add("median survival", fast, q, func(t Table) (Estimate, error) { return at(1)(MedianSurvival(t, s)) },
		[2]float64{1000, 1}, [2]float64{4000, 5}, [2]float64{40000, 20})

	// Two arms and three strata with baselines of their own.
	base := []float64{0.01, 0.02, 0.03}
	var strat []float64
	var sd []Dim
	for _, b := range base {
		d, p := follow(24, 0.01, b, 1.4*b)
		sd, strat = d, append(strat, p...)
	}
	add("log HR, 3 strata", append([]Dim{labels("site", 3)}, sd...), strat, func(t Table) (Estimate, error) {
		return coefficient(0)(HazardRatio(t, Survival{Time: "t", Status: s.Status, By: []string{"site"}}, Model{Terms: []Term{{Dim: "arm"}}}, 4))
	}, [2]float64{6000, 3}, [2]float64{60000, 15})
}

func distributionScenarios(add adder) {
	bell := func(x, mean, sd float64) float64 { return math.Exp(-(x - mean) * (x - mean) / (2 * sd * sd)) }
	age := numbers("x", 20, 0, 5)
	var p []float64
	for i := range 20 {
		p = append(p, bell(age.Lo[i]+2.5, 55, 15))
	}
	sizes := [][2]float64{{500, 3}, {5000, 20}, {50000, 100}}
	moments := func(pick func(Summary) Estimate) func(Table) (Estimate, error) {
		return func(t Table) (Estimate, error) {
			m, err := Moments(t, "x")
			if err != nil {
				return Estimate{}, err
			}
			return pick(m[0]), nil
		}
	}
	add("mean", []Dim{age}, p, moments(func(s Summary) Estimate { return s.Mean }), sizes...)
	add("standard deviation", []Dim{age}, p, moments(func(s Summary) Estimate { return s.SD }), sizes...)
	add("variance", []Dim{age}, p, moments(func(s Summary) Estimate { return s.Variance }), sizes...)

	// A bivariate normal with correlation 0.4 on a grid.
	x, y := numbers("x", 12, -3, 0.5), numbers("y", 12, -3, 0.5)
	var joint, logit2, pois []float64
	for i := range 12 {
		for j := range 12 {
			a, b := x.Lo[i]+0.25, y.Lo[j]+0.25
			joint = append(joint, bell(a, 0, 1)*bell(b, 0.4*a, math.Sqrt(1-0.16)))
		}
	}
	small := [][2]float64{{1000, 1}, {5000, 5}, {50000, 30}}
	add("correlation", []Dim{x, y}, joint, func(t Table) (Estimate, error) { return at(0)(Correlation(t, "x", "y")) }, small...)
	add("linear slope", []Dim{x, y}, joint, func(t Table) (Estimate, error) {
		return coefficient(1)(Linear(t, "y", Model{Terms: []Term{{Dim: "x", Form: Number}}}))
	}, small...)

	sex := labels("sex", 2)
	ill := labels("ill", 2)
	visits := numbers("visits", 12, 0, 0)
	for i := range visits.Lo {
		visits.Lo[i], visits.Hi[i] = float64(i), float64(i)
	}
	for i := range 12 {
		for k := range 2 {
			w := bell(x.Lo[i]+0.25, 0, 1)
			r := 1 / (1 + math.Exp(1.2-0.5*(x.Lo[i]+0.25)-0.4*float64(k)))
			logit2 = append(logit2, w*(1-r), w*r)
		}
	}
	add("logistic, number", []Dim{x, sex, ill}, logit2, func(t Table) (Estimate, error) {
		return coefficient(1)(Logistic(t, Pair{Dim: "ill"}, Model{Terms: []Term{{Dim: "x", Form: Number}, {Dim: "sex"}}}))
	}, [2]float64{1000, 2}, [2]float64{5000, 10}, [2]float64{50000, 50})
	add("logistic, category", []Dim{x, sex, ill}, logit2, func(t Table) (Estimate, error) {
		return coefficient(2)(Logistic(t, Pair{Dim: "ill"}, Model{Terms: []Term{{Dim: "x", Form: Number}, {Dim: "sex"}}}))
	}, [2]float64{1000, 2}, [2]float64{5000, 10}, [2]float64{50000, 50})
	for k := range 2 {
		mean, term := 1.5*math.Exp(0.3*float64(k)), 1.0
		for i := range 12 {
			if i > 0 {
				term *= mean / float64(i)
			}
			pois = append(pois, term*math.Exp(-mean))
		}
	}
	add("Poisson", []Dim{sex, visits}, pois, func(t Table) (Estimate, error) {
		return coefficient(1)(Poisson(t, "visits", Model{Terms: []Term{{Dim: "sex"}}}))
	}, [2]float64{1000, 3}, [2]float64{20000, 30})

	drug := []Dim{labels("site", 3), labels("drug", 2), visits}
	var weighted []float64
	for k := range 3 {
		for a := range 2 {
			share := 0.3 + 0.2*float64(k)
			if a == 0 {
				share = 1 - share
			}
			mean, term := 2+0.5*float64(k)+0.4*float64(a), 1.0
			for i := range 12 {
				if i > 0 {
					term *= mean / float64(i)
				}
				weighted = append(weighted, share*term*math.Exp(-mean))
			}
		}
	}
	add("weighted difference", drug, weighted, func(t Table) (Estimate, error) {
		return WeightedDifference(t, Pair{Dim: "drug"}, "visits", Model{Terms: []Term{{Dim: "site"}}})
	}, [2]float64{2000, 3}, [2]float64{20000, 20})

	three := []float64{20, 30, 50, 25, 25, 50, 35, 25, 40}
	grid := []Dim{labels("a", 3), labels("b", 3)}
	add("chi-square statistic", grid, three, func(t Table) (Estimate, error) {
		ts, err := ChiSquare(t, "a", "b", Seed{5})
		if err != nil {
			return Estimate{}, err
		}
		return of(ts[0]), nil
	}, [2]float64{2000, 5}, [2]float64{20000, 20})

	treeScenarios(add)
}

// treeScenarios lays a tree with two levels of 16 out as one table of 16 + 256 nodes.
func treeScenarios(add adder) {
	var skew []float64
	for i := range 256 {
		skew = append(skew, math.Pow(float64(i)+1, 1.5)*math.Exp(-float64(i)/25))
	}
	dims := []Dim{labels("node", 16+256)}
	of := func(f func(Distribution) (Estimate, error)) func(Table) (Estimate, error) {
		return func(t Table) (Estimate, error) {
			tree := Tree{Fanout: 16, Sigma: t.Sigma, Levels: [][]float64{t.Cells[:16], t.Cells[16:]}}
			for i := range 257 {
				tree.Edges = append(tree.Edges, float64(i))
			}
			d, err := tree.Consistent()
			if err != nil {
				return Estimate{}, err
			}
			return f(d)
		}
	}
	sizes := [][2]float64{{2000, 5}, {20000, 30}, {200000, 100}}
	add("quantile 50 %", dims, skew, of(func(d Distribution) (Estimate, error) { return d.Quantile(0.5) }), sizes...)
	add("quantile 90 %", dims, skew, of(func(d Distribution) (Estimate, error) { return d.Quantile(0.9) }), sizes...)
	add("cumulative share", dims, skew, of(func(d Distribution) (Estimate, error) { return d.Cumulative()[59].Estimate, nil }), sizes...)
}

// nodes of a table: itself, or the levels of a tree whose leaves these are.
func nodes(s scenario, leaves []float64) []float64 {
	if len(leaves) == len(s.dims[0].Labels)*size(s.dims[1:]) {
		return leaves
	}
	all := append(make([]float64, 16), leaves...)
	for i, c := range leaves {
		all[i/16] += c
	}
	return all
}

func size(dims []Dim) int {
	n := 1
	for _, d := range dims {
		n *= len(d.Labels)
	}
	return n
}

func nulls() []null {
	dims, p := follow(36, 0.01, 0.01, 0.01, 0.01)
	s := Survival{Time: "t", Status: Pair{Dim: "s"}, By: []string{"arm"}}
	logrank := func(t *testing.T, tab Table, seed Seed) Test {
		r, err := LogRank(tab, s, seed)
		if err != nil {
			t.Fatal(err)
		}
		return r.Test
	}
	grid := []Dim{labels("a", 3), labels("b", 3)}
	var cells []float64
	for i := range 9 {
		cells = append(cells, []float64{1, 2, 3}[i/3]*[]float64{3, 2, 4}[i%3])
	}
	chi := func(t *testing.T, tab Table, seed Seed) Test {
		r, err := ChiSquare(tab, "a", "b", seed)
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	return []null{
		{"log-rank, 3 arms", dims, p, 3000, 2, logrank},
		{"log-rank, 3 arms", dims, p, 15000, 8, logrank},
		{"chi-square 3x3", grid, cells, 500, 3, chi},
		{"chi-square 3x3", grid, cells, 5000, 20, chi},
		{"chi-square 3x3", grid, cells, 50000, 60, chi},
	}
}
