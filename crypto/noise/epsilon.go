package noise

import "math"

// Epsilon converts nano-rho (1e-9) of zCDP to the smallest eps such that it implies (eps, delta)-DP, by CKS Corollary 13:
//
//	inf over a > 1 of exp((a-1)(a rho - eps)) / (a-1) * (1 - 1/a)^a <= delta
//
// rounded up. It is for display. Arguments out of range give +Inf.
func Epsilon(rhoNano int64, delta float64) float64 {
	if !(delta > 0 && delta < 1) || rhoNano < 0 {
		return math.Inf(1)
	}
	if rhoNano == 0 {
		return 0
	}
	rho := float64(rhoNano) * 1e-9
	// The closed form (Bun & Steinke 2016) is always enough.
	lo, hi := 0.0, rho+2*math.Sqrt(rho*math.Log(1/delta))
	for range 200 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if logDelta(rho, mid) <= math.Log(delta) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi * (1 + 1e-9)
}

// Delta converts nano-rho of zCDP to the delta at the given eps, by the same formula, rounded up. For display and tests.
func Delta(rhoNano int64, eps float64) float64 {
	if !(eps >= 0) || rhoNano < 0 {
		return 1
	}
	if rhoNano == 0 {
		return 0
	}
	return math.Min(1, math.Exp(logDelta(float64(rhoNano)*1e-9, eps))*(1+1e-9))
}

// logDelta is the logarithm of the bound at its best a. Any a > 1 gives a valid bound, so that an error of the bisection on the
// derivative (2a-1) rho - eps + ln(1-1/a), which increases in a, only loosens it.
func logDelta(rho, eps float64) float64 {
	lo, hi := 1.0, (eps+1)/(2*rho)+2
	for range 200 {
		a := lo + (hi-lo)/2
		if a <= lo || a >= hi {
			break
		}
		if (2*a-1)*rho-eps+math.Log1p(-1/a) < 0 {
			lo = a
		} else {
			hi = a
		}
	}
	return (hi-1)*(hi*rho-eps) - math.Log(hi-1) + hi*math.Log1p(-1/hi)
}
