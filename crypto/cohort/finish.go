package cohort

import (
	"math/bits"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// finish turns the sums over all blocks into an answer:
//
//  1. relinearise: the digits of D2 are its limbs; each is multiplied by a key element and added to (D0, D1);
//  2. re-randomise: add an encryption of zero under the registered key, u*(pkB, pkA) + t*(0, e1);
//  3. flood: beta is the constant coefficient of D0, plus the plaintext offset (noise and rules), plus t*F with F uniform over
//     almost all of the modulus. It hides everything about rho, k and the table that the noise of D0 carries;
//  4. switch to the modulus q_0 q_1.
//
// Degree 2 never leaves: for one block D2 = rho*c1^2 shows rho to whoever knows c1 (attack A9). Of D0 one coefficient leaves,
// which is where the sum is.
func (a *accumulator) finish(p *Params, reg *Registration, offset uint64, seed []byte) []byte {
	return p.answer(a.combine(p, reg, offset, seed))
}

// combine does steps 1 to 3. The error e1 hides below the rounding of step 4; it is there for what is proved of alpha.
func (a *accumulator) combine(p *Params, reg *Registration, offset uint64, seed []byte) (beta []uint64, alpha [][]uint64) {
	ar, n, limbs := p.arith(), p.n(), p.limbs()
	st := newStream(labelFlood, seed, 0)
	defer st.wipe()
	u, e := make([]int64, n), make([]int64, n)
	st.ternary(u)
	st.binomial(e)
	f := make([]uint64, ar.spanSz)
	st.below(f, ar.span[:ar.spanSz])
	defer clear(u)
	defer clear(e)
	defer clear(f)

	// digits[i] is limb i of D2 as it stands in NTT form, digit[i] the same number's coefficients.
	digits, digit := make([][]uint64, limbs), make([][]uint64, limbs)
	for i := range ar.limb {
		l := &ar.limb[i]
		digits[i], digit[i] = make([]uint64, n), make([]uint64, n)
		reduce(digits[i], a.d2[i], l)
		l.INTT(digits[i], digit[i])
	}

	beta, alpha = make([]uint64, limbs), make([][]uint64, limbs)
	x := make([]uint64, n)
	sums := make([]wide, n)
	for j := range ar.limb {
		l := &ar.limb[j]
		clear(sums)
		var d0 wide
		for i := range limbs {
			if i == j {
				d0.dot(sums, digits[i], reg.rlk[i].b[j], reg.rlk[i].a[j])
				continue
			}
			copy(x, digit[i]) // digits are below q_i, and so below 2q_j
			l.transform(x)
			d0.dot(sums, x, reg.rlk[i].b[j], reg.rlk[i].a[j])
		}
		for c, v := range u {
			x[c] = l.signed(v)
		}
		l.transform(x)
		d0.dot(sums, x, reg.pk.b[j], reg.pk.a[j])

		// The key is in Montgomery form, so one reduction brings both sums to scale 1.
		v := make([]uint64, n)
		reduce(x, a.d1[j], l)
		for c := range v {
			v[c] = ring.BRedAdd(l.reduce128(sums[c].hi, sums[c].lo)+x[c], l.q, l.bred)
		}
		l.INTT(v, v)
		for c := range v {
			v[c] = l.add(v[c], l.signed(int64(p.t)*e[c]))
		}
		alpha[j] = v

		sum := l.add(l.mul(a.d0[j], l.r64), l.mul(d0.mod(l), l.invR64))
		beta[j] = l.add(l.mul(sum, l.nInv), l.add(offset%l.q, l.mul(l.t, l.flood(f))))
	}
	clear(x)
	return beta, alpha
}

// dot adds d*b over all coefficients to w, and d*a to each of sums. d is below 8q, a and b below q; for at most six calls every
// sum stays below 2^128, and those of sums below q*2^64.
func (w *wide) dot(sums []wide, d, b, a []uint64) {
	n := len(sums)
	d, b, a = d[:n], b[:n], a[:n]
	for c := range sums {
		var carry uint64
		hi, lo := bits.Mul64(d[c], b[c])
		w.lo, carry = bits.Add64(w.lo, lo, 0)
		w.hi += hi + carry
		hi, lo = bits.Mul64(d[c], a[c])
		p := &sums[c]
		p.lo, carry = bits.Add64(p.lo, lo, 0)
		p.hi += hi + carry
	}
}

// flood is F mod q, F = f - Bf in [-Bf, Bf].
func (l *limb) flood(f []uint64) uint64 {
	v := l.neg(l.bf)
	for k, w := range f {
		v = l.add(v, l.mul(l.low(w), l.pow[k]))
	}
	return v
}

// answer multiplies by t^-1 mod Q, which brings the message to the top bits, divides with rounding by all limbs but the first two,
// and packs.
func (p *Params) answer(beta []uint64, alpha [][]uint64) []byte {
	ar := p.arith()
	for j := range ar.limb {
		l := &ar.limb[j]
		beta[j] = ring.MRed(beta[j], l.tInv64, l.q, l.qinv)
		l.MulScalarMontgomery(alpha[j], l.tInv64, alpha[j])
	}
	for last := p.limbs() - 1; last >= answerLimbs; last-- {
		q := ar.limb[last].q
		for j := range last {
			l := &ar.limb[j]
			drop(beta[j:j+1], beta[last:last+1], q, l, l.drop[last])
			drop(alpha[j], alpha[last], q, l, l.drop[last])
		}
	}
	out := make([]byte, 0, p.ReplyBytes())
	out = pack(out, beta[:answerLimbs], p.width)
	for _, x := range alpha[:answerLimbs] {
		out = pack(out, x, p.width)
	}
	return out
}

// drop takes x, a limb of a number, to the limb of that number divided by q and rounded; rem is the number mod q.
func drop(x, rem []uint64, q uint64, l *limb, inv uint64) {
	half := (q - 1) / 2
	for c, r := range rem {
		// x - centred(r) = x - r + (q if r > half), with both sides made positive: r < q < 2*l.q.
		up := q & uint64(int64(half-r)>>63)
		x[c] = ring.MRed(x[c]+2*l.q-r+up, inv, l.q, l.qinv)
	}
}
