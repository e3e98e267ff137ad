package protect

import (
	"math"
	"math/big"
)

// Printed figures are made of rounded parts: counts and sums are rounded to the base of the rules, and a mean is the quotient of
// the rounded sum and the rounded count, never the rounded quotient. So no printed figure tells more than its rounded parts
// (the rounding order that leaked elsewhere: EHDEN 37 in disclosure-control.md section 13).

// round gives the multiple of base nearest to x, the one away from zero of two.
func round(x, base *big.Int) *big.Int {
	abs := new(big.Int).Abs(x)
	abs.Add(abs, new(big.Int).Rsh(base, 1)).Quo(abs, base).Mul(abs, base)
	if x.Sign() < 0 {
		abs.Neg(abs)
	}
	return abs
}

// HalfWidth is how far rounding moves a count or a sum at most, in units of 10^-decimals.
func (r Rules) HalfWidth(decimals int) *big.Int { return new(big.Int).Rsh(r.step(decimals), 1) }

// step is the base in scaled units: whole output units, so that no decimals of a sum are printed.
func (r Rules) step(decimals int) *big.Int {
	return new(big.Int).Mul(big.NewInt(r.Base), pow10(decimals))
}

// figure is one printed value and how far rounding may have moved it: always, not at 95 %.
func (t *ruling) figure(o Output, i int) (value, half Cell) {
	exact := func(item int) *big.Int {
		if x := t.exact.Values[item][t.cells[i].at]; x != nil {
			return x
		}
		return new(big.Int)
	}
	switch o.Kind {
	case OutCount:
		return Cell{Fixed: round(exact(o.N), t.rules.step(0))}, Cell{Fixed: t.rules.HalfWidth(0)}
	case OutSum:
		return Cell{Fixed: round(exact(o.S), t.rules.step(o.Decimals)), Dec: o.Decimals}, Cell{Fixed: t.rules.HalfWidth(o.Decimals), Dec: o.Decimals}
	case OutMean:
		n, s := round(exact(o.N), t.rules.step(0)), round(exact(o.S), t.rules.step(o.Decimals))
		if n.Sign() <= 0 {
			return Cell{Absent: true}, Cell{Absent: true}
		}
		return quotient(n, s, t.rules.HalfWidth(0), t.rules.HalfWidth(o.Decimals), o.Decimals)
	}
	return Cell{Absent: true}, Cell{Absent: true}
}

// quotient is s/n with the farthest that n within hn and s within hs can lie from it.
func quotient(n, s, hn, hs *big.Int, decimals int) (value, half Cell) {
	at := func(s, n *big.Int) float64 {
		f, _ := new(big.Rat).SetFrac(s, n).Float64()
		return f / pow10f(decimals)
	}
	v, far := at(s, n), 0.0
	for _, m := range []*big.Int{new(big.Int).Add(n, hn), new(big.Int).Sub(n, hn)} {
		if m.Sign() <= 0 {
			return Cell{Absent: true}, Cell{Absent: true}
		}
		for _, u := range []*big.Int{new(big.Int).Add(s, hs), new(big.Int).Sub(s, hs)} {
			far = max(far, math.Abs(at(u, m)-v))
		}
	}
	return float(v, far*(1+1e-9), false) // ten digits round to nearest: the interval must not lose by it
}
