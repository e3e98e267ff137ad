package protect

import "math"

// HalfWidthAt is the half-width at 95 % of an output for a group of n persons or rows, for a quote: without data. Counts and sums do
// not depend on n. For means, variances and deviations it is an upper bound: it takes every value to lie as far from Center as
// its bounds allow, that distance being the ratio of the noise of sum and count, as it is when both are bought at the same rho (and
// less than it when the count is bought dearer); a deviation is taken to be no larger than its half-width. It reports false
// where the output would not be shown: n below 4 sigma of the count, or items that are not valid.
func HalfWidthAt(o Output, items []Item, n int64) (float64, bool) {
	used, err := o.items()
	if err != nil {
		return 0, false
	}
	c := &checked{Spec: Spec{Items: items}}
	if c.checkItems() != nil {
		return 0, false
	}
	for _, item := range used {
		if item < 0 || item >= len(items) {
			return 0, false
		}
	}
	var h, far float64
	if len(used) > 1 {
		far = c.spread[o.S] / c.spread[o.N]
	}
	switch o.Kind {
	case OutCount:
		h = toFloat(c.gauss[o.N].HalfWidth95()) / pow10f(o.Decimals)
	case OutSum:
		h = toFloat(c.gauss[o.S].HalfWidth95()) / pow10f(o.Decimals)
	case OutMean:
		if !c.enoughAt(o.N, n, 1) {
			return 0, false
		}
		h = fieller(float64(n), far, c.spread[o.N], c.spread[o.S]) / pow10f(o.Decimals)
	case OutVar, OutSD:
		if !c.enoughAt(o.N, n, 2) {
			return 0, false
		}
		// |v - m^2| <= far^2 and |m| <= far.
		h = varianceWidth(float64(n), far, 2*far*far, c.spread[o.N], c.spread[o.S], c.spread[o.Q]) / pow10f(2*o.Decimals)
		if o.Kind == OutSD {
			h = math.Sqrt(h)
		}
	}
	if math.IsNaN(h) || math.IsInf(h, 0) {
		return 0, false
	}
	return h, true
}
