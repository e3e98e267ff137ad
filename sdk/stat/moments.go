package stat

import (
	"fmt"
	"math"
)

// Summary is what a distribution's table says about its first two moments, for one group.
type Summary struct {
	Mean, Variance, SD Estimate
}

// Moments gives mean, variance and standard deviation of a numeric dimension in each group of by, from the middles of its bins.
// Sums are linear in the cells. Bias: with every value off by at most half its bin's width h, the mean is off by at most the
// average h, and the SD by at most the root mean square h times sqrt(n/(n-1)) (triangle inequality).
// Mean: Fieller for the noise, the sample's variance for sampling. SD and variance: delta method.
func Moments(t Table, of string, by ...string) ([]Summary, error) {
	parts, err := t.split(by, of)
	if err != nil {
		return nil, err
	}
	lo, hi, ok, err := parts[0].Dims[0].bins()
	if err != nil {
		return nil, err
	}
	var out []Summary
	for _, p := range parts {
		out = append(out, p.moments(lo, hi, ok))
	}
	return out, nil
}

func (p part) moments(lo, hi []float64, ok []bool) Summary {
	var n, s, cells, h1, h2 float64
	for i, c := range p.Cells {
		if ok[i] {
			n, cells = n+c, cells+1
			s += c * (lo[i] + hi[i]) / 2
		}
	}
	sd := p.Sigma * math.Sqrt(cells)
	if n < 2 || n < floor*sd {
		return Summary{hidden("mean", p.group, TooNoisy), hidden("variance", p.group, TooNoisy), hidden("standard deviation", p.group, TooNoisy)}
	}
	mean := s / n
	var m2, m4, noise1, noise2 float64
	for i, c := range p.Cells {
		if !ok[i] {
			continue
		}
		x, h := (lo[i]+hi[i])/2-mean, (hi[i]-lo[i])/2
		m2, m4 = m2+c*x*x, m4+c*x*x*x*x
		h1, h2 = h1+math.Max(c, 0)*h, h2+math.Max(c, 0)*h*h
		noise1 += x * x
	}
	v2 := p.Sigma * p.Sigma
	variance := m2 / (n - 1)
	var out Summary
	// The mean about itself: numerator and denominator are then nearly uncorrelated, and Fieller's g is that of n alone.
	f := fraction{x: 0, y: n, vx: v2 * noise1, vy: sd * sd}
	for i := range p.Cells {
		if ok[i] {
			f.cov += v2 * ((lo[i]+hi[i])/2 - mean)
			d := math.Pow((lo[i]+hi[i])/2-mean, 2) - variance
			noise2 += d * d
		}
	}
	point := studentPoint(n - 1)
	s2 := math.Max(variance, 0) * n * point * point / (z * z) // of the numerator, with t's point instead of z
	out.Mean = Estimate{Name: "mean", Group: p.group, Value: mean, Bias: h1 / n}
	shift := func(a, b float64) (float64, float64) { return a + mean, b + mean }
	g := f
	g.vx += s2
	out.Mean.Lo, out.Mean.Hi = shift(g.solve(0, 0))
	out.Mean.NoiseLo, out.Mean.NoiseHi = shift(f.solve(0, 0))
	out.Mean.NaiveLo, out.Mean.NaiveHi = shift(fraction{y: n, vx: s2}.solve(0, 0))
	out.Mean = out.Mean.done()
	if variance <= 0 {
		out.Variance, out.SD = hidden("variance", p.group, BelowNoise), hidden("standard deviation", p.group, BelowNoise)
		return out
	}
	sampling := (m4/n - variance*variance) / n
	noise := v2 * noise2 / (n * n)
	if variance < floor*math.Sqrt(noise) {
		out.Variance, out.SD = hidden("variance", p.group, BelowNoise), hidden("standard deviation", p.group, BelowNoise)
		return out
	}
	rms := math.Sqrt(h2 / (n - 1))
	k := 1 / (variance * variance)
	out.Variance = logNormal("variance", p.group, math.Log(variance), sampling*k, noise*k)
	out.Variance.Bias = rms * (2*math.Sqrt(variance) + rms)
	out.SD = logNormal("standard deviation", p.group, math.Log(variance)/2, sampling*k/4, noise*k/4)
	out.SD.Bias = rms
	out.Variance, out.SD = out.Variance.done(), out.SD.done()
	return out
}

