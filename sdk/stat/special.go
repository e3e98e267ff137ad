package stat

import "math"

// Tail probabilities, by the series and continued fractions of Abramowitz & Stegun 6.5.29, 6.5.31 and 26.5.8, evaluated by
// Lentz's method. Relative error is below 1e-12 where the argument of the statistic is ordinary; underflow gives 0.

const (
	tiny     = 1e-300
	relative = 1e-15
	maxTerms = 10000
)

// ChiSquareTail is P[X >= x] for a chi-square variable with df degrees of freedom.
func ChiSquareTail(x float64, df int) float64 {
	if df <= 0 || math.IsNaN(x) || x <= 0 {
		return 1
	}
	return upperGamma(float64(df)/2, x/2)
}

// NormalTail is P[|Z| >= |x|] for a standard normal variable.
func NormalTail(x float64) float64 { return math.Erfc(math.Abs(x) / math.Sqrt2) }

// StudentTail is P[|T| >= |x|] for Student's t with df degrees of freedom.
func StudentTail(x, df float64) float64 {
	if !(df > 0) {
		return 1
	}
	if df > 1e6 { // the difference is below 1e-6, and the gamma functions lose more than that
		return NormalTail(x)
	}
	return incompleteBeta(df/2, 0.5, df/(df+x*x))
}

// studentPoint is the two-sided 95 % point of Student's t.
func studentPoint(df float64) float64 {
	if !(df >= 1) {
		return math.Inf(1)
	}
	if df > 1e6 {
		return z
	}
	lo, hi := 1.9, 13.0
	for range 60 {
		if m := (lo + hi) / 2; StudentTail(m, df) > 0.05 {
			lo = m
		} else {
			hi = m
		}
	}
	return hi
}

// upperGamma is Q(a,x), the regularised upper incomplete gamma function.
func upperGamma(a, x float64) float64 {
	if math.IsInf(x, 1) {
		return 0
	}
	g, _ := math.Lgamma(a)
	front := math.Exp(a*math.Log(x) - x - g)
	if x < a+1 {
		term, sum := 1/a, 1/a
		for n := 1.0; n < maxTerms && term > sum*relative; n++ {
			term *= x / (a + n)
			sum += term
		}
		return math.Max(0, 1-front*sum)
	}
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for i := 1.0; i < maxTerms; i++ {
		an := -i * (i - a)
		b += 2
		d = 1 / nonzero(an*d+b)
		c = nonzero(b + an/c)
		h *= d * c
		if math.Abs(d*c-1) < relative {
			break
		}
	}
	return front * h
}

// incompleteBeta is I_x(a,b), the regularised incomplete beta function.
func incompleteBeta(a, b, x float64) float64 {
	switch {
	case !(x > 0):
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - incompleteBeta(b, a, 1-x)
	}
	ab, _ := math.Lgamma(a + b)
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	front := math.Exp(ab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < maxTerms; m++ {
		up := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / nonzero(1+up*d)
		c = nonzero(1 + up/c)
		h *= d * c
		up = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / nonzero(1+up*d)
		c = nonzero(1 + up/c)
		h *= d * c
		if math.Abs(d*c-1) < relative {
			break
		}
	}
	return front * h / a
}

func nonzero(x float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}
