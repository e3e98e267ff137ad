package noise

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
)

// Gaussian is a checked variance with what every draw needs. It is immutable: goroutines may share it, each with its own
// Sampler.
type Gaussian struct {
	v       Variance
	t       *big.Int // scale of the discrete Laplace proposal: isqrt(floor(sigma^2)) + 1
	tden    *big.Int // t * den
	d       *big.Int // 2 * num * den * t^2
	half    *big.Int // HalfWidth95
	t64     uint64   // t, if narrowT
	narrowT bool     // proposals fit int64
	narrow  bool     // acceptance fits 64-bit words too: d < 2^62
	// The same numbers in words, if narrow.
	tden64, num64, d64 uint64
}

// NewGaussian prepares a variance for drawing.
func NewGaussian(v Variance) (*Gaussian, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	half, err := v.HalfWidth95()
	if err != nil {
		return nil, err
	}
	// Own copies: a caller may reuse its numbers.
	v = Variance{Num: new(big.Int).Set(v.Num), Den: new(big.Int).Set(v.Den)}
	t := new(big.Int).Quo(v.Num, v.Den)
	t.Sqrt(t).Add(t, one)
	g := &Gaussian{v: v, t: t, half: half}
	g.tden = new(big.Int).Mul(t, v.Den)
	g.d = new(big.Int).Mul(g.tden, t)
	g.d.Mul(g.d, v.Num).Lsh(g.d, 1)

	// |y| < t*(maxGeometric+1) and t < 2^52 keep proposals below 2^62.
	if g.narrowT = t.BitLen() <= 52; g.narrowT {
		g.t64 = t.Uint64()
	}
	// Acceptance squares w = ||y|*t*den - num| into 128 bits and divides by d: w < 2^63 and w^2/d < 2^64.
	w := new(big.Int).Mul(g.tden, t)
	w.Mul(w, big.NewInt(maxGeometric+1)).Add(w, v.Num)
	q := new(big.Int).Mul(w, w)
	q.Quo(q, g.d)
	if g.narrow = g.narrowT && g.d.BitLen() <= 62 && w.BitLen() <= 63 && q.BitLen() <= 63; g.narrow {
		g.tden64, g.num64, g.d64 = g.tden.Uint64(), v.Num.Uint64(), g.d.Uint64()
	}
	return g, nil
}

// Variance is what the Gaussian was made from.
func (g *Gaussian) Variance() Variance {
	return Variance{Num: new(big.Int).Set(g.v.Num), Den: new(big.Int).Set(g.v.Den)}
}

// HalfWidth95 is Variance.HalfWidth95.
func (g *Gaussian) HalfWidth95() *big.Int { return new(big.Int).Set(g.half) }

// Draw returns one exact draw.
func (s *Sampler) Draw(g *Gaussian) (*big.Int, error) {
	if g.narrow {
		y, err := s.drawNarrow(g)
		if err != nil {
			return nil, fmt.Errorf("draw noise: %w", err)
		}
		return big.NewInt(y), nil
	}
	y, err := s.drawWide(g)
	if err != nil {
		return nil, fmt.Errorf("draw noise: %w", err)
	}
	return y, nil
}

// DrawInt64 is Draw for noise that fits int64, as that of every count does; ErrVariance if it cannot be relied on to fit.
func (s *Sampler) DrawInt64(g *Gaussian) (int64, error) {
	if !g.narrowT {
		return 0, fmt.Errorf("draw noise: %w: too wide for 64 bits", ErrVariance)
	}
	if g.narrow {
		y, err := s.drawNarrow(g)
		if err != nil {
			return 0, fmt.Errorf("draw noise: %w", err)
		}
		return y, nil
	}
	y, err := s.drawWide(g)
	if err != nil {
		return 0, fmt.Errorf("draw noise: %w", err)
	}
	return y.Int64(), nil
}

// Gauss prepares the variance and draws once. Prepare with NewGaussian to draw often.
func (s *Sampler) Gauss(v Variance) (*big.Int, error) {
	g, err := NewGaussian(v)
	if err != nil {
		return nil, err
	}
	return s.Draw(g)
}

// GaussInt64 prepares the variance and draws once.
func (s *Sampler) GaussInt64(v Variance) (int64, error) {
	g, err := NewGaussian(v)
	if err != nil {
		return 0, err
	}
	return s.DrawInt64(g)
}

// drawNarrow is CKS Algorithm 3 in 64-bit words: propose from the discrete Laplace of scale t, accept with probability
// exp(-(|y|*t*den - num)^2 / d).
func (s *Sampler) drawNarrow(g *Gaussian) (int64, error) {
	s.words = wordsPerDraw
	for {
		y, err := s.laplace(g.t64)
		if err != nil {
			return 0, err
		}
		w := uint64(max(y, -y)) * g.tden64
		if w >= g.num64 {
			w -= g.num64
		} else {
			w = g.num64 - w
		}
		hi, lo := bits.Mul64(w, w)
		whole, rest := bits.Div64(hi, lo, g.d64)
		ok, err := s.bernExpWhole(whole)
		if ok && err == nil {
			ok, err = s.bernExpUnit(rest, g.d64)
		}
		if err != nil {
			return 0, err
		}
		if ok {
			return y, nil
		}
	}
}

// laplace is CKS Algorithm 2 with s = 1: P[x] proportional to exp(-|x|/t), t < 2^52.
func (s *Sampler) laplace(t uint64) (int64, error) {
	for {
		u, err := s.below(t)
		if err != nil {
			return 0, err
		}
		ok, err := s.bernExpUnit(u, t)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		v, err := s.geometric()
		if err != nil {
			return 0, err
		}
		sign, err := s.word()
		if err != nil {
			return 0, err
		}
		x := int64(u + t*v)
		if sign&1 == 0 {
			return x, nil
		}
		if x != 0 {
			return -x, nil
		}
	}
}

// geometric is v >= 0 with probability (1 - 1/e) e^-v.
func (s *Sampler) geometric() (uint64, error) {
	for v := uint64(0); v <= maxGeometric; v++ {
		ok, err := s.bernExpOne()
		if err != nil {
			return 0, err
		}
		if !ok {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: geometric part above %d", ErrSource, maxGeometric)
}

// clampUint64 is x, or the largest uint64. It serves counts of trials that fail with probability 1-1/e each.
func clampUint64(x *big.Int) uint64 {
	if x.IsUint64() {
		return x.Uint64()
	}
	return math.MaxUint64
}