// Correlation of two numeric dimensions (Pearson, from the middles of bins), in each group of by. Fisher's z scale; sampling
// 1/(n-3) as in R's cor.test, noise by the gradient of r in every cell. Bias: first order, all values at their worst at once.
func Correlation(t Table, x, y string, by ...string) ([]Estimate, error) {
	parts, err := t.split(by, x, y)
	if err != nil {
		return nil, err
	}
	if x == y {
		return nil, fmt.Errorf("%w: a correlation needs two dimensions", ErrArgument)
	}
	xl, xh, xok, err := parts[0].Dims[0].bins()
	if err != nil {
		return nil, err
	}
	yl, yh, yok, err := parts[0].Dims[1].bins()
	if err != nil {
		return nil, err
	}
	var out []Estimate
	for _, p := range parts {
		out = append(out, p.correlation(axis{xl, xh, xok}, axis{yl, yh, yok}))
	}
	return out, nil
}

type axis struct {
	lo, hi []float64
	ok     []bool
}

func (a axis) mid(i int) float64  { return (a.lo[i] + a.hi[i]) / 2 }
func (a axis) half(i int) float64 { return (a.hi[i] - a.lo[i]) / 2 }

func (p part) correlation(x, y axis) Estimate {
	const name = "correlation"
	each := func(f func(c float64, i, j int)) {
		for i := range x.ok {
			for j := range y.ok {
				if x.ok[i] && y.ok[j] {
					f(p.Cells[i*len(y.ok)+j], i, j)
				}
			}
		}
	}
	var n, sx, sy, cells, sxx, syy, sxy float64
	each(func(c float64, i, j int) {
		n, sx, sy, cells = n+c, sx+c*x.mid(i), sy+c*y.mid(j), cells+1
	})
	if n < 4 || n < floor*p.Sigma*math.Sqrt(cells) {
		return hidden(name, p.group, TooNoisy)
	}
	mx, my := sx/n, sy/n
	each(func(c float64, i, j int) {
		a, b := x.mid(i)-mx, y.mid(j)-my
		sxx, syy, sxy = sxx+c*a*a, syy+c*b*b, sxy+c*a*b
	})
	r := sxy / math.Sqrt(math.Max(sxx, 0)*math.Max(syy, 0))
	if !(sxx > 0) || !(syy > 0) {
		return hidden(name, p.group, BelowNoise)
	}
	if !(math.Abs(r) < 1) {
		return hidden(name, p.group, "too noisy: the estimate is not between -1 and 1")
	}
	noise, bias, vx, vy := 0.0, 0.0, 0.0, 0.0
	dx, dy := math.Sqrt(sxx/n), math.Sqrt(syy/n)
	each(func(c float64, i, j int) {
		a, b := (x.mid(i)-mx)/dx, (y.mid(j)-my)/dy
		g := a*b - r/2*(a*a+b*b)
		noise += g * g
		vx, vy = vx+a*a*a*a, vy+b*b*b*b
		bias += math.Max(c, 0) * (math.Abs(b-r*a)*x.half(i)/dx + math.Abs(a-r*b)*y.half(j)/dy)
	})
	if n < floor*p.Sigma*math.Sqrt(math.Max(vx, vy)) {
		return hidden(name, p.group, BelowNoise)
	}
	scale := (1 - r*r) * (1 - r*r)
	e := transformed(name, p.group, math.Atanh(r), 1/(n-3), p.Sigma*p.Sigma*noise/(n*n*scale), z, math.Tanh)
	e.Value = r
	e.Bias = bias / n
	return e.done()
}
