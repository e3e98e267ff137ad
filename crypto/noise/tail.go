package noise

import "math/big"

const (
	// tailPrec is the working precision in bits. Weights come from recurrences of at most 2^17 steps in exponents up to
	// 2^34, which lose fewer than 60 bits.
	tailPrec = 320
	// tailDrop ends a sum at terms below 2^-tailDrop of it. What is dropped is below 2^-150 of the sum.
	tailDrop = 170
	// exactBits: variances up to 2^24 (sigma 4096) are summed term by term.
	exactBits = 24
)

// Tail is P[Y >= x] for Y discrete Gaussian of the variance. Up to sigma = 4096 it sums the exact series, with relative error
// below 2^-128. Beyond, it is the normal tail beyond x - 1/2, which is at least the true value for x >= sigma + 1/2 (see
// HalfWidth95 for the proof) and above it by a relative (x/sigma)^2/(24 sigma^2) to first order: below 2^-21 up to 12 sigma.
func Tail(v Variance, x int64) (*big.Float, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	return tail(v, big.NewInt(x)), nil
}

// Within is P[|Y| <= h], with the error of Tail.
func Within(v Variance, h int64) (*big.Float, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	if h < 0 {
		return newFloat(), nil
	}
	p := tail(v, new(big.Int).Add(big.NewInt(h), one))
	p.Mul(p, newFloat().SetInt64(2))
	return p.Sub(newFloat().SetInt64(1), p), nil
}

func tail(v Variance, x *big.Int) *big.Float {
	if x.Sign() <= 0 { // P[Y >= x] = 1 - P[Y >= 1-x]
		p := tail(v, new(big.Int).Sub(one, x))
		return p.Sub(newFloat().SetInt64(1), p)
	}
	if wide(v) {
		return normalTail(v, x)
	}
	// At 2^20, 256 sigma or more, the tail is below exp(-2^15): farther out it is bounded by that.
	limit := new(big.Int).Lsh(one, 20)
	if x.Cmp(limit) > 0 {
		x = limit
	}
	s := newSeries(v)
	p := s.sumFrom(x.Int64())
	return p.Quo(p, s.total())
}

func wide(v Variance) bool {
	return new(big.Int).Quo(v.Num, v.Den).BitLen() > exactBits
}

// series sums w(y) = exp(-y^2/(2 sigma^2)).
type series struct {
	v  Variance
	q2 *big.Float // w(1)^2: the ratio of successive ratios
}

func newSeries(v Variance) series {
	return series{v: v, q2: expNeg(v.Den, v.Num)}
}

// weight is w(y) = exp(-y^2 den / (2 num)).
func (s series) weight(y *big.Int) *big.Float {
	p := new(big.Int).Mul(y, y)
	return expNeg(p.Mul(p, s.v.Den), new(big.Int).Lsh(s.v.Num, 1))
}

// each calls f with w(y), w(y+1), ... until f says stop. f must not keep its argument.
func (s series) each(y int64, f func(w *big.Float) bool) {
	at := big.NewInt(y)
	w := s.weight(at)
	// w(y+1)/w(y) = exp(-(2y+1) den/(2 num))
	step := new(big.Int).Lsh(at, 1)
	step.Add(step, one).Mul(step, s.v.Den)
	ratio := expNeg(step, new(big.Int).Lsh(s.v.Num, 1))
	for f(w) {
		w.Mul(w, ratio)
		ratio.Mul(ratio, s.q2)
	}
}

func (s series) sumFrom(y int64) *big.Float {
	sum := newFloat()
	s.each(y, func(w *big.Float) bool {
		sum.Add(sum, w)
		return w.Sign() > 0 && w.MantExp(nil) > sum.MantExp(nil)-tailDrop
	})
	return sum
}

// total is the normaliser, the sum over all integers.
func (s series) total() *big.Float {
	z := s.sumFrom(1)
	z.Mul(z, newFloat().SetInt64(2))
	return z.Add(z, newFloat().SetInt64(1))
}

func newFloat() *big.Float { return new(big.Float).SetPrec(tailPrec) }

// expNeg is exp(-a/b), a >= 0, b > 0: halve the argument until it is below 2^-16, sum the Taylor series, square back.
func expNeg(a, b *big.Int) *big.Float {
	x := newFloat().Quo(newFloat().SetInt(a), newFloat().SetInt(b))
	if x.Sign() == 0 {
		return newFloat().SetInt64(1)
	}
	halvings := max(0, x.MantExp(nil)+16)
	if halvings > 64 { // a/b > 2^48: exp(-2^48) is zero to any caller
		return newFloat()
	}
	x.SetMantExp(x, -halvings).Neg(x)
	sum, term := newFloat().SetInt64(1), newFloat().SetInt64(1)
	for k := int64(1); term.Sign() != 0 && term.MantExp(nil) > -tailPrec; k++ {
		term.Mul(term, x)
		term.Quo(term, newFloat().SetInt64(k))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}
