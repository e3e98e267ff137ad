package stat

import "math"

// CurvePoint is the survival function at the end of one time bin (at its value, where the bin is one value).
type CurvePoint struct {
	Estimate
	Time             float64
	AtRisk           float64 // at the start of the bin
	Events, Censored float64 // in the bin
}

// KaplanMeier is S(t) = prod (1 - d/n) over the bins up to t, for each group: the actuarial estimate in bins that are wider
// than one value, Kaplan and Meier's in those that are not.
//
// Intervals are on the log-log scale. Sampling: Greenwood (1926). Noise: the exact gradient of log S in all cells, which in the
// design's form is sigma^2/n^2 for the events plus the accumulated noise of the numbers at risk. Hazards are not clamped to
// [0,1]: with many thin bins, clamping noise at 0 biases the curve downwards by far more than its error. A curve may therefore rise
// a little; that is noise. It ends (Hidden) where the number at risk falls below 4 of its noise's standard deviations.
//
// Bias: all events of a bin before, or all after, its censorings are the two extremes that the ungrouped curve lies between.
func KaplanMeier(t Table, s Survival) ([]CurvePoint, error) {
	arms, err := s.arms(t)
	if err != nil {
		return nil, err
	}
	var out []CurvePoint
	for _, a := range arms {
		out = append(out, a.curve()...)
	}
	return out, nil
}

// walk is log S bin by bin, with what its gradient needs.
type walk struct {
	start, risk []float64 // at risk: at the start, and as counted for the hazard
	log         []float64 // log S at the end of each bin
	greenwood   []float64
	event       []float64 // d log S / d hazard of the bin: -1/(risk - d)
	exposure    []float64 // d log S / d risk: d/(risk (risk - d))
	early, late []float64 // log S with censorings before and after the events of each bin
	bins        int       // usable bins; noise has drowned the rest
}

func (a arm) walk() walk {
	w := walk{}
	w.start, w.risk = a.atRisk()
	l, g, early, late := 0.0, 0.0, 0.0, 0.0
	for t := range a.d {
		n, d := w.risk[t], a.d[t]
		sd := a.sigma * math.Sqrt(2*float64(a.bins()-t))
		left := n - d
		// After the last event of all S is 0, exactly: no noise, everybody had the event.
		if n < 1 || n < floor*sd || left < 0 || left < floor*sd && a.sigma > 0 || left == 0 {
			break
		}
		l += math.Log1p(-d / n)
		g += d / (n * left)
		f := d / w.start[t]
		e := f
		if d > 0 && !a.point(t) {
			e = d / math.Max(d, w.start[t]-a.c[t])
		}
		early += math.Log1p(-math.Min(math.Max(e, 0), 1))
		late += math.Log1p(-math.Min(math.Max(f, 0), 1))
		w.log, w.greenwood = append(w.log, l), append(w.greenwood, g)
		w.event, w.exposure = append(w.event, -1/left), append(w.exposure, d/(n*left))
		w.early, w.late = append(w.early, early), append(w.late, late)
	}
	w.bins = len(w.log)
	return w
}

// noiseOf log S at the end of each usable bin: sigma^2 times the sum of squares of its gradient in all cells. An event in bin s
// moves log S(t) by its own hazard when s <= t, and both events and censorings of s by the numbers at risk up to s. The bins after t all have the same coefficient, so running sums do.
func (a arm) noiseOf(w walk) []float64 {
	v := make([]float64, w.bins)
	sum, before := 0.0, 0.0
	for t := range w.bins {
		share := 1.0
		if !a.point(t) {
			share = 0.5
		}
		gd, gc := before+w.exposure[t]+w.event[t], before+share*w.exposure[t]
		sum += gd*gd + gc*gc
		before += w.exposure[t]
		v[t] = a.sigma * a.sigma * (sum + 2*float64(a.bins()-1-t)*before*before)
	}
	return v
}

func (a arm) curve() []CurvePoint {
	const name = "survival"
	w := a.walk()
	noise := a.noiseOf(w)
	warning := a.warning()
	var out []CurvePoint
	for t := range a.d {
		p := CurvePoint{Time: a.hi[t], AtRisk: w.start[t], Events: a.d[t], Censored: a.c[t]}
		switch {
		case t < w.bins:
			p.Estimate = survival(name, a.group, w.log[t], w.greenwood[t], noise[t])
			p.Bias = math.Max(math.Abs(math.Exp(w.late[t])-p.Value), math.Abs(p.Value-math.Exp(w.early[t])))
			p.Estimate = p.done()
			if !p.Hidden {
				p.Warning = warning
			}
		case a.sigma == 0 && t == w.bins && a.d[t] > 0 && w.risk[t] == a.d[t]:
			p.Estimate = Estimate{Name: name, Group: a.group, Hi: 1, NaiveHi: 1, Warning: "nobody is left: R gives no interval here, and neither do we"}
		default:
			p.Estimate = hidden(name, a.group, "too noisy: too few are still at risk")
		}
		out = append(out, p)
	}
	return out
}

// survival is S with log-log intervals; where that scale has no finite point (S = 1, or above by noise), on the plain scale.
func survival(name string, group []string, log, greenwood, noise float64) Estimate {
	if log < -1e-9 {
		k := 1 / (log * log)
		at := math.Log(-log)
		e := transformed(name, group, -at, greenwood*k, noise*k, z, func(x float64) float64 { return math.Exp(-math.Exp(-x)) })
		if !e.Hidden {
			e.Value = math.Exp(log)
		}
		// Where the noise is not small against the distance to 1, the log-log scale is no longer normal.
		if noise < log*log/9 {
			return e
		}
	}
	s := math.Exp(log)
	return normal(name, group, s, s*s*greenwood, s*s*noise)
}
