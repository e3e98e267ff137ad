package cohort

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"
)

// phase is a ring element per limb, as values of the transform: what c0 + c1*s is meant to be.
type phase [][]uint64

func newPhase(p *Params) phase {
	x := make(phase, p.limbs())
	for i := range x {
		x[i] = make([]uint64, p.n())
	}
	return x
}

// integers is the phase with these coefficients.
func integers(p *Params, coefficients []*big.Int) phase {
	x := newPhase(p)
	for i := range p.arith().limb {
		l := &p.arith().limb[i]
		q := new(big.Int).SetUint64(l.q)
		for c, v := range coefficients {
			if v != nil {
				x[i][c] = new(big.Int).Mod(v, q).Uint64()
			}
		}
		l.NTT(x[i], x[i])
	}
	return x
}

// slotsPhase encodes slot values mod t, with an honest error.
func slotsPhase(p *Params, slots []uint64, err int64) phase {
	x := make([]uint64, p.n())
	copy(x, slots)
	p.arith().t.INTT(x, x)
	c := make([]*big.Int, p.n())
	for i, v := range x {
		c[i] = big.NewInt(int64(v) + int64(p.t)*(err*int64(i%3-1)))
	}
	return integers(p, c)
}

// forgePhase makes an upload of one block whose phase is any ring element: c0 = Phi - c1*s. phi sees c1 as a cheating client
// does, after the nonce; nonceC is the part that the client can grind.
func (w *world) forgePhase(q Query, nonceC [32]byte, phi phase) *Upload {
	w.t.Helper()
	sec, err := w.key.open()
	must(w.t, err)
	c1 := w.c1(q, nonceC)
	body := append([]byte(nil), nonceC[:]...)
	for i := range w.p.arith().limb {
		l := &w.p.arith().limb[i]
		x := make([]uint64, w.p.n())
		s := make([]uint64, w.p.n())
		l.IMForm(sec.ntt[i], s)
		for c := range x {
			x[c] = l.add(phi[i][c], l.neg(l.mul(c1[i][c], s[c])))
		}
		body = pack(body, x, w.p.width)
	}
	u, err := ReadUpload(bytes.NewReader(body), q.Layout, false)
	must(w.t, err)
	return u
}

func (w *world) c1(q Query, nonceC [32]byte) phase {
	return expandC1(w.p, q.seed(w.key.kd, nonceC[:]))
}

func expandC1(p *Params, seed Digest) phase {
	st := newStream(labelQuery, seed[:], 0)
	x := newPhase(p)
	for i := range x {
		l := &p.arith().limb[i]
		st.uniform(x[i], l.q, l.mask)
	}
	return x
}

// forgeKey replaces the registered relinearisation key: s^2 + delta instead of s^2.
func (w *world) forgeKey(delta phase) {
	w.t.Helper()
	sec, err := w.key.open()
	must(w.t, err)
	_, body := newKey(w.p, w.crs, sec.seed)
	for i := range delta {
		at := (1+i)*w.p.elementBytes() + i*w.p.limbBytes()
		limb := body[at : at+w.p.limbBytes()]
		x := make([]uint64, w.p.n())
		unpack(x, limb, w.p.width)
		for c := range x {
			x[c] = (x[c] + delta[i][c]) % w.p.q[i]
		}
		copy(limb, pack(nil, x, w.p.width))
	}
	w.reg, err = ParseRegistration(w.p, w.crs, body, false)
	must(w.t, err)
	w.key.kd = w.reg.kd // the client uses the key it registered
}

// TestA4KeyThatKnowsC1: the relinearisation key encodes s^2 - (Phi^2 - Phi)/c1^2, which cancels the check for one ciphertext.
// It needs c1 when the key is made. The twin has a c1 that depends on neither key nor nonce.
func TestA4KeyThatKnowsC1(t *testing.T) {
	p := attackParams()
	w := newWorld(t, p, randomValues(rng(13), p.n(), 1, 1000))
	const at, weight = 4, 1_000_000
	phi := slotsPhase(p, weighted(p, p.n(), at, weight), 1)
	guess := Digest(random32())
	c1 := expandC1(p, guess)
	delta := newPhase(p)
	for i := range delta {
		l := &p.arith().limb[i]
		for c := range delta[i] {
			v := phi[i][c]
			delta[i][c] = l.neg(mulmod(l.add(l.mul(v, v), l.neg(v)), invmod(l.mul(c1[i][c], c1[i][c]), l.q), l.q))
		}
	}
	w.forgeKey(delta)

	sec, err := w.key.open()
	must(t, err)
	for range 20 {
		q := w.query(w.layout())
		u := w.forgePhase(q, random32(), phi)
		// The upload that fits the guessed c1.
		for i := range c1 {
			l := &p.arith().limb[i]
			x := make([]uint64, p.n())
			l.IMForm(sec.ntt[i], x)
			for c := range x {
				x[c] = l.add(phi[i][c], l.neg(l.mul(c1[i][c], x[c])))
			}
			copy(u.blocks[0][i*p.limbBytes():], pack(nil, x, p.width))
		}
		if got, want := w.weakAnswer(q, u, 9, weak{c1: &guess}), centre(p.t, weight*w.values[at])+9; got != want {
			t.Fatalf("with c1 known beforehand the attack must return %d, it returned %d", want, got)
		}
	}
	uniform(t, p.t, 300, func() int64 {
		q := w.query(w.layout())
		return w.answer(q, w.forgePhase(q, random32(), phi), 9)
	})
}

