package stat

import "math"

// Warnings. A result with Hidden set has one of these, or a longer one, and no figures.
const (
	TooNoisy   = "too noisy: the denominator is below 4 standard deviations of its noise"
	CellBelow1 = "too noisy: a cell is below 1"
	BelowNoise = "below noise: the estimate is not above 0"
	NoFit      = "too noisy: the fit does not converge"
	NotFinite  = "too noisy: no finite estimate"
	SmallCell  = "a cell is below 4 standard deviations of its noise: the interval may be too short"
)

// z is the two-sided 95 % point of the normal distribution.
const z = 1.959963984540054

// floor is how many standard deviations of its own noise a denominator must be away from 0.
const floor = 4

// Estimate is one figure. See the package comment for what its three intervals cover. An end of an interval may be infinite:
// the data do not bound it on that side.
type Estimate struct {
	Name             string
	Group            []string // labels that this figure is for, in the order asked
	Value            float64
	Lo, Hi           float64 // sampling and noise
	NoiseLo, NoiseHi float64 // noise only: covers the figure of the exact table
	NaiveLo, NaiveHi float64 // sampling only
	Bias             float64 // bound on |figure of the exact table - figure of the ungrouped data|
	Hidden           bool    // no figures; Warning says why
	Warning          string
}

// Reference covers what a statistics package computes from the ungrouped rows: the noise interval, wider by the bound on the
// difference that grouping makes.
func (e Estimate) Reference() (lo, hi float64) { return e.NoiseLo - e.Bias, e.NoiseHi + e.Bias }

// Test is a test of a null hypothesis.
type Test struct {
	Name             string
	Group            []string
	Statistic        float64 // as the textbook has it, on the noisy table
	DF               int
	P                float64 // parametric bootstrap under the null, noise included; never below 1/2001
	Wald, WaldP      float64 // quadratic form with the noise in its covariance, and its chi-square p value: for small p
	NaiveP           float64 // p of Statistic as if the table were exact
	NoiseLo, NoiseHi float64 // covers the statistic of the exact table
	Hidden           bool
	Warning          string
}

func hidden(name string, group []string, why string) Estimate {
	return Estimate{Name: name, Group: group, Hidden: true, Warning: why}
}

func hiddenTest(name string, group []string, df int, why string) Test {
	return Test{Name: name, Group: group, DF: df, P: 1, WaldP: 1, NaiveP: 1, Hidden: true, Warning: why}
}

// done hides an estimate with a figure that is not one. It is the last step of every estimator, so that no arithmetic
// accident leaves as NaN.
func (e Estimate) done() Estimate {
	if e.Hidden {
		return e
	}
	for _, v := range []float64{e.Lo, e.Hi, e.NoiseLo, e.NoiseHi, e.NaiveLo, e.NaiveHi, e.Bias} {
		if math.IsNaN(v) {
			return hidden(e.Name, e.Group, NotFinite)
		}
	}
	if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) || math.IsInf(e.Bias, 0) {
		return hidden(e.Name, e.Group, NotFinite)
	}
	return e
}

func (t Test) done() Test {
	for _, v := range []float64{t.Statistic, t.P, t.Wald, t.WaldP, t.NaiveP, t.NoiseLo, t.NoiseHi} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return hiddenTest(t.Name, t.Group, t.DF, NotFinite)
		}
	}
	return t
}

// normal builds an estimate from its variances: sampling and noise.
func normal(name string, group []string, value, sampling, noise float64) Estimate {
	return transformed(name, group, value, sampling, noise, z, func(x float64) float64 { return x })
}

// logNormal does so for an estimate whose logarithm has these variances.
func logNormal(name string, group []string, log, sampling, noise float64) Estimate {
	return transformed(name, group, log, sampling, noise, z, math.Exp)
}

// transformed builds intervals on the scale where the estimate is normal and brings them back by f, which must not decrease.
func transformed(name string, group []string, at, sampling, noise, q float64, f func(float64) float64) Estimate {
	sampling, noise = math.Max(sampling, 0), math.Max(noise, 0)
	s, n, b := q*math.Sqrt(sampling), z*math.Sqrt(noise), q*math.Sqrt(sampling+noise)
	return Estimate{
		Name: name, Group: group, Value: f(at),
		Lo: f(at - b), Hi: f(at + b),
		NoiseLo: f(at - n), NoiseHi: f(at + n),
		NaiveLo: f(at - s), NaiveHi: f(at + s),
	}.done()
}
