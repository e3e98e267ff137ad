package stat

import (
	"math"
	"slices"
)

// Quantile is the value below which a share q of the persons lies, straight within the bin it falls in. Each interval is the set
// of values where the hypothesis "this is the quantile" is not rejected: |C(x) - q n| <= z sd, with sd of the noise in both,
// and of the binomial rank n q (1-q). Where the noisy cumulative count is not increasing, intervals take the outermost ends. Bias: the
// width of the bin; of whole numbers in bins of one value the quantile is that value, and there is none.
func (d Distribution) Quantile(q float64) (Estimate, error) {
	if !(q > 0 && q < 1) {
		return Estimate{}, wrongLevel(q)
	}
	all := make([]float64, len(d.Cells))
	for i := range all {
		all[i] = 1
	}
	if sd := math.Sqrt(d.variance(all)); d.total < 1 || d.total < floor*sd {
		return hidden("quantile", nil, TooNoisy), nil
	}
	n := len(d.Cells)
	// excess[i] is C - q n at the edge i, noise[i] its variance.
	excess, noise := make([]float64, n+1), make([]float64, n+1)
	w := make([]float64, n)
	for i := range w {
		w[i] = -q
	}
	excess[0] = -q * d.total
	noise[0] = d.variance(w)
	step := max(1, n/maxPoints) // the variance is smooth between edges: with many leaves it is computed at every step-th
	for i := 1; i <= n; i++ {
		excess[i] = excess[i-1] + d.Cells[i-1]
		w[i-1] = 1 - q
		if i%step == 0 || i == n {
			noise[i] = d.variance(w)
		}
	}
	for i := 1; i <= n; i++ {
		if i%step != 0 && i != n {
			a := i / step * step
			b := min(a+step, n)
			noise[i] = math.Max(noise[a], noise[b])
		}
	}
	rank := d.total * q * (1 - q)
	at, leaf := d.cross(excess, func(int) float64 { return 0 }, false)
	e := Estimate{Name: "quantile", Value: at, Bias: d.width(leaf)}
	both := func(sampling float64, use bool) (lo, hi float64) {
		sd := func(i int) float64 {
			v := sampling
			if use {
				v += noise[i]
			}
			return z * math.Sqrt(v)
		}
		lo, _ = d.cross(excess, func(i int) float64 { return -sd(i) }, false)
		hi, _ = d.cross(excess, sd, true)
		return math.Min(lo, at), math.Max(hi, at)
	}
	e.Lo, e.Hi = both(rank, true)
	e.NoiseLo, e.NoiseHi = both(0, true)
	e.NaiveLo, e.NaiveHi = both(rank, false)
	return e.done(), nil
}

// cross is where excess crosses the level: the first place it comes above, or the last at which it is still below.
func (d Distribution) cross(excess []float64, level func(int) float64, last bool) (at float64, leaf int) {
	above := func(i int) bool { return excess[i] >= level(i) }
	k := slices.IndexFunc(index(len(excess)), above)
	if last {
		k = len(excess)
		for k > 0 && above(k-1) {
			k--
		}
	}
	edges := d.tree.Edges
	switch {
	case k <= 0:
		if k < 0 {
			return edges[len(edges)-1], len(d.Cells) - 1
		}
		return edges[0], 0
	case k >= len(excess):
		return edges[len(edges)-1], len(d.Cells) - 1
	}
	if d.tree.Whole && edges[k]-edges[k-1] == 1 {
		return edges[k-1], k - 1
	}
	a, b := excess[k-1]-level(k-1), excess[k]-level(k)
	return edges[k-1] + (edges[k]-edges[k-1])*(-a/(b-a)), k - 1
}

func (d Distribution) width(leaf int) float64 {
	w := d.tree.Edges[leaf+1] - d.tree.Edges[leaf]
	if d.tree.Whole {
		w--
	}
	return w
}

func index(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