// TestA4cGrindNonce (some 2^8 and 2^12 tries): the key is wrong in some slots, fixed before the nonce. The client grinds nonce_c until the check has roots
// there, and is idempotent elsewhere. What passes the check is not short, and is caught by the coset randomisation.
func TestA4cGrindNonce(t *testing.T) {
	for _, bad := range []int{8, 12} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			p := toy("ecq1-a", 6)
			r := rng(14)
			w := newWorld(t, p, randomValues(r, p.n(), 1, 1000))
			delta := newPhase(p)
			for k := range bad {
				delta[k%p.limbs()][k] = 1 + r.Uint64N(p.q[k%p.limbs()]-1)
			}
			w.forgeKey(delta)
			q := w.query(w.layout())
			var phi phase
			var nonceC [32]byte
			tries := 0
			for phi == nil {
				tries++
				nonceC = random32()
				phi = w.root(q, nonceC, delta, r.Uint64())
			}
			t.Logf("%d tries", tries)
			u := w.forgePhase(q, nonceC, phi)
			weakly := newBins(p.t)
			for range 100 {
				weakly.add(w.weakAnswer(q, u, 0, weak{coset: true}))
			}
			if len(weakly.seen) > 3 {
				t.Fatalf("without coset randomisation the attack must return few answers, it returned %d", len(weakly.seen))
			}
			allDistinct(t, p, 800, func() int64 { return w.answer(q, u, 0) })
		})
	}
}

// root solves Phi^2 - Phi + c1^2*delta = 0 slot by slot, or returns nil.
func (w *world) root(q Query, nonceC [32]byte, delta phase, choice uint64) phase {
	c1 := w.c1(q, nonceC)
	phi := newPhase(w.p)
	for i := range phi {
		l := &w.p.arith().limb[i]
		for c := range phi[i] {
			choice = choice*6364136223846793005 + 1442695040888963407
			if delta[i][c] == 0 {
				phi[i][c] = choice >> 63
				continue
			}
			d := l.add(1, l.neg(l.mul(4, l.mul(l.mul(c1[i][c], c1[i][c]), delta[i][c]))))
			root, ok := sqrtmod(d, l.q)
			if !ok {
				return nil
			}
			phi[i][c] = l.mul(l.add(1, root), l.inv2)
		}
	}
	return phi
}

// allDistinct demands that no answer repeats and that they are uniform. Uniform answers repeat with probability below
// runs^2/(2t): 2*10^-5 for 800 runs in set A.
func allDistinct(t *testing.T, p *Params, runs int, draw func() int64) {
	t.Helper()
	seen := map[int64]bool{}
	n := 0
	uniform(t, p.t, runs, func() int64 {
		v := draw()
		seen[v] = true
		n++
		return v
	})
	if len(seen) != n {
		t.Errorf("%d distinct answers of %d", len(seen), n)
	}
}

// TestA5Idempotent: a phase that is 0 or 1 in every slot of the transform passes the check whatever it is mod t, and without
// coset randomisation the answer is a hash of the table by which a guess at the table is confirmed.
func TestA5Idempotent(t *testing.T) {
	for _, p := range []*Params{attackParams(), toy("ecq1-aplus", 6), toy("ecq1-b", 6)} {
		t.Run(p.id, func(t *testing.T) { idempotent(t, p) })
	}
}

func idempotent(t *testing.T, p *Params) {
	r := rng(15)
	const candidates, rounds = 20, 20
	identified := func(answer func(*world, Query, *Upload) int64) (right, wrong int) {
		for range rounds {
			tables := make([][]int64, candidates)
			for i := range tables {
				tables[i] = randomValues(r, p.n(), 0, 100)
			}
			truth := r.IntN(candidates)
			w := newWorld(t, p, tables[truth])
			phi := newPhase(p)
			for i := range phi {
				for c := range phi[i] {
					phi[i][c] = r.Uint64() & 1
				}
			}
			q := w.query(w.layout())
			got := answer(w, q, w.forgePhase(q, random32(), phi))
			for i := range tables {
				if w.hashes(phi, tables[i])[got] {
					if i == truth {
						right++
					} else {
						wrong++
					}
				}
			}
		}
		return right, wrong
	}
	right, wrong := identified(func(w *world, q Query, u *Upload) int64 { return w.weakAnswer(q, u, 0, weak{coset: true}) })
	if right != rounds || wrong != 0 {
		t.Fatalf("without coset randomisation the true table must be found %d times of %d, it was %d times, and a false one %d times", rounds, rounds, right, wrong)
	}
	// A uniform answer hits one of 20*3*20 hashes with probability below 10^-7.
	right, wrong = identified(func(w *world, q Query, u *Upload) int64 { return w.answer(q, u, 0) })
	if right != 0 || wrong != 0 {
		t.Errorf("the true table was found %d times, a false one %d times", right, wrong)
	}
}

