package stat

import "math"

// effect is z(0.975) + z(0.80): what an effect must be in standard errors to be found at 5 % two-sided with 80 % power.
const effect = 1.959963984540054 + 0.8416212335729143

// MinimumRatio is the smallest odds, risk or hazard ratio above 1 that a study with this standard error of the logarithm
// finds with 80 % power: exp(2.80 SE). +Inf when nothing is found.
func MinimumRatio(se float64) float64 {
	if !(se >= 0) {
		return math.Inf(1)
	}
	return math.Exp(effect * se)
}

// Declared is a study as its planner imagines it, never as the data are: two groups, a risk in each.
type Declared struct {
	Exposed, Unexposed         float64 // persons
	RiskExposed, RiskUnexposed float64
	Sigma                      float64 // noise of each cell
}

// LogOddsRatioSE is Woolf's standard error with noise at the declared sizes; +Inf when a cell would be below 1.
func (d Declared) LogOddsRatioSE() float64 {
	v := 0.0
	for _, n := range d.cells() {
		if !(n >= 1) {
			return math.Inf(1)
		}
		v += 1/n + d.Sigma*d.Sigma/(n*n)
	}
	return math.Sqrt(v)
}

// LogRiskRatioSE is that of the risk ratio.
func (d Declared) LogRiskRatioSE() float64 {
	c := d.cells()
	v := 0.0
	for i := 0; i < 4; i += 2 {
		a, b := c[i], c[i+1]
		if !(a >= 1) || !(b >= 1) {
			return math.Inf(1)
		}
		n := a + b
		v += b/(a*n) + d.Sigma*d.Sigma*(a*a+b*b)/(a*a*n*n)
	}
	return math.Sqrt(v)
}

func (d Declared) cells() [4]float64 {
	return [4]float64{
		d.Exposed * d.RiskExposed, d.Exposed * (1 - d.RiskExposed),
		d.Unexposed * d.RiskUnexposed, d.Unexposed * (1 - d.RiskUnexposed),
	}
}

// Followed is a planned follow-up of one arm over bins of equal width: persons, and the chance of an event and of censoring in
// each bin for those still at risk.
type Followed struct {
	Persons, Event, Censor, Sigma float64
	Bins                          int
}

// LogRateVariance is the variance of the log event rate of the arm (9.2 of the design), sampling and noise; add both arms' and take
// the root for a hazard ratio. +Inf when the noise would drown it.
func (f Followed) LogRateVariance() float64 {
	if !(f.Persons > 0) || f.Bins < 1 || f.Bins > maxCells || !(f.Event >= 0 && f.Censor >= 0 && f.Event+f.Censor <= 1) || !(f.Sigma >= 0) {
		return math.Inf(1)
	}
	a := arm{group: []string{"planned"}, sigma: f.Sigma}
	n := f.Persons
	for t := range f.Bins {
		d, c := n*f.Event, n*f.Censor
		if t == f.Bins-1 {
			c = n - d
		}
		n -= d + c
		a.lo, a.hi = append(a.lo, float64(t)), append(a.hi, float64(t+1))
		a.d, a.c = append(a.d, d), append(a.c, c)
	}
	r := a.logRate()
	if r.why != "" {
		return math.Inf(1)
	}
	return r.sampling + r.noise
}

// CurveNoise is rule 9.5 of the design: sigma sqrt(2T)/n of a curve with T bins over n persons. Above 0.02 a curve is too noisy
// to be read.
func CurveNoise(persons, sigma float64, bins int) float64 {
	if !(persons > 0) {
		return math.Inf(1)
	}
	return sigma * math.Sqrt(2*float64(bins)) / persons
}
