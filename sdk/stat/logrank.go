package stat

import (
	"fmt"
	"math"
)

// LogRankResult is the test with the table that R's survdiff prints.
type LogRankResult struct {
	Test
	Arms []LogRankArm
}

// LogRankArm is what one arm had and would have had under the null.
type LogRankArm struct {
	Label                 string
	N, Observed, Expected Estimate // intervals: noise only
}

// LogRank compares the survival of all arms of the one dimension in s.By (Mantel 1966; hypergeometric variance per bin). In bins
// wider than one value the numbers at risk are actuarial, so that its figures differ from those of ungrouped times;
// there is no bound for that difference, but it vanishes with the bins' width.
//
// P is a parametric bootstrap under the null: 2,000 scores with their sampling and noise covariance. Bins where the noisy number at risk of all arms is below 4 sigma do
// not take part; the Bias of an expected number bounds what their events could add to it.
func LogRank(t Table, s Survival, seed Seed) (LogRankResult, error) {
	if len(s.By) != 1 {
		return LogRankResult{}, fmt.Errorf("%w: a log-rank test needs exactly one dimension in By", ErrArgument)
	}
	arms, err := s.arms(t)
	if err != nil {
		return LogRankResult{}, err
	}
	if len(arms) < 2 || len(arms) > 20 {
		return LogRankResult{}, fmt.Errorf("%w: a log-rank test needs 2 to 20 arms, dimension %q has %d", ErrArgument, s.By[0], len(arms))
	}
	const name = "log-rank"
	k := len(arms)
	for _, a := range arms {
		start, _ := a.atRisk()
		if start[0] < 1 || start[0] < floor*a.sigma*math.Sqrt(2*float64(a.bins())) {
			return LogRankResult{Test: hiddenTest(name, []string{}, k-1, "too noisy: arm "+a.group[0]+" is below 4 standard deviations of its noise")}, nil
		}
	}
	c := compare(arms)
	var res LogRankResult
	test := Test{Name: name, Group: []string{}, DF: k - 1}
	var ok, ok1, ok2 bool
	test.Statistic, ok = c.v.quadratic(c.u)
	if ok {
		test.Wald, ok1 = c.wald()
		test.NoiseLo, test.NoiseHi, ok2 = c.exact(seed)
	}
	if !ok || !ok1 || !ok2 {
		return LogRankResult{Test: hiddenTest(name, []string{}, k-1, TooNoisy)}, nil
	}
	test.NaiveP, test.WaldP = ChiSquareTail(test.Statistic, k-1), ChiSquareTail(test.Wald, k-1)
	test.P = c.underNull(test.Statistic, seed)
	for i, a := range arms {
		test.Warning = firstOf(test.Warning, a.warning())
		start, _ := a.atRisk()
		v := a.sigma * a.sigma * float64(a.bins())
		expected := noiseOnly("expected", a.group, c.expected[i], c.expectedNoise[i])
		expected.Bias = c.late
		res.Arms = append(res.Arms, LogRankArm{
			Label:    a.group[0],
			N:        noiseOnly("persons", a.group, start[0], 2*v),
			Observed: noiseOnly("observed", a.group, c.observed[i], v),
			Expected: expected,
		})
	}
	res.Test = test.done()
	return res, nil
}

// noiseOnly is a released count: nothing is inferred beyond the table.
func noiseOnly(name string, group []string, value, noise float64) Estimate {
	e := normal(name, group, value, 0, noise)
	e.NaiveLo, e.NaiveHi = e.Value, e.Value
	return e
}

// comparison is the log-rank vector observed - expected of all arms but the last.
type comparison struct {
	score
	observed, expected, expectedNoise []float64
	// late bounds the events in bins that did not take part, noise included: so many may be missing from the expected numbers.
	late float64
}

func compare(arms []arm) comparison {
	k, bins, sigma := len(arms), arms[0].bins(), arms[0].sigma
	c := comparison{
		score:    score{u: make([]float64, k-1), v: square0(k - 1), e: square0(k - 1)},
		observed: make([]float64, k), expected: make([]float64, k), expectedNoise: make([]float64, k),
	}
	risk := make([][]float64, k)
	for i, a := range arms {
		_, risk[i] = a.atRisk()
	}
	// Gradient of expected[g] in the cells of arm h: over the bins up to the cell's own, what more at risk do, plus what one
	// more event does in its own bin. The first part accumulates from bin to bin.
	before := make([][]float64, k)
	for g := range before {
		before[g] = make([]float64, k)
	}
	share := make([]float64, k)
	left, cells := 0.0, 0
	for t := range bins {
		n, d := 0.0, 0.0
		for i, a := range arms {
			n, d = n+risk[i][t], d+a.d[t]
			c.observed[i] += a.d[t]
		}
		used := n > 1 && n >= floor*sigma*math.Sqrt(2*float64(k*(bins-t)))
		if !used {
			left, cells = left+d, cells+k
		}
		half := 1.0
		if !arms[0].point(t) {
			half = 0.5
		}
		if used {
			for i := range arms {
				share[i] = risk[i][t] / n
				c.expected[i] += d * share[i]
			}
			f := d * (n - d) / (n - 1)
			for g := range k - 1 {
				c.u[g] += arms[g].d[t] - d*share[g]
				for h := range k - 1 {
					if g == h {
						c.v[g][h] += f * share[g]
					}
					c.v[g][h] -= f * share[g] * share[h]
				}
			}
		}
		for h := range k { // the arm whose cells get noise
			gd, gc := make([]float64, k), make([]float64, k) // gradient of expected in this bin's cells of arm h
			for g := range k {
				gd[g], gc[g] = before[g][h], before[g][h]
				if used {
					own := 0.0
					if g == h {
						own = 1
					}
					step := d / n * (own - share[g])
					gd[g] += step + share[g]
					gc[g] += half * step
					before[g][h] += step
				}
				c.expectedNoise[g] += sigma * sigma * (gd[g]*gd[g] + gc[g]*gc[g])
			}
			for g := range k - 1 {
				for l := range k - 1 {
					c.e[g][l] += sigma * sigma * (udirect(g, h, used, gd)*udirect(l, h, used, gd) + gc[g]*gc[l])
				}
			}
		}
	}
	if cells > 0 {
		c.late = math.Max(0, left+z*sigma*math.Sqrt(float64(cells)))
	}
	return c
}

// udirect is the gradient of observed - expected in an event of arm h.
func udirect(g, h int, used bool, gd []float64) float64 {
	if used && g == h {
		return 1 - gd[g]
	}
	return -gd[g]
}

// underNull draws the score under the null, sampling and noise, and counts how many statistics are at least as far out. It
// draws scores, not life tables: a table needs hazards, and noisy hazards of thin bins would have to be clamped at 0, which
// makes a null with more events than the data have.
func (s score) underNull(observed float64, seed Seed) float64 {
	inv, ok := s.v.inverse()
	half, positive := root(s.v.plus(s.e))
	if !ok || !positive {
		return 1
	}
	d := seed.draws()
	x, g := make([]float64, len(s.u)), make([]float64, len(s.u))
	extreme := 0
	for range replicates {
		for i := range g {
			g[i] = d.normal()
		}
		for i := range x {
			x[i] = dot(half[i][:i+1], g[:i+1])
		}
		if dot(x, inv.times(x)) >= observed {
			extreme++
		}
	}
	return tail(extreme)
}