// hashes are the answers that a table gives to an idempotent: N times the centred constant coefficient of Phi*m mod Q, and the
// same with one wrap around Q in either direction, mod t.
func (w *world) hashes(phi phase, values []int64) map[int64]bool {
	p, ar := w.p, w.p.arith()
	table, err := PrepareTable(values, TableConfig{Params: p, High: 1 << 40, MaxNoise: 1})
	must(w.t, err)
	constant := make([]uint64, p.limbs())
	for i := range ar.limb {
		l := &ar.limb[i]
		x := make([]uint64, p.n())
		l.NTT(table.blocks[0], x)
		for c := range x {
			x[c] = l.mul(x[c], phi[i][c])
		}
		l.INTT(x, x)
		constant[i] = x[0]
	}
	v := crt(constant, p.q, ar.q)
	found := map[int64]bool{}
	t := new(big.Int).SetUint64(p.t)
	for k := int64(-2); k <= 1; k++ {
		x := new(big.Int).Mul(ar.q, big.NewInt(k))
		x.Add(x, v).Mul(x, big.NewInt(int64(p.n()))).Mod(x, t)
		found[centre(p.t, x.Int64())] = true
	}
	return found
}

// TestA5bSparseIdempotent: (1 + w X^(N/2))/2 with w^2 = -1 has two coefficients only.
func TestA5bSparseIdempotent(t *testing.T) {
	p := attackParams()
	w := newWorld(t, p, randomValues(rng(16), p.n(), 0, 100))
	phi := newPhase(p)
	for i := range phi {
		l := &p.arith().limb[i]
		root, ok := sqrtmod(l.q-1, l.q)
		if !ok {
			t.Fatal("q is not 1 mod 4")
		}
		phi[i][0], phi[i][p.n()/2] = l.inv2, l.mul(root, l.inv2)
		l.NTT(phi[i], phi[i])
		for c, v := range phi[i] {
			if v > 1 {
				t.Fatalf("not idempotent in slot %d", c)
			}
		}
	}
	q := w.query(w.layout())
	u := w.forgePhase(q, random32(), phi)
	weakly := newBins(p.t)
	for range 60 {
		weakly.add(w.weakAnswer(q, u, 0, weak{coset: true}))
	}
	if len(weakly.seen) > 3 {
		t.Fatalf("without coset randomisation the attack must return few answers, it returned %d", len(weakly.seen))
	}
	allDistinct(t, p, 300, func() int64 { return w.answer(q, u, 0) })
}

// TestA6Noise: the right plaintext with ever more noise is answered exactly or with garbage; there is no third outcome, such
// as an answer off by little.
func TestA6Noise(t *testing.T) {
	p := attackParams()
	r := rng(17)
	w := newWorld(t, p, randomValues(r, p.n(), 0, 100))
	s := pick(t, r, p.n(), p.n()/2)
	want := twin(w.values, s)
	base := make([]uint64, p.n())
	copy(base, slotsOf(s))
	p.arith().t.INTT(base, base)
	for _, log := range []uint{3, 20, 40, 60, 80, 100, 120, 140, 160} {
		exact, near := 0, 0
		const runs = 30
		for range runs {
			c := make([]*big.Int, p.n())
			for i, v := range base {
				e := new(big.Int).Lsh(big.NewInt(r.Int64N(1<<30)-1<<29), log)
				e.Rsh(e, 29).Mul(e, new(big.Int).SetUint64(p.t))
				c[i] = e.Add(e, new(big.Int).SetUint64(v))
			}
			q := w.query(w.layout())
			got := w.answer(q, w.forgePhase(q, random32(), integers(p, c)), 0)
			if got == want {
				exact++
			} else if d := centre(p.t, got-want); d > -1<<16 && d < 1<<16 {
				near++
			}
		}
		t.Logf("noise 2^%d: %d of %d exact", log, exact, runs)
		// A uniform answer lies that near with probability 2^-17.
		if near > 0 || log <= 20 && exact != runs || log >= 100 && exact != 0 {
			t.Errorf("noise 2^%d: %d exact, %d near, of %d", log, exact, near, runs)
		}
	}
}

// TestA7MixedQuery: one honest query modulo some primes, another modulo the others.
func TestA7MixedQuery(t *testing.T) {
	p := attackParams()
	r := rng(18)
	w := newWorld(t, p, randomValues(r, p.n(), 0, 100))
	one := slotsPhase(p, slotsOf(pick(t, r, p.n(), 3)), 1)
	two := slotsPhase(p, slotsOf(pick(t, r, p.n(), 9)), 1)
	for _, split := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(split), func(t *testing.T) {
			phi := append(append(phase{}, one[:split]...), two[split:]...)
			uniform(t, p.t, 1600, func() int64 {
				q := w.query(w.layout())
				return w.answer(q, w.forgePhase(q, random32(), phi), 0)
			})
		})
	}
}
