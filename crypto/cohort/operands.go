package cohort

import "math/bits"

// operands are the plaintext polynomials that a block of ciphertext is combined with, as integer coefficients:
//
//	rho = r + t*k,   mu = m + mask + t*k2,
//
// r uniform mod t: the check. m the table, mask the rules. k and k2, of kappa bits and centred, randomise each operand in its
// coset mod t, without which a selector that is an idempotent of the ring brings out a function of m alone (attack A5).
// They are fresh for every block of every aggregate, and belong to one goroutine.
type operands struct {
	r, k     []uint64 // rho, before centring
	muH, muL []uint64 // mu as 128 bits, before centring
	mask     []uint64
}

func newOperands(p *Params) *operands {
	b := make([]uint64, 5*p.n())
	cut := func(i int) []uint64 { return b[i*p.n() : (i+1)*p.n()] }
	return &operands{cut(0), cut(1), cut(2), cut(3), cut(4)}
}

// draw fills the operands of block j. The table is shorter than the layout when slack bits need a block of their own.
func (o *operands) draw(l *Layout, t *Table, ruleRho []uint64, seed []byte, j int) {
	p := l.params
	constant := l.masks(o.mask, ruleRho, j)
	if !constant {
		p.arith().t.INTT(o.mask, o.mask)
	}
	var table []uint64
	if j < len(t.blocks) {
		table = t.blocks[j]
	}
	tbits := bits.Len64(p.t)
	st := newStream(labelMask, seed, j)
	for c := range o.r {
		r, k, k2 := st.draw(p.t, tbits)
		o.r[c], o.k[c] = r, k
		var v uint64
		if table != nil {
			v = table[c]
		}
		if !constant || c == 0 {
			v += o.mask[c]
			v -= p.t &^ uint64(int64(v-p.t)>>63) // v mod t
		}
		hi, lo := bits.Mul64(p.t, k2)
		lo, carry := bits.Add64(lo, v, 0)
		o.muH[c], o.muL[c] = hi+carry, lo
	}
	st.wipe()
}

// rho writes the residues of rho, below 4q, to dst.
func (o *operands) rho(dst []uint64, l *limb) {
	r, k := o.r[:len(dst)], o.k[:len(dst)]
	q, qinv, t64, off := l.q, l.qinv, l.t64, l.rhoOff
	for c := range dst {
		hi, lo := bits.Mul64(k[c], t64)
		h, _ := bits.Mul64(lo*qinv, q)
		dst[c] = r[c] + (hi - h + q) + off
	}
}

// mu writes the residues of mu * 2^-64, below 4q, to dst. The scale is that of a Montgomery product.
func (o *operands) mu(dst []uint64, l *limb) {
	muH, muL := o.muH[:len(dst)], o.muL[:len(dst)]
	q, qinv, off := l.q, l.qinv, l.muOff
	for c := range dst {
		h, _ := bits.Mul64(muL[c]*qinv, q)
		dst[c] = muH[c] - h + q + off
	}
}

// constants returns the constant coefficients of rho and of mu * 2^-64, reduced.
func (o *operands) constants(l *limb) (rho, mu uint64) {
	var x [1]uint64
	o.rho(x[:], l)
	rho = l.low(x[0])
	o.mu(x[:], l)
	return rho, l.low(x[0])
}

func (o *operands) wipe() {
	clear(o.r)
	clear(o.k)
	clear(o.muH)
	clear(o.muL)
	clear(o.mask)
}
