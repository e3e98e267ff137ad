package stat

import "math"

// Noisy is a number with the standard deviation of its noise.
type Noisy struct{ Value, Sigma float64 }

// Ratio divides two independently noisy numbers, such as visits by member-years, with Fieller's interval. It knows nothing
// of how the numbers vary between persons, so its Lo and Hi cover noise only. Hidden when the denominator is below 4 sigma.
func Ratio(name string, num, den Noisy) Estimate {
	for _, v := range []Noisy{num, den} {
		if !(math.Abs(v.Value) <= maxCell) || !(v.Sigma >= 0 && v.Sigma <= maxCell) {
			return hidden(name, nil, NotFinite)
		}
	}
	f := fraction{x: num.Value, y: den.Value, vx: num.Sigma * num.Sigma, vy: den.Sigma * den.Sigma}
	e := f.estimate(name, nil, 0, 0)
	e.NaiveLo, e.NaiveHi = e.Value, e.Value
	return e
}

// fraction is x/y with the variances and covariance of their noise.
type fraction struct{ x, y, vx, vy, cov float64 }

// solve gives the r for which (x - r y)^2 <= z^2 (a r + b r^2 + vx - 2 r cov + r^2 vy). With a = b = 0 that is Fieller's
// interval (1954); with vx = vy = 0, a = y, b = -y Wilson's score interval of a proportion (1927), and with a = y, b = 0 the
// score interval of a Poisson rate. Together they are the score interval of a proportion or rate whose parts are noisy.
func (f fraction) solve(a, b float64) (lo, hi float64) {
	z2 := z * z
	q2 := f.y*f.y - z2*(b+f.vy)
	q1 := 2*f.x*f.y + z2*(a-2*f.cov)
	q0 := f.x*f.x - z2*f.vx
	disc := q1*q1 - 4*q2*q0
	if !(q2 > 0) {
		return math.Inf(-1), math.Inf(1)
	}
	s := math.Sqrt(math.Max(disc, 0))
	return (q1 - s) / (2 * q2), (q1 + s) / (2 * q2)
}

func (f fraction) hidden() bool { return !(f.y > 0) || f.y < floor*math.Sqrt(f.vy) }

// estimate is the fraction with its intervals; a and b are the sampling variance of x - r y, as in solve.
func (f fraction) estimate(name string, group []string, a, b float64) Estimate {
	if f.hidden() {
		return hidden(name, group, TooNoisy)
	}
	e := Estimate{Name: name, Group: group, Value: f.x / f.y}
	e.Lo, e.Hi = f.solve(a, b)
	e.NoiseLo, e.NoiseHi = f.solve(0, 0)
	e.NaiveLo, e.NaiveHi = fraction{x: f.x, y: f.y}.solve(a, b)
	return e.done()
}
