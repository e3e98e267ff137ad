package stat

import (
	"fmt"
	"math"
)

// MedianSurvival is the time at which S falls to one half, straight between the ends of bins; [SurvivalQuantile] at 0.5.
func MedianSurvival(t Table, s Survival) ([]Estimate, error) { return SurvivalQuantile(t, s, 0.5) }

// SurvivalQuantile is the time at which S falls to 1-q. Its interval is the set of times where the test that S(t) = 1-q is not
// rejected (Brookmeyer and Crowley 1982), with noise in the test; an upper end beyond the last usable bin is +Inf. Bias: the
// width of the bin in which the curve crosses. In bins of one value it is the first such value, as in R.
func SurvivalQuantile(t Table, s Survival, q float64) ([]Estimate, error) {
	arms, err := s.arms(t)
	if err != nil {
		return nil, err
	}
	if !(q > 0 && q < 1) {
		return nil, wrongLevel(q)
	}
	name := "survival quantile"
	if q == 0.5 {
		name = "median survival"
	}
	var out []Estimate
	for _, a := range arms {
		out = append(out, a.quantile(name, 1-q))
	}
	return out, nil
}

func (a arm) quantile(name string, level float64) Estimate {
	points := a.curve()
	usable := 0
	for usable < len(points) && !points[usable].Hidden {
		usable++
	}
	at, width := a.crossing(points[:usable], level, func(e Estimate) float64 { return e.Value })
	if math.IsInf(at, 1) {
		return hidden(name, a.group, "not reached: the curve stays above this level as far as it can be read")
	}
	end := func(f func(Estimate) float64) float64 {
		x, _ := a.crossing(points[:usable], level, f)
		return x
	}
	e := Estimate{
		Name: name, Group: a.group, Value: at, Bias: width,
		Lo: end(func(e Estimate) float64 { return e.Lo }), Hi: end(func(e Estimate) float64 { return e.Hi }),
		NoiseLo: end(func(e Estimate) float64 { return e.NoiseLo }), NoiseHi: end(func(e Estimate) float64 { return e.NoiseHi }),
		NaiveLo: end(func(e Estimate) float64 { return e.NaiveLo }), NaiveHi: end(func(e Estimate) float64 { return e.NaiveHi }),
		Warning: a.warning(),
	}
	return e.done()
}

// crossing is the first time at which f is at or below level, and the width of the bin it lies in.
func (a arm) crossing(points []CurvePoint, level float64, f func(Estimate) float64) (at, width float64) {
	s := 1.0
	for t, p := range points {
		v := f(p.Estimate)
		if v <= level {
			if a.point(t) {
				return a.lo[t], 0
			}
			w := a.hi[t] - a.lo[t]
			return a.lo[t] + w*(s-level)/(s-v), w
		}
		s = v
	}
	return math.Inf(1), 0
}

func wrongLevel(q float64) error {
	return fmt.Errorf("%w: quantile %v is not between 0 and 1", ErrArgument, q)
}
