package cohort

import "math/bits"

// accumulator holds the sums over blocks of
//
//	rho*(c*c - c) + mu*c                                        (1)
//
// for ciphertexts c = (c0, c1) of degree 1 in s: a polynomial D0 + D1 s + D2 s^2. The first term is the check, zero mod t for
// binary selectors and uniform otherwise; the second is the answer.
//
// With h = c - 1/2, that is h0 = c0 - 1/2 and h1 = c1, (1) is rho*h*h + mu*h + (mu/2 - rho/4), exactly. Two things follow.
// W = rho*h0 gives D0 = h0*(W + mu), D1 = c1*(2W + mu), D2 = c1*(rho*c1) with 2 reduced and 3 full products, 5 instead of 6.
// And of D0 only the constant coefficient is ever used, which is N^-1 times the sum of the transform's values: D0 is one number
// per limb, to which the constant coefficients of mu/2 - rho/4 are added at the end.
//
// Everything is at scale 2^-64, the scale of Montgomery products, until reduce.
//
// Bounds, q < 2^53: transforms are below 8q, h0 below 2q, W below 2q, W + mu below 10q. A block adds at most 2q*10q*N < 2^124.4
// to a sum of D0, which is reduced after every block, and q*12q < 2^109.6 to a coefficient of D1: 128 bits hold 2^18 blocks, and a
// table has at most 2^11 (2^24 slots, N >= 2^13). A test holds these to account.
type accumulator struct {
	d0     []uint64 // per limb, reduced
	d1, d2 [][]wide // per limb, per coefficient
}

// wide is an unsigned 128-bit sum.
type wide struct{ hi, lo uint64 }

func newAccumulator(p *Params) *accumulator {
	a := &accumulator{d0: make([]uint64, p.limbs())}
	for range p.limbs() {
		a.d1 = append(a.d1, make([]wide, p.n()))
		a.d2 = append(a.d2, make([]wide, p.n()))
	}
	return a
}

// add accumulates one limb of one block. h0 is c0 - 1/2 below 2q, c1 below q, rho and mu are transforms below 8q, mu at scale 2^-64;
// rho0 and mu0 are their constant coefficients.
func (a *accumulator) add(i int, l *limb, h0, c1, rho, mu []uint64, rho0, mu0 uint64) {
	n := len(h0)
	c1, rho, mu = c1[:n], rho[:n], mu[:n]
	d1, d2 := a.d1[i][:n], a.d2[i][:n]
	q, qinv := l.q, l.qinv
	var sHi, sLo uint64
	for c := range h0 {
		x, y, r := h0[c], c1[c], rho[c]

		hi, lo := bits.Mul64(r, x)
		h, _ := bits.Mul64(lo*qinv, q)
		w := hi - h + q
		g := w + mu[c]

		var carry uint64
		hi, lo = bits.Mul64(x, g)
		sLo, carry = bits.Add64(sLo, lo, 0)
		sHi += hi + carry

		hi, lo = bits.Mul64(y, w+g)
		p := &d1[c]
		p.lo, carry = bits.Add64(p.lo, lo, 0)
		p.hi += hi + carry

		hi, lo = bits.Mul64(r, y)
		h, _ = bits.Mul64(lo*qinv, q)
		hi, lo = bits.Mul64(y, hi-h+q)
		p = &d2[c]
		p.lo, carry = bits.Add64(p.lo, lo, 0)
		p.hi += hi + carry
	}
	// N * constant coefficient, so that the division by N is one for all: (mu/2 - rho/4) at scale 2^-64.
	rest := l.add(l.mul(mu0, l.inv2), l.neg(l.mul(l.mul(rho0, l.quarter), l.invR64)))
	s := l.add(wide{sHi, sLo}.mod(l), l.mul(rest, l.n))
	a.d0[i] = l.add(a.d0[i], s)
}

// merge adds another goroutine's sums.
func (a *accumulator) merge(b *accumulator, p *Params) {
	ar := p.arith()
	for i := range ar.limb {
		l := &ar.limb[i]
		a.d0[i] = l.add(a.d0[i], b.d0[i])
		for _, d := range [][2][]wide{{a.d1[i], b.d1[i]}, {a.d2[i], b.d2[i]}} {
			x, y := d[0], d[1]
			for c := range x {
				var carry uint64
				x[c].lo, carry = bits.Add64(x[c].lo, y[c].lo, 0)
				x[c].hi += y[c].hi + carry
			}
		}
	}
}

// mod is the sum mod q.
func (w wide) mod(l *limb) uint64 {
	return l.add(l.mul(l.low(w.hi), l.r64), l.low(w.lo))
}

// reduce takes sums at scale 2^-64 to residues: Montgomery reduction to 2^-128, then times 2^192 in a Montgomery product.
func reduce(dst []uint64, sums []wide, l *limb) {
	for c, w := range sums {
		v := l.reduce128(l.low(w.hi), w.lo)
		hi, lo := bits.Mul64(v, l.fix)
		v = l.reduce128(hi, lo)
		v -= l.q &^ uint64(int64(v-l.q)>>63)
		dst[c] = v
	}
}

func (a *accumulator) wipe() {
	clear(a.d0)
	for i := range a.d1 {
		clear(a.d1[i])
		clear(a.d2[i])
	}
}
