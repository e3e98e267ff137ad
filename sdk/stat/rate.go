package stat

import "math"

// Prevalence is the share of persons with the outcome's Yes label among those with Yes or No, in each group of by.
// Intervals: Wilson's score interval with the noise of both counts in it.
func Prevalence(t Table, outcome Pair, by ...string) ([]Estimate, error) {
	parts, err := t.split(by, outcome.Dim)
	if err != nil {
		return nil, err
	}
	yes, no, err := outcome.find(parts[0].Dims[0])
	if err != nil {
		return nil, err
	}
	var out []Estimate
	for _, p := range parts {
		f := share(p.Cells[yes], p.Cells[no], p.Sigma)
		e := f.estimate("prevalence", p.group, f.y, -f.y)
		if !e.Hidden && (e.Value < 0 || e.Value > 1) {
			e.Warning = "the count is within its noise of 0 or of all: read the interval, not the value"
		}
		out = append(out, e)
	}
	return out, nil
}

// share is yes/(yes+no) where both have noise sigma.
func share(yes, no, sigma float64) fraction {
	v := sigma * sigma
	return fraction{x: yes, y: yes + no, vx: v, vy: 2 * v, cov: v}
}

// Survival names the parts of a time-to-event table: a dimension of numeric bins, and one with an event (Yes) and a censored
// (No) label. Each person is in the cell of the time at which they had the event or were last seen.
type Survival struct {
	Time   string
	Status Pair
	By     []string // arms or groups
}

// Incidence is events per unit of person-time in each group. A person contributes the middle of the time bin; half a bin's
// width for everyone bounds the bias. Sampling: events are Poisson given the person-time.
func Incidence(t Table, s Survival) ([]Estimate, error) {
	arms, err := s.arms(t)
	if err != nil {
		return nil, err
	}
	var out []Estimate
	for _, a := range arms {
		f, half := a.rate()
		e := f.estimate("incidence rate", a.group, f.y, 0)
		if !e.Hidden {
			if f.y-half <= 0 {
				e = hidden(e.Name, a.group, "too coarse: half a time bin is longer than the person-time")
			} else {
				e.Bias = math.Abs(e.Value) * half / (f.y - half)
			}
		}
		out = append(out, e.done())
	}
	return out, nil
}

// RateRatio divides the incidence rate of each group by that of the reference, the label ref of the one dimension in s.By.
// Log scale; variances as in 9.2 of the design: log HR = log(D1/PT1) - log(D0/PT0).
func RateRatio(t Table, s Survival, ref string) ([]Estimate, error) {
	arms, r, err := s.against(t, ref)
	if err != nil {
		return nil, err
	}
	base := arms[r].logRate()
	var out []Estimate
	for i, a := range arms {
		if i == r {
			continue
		}
		l := a.logRate()
		if l.why != "" || base.why != "" {
			out = append(out, hidden("rate ratio", a.group, firstOf(l.why, base.why)))
			continue
		}
		e := logNormal("rate ratio", a.group, l.log-base.log, l.sampling+base.sampling, l.noise+base.noise)
		e.Bias = math.Abs(e.Value) * (math.Exp(l.bias+base.bias) - 1)
		e.Warning = firstOf(l.warning, base.warning)
		out = append(out, e.done())
	}
	return out, nil
}

func firstOf(s ...string) string {
	for _, w := range s {
		if w != "" {
			return w
		}
	}
	return ""
}
