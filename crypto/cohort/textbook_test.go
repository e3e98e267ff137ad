package cohort

import (
	"bytes"
	"math/big"
	"math/bits"
	"slices"
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// weak removes one defence from the textbook evaluation. The zero value removes none.
type weak struct {
	check     bool    // no rho: a non-binary selector is simply answered
	coset     bool    // k = k2 = 0: plaintext operands are not randomised in their coset
	rules     bool    // no rule is enforced
	padding   bool    // rules weigh padding like entries
	sameMasks bool    // all aggregates share masks
	c1        *Digest // c1 follows from this seed instead of key and nonce: known before the key is registered
}

// textbook evaluates as the specification reads, term by term, with full polynomials and math/big: no fused check, no
// scaling, no shortcut for D0. It draws the same masks as the real evaluation does, so the answers are the same bytes; with a
// defence removed it is the twin on which attacks must succeed.
func textbook(e Evaluation, maskSeed [32]byte, w weak) []byte {
	var out []byte
	for i, a := range e.Aggregates {
		seed := digestOf(labelAggregate, maskSeed[:], le64(i))
		if w.sameMasks {
			seed = digestOf(labelAggregate, maskSeed[:], le64(0))
		}
		beta, alpha := textbookOne(e, newJob(e.Query.Layout, a, seed), w)
		out = append(out, textbookSwitch(e.Query.Layout.params, beta, alpha)...)
	}
	return out
}

// textbookOne stops before the modulus is switched.
func textbookOne(e Evaluation, job *job, w weak) (beta []uint64, alpha [][]uint64) {
	layout := e.Query.Layout
	p := layout.params
	ar, n, t := p.arith(), p.n(), p.t
	c1Seed := e.Query.seed(e.Key.kd, e.Upload.nonceC[:])
	if w.c1 != nil {
		c1Seed = *w.c1
	}
	if w.rules {
		clear(job.rho)
	}
	poly := func() [][]uint64 {
		x := make([][]uint64, p.limbs())
		for i := range x {
			x[i] = make([]uint64, n)
		}
		return x
	}
	d0, d1, d2 := poly(), poly(), poly()
	for j := range layout.blocks {
		mask := make([]uint64, n)
		if layout.masks(mask, job.rho, j) {
			for c := range mask {
				mask[c] = mask[0]
			}
		}
		if w.padding {
			for c := range mask {
				mask[c] = job.rho[0]
			}
		}
		ar.t.INTT(mask, mask)
		if j >= len(job.Table.blocks) {
			job.Table = &Table{params: p, blocks: append(append([][]uint64(nil), job.Table.blocks...), make([]uint64, n))}
		}
		st := newStream(labelMask, job.seed[:], j)
		rho, mu := poly(), poly()
		for c := range n {
			r, k, k2 := st.draw(t, bits.Len64(t))
			centred := func(k uint64) *big.Int {
				if w.coset {
					return new(big.Int)
				}
				return new(big.Int).Mul(big.NewInt(int64(k)-1<<(kappa-1)), new(big.Int).SetUint64(t))
			}
			x := new(big.Int).Add(centred(k), big.NewInt(int64(r)-int64(t-1)/2))
			y := new(big.Int).Add(centred(k2), new(big.Int).SetUint64((job.Table.blocks[j][c]+mask[c])%t))
			for i := range ar.limb {
				q := new(big.Int).SetUint64(ar.limb[i].q)
				if !w.check {
					rho[i][c] = new(big.Int).Mod(x, q).Uint64()
				}
				mu[i][c] = new(big.Int).Mod(y, q).Uint64()
			}
		}
		c1s := newStream(labelQuery, c1Seed[:], j)
		c0, c1 := make([]uint64, n), make([]uint64, n)
		for i := range ar.limb {
			l := &ar.limb[i]
			c1s.uniform(c1, l.q, l.mask)
			unpack(c0, e.Upload.blocks[j][i*p.limbBytes():(i+1)*p.limbBytes()], p.width)
			l.NTT(rho[i], rho[i])
			l.NTT(mu[i], mu[i])
			for c := range n {
				g := l.add(mu[i][c], l.neg(rho[i][c]))
				w0 := l.add(l.mul(rho[i][c], c0[c]), g)
				w1 := l.mul(rho[i][c], c1[c])
				d0[i][c] = l.add(d0[i][c], l.mul(c0[c], w0))
				d1[i][c] = l.add(d1[i][c], l.add(l.mul(c0[c], w1), l.mul(c1[c], w0)))
				d2[i][c] = l.add(d2[i][c], l.mul(c1[c], w1))
			}
		}
	}

	st := newStream(labelFlood, job.seed[:], 0)
	u, e1, f := make([]int64, n), make([]int64, n), make([]uint64, ar.spanSz)
	st.ternary(u)
	st.binomial(e1)
	st.below(f, ar.span[:ar.spanSz])
	flood := new(big.Int)
	for k := len(f) - 1; k >= 0; k-- {
		flood.Lsh(flood, 64).Add(flood, new(big.Int).SetUint64(f[k]))
	}
	flood.Sub(flood, floodBound(ar.q, t)).Mul(flood, new(big.Int).SetUint64(t))

	plain := func(l *limb, x uint64) uint64 { return ring.IMForm(x, l.q, l.qinv) } // out of the key's Montgomery form
	for i := range ar.limb {
		digit := make([]uint64, n)
		ar.limb[i].INTT(d2[i], digit)
		for j := range ar.limb {
			l := &ar.limb[j]
			x := make([]uint64, n)
			for c, v := range digit {
				x[c] = v % l.q
			}
			l.NTT(x, x)
			for c := range x {
				d0[j][c] = l.add(d0[j][c], l.mul(x[c], plain(l, e.Key.rlk[i].b[j][c])))
				d1[j][c] = l.add(d1[j][c], l.mul(x[c], plain(l, e.Key.rlk[i].a[j][c])))
			}
		}
	}
	offset := job.offset()
	beta, alpha = make([]uint64, p.limbs()), poly()
	for j := range ar.limb {
		l := &ar.limb[j]
		x := make([]uint64, n)
		for c, v := range u {
			x[c] = l.signed(v)
		}
		l.NTT(x, x)
		for c := range x {
			d0[j][c] = l.add(d0[j][c], l.mul(x[c], plain(l, e.Key.pk.b[j][c])))
			d1[j][c] = l.add(d1[j][c], l.mul(x[c], plain(l, e.Key.pk.a[j][c])))
		}
		l.INTT(d0[j], d0[j])
		l.INTT(d1[j], alpha[j])
		for c := range x {
			alpha[j][c] = l.add(alpha[j][c], l.signed(int64(t)*e1[c]))
		}
		beta[j] = l.add(d0[j][0], l.add(offset%l.q, new(big.Int).Mod(flood, new(big.Int).SetUint64(l.q)).Uint64()))
	}
	return beta, alpha
}

// textbookSwitch multiplies by t^-1 and divides with rounding, in integers.
func textbookSwitch(p *Params, beta []uint64, alpha [][]uint64) []byte {
	ar := p.arith()
	tInv := new(big.Int).ModInverse(new(big.Int).SetUint64(p.t), ar.q)
	change := func(limbs []uint64) []uint64 {
		q := new(big.Int).Set(ar.q)
		x := crt(limbs, p.q, q)
		x.Mul(x, tInv).Mod(x, q)
		for last := p.limbs() - 1; last >= answerLimbs; last-- {
			d := new(big.Int).SetUint64(p.q[last])
			x.Add(x, new(big.Int).Rsh(d, 1)).Quo(x, d)
			q.Quo(q, d)
			x.Mod(x, q)
		}
		out := make([]uint64, answerLimbs)
		for i := range out {
			out[i] = new(big.Int).Mod(x, new(big.Int).SetUint64(p.q[i])).Uint64()
		}
		return out
	}
	out := pack(nil, change(beta), p.width)
	x := [answerLimbs][]uint64{}
	for c := range p.n() {
		limbs := make([]uint64, p.limbs())
		for j := range limbs {
			limbs[j] = alpha[j][c]
		}
		for i, v := range change(limbs) {
			x[i] = append(x[i], v)
		}
	}
	for i := range x {
		out = pack(out, x[i], p.width)
	}
	return out
}

// TestEvaluateIsTextbook compares bytes: the fused evaluation and the specification term by term are the same function of
// the masks.
func TestEvaluateIsTextbook(t *testing.T) {
	for _, p := range []*Params{toy("ecq1-a", 5), toy("ecq1-aplus", 6), toy("ecq1-b", 4)} {
		t.Run(p.ID(), func(t *testing.T) {
			r := rng(4)
			n := 3*p.n() + 3
			w := newWorld(t, p, randomValues(r, n, -1000, 1000))
			other, err := PrepareTable(randomValues(r, n, 0, 1), TableConfig{Params: p, High: 1, MaxNoise: 1000})
			must(t, err)
			for _, rules := range [][]Rule{nil, {ExactSize(n / 2)}, {SizeBetween(n/4, 6)}, {ExactSizeIn(0, 2*p.n(), p.n()/2), AtLeast(1, n), ExactSizeIn(p.n(), p.n()+3, 2)}} {
				q := w.query(w.layout(rules...))
				u := w.forge(q, randomResidues(q.Layout)) // any plaintext: equality does not depend on honesty
				e := Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, 5}, {other, -9}, {w.table, 0}, {other, 1}, {other, 2}}}
				seed := random32()
				got, err := e.run(t.Context(), seed)
				must(t, err)
				if want := textbook(e, seed, weak{}); !bytes.Equal(got, want) {
					t.Errorf("rules %v: answers differ from the textbook's", rules)
				}
				// Switching the modulus rounds small errors away: compare before it, too.
				j := newJob(q.Layout, Aggregate{w.table, 5}, seed)
				must(t, e.pass(t.Context(), []*job{j}))
				beta, alpha := j.sums.combine(p, w.reg, j.offset(), seed[:])
				wantBeta, wantAlpha := textbookOne(e, newJob(q.Layout, Aggregate{w.table, 5}, seed), weak{})
				if !slices.Equal(beta, wantBeta) || !slices.EqualFunc(alpha, wantAlpha, slices.Equal) {
					t.Errorf("rules %v: the sample differs from the textbook's before switching", rules)
				}
			}
		})
	}
}

func randomResidues(l *Layout) []uint64 {
	seed := random32()
	x := make([]uint64, l.blocks*l.params.n())
	newStream("test", seed[:], 0).uniform(x, l.params.t, uint64(1)<<bits.Len64(l.params.t)-1)
	return x
}
