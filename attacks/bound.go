package attacks

import "math"

// Alpha is the error of each Clopper-Pearson bound.
const Alpha = 1e-4

// Lower is the exact lower bound, at confidence 1 - Alpha, of a probability that showed in x of n trials.
func Lower(x, n int) float64 {
	if x <= 0 {
		return 0
	}
	// The p at which x or more successes have probability Alpha.
	return invert(func(p float64) bool { return betaRegular(float64(x), float64(n-x+1), p) < Alpha })
}

// Upper is the exact upper bound.
func Upper(x, n int) float64 {
	if x >= n {
		return 1
	}
	return invert(func(p float64) bool { return betaRegular(float64(x+1), float64(n-x), p) < 1-Alpha })
}

// invert finds the end of the interval from 0 on which below holds.
func invert(below func(p float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; below(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// betaRegular is the regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22).
func betaRegular(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - betaRegular(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 2000 {
		m := float64(i / 2)
		term := 1.0
		switch {
		case i > 0 && i%2 == 0:
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		case i%2 == 1:
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 + term*d
		if math.Abs(d) < tiny {
			d = tiny
		}
		c = 1 + term/c
		if math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		f *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (f - 1)
}

// Delta is the delta at which rho-zCDP gives (eps, delta): the least over alpha > 1 of
// exp((alpha-1)(alpha rho - eps)) / (alpha-1) * (1 - 1/alpha)^alpha. Any alpha is a bound, so a grid errs to the safe side.
func Delta(eps, rho float64) float64 {
	least := 1.0
	for i := range 20_000 {
		a := 1 + 1e-3*math.Exp(float64(i)*0.001)
		if d := math.Exp((a-1)*(a*rho-eps)+a*math.Log1p(-1/a)) / (a - 1); d < least {
			least = d
		}
	}
	return least
}

// Epsilon is the eps at which rho-zCDP gives (eps, delta).
func Epsilon(rho, delta float64) float64 {
	lo, hi := 0.0, rho+2*math.Sqrt(rho*math.Log(1/delta))
	for range 40 {
		if mid := (lo + hi) / 2; Delta(mid, rho) > delta {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// Advantage bounds how much more often than not a guess of one bit can be right under (eps, delta), accuracy being (1+advantage)/2.
func Advantage(rho float64) float64 {
	const delta = 1e-7
	e := math.Exp(Epsilon(rho, delta))
	return (e - 1 + 2*delta) / (e + 1)
}
