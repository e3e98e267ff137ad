package stat

import (
	"fmt"
	"math"
	"slices"
)

// arm is the life table of one group: events and censorings in time bins, in order of time.
type arm struct {
	group  []string
	lo, hi []float64
	d, c   []float64
	sigma  float64
}

// arms cuts the table into one arm for each group.
func (s Survival) arms(t Table) ([]arm, error) {
	parts, err := t.split(s.By, s.Time, s.Status.Dim)
	if err != nil {
		return nil, err
	}
	time, status := parts[0].Dims[0], parts[0].Dims[1]
	yes, no, err := s.Status.find(status)
	if err != nil {
		return nil, err
	}
	lo, hi, ok, err := time.bins()
	if err != nil {
		return nil, err
	}
	var order []int
	for i := range lo {
		if ok[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case lo[i] < lo[j], lo[i] == lo[j] && hi[i] < hi[j]:
			return -1
		case lo[i] == lo[j] && hi[i] == hi[j]:
			return 0
		}
		return 1
	})
	if lo[order[0]] < 0 {
		return nil, fmt.Errorf("%w: dimension %q has times below 0", ErrArgument, time.Name)
	}
	for k := 1; k < len(order); k++ {
		if i, j := order[k-1], order[k]; lo[j] < hi[i] || lo[j] == lo[i] && hi[j] == hi[i] {
			return nil, fmt.Errorf("%w: bins %q and %q of dimension %q overlap", ErrArgument, time.Labels[i], time.Labels[j], time.Name)
		}
	}
	var arms []arm
	for _, p := range parts {
		a := arm{group: p.group, sigma: p.Sigma}
		for _, i := range order {
			a.lo, a.hi = append(a.lo, lo[i]), append(a.hi, hi[i])
			a.d = append(a.d, p.Cells[i*len(status.Labels)+yes])
			a.c = append(a.c, p.Cells[i*len(status.Labels)+no])
		}
		arms = append(arms, a)
	}
	return arms, nil
}

// against gives the arms and the index of the reference arm.
func (s Survival) against(t Table, ref string) ([]arm, int, error) {
	if len(s.By) != 1 {
		return nil, 0, fmt.Errorf("%w: a comparison needs exactly one dimension in By", ErrArgument)
	}
	arms, err := s.arms(t)
	if err != nil {
		return nil, 0, err
	}
	r := slices.IndexFunc(arms, func(a arm) bool { return a.group[0] == ref })
	if r < 0 || len(arms) < 2 {
		return nil, 0, fmt.Errorf("%w: dimension %q has no label %q to compare with", ErrArgument, s.By[0], ref)
	}
	return arms, r, nil
}

func (a arm) bins() int { return len(a.d) }

// point says that a bin is one value: there events come before censorings, as everywhere in survival analysis.
func (a arm) point(t int) bool { return a.lo[t] == a.hi[t] }

// atRisk is how many are at risk in each bin: all who end in it or later. Within a wide bin events and censorings
// mix; counting half of the censored is the actuarial estimate (Cutler & Ederer 1958).
func (a arm) atRisk() (start, risk []float64) {
	start, risk = make([]float64, a.bins()), make([]float64, a.bins())
	n := 0.0
	for t := a.bins() - 1; t >= 0; t-- {
		n += a.d[t] + a.c[t]
		start[t], risk[t] = n, n
		if !a.point(t) {
			risk[t] -= a.c[t] / 2
		}
	}
	return start, risk
}

// rate is events over person-time, with half the person-time that bin widths leave open.
func (a arm) rate() (f fraction, half float64) {
	v := a.sigma * a.sigma
	for t := range a.d {
		m := (a.lo[t] + a.hi[t]) / 2
		f.x += a.d[t]
		f.y += (a.d[t] + a.c[t]) * m
		f.vx += v
		f.vy += 2 * v * m * m
		f.cov += v * m
		half += math.Max(0, a.d[t]+a.c[t]) * (a.hi[t] - a.lo[t]) / 2
	}
	return f, half
}

type logRate struct {
	log, sampling, noise, bias float64
	why, warning               string
}

func (a arm) logRate() logRate {
	f, half := a.rate()
	switch {
	case f.hidden(), f.y <= half:
		return logRate{why: TooNoisy}
	case f.x < 1, f.x < floor*math.Sqrt(f.vx):
		return logRate{why: "too noisy: the events are below 4 standard deviations of their noise"}
	}
	return logRate{
		log: math.Log(f.x / f.y), sampling: 1 / f.x,
		noise:   f.vx/(f.x*f.x) + f.vy/(f.y*f.y) - 2*f.cov/(f.x*f.y),
		bias:    -math.Log1p(-half / f.y),
		warning: a.warning(),
	}
}

// warning is rule 9.5 of the design for curves and hazard ratios: sigma sqrt(2T)/n above 2 %.
func (a arm) warning() string {
	n := 0.0
	for t := range a.d {
		n += a.d[t] + a.c[t]
	}
	if a.sigma*math.Sqrt(2*float64(a.bins())) > 0.02*n {
		return "noise is above 2 % of the group: expect wide intervals and a ragged curve"
	}
	return ""
}
