package noise

import (
	"errors"
	"fmt"
	"math"
	"math/big"
)

// ErrThreshold: no threshold serves the parameters.
var ErrThreshold = errors.New("threshold out of range")

// deltaUnit is 1e18: delta is an integer number of 1e-18.
const deltaUnit = 1_000_000_000_000_000_000

// Tau is the threshold of private group keys: the smallest integer with P[Y >= tau-1] <= deltaT/l0, less a safety margin of
// 0.1 % that also covers every rounding here. deltaT is in units of 1e-18; l0 is the most groups of one person. A group of
// one person is then kept with probability at most deltaT/l0, so that one person's presence shows with probability at most
// deltaT (Wilson et al. 2020 with the exact discrete tail in place of the continuous one, which falls short at l0 = 10).
func Tau(v Variance, deltaT, l0 int64) (int64, error) {
	if err := v.Check(); err != nil {
		return 0, fmt.Errorf("compute threshold: %w", err)
	}
	if deltaT <= 0 || deltaT >= deltaUnit || l0 <= 0 {
		return 0, fmt.Errorf("compute threshold: %w: delta must lie in (0, 1) and groups per person be positive", ErrThreshold)
	}
	// P * 1001/1000 * l0 * 10^18 <= deltaT
	limit := newFloat().SetInt64(deltaT)
	limit.Quo(limit, newFloat().SetInt64(l0))
	limit.Quo(limit, newFloat().SetInt64(deltaUnit))
	limit.Mul(limit, newFloat().SetInt64(1000))
	limit.Quo(limit, newFloat().SetInt64(1001))
	if wide(v) {
		return tauWide(v, limit)
	}
	return tauExact(v, limit), nil
}

// tauExact adds weights from far out inwards until they exceed the limit.
func tauExact(v Variance, limit *big.Float) int64 {
	s := newSeries(v)
	limit = newFloat().Mul(limit, s.total())
	var weights []*big.Float // of y = 1, 2, ...
	s.each(1, func(w *big.Float) bool {
		weights = append(weights, newFloat().Set(w))
		return w.Sign() > 0 && w.MantExp(nil) > limit.MantExp(nil)-tailDrop
	})
	sum := newFloat()
	for y := len(weights); y >= 1; y-- {
		// The tail from y on exceeds the limit, so tau-1 = y+1 is the smallest that does not.
		if sum.Add(sum, weights[y-1]); sum.Cmp(limit) > 0 {
			return int64(y) + 2
		}
	}
	return 2 // P[Y >= 1] is within the limit; a single person is never kept for certain
}

// tauWide bisects the normal tail, which bounds the exact one from above beyond sigma.
func tauWide(v Variance, limit *big.Float) (int64, error) {
	sigma := v.Sigma()
	if !(sigma < math.MaxInt64/256) {
		return 0, fmt.Errorf("compute threshold: %w: noise is too large for private keys", ErrThreshold)
	}
	// At most limit at hi: exp(-64^2/2) is below any limit. The bound is proved only from sigma + 1/2 on.
	lo, hi := int64(sigma)+1, int64(64*sigma)
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if normalTail(v, big.NewInt(mid)).Cmp(limit) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi + 1, nil
}
