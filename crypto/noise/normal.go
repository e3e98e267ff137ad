package noise

import "math/big"

// normalTail is P[N(0, sigma^2) >= x - 1/2], x >= 1.
func normalTail(v Variance, x *big.Int) *big.Float {
	// z^2 = (2x-1)^2 den / (4 num)
	a := new(big.Int).Lsh(x, 1)
	a.Sub(a, one)
	a.Mul(a, a).Mul(a, v.Den)
	z := newFloat().Quo(newFloat().SetInt(a), newFloat().SetInt(new(big.Int).Lsh(v.Num, 2)))
	z.Sqrt(z)
	density := expNeg(a, new(big.Int).Lsh(v.Num, 3))
	density.Quo(density, sqrt2Pi())
	if z.Cmp(newFloat().SetInt64(3)) < 0 {
		p := newFloat().SetFloat64(0.5)
		return p.Sub(p, density.Mul(density, centralRatio(z)))
	}
	return density.Mul(density, millsRatio(z))
}

// centralRatio is (Phi(z) - 1/2)/phi(z) = sum over k >= 0 of z^(2k+1)/(2k+1)!!.
func centralRatio(z *big.Float) *big.Float {
	zz := newFloat().Mul(z, z)
	term, sum := newFloat().Set(z), newFloat().Set(z)
	for k := int64(3); term.Sign() != 0 && term.MantExp(nil) > -tailPrec; k += 2 {
		term.Mul(term, zz)
		term.Quo(term, newFloat().SetInt64(k))
		sum.Add(sum, term)
	}
	return sum
}

// millsRatio is (1 - Phi(z))/phi(z) = 1/(z + 1/(z + 2/(z + 3/(z + ...)))) (Laplace), z >= 3. Convergents lie in turn above
// and below; after an even number of levels they lie above. 600 levels give more than 100 bits at z = 3.
func millsRatio(z *big.Float) *big.Float {
	r := newFloat().Set(z)
	for k := int64(600); k >= 1; k-- {
		r.Quo(newFloat().SetInt64(k), r)
		r.Add(r, z)
	}
	return r.Quo(newFloat().SetInt64(1), r)
}

// sqrt2Pi is the square root of 2 pi, with pi by Machin's formula 16 atan(1/5) - 4 atan(1/239).
func sqrt2Pi() *big.Float {
	atanInv := func(n int64) *big.Float {
		nn := newFloat().SetInt64(n * n)
		power := newFloat().Quo(newFloat().SetInt64(1), newFloat().SetInt64(n))
		sum := newFloat()
		for k := int64(1); power.MantExp(nil) > -tailPrec; k += 2 {
			term := newFloat().Quo(power, newFloat().SetInt64(k))
			if k%4 == 3 {
				term.Neg(term)
			}
			sum.Add(sum, term)
			power.Quo(power, nn)
		}
		return sum
	}
	pi := newFloat().Mul(atanInv(5), newFloat().SetInt64(16))
	pi.Sub(pi, newFloat().Mul(atanInv(239), newFloat().SetInt64(4)))
	pi.Mul(pi, newFloat().SetInt64(2))
	return pi.Sqrt(pi)
}
