package noise

import (
	"errors"
	"fmt"
	"math"
	"math/big"
)

// Variance is sigma^2 as an exact positive rational Num/Den. The zero Variance is invalid: noise has no default.
type Variance struct{ Num, Den *big.Int }

// ErrVariance: a variance is missing, not positive, or beyond what can be sampled.
var ErrVariance = errors.New("variance out of range")

// maxVarianceBits bounds numerator and denominator, so that no input makes a draw expensive.
const maxVarianceBits = 1024

// Check reports whether the variance can be sampled.
func (v Variance) Check() error {
	if v.Num == nil || v.Den == nil || v.Num.Sign() <= 0 || v.Den.Sign() <= 0 {
		return fmt.Errorf("%w: it must be a positive fraction", ErrVariance)
	}
	if v.Num.BitLen() > maxVarianceBits || v.Den.BitLen() > maxVarianceBits {
		return fmt.Errorf("%w: more than %d bits", ErrVariance, maxVarianceBits)
	}
	return nil
}

// Sigma is the square root of an invalid or valid variance as a float: NaN if invalid. For display only.
func (v Variance) Sigma() float64 {
	if v.Check() != nil {
		return math.NaN()
	}
	f, _ := new(big.Rat).SetFrac(v.Num, v.Den).Float64()
	return math.Sqrt(f)
}

// z95 is the square of the two-sided 95 % normal quantile times 10^6, rounded up: 1.959963984...^2 = 3.841458820...
const z95 = 3_841_459

// HalfWidth95 is the smallest integer h with (h + 1/2)/sigma >= z, z^2 = 3.841459. Then P[|Y| <= h] >= 0.95:
//
// exp(-y^2/(2 sigma^2)) is convex for y >= sigma, so each term of the sum over y > h is at most the integral over
// [y-1/2, y+1/2] (Hermite-Hadamard); all these lie beyond h+1/2 >= 1.95 sigma. The normaliser is at least sigma sqrt(2 pi)
// (Poisson summation has positive terms only). Hence P[|Y| > h] <= P[|N(0, sigma^2)| > z sigma] <= 0.05.
//
// If sigma was priced for a half-width E, that is sigma <= E/z, then h <= E.
func (v Variance) HalfWidth95() (*big.Int, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	// (2h+1)^2 >= c, c = 4 z^2 num / (10^6 den) rounded up, which changes nothing as the left side is an integer.
	c := new(big.Int).Mul(v.Num, big.NewInt(4*z95))
	c = ceilQuo(c, new(big.Int).Mul(v.Den, big.NewInt(1_000_000)))
	r := new(big.Int).Sqrt(c)
	if new(big.Int).Mul(r, r).Cmp(c) < 0 {
		r.Add(r, one)
	}
	// 2h+1 >= r, so h = ceil((r-1)/2) = floor(r/2); r is at least 1.
	return r.Rsh(r, 1), nil
}

var one = big.NewInt(1)

// ceilQuo is ceil(a/b) for a >= 0, b > 0, in a.
func ceilQuo(a, b *big.Int) *big.Int {
	return a.Sub(a.Add(a, b), one).Quo(a, b)
}
