package stat

import (
	"fmt"
	"math"
)

// RMST is the restricted mean survival time: the area under the survival curve from 0 to horizon, for each group. Within a bin
// the curve is a straight line; Bias adds up half of each bin's drop times its width, and the bias of the curve.
// Sampling: sum of (area after t)^2 d/(n(n-d)) (Klein & Moeschberger 2003, 4.5). Noise: gradient in all cells.
func RMST(t Table, s Survival, horizon float64) ([]Estimate, error) {
	arms, err := s.arms(t)
	if err != nil {
		return nil, err
	}
	if !(horizon > 0) || math.IsInf(horizon, 1) {
		return nil, fmt.Errorf("%w: the horizon must be above 0", ErrArgument)
	}
	var out []Estimate
	for _, a := range arms {
		out = append(out, a.rmst(horizon))
	}
	return out, nil
}

func (a arm) rmst(horizon float64) Estimate {
	const name = "restricted mean survival"
	w := a.walk()
	// weight[t] is d area / d S(end of t): the area is linear in the curve's points.
	weight := make([]float64, a.bins())
	area, bias, end, s, last := 0.0, 0.0, 0.0, 1.0, -1
	add := func(width float64) { // a flat stretch
		area += s * width
		if last >= 0 {
			weight[last] += width
		}
	}
	for t := 0; t < w.bins && end < horizon; t++ {
		add(math.Min(a.lo[t], horizon) - end)
		end = math.Min(a.lo[t], horizon)
		if end >= horizon {
			break
		}
		next := math.Exp(w.log[t])
		if width := math.Min(a.hi[t], horizon) - end; width > 0 {
			part := width / (a.hi[t] - a.lo[t]) // the horizon may cut the bin
			mid := part / 2
			area += width * ((1-mid)*s + mid*next)
			if last >= 0 {
				weight[last] += width * (1 - mid)
			}
			weight[t] += width * mid
			off := math.Max(math.Abs(math.Exp(w.late[t])-next), math.Abs(next-math.Exp(w.early[t])))
			bias += width * (math.Abs(s-next)*math.Max(mid, 1-mid) + off)
			end += width
		}
		s, last = next, t
	}
	// The curve must reach the horizon: flat after the last bin with anybody in it, when there is one beyond.
	if end < horizon {
		if w.bins < a.bins() || a.bins() == 0 || a.hi[a.bins()-1] < horizon {
			return hidden(name, a.group, "the curve cannot be read as far as the horizon: choose an earlier one")
		}
		add(horizon - end)
	}
	sampling := 0.0
	after := 0.0
	gd, gc := make([]float64, a.bins()), make([]float64, a.bins())
	for t := w.bins - 1; t >= 0; t-- {
		if weight[t] == 0 && after == 0 {
			continue
		}
		c := weight[t] * math.Exp(w.log[t])
		after += c
		sampling += after * after * a.d[t] / (w.risk[t] * (w.risk[t] - a.d[t]))
	}
	a.accumulate(w, weight, gd, gc)
	noise := a.sigma * a.sigma * (dot(gd, gd) + dot(gc, gc))
	e := normal(name, a.group, area, sampling, noise)
	e.Bias = bias
	if !e.Hidden {
		e.Warning = a.warning()
	}
	return e.done()
}

// accumulate is the gradient of sum weight[t] S(t) in all cells: S(t) times the gradient of log S(t), gathered backwards.
func (a arm) accumulate(w walk, weight, gd, gc []float64) {
	// A cell of bin s acts on log S(t) by its own terms when t >= s, and by exposure[u] for every u < s, u <= t.
	suffix := make([]float64, w.bins+1) // sum of weight[t] S(t) over t >= s
	for t := w.bins - 1; t >= 0; t-- {
		suffix[t] = suffix[t+1] + weight[t]*math.Exp(w.log[t])
	}
	before := 0.0
	for s := range a.d {
		gd[s], gc[s] = before, before
		if s < w.bins {
			share := 1.0
			if !a.point(s) {
				share = 0.5
			}
			gd[s] += suffix[s] * (w.exposure[s] + w.event[s])
			gc[s] += suffix[s] * share * w.exposure[s]
			before += suffix[s] * w.exposure[s]
		}
	}
}
