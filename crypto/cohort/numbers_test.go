package cohort

import "math/bits"

func mulmod(x, y, q uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return bits.Rem64(hi%q, lo, q)
}

func powmod(x, e, q uint64) uint64 {
	y := uint64(1)
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			y = mulmod(y, x, q)
		}
		x = mulmod(x, x, q)
	}
	return y
}

func invmod(x, q uint64) uint64 { return powmod(x, q-2, q) }

// sqrtmod is a square root mod an odd prime (Tonelli, Shanks), if there is one.
func sqrtmod(a, q uint64) (uint64, bool) {
	if a == 0 {
		return 0, true
	}
	if powmod(a, (q-1)/2, q) != 1 {
		return 0, false
	}
	s := bits.TrailingZeros64(q - 1)
	odd := (q - 1) >> s
	z := uint64(2)
	for powmod(z, (q-1)/2, q) == 1 {
		z++
	}
	m, c, t, r := s, powmod(z, odd, q), powmod(a, odd, q), powmod(a, (odd+1)/2, q)
	for t != 1 {
		i, x := 0, t
		for x != 1 {
			x = mulmod(x, x, q)
			i++
		}
		b := powmod(c, uint64(1)<<(m-i-1), q)
		m, c, t, r = i, mulmod(b, b, q), mulmod(t, mulmod(b, b, q), q), mulmod(r, b, q)
	}
	return r, true
}
