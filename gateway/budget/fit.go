package budget

import (
	"errors"
	"math"
)

// maxFit ends the search of FitError: more persons than any population has.
const maxFit = int64(1) << 40

// FitError is the smallest whole half-width e >= 1 whose price fits the balance, and false if none does. price must be pure and
// must not rise with e; ErrPrecision from it means "dearer than any budget", every other error ends the search.
func FitError(balance NanoRho, price func(e int64) (NanoRho, error)) (int64, bool, error) {
	at := func(e int64) (bool, error) {
		rho, err := price(e)
		if errors.Is(err, ErrPrecision) {
			rho, err = math.MaxInt64, nil
		}
		return err == nil && rho <= balance, err
	}
	fits, err := at(maxFit)
	if err != nil || !fits {
		return 0, false, err
	}
	lo, hi := int64(0), maxFit // lo does not fit (0 is no error at all), hi fits
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if fits, err = at(mid); err != nil {
			return 0, false, err
		}
		if fits {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, true, nil
}
