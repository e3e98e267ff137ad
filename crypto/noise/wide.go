package noise

import "math/big"

// drawWide is drawNarrow for any variance: the same algorithm with acceptance, and if need be proposals, in big integers.
// Bernoulli trials with a wide fraction p/q compare a lazily drawn uniform real with p/q, 64 binary digits at a time, which
// is exact and almost always takes one word.
func (s *Sampler) drawWide(g *Gaussian) (*big.Int, error) {
	s.words = wordsPerDraw
	y, w, whole := new(big.Int), new(big.Int), new(big.Int)
	var f fraction
	for {
		if g.narrowT {
			x, err := s.laplace(g.t64)
			if err != nil {
				return nil, err
			}
			y.SetInt64(x)
		} else if err := s.laplaceWide(y, g.t); err != nil {
			return nil, err
		}
		w.Abs(y).Mul(w, g.tden).Sub(w, g.v.Num)
		w.Mul(w, w)
		rest := new(big.Int)
		whole.QuoRem(w, g.d, rest)
		ok, err := s.bernExpWhole(clampUint64(whole))
		if ok && err == nil {
			f.set(rest, g.d)
			ok, err = s.bernExpFraction(&f)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			return y, nil
		}
	}
}

// laplaceWide is laplace for any t.
func (s *Sampler) laplaceWide(x, t *big.Int) error {
	var f fraction
	for {
		u, err := s.belowWide(t)
		if err != nil {
			return err
		}
		f.set(u, t)
		ok, err := s.bernExpFraction(&f)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		v, err := s.geometric()
		if err != nil {
			return err
		}
		sign, err := s.word()
		if err != nil {
			return err
		}
		x.SetUint64(v).Mul(x, t).Add(x, u)
		if sign&1 == 0 {
			return nil
		}
		if x.Sign() != 0 {
			x.Neg(x)
			return nil
		}
	}
}

// belowWide is uniform in [0, n): bitlen(n) random bits, drawn again until they are below n.
func (s *Sampler) belowWide(n *big.Int) (*big.Int, error) {
	size := n.BitLen()
	x, digit := new(big.Int), new(big.Int)
	for {
		x.SetInt64(0)
		for have := 0; have < size; have += 64 {
			w, err := s.word()
			if err != nil {
				return nil, err
			}
			if left := size - have; left < 64 {
				w >>= 64 - left
				x.Lsh(x, uint(left))
			} else {
				x.Lsh(x, 64)
			}
			x.Or(x, digit.SetUint64(w))
		}
		if x.Cmp(n) < 0 {
			return x, nil
		}
	}
}

// fraction is p/q in [0, 1) with its first 64 binary digits.
type fraction struct {
	p, q *big.Int
	lead uint64 // floor(p * 2^64 / q)
	tmp  big.Int
}

func (f *fraction) set(p, q *big.Int) {
	f.p, f.q = p, q
	f.lead = f.tmp.Quo(f.tmp.Lsh(p, 64), q).Uint64()
}

// bernExpFraction is true with probability exp(-p/q).
func (s *Sampler) bernExpFraction(f *fraction) (bool, error) {
	for k := uint64(1); ; k++ {
		more, err := s.bernFraction(f, k)
		if err != nil {
			return false, err
		}
		if !more {
			return k&1 == 1, nil
		}
	}
}

// bernFraction is true with probability p/(q*k). floor(floor(p 2^64/q)/k) = floor(p 2^64/(q k)), so one word decides unless
// it equals those digits; then the remaining digits are compared.
func (s *Sampler) bernFraction(f *fraction, k uint64) (bool, error) {
	x, err := s.word()
	if err != nil {
		return false, err
	}
	if digits := f.lead / k; x != digits {
		return x < digits, nil
	}
	// x equals the first digits. p/q is what is left of the fraction; when nothing is left, the uniform is not below it.
	q := new(big.Int).SetUint64(k)
	q.Mul(q, f.q)
	p, digits := new(big.Int), new(big.Int)
	for digits.QuoRem(p.Lsh(f.p, 64), q, p); p.Sign() > 0; {
		digits.QuoRem(p.Lsh(p, 64), q, p)
		if x, err = s.word(); err != nil {
			return false, err
		}
		if d := digits.Uint64(); x != d {
			return x < d, nil
		}
	}
	return false, nil
}
