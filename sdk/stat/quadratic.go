package stat

import "math"

// A test statistic T = u' V^-1 u is read off a vector u that is (nearly) normal: sampling covariance v, noise covariance e.
type score struct {
	u    []float64
	v, e matrix
}

// wald is u' (v+e)^-1 u: chi-square with len(u) degrees of freedom under the null, noise and all.
func (s score) wald() (float64, bool) { return s.v.plus(s.e).quadratic(s.u) }

// exact covers the value T has without noise. For a multiple k of the observed u as the exact vector it asks where the
// observed T lies among the T of k u + noise, and keeps each k at which that is not in the outer 2.5 % on either side:
// an interval by inversion of a test, with the same 2,000 draws for all k (which makes the position monotone in k but for
// the draws' own error).
func (s score) exact(seed Seed) (lo, hi float64, ok bool) {
	inv, ok := s.v.inverse()
	if !ok {
		return 0, 0, false
	}
	t := dot(s.u, inv.times(s.u))
	root, ok := root(s.e)
	if !ok {
		return t, t, true // no noise
	}
	n := len(s.u)
	// T(k) of a draw e is k^2 t + 2 k u'Ve + e'Ve: two numbers per draw are enough.
	iu := inv.times(s.u)
	cross, own := make([]float64, replicates), make([]float64, replicates)
	d := seed.draws()
	x := make([]float64, n)
	for r := range replicates {
		clear(x)
		for j := range n {
			g := d.normal()
			for i := range n {
				x[i] += root[i][j] * g
			}
		}
		cross[r], own[r] = 2*dot(iu, x), dot(x, inv.times(x))
	}
	below := func(k, q float64) bool { // whether the q-quantile of T(k) is below t
		n := 0
		for r := range replicates {
			if k*k*t+k*cross[r]+own[r] < t {
				n++
			}
		}
		return n > int(q*(replicates-1)+0.5)
	}
	solve := func(q float64) float64 { // the k whose q-quantile is t
		a, b := 0.0, 2.0
		if !below(a, q) {
			return 0
		}
		for below(b, q) && b < 1e6 {
			a, b = b, 2*b
		}
		for range 25 {
			if m := (a + b) / 2; below(m, q) {
				a = m
			} else {
				b = m
			}
		}
		return (a + b) / 2
	}
	kl, kh := solve(0.975), solve(0.025)
	return kl * kl * t, kh * kh * t, true
}

// root is a lower triangular square root of a positive semidefinite matrix; ok is false when the matrix is 0.
func root(m matrix) (matrix, bool) {
	l := square0(len(m))
	largest := 0.0
	for i := range m {
		largest = math.Max(largest, m[i][i])
	}
	for i := range m {
		for j := 0; j <= i; j++ {
			s := m[i][j]
			for k := range j {
				s -= l[i][k] * l[j][k]
			}
			switch {
			case i == j:
				l[i][i] = math.Sqrt(math.Max(s, 0))
			case l[j][j] > 1e-7*math.Sqrt(largest):
				l[i][j] = s / l[j][j]
			}
		}
	}
	return l, largest > 0
}
