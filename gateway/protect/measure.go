package protect

import (
	"math"
	"math/big"
	"strconv"

	"jali/crypto/noise"
)

// z is the two-sided 95 % normal quantile, rounded up.
const z = 1.959964

// spread is the standard deviation that derived intervals use for an item: (h+1/2)/z for the half-width h that covers 95 % of
// its draws. It is at least sigma and accounts for noise being whole numbers: an interval of z sigma that ends just short of a
// whole number would miss all draws of that size.
func spread(g *noise.Gaussian) float64 {
	return (toFloat(g.HalfWidth95()) + 0.5) / z
}

// measure derives an output and its half-width from noisy items. What cannot be stated is Absent, in both.
func (c *checked) measure(o Output, noisy func(item int) *big.Int) (value, half Cell) {
	absent := Cell{Absent: true}
	switch o.Kind {
	case OutCount:
		return Cell{Fixed: noisy(o.N), Dec: o.Decimals}, Cell{Fixed: c.gauss[o.N].HalfWidth95(), Dec: o.Decimals}
	case OutSum:
		return Cell{Fixed: noisy(o.S), Dec: o.Decimals}, Cell{Fixed: c.gauss[o.S].HalfWidth95(), Dec: o.Decimals}
	case OutMean:
		if !c.enough(o.N, noisy(o.N), 1) {
			return absent, absent
		}
		v, h := mean(o, noisy(o.N), noisy(o.S), c.spread[o.N], c.spread[o.S])
		return float(v, h, false)
	case OutVar, OutSD:
		if !c.enough(o.N, noisy(o.N), 2) {
			return absent, absent
		}
		v, h := variance(o, noisy(o.N), noisy(o.S), noisy(o.Q), c.spread[o.N], c.spread[o.S], c.spread[o.Q])
		below := v <= 0
		if below {
			// The true value lies in [0, v+h]; h is at least that wide.
			v = 0
		}
		if o.Kind == OutSD {
			// The interval of the root is the root of the interval; its lower part is the wider.
			v, h = math.Sqrt(v), max(math.Sqrt(v)-math.Sqrt(max(0, v-h)), math.Sqrt(v+h)-math.Sqrt(v))
		}
		return float(v, h, below)
	}
	return absent, absent
}

// float is a pair of released floats, or absent ones where either is not finite. Both have ten significant digits, so that a
// stored answer reads back as it was.
func float(v, h float64, below bool) (value, half Cell) {
	v, h = tenDigits(v), tenDigits(h)
	if math.IsNaN(v) || math.IsInf(v, 0) || math.IsNaN(h) || math.IsInf(h, 0) || h < 0 {
		return Cell{Absent: true}, Cell{Absent: true}
	}
	return Cell{Float: v, Below: below}, Cell{Float: h}
}

func tenDigits(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 10, 64), 64)
	if err != nil {
		return math.NaN()
	}
	return r + 0 // no negative zero
}

// enough reports n >= 4 sigma and n >= least: below, a ratio over n says nothing and is hidden.
func (c *checked) enough(item int, n *big.Int, least int64) bool {
	if !atLeast(n, least) {
		return false
	}
	v := c.gauss[item].Variance() // n^2 den >= 16 num
	nn := new(big.Int).Mul(n, n)
	return nn.Mul(nn, v.Den).Cmp(v.Num.Lsh(v.Num, 4)) >= 0
}

func (c *checked) enoughAt(item int, n, least int64) bool {
	return c.enough(item, big.NewInt(n), least)
}

// mean is Center + s/n in output units, with Fieller's interval (Fieller 1954) for the ratio s/n of independent numbers: the roots x of
// (s - x n)^2 = z^2 (Vs + x^2 Vn), that is [R +- (z/n) sqrt(Vs (1-g) + R^2 Vn)]/(1-g) with R = s/n and g = z^2 Vn/n^2. It is not
// symmetric around R; the half-width is the distance of the farther end.
func mean(o Output, n, s *big.Int, sn, ss float64) (value, half float64) {
	r := new(big.Rat).SetFrac(s, n)
	ratio, _ := r.Float64()
	r.Add(r, new(big.Rat).SetInt64(o.Center))
	value, _ = r.Quo(r, new(big.Rat).SetInt(pow10(o.Decimals))).Float64()
	return value, fieller(toFloat(n), ratio, sn, ss) / pow10f(o.Decimals)
}

func fieller(n, ratio, sn, ss float64) float64 {
	g := sq(z * sn / n)
	if !(g < 1) {
		return math.Inf(1)
	}
	return (math.Abs(ratio)*g + z/n*math.Sqrt(ss*ss*(1-g)+sq(ratio*sn))) / (1 - g)
}

// variance is the sample variance (q - s^2/n)/(n-1) in squared output units, s and q centred. Its interval is Fieller's for the ratio
// of t = q - s^2/n and n-1: with m = s/n the error of t - v (n-1) is to first order eq - 2 m es + (m^2 - v) en, so the ends are the
// roots of x^2 (n-1)^2 = z^2 (Vq + 4 m^2 Vs + (v - m^2 + x)^2 Vn). Second order: m is itself noisy, which adds Vs/n^2 to m^2, and
// the square of es adds its mean Vs/n to t.
func variance(o Output, n, s, q *big.Int, sn, ss, sQ float64) (value, half float64) {
	nm1 := new(big.Int).Sub(n, big.NewInt(1))
	// (q n - s^2)/(n (n-1))
	t := new(big.Int).Mul(q, n)
	t.Sub(t, new(big.Int).Mul(s, s))
	v := new(big.Rat).SetFrac(t, new(big.Int).Mul(n, nm1))
	vf, _ := v.Float64()
	value, _ = v.Quo(v, new(big.Rat).SetInt(pow10(2*o.Decimals))).Float64()
	m, _ := new(big.Rat).SetFrac(s, n).Float64()
	return value, varianceWidth(toFloat(n), m, vf, sn, ss, sQ) / pow10f(2*o.Decimals)
}

func varianceWidth(n, m, v, sn, ss, sQ float64) float64 {
	g := sq(z * sn / (n - 1))
	if !(g < 1) {
		return math.Inf(1)
	}
	d := math.Abs(v - m*m)
	b := sq(z/(n-1)) * (sQ*sQ + 4*(m*m+sq(ss/n))*ss*ss)
	return (g*d+math.Sqrt((1-g)*b+g*d*d))/(1-g) + ss*ss/(n*(n-1))
}

func sq(x float64) float64 { return x * x }

func toFloat(x *big.Int) float64 {
	f, _ := new(big.Float).SetInt(x).Float64()
	return f
}

func pow10f(n int) float64 { return toFloat(pow10(n)) }
