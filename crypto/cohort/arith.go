package cohort

import (
	"fmt"
	"math/big"
	"math/bits"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// arith holds what is computed once per parameter set. It is read-only after setup and shared by all goroutines: the
// number theoretic transforms of ring.SubRing keep no state besides their tables.
type arith struct {
	limb []limb
	t    *ring.SubRing // slots live here: slot k is the value at NTT_t index k
	tNI  uint64        // N^-1 mod t

	span   [4]uint64 // 2*Bf+1, the number of values of F; least significant word first
	spanSz int       // words of span
	q, qa  *big.Int  // full modulus, modulus of answers
}

// limb is one prime q_i with constants in the scalings the evaluation needs; "x*2^64" is Montgomery form.
type limb struct {
	*ring.SubRing
	fast    *ifma // nil: the library's transform
	q, qinv uint64
	bred    []uint64
	mask    uint64   // bits of q-1
	half    uint64   // (q-1)/2 = -1/2: c + half is c - 1/2
	t       uint64   // t mod q
	t64     uint64   // t*2^64
	rhoOff  uint64   // -((t-1)/2 + t*2^(kappa-1))
	muOff   uint64   // -(t*2^(kappa-1)) * 2^-64
	fix     uint64   // 2^192: takes 128-bit accumulators at scale 2^-64 to residues
	r64     uint64   // 2^64 mod q
	invR64  uint64   // 2^-64 mod q
	n       uint64   // N
	nInv    uint64   // N^-1
	tInv64  uint64   // t^-1*2^64
	quarter uint64   // 1/4
	inv2    uint64   // 1/2
	pow     []uint64 // 2^(64k), for the words of F
	bf      uint64   // Bf mod q
	drop    []uint64 // drop[l] = q_l^-1 * 2^64, to divide by q_l; for l above this limb
}

// arith returns the tables of the set, built at the first use: about 10 ms, most of it factoring q_i-1.
func (p *Params) arith() *arith {
	p.once.Do(func() {
		a, err := newArith(p)
		if err != nil {
			panic(fmt.Sprintf("cohort: parameter set %s: %v", p.id, err)) // the sets are constants, tested
		}
		p.ar = a
	})
	return p.ar
}

func newArith(p *Params) (*arith, error) {
	if err := p.valid(); err != nil {
		return nil, err
	}
	rq, err := ring.NewRing(p.n(), p.q)
	if err != nil {
		return nil, fmt.Errorf("make ring mod q: %w", err)
	}
	rt, err := ring.NewRing(p.n(), []uint64{p.t})
	if err != nil {
		return nil, fmt.Errorf("make ring mod t: %w", err)
	}
	a := &arith{t: rt.SubRings[0], tNI: ring.ModExp(uint64(p.n()), p.t-2, p.t), q: product(p.q), qa: product(p.q[:answerLimbs])}
	bf := floodBound(a.q, p.t)
	span := new(big.Int).Lsh(bf, 1)
	span.Add(span, big.NewInt(1))
	if span.BitLen() > 64*len(a.span) {
		return nil, fmt.Errorf("flood bound of %d bits", span.BitLen())
	}
	a.spanSz = (span.BitLen() + 63) / 64
	for i := range a.spanSz {
		a.span[i] = new(big.Int).Rsh(span, uint(64*i)).Uint64()
	}
	for i, s := range rq.SubRings {
		a.limb = append(a.limb, newLimb(p, s, bf, i))
	}
	return a, nil
}

// floodBound is floor((Q/2)(1-2^-36)/t): flooding fills the modulus but for head-room for the noise, 2^-36 against 2^-42.
func floodBound(q *big.Int, t uint64) *big.Int {
	b := new(big.Int).Lsh(q, 36)
	b.Sub(b, q)
	return b.Quo(b, new(big.Int).Lsh(new(big.Int).SetUint64(t), 37))
}

func newLimb(p *Params, s *ring.SubRing, bf *big.Int, at int) limb {
	q := s.Modulus
	Q := new(big.Int).SetUint64(q)
	mod := func(b *big.Int) uint64 { return new(big.Int).Mod(b, Q).Uint64() }
	pow2 := func(k uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), k) }
	inv := func(v uint64) uint64 { return ring.ModExp(v%q, q-2, q) }
	mul := func(x, y uint64) uint64 { hi, lo := bits.Mul64(x, y); return bits.Rem64(hi, lo, q) }
	t := new(big.Int).SetUint64(p.t)
	centre := new(big.Int).Lsh(t, kappa-1)
	r64 := mod(pow2(64))
	l := limb{
		SubRing: s, fast: newIFMA(s), q: q, qinv: s.MRedConstant, bred: s.BRedConstant,
		mask: uint64(1)<<bits.Len64(q-1) - 1, half: (q - 1) / 2,
		t: p.t % q, t64: mul(p.t%q, r64),
		rhoOff: q - mod(new(big.Int).Add(centre, new(big.Int).SetUint64((p.t-1)/2))),
		muOff:  q - mul(mod(centre), inv(r64)),
		fix:    mod(pow2(192)), r64: r64, invR64: inv(r64), n: uint64(p.n()),
		nInv: inv(uint64(p.n())), tInv64: mul(inv(p.t), r64), quarter: inv(4), inv2: inv(2),
		bf: mod(bf), drop: make([]uint64, p.limbs()),
	}
	for k := range uint(4) {
		l.pow = append(l.pow, mod(pow2(64*k)))
	}
	for j := at + 1; j < p.limbs(); j++ {
		l.drop[j] = mul(inv(p.q[j]), r64)
	}
	return l
}

func product(q []uint64) *big.Int {
	v := big.NewInt(1)
	for _, x := range q {
		v.Mul(v, new(big.Int).SetUint64(x))
	}
	return v
}

// transform is the forward transform of x, below 4q, in place; values come out below 8q.
func (l *limb) transform(x []uint64) {
	if l.fast != nil {
		l.fast.transform(x, l.q)
		return
	}
	l.NTTLazy(x, x)
}

// mul is x*y mod q for residues below 2^64, one of them below q.
func (l *limb) mul(x, y uint64) uint64 { return ring.BRed(x, y, l.q, l.bred) }

// add is x+y mod q for residues.
func (l *limb) add(x, y uint64) uint64 { return ring.CRed(x+y, l.q) }

// neg is -x mod q for a residue, with 0 for 0.
func (l *limb) neg(x uint64) uint64 { return ring.CRed(l.q-x, l.q) }

// signed takes |x| < q to its residue without a branch.
func (l *limb) signed(x int64) uint64 { return uint64(x) + l.q&uint64(x>>63) }

// low is v mod q for any word.
func (l *limb) low(v uint64) uint64 { return ring.BRedAdd(v, l.q, l.bred) }

// reduce128 is (hi*2^64 + lo) * 2^-64 mod q, below 2q, for any 128-bit value with hi below q.
func (l *limb) reduce128(hi, lo uint64) uint64 {
	h, _ := bits.Mul64(lo*l.qinv, l.q)
	return hi - h + l.q
}
