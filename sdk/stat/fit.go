package stat

import "math"

// A regression on a table solves U(b) = sum over cells of n psi(b) = 0, where psi is a cell's score. U is linear in the noisy
// counts, so noise biases nothing (covariates are labels: they have no noise), and the noise covariance of b is the
// delta method's A (sigma^2 sum psi psi') A with A = J^-1, J = -dU/db.

// link is a mean function with its derivative.
type link func(eta float64) (mu, slope float64)

func identity(eta float64) (mu, slope float64) { return eta, 1 }

func logit(eta float64) (mu, slope float64) {
	e := math.Exp(-math.Abs(eta))
	slope = e / ((1 + e) * (1 + e))
	if eta >= 0 {
		return 1 / (1 + e), slope
	}
	return e / (1 + e), slope
}

func exponential(eta float64) (mu, slope float64) {
	mu = math.Exp(math.Min(eta, 500))
	return mu, mu
}

// row is what one person in a cell adds: response y at the mean e mu(pattern).
type row struct {
	pattern  int
	y, e     float64
	halfY, d float64 // half width of y's interval; half width of e's
}

type cell struct {
	n    float64
	rows []row
}

type problem struct {
	name       string
	names      []string
	patterns   []pattern
	cells      []cell
	sigma      float64
	mean       link
	start      []float64
	robust     bool
	dispersion bool // linear regression: the variance is estimated
}

// sums adds the cells up by pattern: all a Newton step needs.
func (p problem) sums(weight func(float64) float64) (y, e []float64) {
	y, e = make([]float64, len(p.patterns)), make([]float64, len(p.patterns))
	for _, c := range p.cells {
		w := weight(c.n)
		for _, r := range c.rows {
			y[r.pattern] += w * r.y
			e[r.pattern] += w * r.e
		}
	}
	return y, e
}

func (p problem) newton(beta, y, e []float64) (u []float64, j matrix) {
	u, j = make([]float64, len(beta)), square0(len(beta))
	for i, q := range p.patterns {
		if q.at == nil {
			continue
		}
		mu, slope := p.mean(q.eta(beta))
		q.add(u, y[i]-e[i]*mu)
		q.addOuter(j, e[i]*slope)
	}
	return u, j
}

// solve runs Newton's method, first on the table with negative cells at 0, where the problem is convex, and from there on
// the raw one, whose solution is the answer.
func (p problem) solve() (beta []float64, j matrix, ok bool) {
	beta = append([]float64(nil), p.start...)
	for stage, weight := range []func(float64) float64{
		func(n float64) float64 { return math.Max(n, 0) },
		func(n float64) float64 { return n },
	} {
		y, e := p.sums(weight)
		converged := false
		for range 100 {
			u, j := p.newton(beta, y, e)
			inv, ok := j.inverse()
			if !ok {
				return nil, nil, false
			}
			step := inv.times(u)
			size, worth := 0.0, math.Abs(dot(u, step))
			for _, s := range step {
				size = math.Max(size, math.Abs(s))
			}
			if math.IsNaN(size) || math.IsInf(size, 0) {
				return nil, nil, false
			}
			damp := p.damp(beta, step)
			for k := range beta {
				beta[k] += damp * step[k]
			}
			if damp == 1 && worth < 1e-12 {
				converged = true
				break
			}
		}
		if !converged && stage == 1 {
			return nil, nil, false
		}
	}
	y, e := p.sums(func(n float64) float64 { return n })
	_, j = p.newton(beta, y, e)
	return beta, j, true
}

// damp keeps a step from moving any linear predictor by more than 5, beyond which the quadratic model is worthless.
func (p problem) damp(beta, step []float64) float64 {
	if p.dispersion {
		return 1
	}
	most := 0.0
	for _, q := range p.patterns {
		if q.at != nil {
			most = math.Max(most, math.Abs(q.eta(step)))
		}
	}
	if most > 5 {
		return 5 / most
	}
	return 1
}

// Coefficient of a regression, with its ratio (odds, hazard or rate ratio) where the scale is logarithmic. Bias of a ratio is that of the
// upper side, the larger one.
type Coefficient struct {
	Estimate
	SE, NoiseSE  float64 // sampling and noise; noise only
	Statistic, P float64
	Ratio        Estimate // without a Name where there is none
}

// Fit is a regression.
type Fit struct {
	Name         string
	Coefficients []Coefficient
	DF           float64 // residual degrees of freedom, of a linear regression only
	Hidden       bool
	Warning      string
}

