package stat

import (
	"fmt"
	"math"
	"slices"
)

// DefaultPieces is how many pieces the baseline hazard of [HazardRatio] has when not told otherwise.
const DefaultPieces = 8

// HazardRatio is a proportional hazards regression with a baseline hazard that is constant on pieces of time, its own in each
// combination of labels of s.By (the strata): a Poisson regression of events on person-time (Holford 1980; Laird & Olivier
// 1981), the equivalent of Cox's model that a table allows. Pieces hold about equally many events, end at ends of bins, and
// become fewer until each has, in each stratum, events above 4 standard deviations of their noise. pieces = 0 means
// [DefaultPieces].
//
// Bias bounds what the position of times within their bins can do. It does not bound the difference to Cox's partial
// likelihood, which is another estimator of the same ratio: on the reference data of the project it is below a quarter of the
// standard error (docs/statistics.md). Bins of time that hold a tenth of all events are too coarse for it.
func HazardRatio(t Table, s Survival, m Model, pieces int) (Fit, error) {
	const name = "hazard ratio"
	d, err := m.design(t, 0)
	if err != nil {
		return Fit{}, err
	}
	if len(d.names) == 0 {
		return Fit{}, fmt.Errorf("%w: a hazard ratio needs a term with at least two labels", ErrArgument)
	}
	if pieces == 0 {
		pieces = DefaultPieces
	}
	if pieces < 1 || pieces > maxParameters {
		return Fit{}, fmt.Errorf("%w: %d pieces, must be 1 to %d", ErrArgument, pieces, maxParameters)
	}
	for _, by := range s.By {
		if slices.Contains(d.dims, by) {
			return Fit{}, fmt.Errorf("%w: dimension %q is both a stratum and a term", ErrArgument, by)
		}
	}
	s.By = append(slices.Clone(s.By), d.dims...)
	arms, err := s.arms(t)
	if err != nil {
		return Fit{}, err
	}
	groups := len(arms) / len(d.patterns)
	if groups*pieces+len(d.names) > maxParameters {
		return Fit{}, fmt.Errorf("%w: %d strata of %d pieces make more than %d parameters", ErrArgument, groups, pieces, maxParameters)
	}
	byStratum := make([][]arm, groups)
	for i, a := range arms {
		if d.patterns[i%len(d.patterns)].at != nil {
			byStratum[i/len(d.patterns)] = append(byStratum[i/len(d.patterns)], a)
		}
	}
	piece := cut(byStratum, pieces)
	if piece == nil {
		return Fit{Name: name, Hidden: true, Warning: "too noisy: a stratum has fewer events than 4 standard deviations of their noise"}, nil
	}
	p := hazardProblem(name, d, arms, piece)
	f := p.fit(len(p.names)-len(d.names), "hazard ratio")
	for _, as := range byStratum {
		for _, a := range as {
			if !f.Hidden {
				f.Warning = firstOf(f.Warning, a.warning())
			}
		}
	}
	return f, nil
}

// cut assigns each time bin to a piece; nil when not even one piece is safe.
func cut(strata [][]arm, pieces int) []int {
	var first arm
	n := 0
	for _, as := range strata {
		n = max(n, len(as))
		if len(as) > 0 {
			first = as[0]
		}
	}
	if n == 0 {
		return nil
	}
	bins := first.bins()
	all := make([]float64, bins) // events of each bin over everything, noise below 0 taken as 0
	total := 0.0
	for t := range bins {
		for _, as := range strata {
			for _, a := range as {
				all[t] += a.d[t]
			}
		}
		all[t] = math.Max(all[t], 0)
		total += all[t]
	}
	for ; pieces > 0; pieces-- {
		piece := make([]int, bins)
		sum, k := 0.0, 0
		for t := range bins {
			piece[t] = k
			sum += all[t]
			if k < pieces-1 && sum >= total*float64(k+1)/float64(pieces) {
				k++
			}
		}
		if enough(strata, piece) {
			return piece
		}
	}
	return nil
}

func enough(strata [][]arm, piece []int) bool {
	k := piece[len(piece)-1] + 1
	for _, as := range strata {
		events, cells := make([]float64, k), make([]float64, k)
		sigma := 0.0
		for _, a := range as {
			sigma = a.sigma
			for t, d := range a.d {
				events[piece[t]] += d
				cells[piece[t]]++
			}
		}
		for i := range events {
			if events[i] < 1 || events[i] < floor*sigma*math.Sqrt(cells[i]) {
				return false
			}
		}
	}
	return true
}

func hazardProblem(name string, d design, arms []arm, piece []int) problem {
	pieces := piece[len(piece)-1] + 1
	size := len(d.patterns)
	groups := len(arms) / size
	base := groups * pieces
	p := problem{name: name, sigma: arms[0].sigma, mean: exponential, names: append(make([]string, base), d.names...)}
	p.start = make([]float64, base+len(d.names))
	from := make([]float64, pieces+1) // where each piece starts
	for t := len(piece) - 1; t >= 0; t-- {
		from[piece[t]] = arms[0].lo[t]
	}
	from[0] = 0
	events, time := make([]float64, base), make([]float64, base)
	for i, a := range arms {
		q := d.patterns[i%size]
		g := i / size
		for k := range pieces {
			r := pattern{}
			if q.at != nil {
				r.at = append(r.at, g*pieces+k)
				for _, at := range q.at {
					r.at = append(r.at, at+base)
				}
				r.x, r.half = append([]float64{1}, q.x...), append([]float64{0}, q.half...)
			}
			p.patterns = append(p.patterns, r)
		}
		if q.at == nil {
			continue
		}
		for t := range a.d {
			mid, half := (a.lo[t]+a.hi[t])/2, (a.hi[t]-a.lo[t])/2
			var lived []row
			for k := 0; k <= piece[t]; k++ {
				r := row{pattern: i*pieces + k}
				if k < piece[t] {
					r.e = from[k+1] - from[k]
				} else {
					r.e, r.d = mid-from[k], half
				}
				lived = append(lived, r)
				time[g*pieces+k] += math.Max(0, a.d[t]+a.c[t]) * r.e
			}
			died := slices.Clone(lived)
			died[piece[t]].y = 1
			events[g*pieces+piece[t]] += a.d[t]
			p.cells = append(p.cells, cell{a.d[t], died}, cell{a.c[t], lived})
		}
	}
	for k := range base {
		p.start[k] = math.Log(math.Max(events[k], 0.5) / math.Max(time[k], 1e-9))
	}
	return p
}
