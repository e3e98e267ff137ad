package budget

import (
	"fmt"
	"math"
	"math/big"

	"jali/crypto/noise"
)

// Ask is one noisy number somebody wants: its squared sensitivity and the half-width at 95 % it shall have, both in the item's
// scaled units.
type Ask struct {
	Name string
	S2   *big.Int // >= 0; 0 if no person can change the number
	E    *big.Int // > 0
	Dec  int      // scaled units are 10^-Dec of the output unit
}

const (
	// z2 is z^2 * 10^6 for the two-sided 95 % quantile z, rounded up: sigma is never larger than E/z.
	z2 = 3_841_459
	// maxBits bounds half-widths and sensitivities, so that no request makes pricing or noise expensive.
	maxBits = 400
	// maxAsks bounds the items of one query.
	maxAsks = 1024
)

var (
	one     = big.NewInt(1)
	million = big.NewInt(1_000_000)
	billion = big.NewInt(1_000_000_000)
	bigZ2   = big.NewInt(z2)
)

// Sigma is the variance to draw with for a half-width e: sigma^2 = e^2/z^2 as num/den, num rounded down, with den a power of two
// such that sigma^2 keeps at least 20 significant bits. P[|Y| <= e] >= 0.95 (noise.Variance.HalfWidth95 proves it).
func Sigma(e *big.Int) (noise.Variance, error) {
	if e == nil || e.Sign() <= 0 {
		return noise.Variance{}, fmt.Errorf("choose noise: %w: the error must be positive", ErrPrecision)
	}
	if e.BitLen() > maxBits {
		return noise.Variance{}, fmt.Errorf("choose noise: %w: the error is too large", ErrPrecision)
	}
	num := new(big.Int).Mul(e, e)
	num.Mul(num, million)
	floor := new(big.Int).Quo(num, bigZ2)
	shift := uint(max(0, 20-floor.BitLen()))
	num.Lsh(num, shift).Quo(num, bigZ2)
	return noise.Variance{Num: num, Den: new(big.Int).Lsh(one, shift)}, nil
}

// Rho is the price of drawing noise of the variance over a squared sensitivity: ceil(10^9 s2 den / (2 num)), at least 1. It is
// computed from the very fraction that will be drawn, so rounding never charges less than the loss s2/(2 sigma^2).
func Rho(s2 *big.Int, v noise.Variance) (NanoRho, error) {
	if s2 == nil || s2.Sign() < 0 || s2.BitLen() > maxBits {
		return 0, fmt.Errorf("price item: %w: the sensitivity is not a number in range", ErrPrecision)
	}
	if err := v.Check(); err != nil {
		return 0, fmt.Errorf("price item: %w", err)
	}
	num := new(big.Int).Lsh(v.Num, 1)
	rho := new(big.Int).Mul(s2, billion)
	rho.Mul(rho, v.Den)
	rho.Add(rho, num).Sub(rho, one).Quo(rho, num)
	if rho.Sign() == 0 {
		return 1, nil
	}
	if !rho.IsInt64() {
		return 0, fmt.Errorf("price item: %w: so small an error costs more than any budget; ask for a larger one", ErrPrecision)
	}
	return NanoRho(rho.Int64()), nil
}

// PriceItems prices every item and adds the prices up. delta (units of 1e-18) is what thresholds add: 0 without private keys.
// It is pure: quote and execution call it alike.
func PriceItems(asks []Ask, delta int64) (Price, error) {
	if len(asks) == 0 || len(asks) > maxAsks {
		return Price{}, fmt.Errorf("price query: %w: a query needs 1 to %d items", ErrPrecision, maxAsks)
	}
	if delta < 0 {
		return Price{}, fmt.Errorf("price query: %w: delta must not be negative", ErrPrecision)
	}
	p := Price{Lines: make([]Line, 0, len(asks)), Delta: delta}
	for _, a := range asks {
		v, err := Sigma(a.E)
		if err != nil {
			return Price{}, fmt.Errorf("price %s: %w", a.Name, err)
		}
		rho, err := Rho(a.S2, v)
		if err != nil {
			return Price{}, fmt.Errorf("price %s: %w", a.Name, err)
		}
		if rho > math.MaxInt64-p.Rho {
			return Price{}, fmt.Errorf("price query: %w: so small an error costs more than any budget; ask for a larger one", ErrPrecision)
		}
		p.Rho += rho
		p.Lines = append(p.Lines, Line{
			Name: a.Name, Dec: a.Dec, Rho: rho, Sigma2: v,
			S2: new(big.Int).Set(a.S2), E: new(big.Int).Set(a.E),
		})
	}
	return p, nil
}