func (p problem) fit(show int, ratios string) Fit {
	beta, j, ok := p.solve()
	if !ok {
		return Fit{Name: p.name, Hidden: true, Warning: NoFit}
	}
	a, ok := j.inverse()
	if !ok || !p.steady(a, beta) {
		return Fit{Name: p.name, Hidden: true, Warning: "too noisy: the information in the table is below 4 standard deviations of its noise"}
	}
	f := Fit{Name: p.name}
	meat, spread, rss, n := p.meat(beta)
	noise := meat.sandwich(a)
	sampling, point := a, z
	if p.dispersion {
		f.DF = n - float64(len(beta))
		if f.DF < 1 || rss <= 0 {
			return Fit{Name: p.name, Hidden: true, Warning: BelowNoise}
		}
		s2 := rss / f.DF
		sampling, point = square0(len(beta)), studentPoint(f.DF)
		for i := range a {
			for k := range a {
				sampling[i][k] = a[i][k] * s2
			}
		}
	}
	if p.robust {
		sampling = spread.sandwich(a)
	}
	bias := p.bias(a, beta)
	for k := show; k < len(beta); k++ {
		vs, vn := math.Max(sampling[k][k], 0), p.sigma*p.sigma*noise[k][k]
		c := Coefficient{SE: math.Sqrt(vs + vn), NoiseSE: math.Sqrt(vn)}
		c.Estimate = transformed(p.names[k], nil, beta[k], vs, vn, point, func(x float64) float64 { return x })
		c.Bias = bias[k]
		c.Estimate = c.done()
		if !(c.SE > 0) || c.Hidden {
			return Fit{Name: p.name, Hidden: true, Warning: NotFinite}
		}
		c.Statistic = beta[k] / c.SE
		c.P = NormalTail(c.Statistic)
		if p.dispersion {
			c.P = StudentTail(c.Statistic, f.DF)
		}
		if ratios != "" {
			c.Ratio = logNormal(p.names[k], nil, beta[k], vs, vn)
			c.Ratio.Bias = math.Exp(beta[k]) * math.Expm1(bias[k])
			c.Ratio = c.Ratio.done()
		}
		f.Coefficients = append(f.Coefficients, c)
	}
	return f
}

// psi is the score of one person in the cell.
func (p problem) psi(c cell, beta, out []float64) {
	clear(out)
	for _, r := range c.rows {
		q := p.patterns[r.pattern]
		mu, _ := p.mean(q.eta(beta))
		q.add(out, r.y-r.e*mu)
	}
}

// meat is sum psi psi' for the noise, sum n psi psi' for the robust sampling variance, and the residual sum of squares.
func (p problem) meat(beta []float64) (noise, spread matrix, rss, n float64) {
	noise, spread = square0(len(beta)), square0(len(beta))
	s := make([]float64, len(beta))
	for _, c := range p.cells {
		p.psi(c, beta, s)
		if p.sigma > 0 {
			noise.addOuter(1, s)
		}
		spread.addOuter(c.n, s)
		n += c.n
		if p.dispersion {
			r := c.rows[0]
			d := r.y - p.patterns[r.pattern].eta(beta)
			rss += c.n * d * d
		}
	}
	return noise, spread, rss, n
}

// steady says whether the information along each coefficient's direction is at least 4 standard deviations of its noise:
// the rule for denominators, for a denominator that is a matrix.
func (p problem) steady(a matrix, beta []float64) bool {
	if p.sigma == 0 {
		return true
	}
	for k := range beta {
		v := 0.0
		for _, c := range p.cells {
			h := 0.0
			for _, r := range c.rows {
				q := p.patterns[r.pattern]
				_, slope := p.mean(q.eta(beta))
				x := q.eta(a[k])
				h += r.e * slope * x * x
			}
			v += h * h
		}
		if !(a[k][k] >= floor*p.sigma*math.Sqrt(v)) {
			return false
		}
	}
	return true
}

// bias bounds, to first order, how far the coefficients can move when each person has any value within their bin instead of
// its middle, all of them at their worst at once. It does not count how noise changes that bound.
func (p problem) bias(a matrix, beta []float64) []float64 {
	out := make([]float64, len(beta))
	for _, c := range p.cells {
		n := math.Max(c.n, 0)
		if n == 0 {
			continue
		}
		for _, r := range c.rows {
			q := p.patterns[r.pattern]
			mu, slope := p.mean(q.eta(beta))
			resid := math.Abs(r.y - r.e*mu)
			shift := r.halfY + r.d*mu
			for i, k := range q.at {
				shift += r.e * slope * math.Abs(beta[k]) * q.half[i]
			}
			for k := range out {
				b := math.Abs(q.eta(a[k])) * shift
				for i, l := range q.at {
					b += math.Abs(a[k][l]) * q.half[i] * resid
				}
				out[k] += n * b
			}
		}
	}
	return out
}
