package cohort

import "testing"

// TestTransform compares with the library's transform, of which ours is the same function: random numbers, and those at the ends of the range.
func TestTransform(t *testing.T) {
	for _, set := range []*Params{sets[0], sets[1], sets[2], toy("ecq1-a", 4), toy("ecq1-a", 5), toy("ecq1-b", 6)} {
		for i := range set.arith().limb {
			l := &set.arith().limb[i]
			r := rng(uint64(70 + i))
			for name, draw := range map[string]func() uint64{
				"random":   func() uint64 { return r.Uint64N(4 * l.q) },
				"largest":  func() uint64 { return 4*l.q - 1 },
				"multiple": func() uint64 { return l.q * r.Uint64N(4) },
				"extremes": func() uint64 { return []uint64{0, 4*l.q - 1, 2 * l.q, 2*l.q - 1}[r.IntN(4)] },
			} {
				x, want := make([]uint64, set.n()), make([]uint64, set.n())
				for c := range x {
					x[c] = draw()
					want[c] = x[c] % l.q
				}
				l.NTT(want, want)
				l.transform(x)
				for c := range x {
					if x[c] >= 8*l.q || x[c]%l.q != want[c] {
						t.Fatalf("%s, N = %d, limb %d, %s numbers: value %d is %d, want %d mod %d", set.ID(), set.n(), i, name, c, x[c], want[c], l.q)
					}
				}
			}
		}
	}
	if l := &sets[0].arith().limb[0]; l.fast == nil {
		t.Log("this processor has no AVX-512 IFMA: the library's transform was used")
	}
	if l := &sets[1].arith().limb[0]; l.fast != nil {
		t.Error("set A+ has 53 bits, which 52-bit products do not hold")
	}
}

// TestTransformOptional: without the processor's help the answers are the same bytes.
func TestTransformOptional(t *testing.T) {
	p := toy("ecq1-a", 6)
	w := newWorld(t, p, randomValues(rng(71), 2*p.n(), 0, 100))
	q := w.query(w.layout())
	e := Evaluation{Key: w.reg, Query: q, Upload: w.upload(q, pick(t, rng(72), 2*p.n(), 9)), Aggregates: []Aggregate{{w.table, 3}}}
	seed := random32()
	with, err := e.run(t.Context(), seed)
	must(t, err)
	for i := range p.arith().limb {
		p.arith().limb[i].fast = nil
	}
	without, err := e.run(t.Context(), seed)
	must(t, err)
	if string(with) != string(without) {
		t.Error("answers differ")
	}
}
