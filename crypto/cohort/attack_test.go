package cohort

import (
	"context"
	"testing"
)

// The attacks of the specification, section 12, on the real path from bytes to number. Where the absence of a defence is a
// leak, the same attack is run on the textbook evaluation without that defence, and must succeed there.
// A1 is TestAnswerEqualsTwin; A4 to A7, which forge ring elements and keys, are in forge_test.go; A8 is in stock_test.go; A9 to
// A12 are in protocol_test.go.

// attackParams is set A in a ring of degree 64; with JALI_LONG=1, the real set A.
func attackParams() *Params {
	if long {
		return sets[0]
	}
	return toy("ecq1-a", 6)
}

// weakAnswer evaluates without a defence.
func (w *world) weakAnswer(q Query, u *Upload, noise int64, k weak) int64 {
	w.t.Helper()
	reply := textbook(Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, noise}}}, random32(), k)
	got, err := w.key.Decrypt(reply, []int64{0})
	must(w.t, err)
	return got[0]
}

// weighted is a vector of slots with one weight, and what it must not return.
func weighted(p *Params, n, at int, weight uint64) []uint64 {
	x := make([]uint64, n)
	x[at] = weight
	return x
}

func TestA2WeightOnOnePerson(t *testing.T) {
	p := attackParams()
	w := newWorld(t, p, randomValues(rng(5), p.n()+9, 1, 1000))
	const at = 3
	x := w.values[at]
	half := (p.t + 1) / 2
	for _, c := range []struct {
		name   string
		weight uint64
		leak   int64 // what the weak twin returns, mod t
	}{
		{"2", 2, 2 * x},
		{"-1", p.t - 1, -x},
		{"10^6", 1_000_000, centre(p.t, 1_000_000*x)},
		{"1/2", half, centre(p.t, int64(mulmod(half, uint64(x), p.t)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := w.query(w.layout())
			if got := w.weakAnswer(q, w.forge(q, weighted(p, len(w.values), at, c.weight)), 7, weak{check: true}); got != c.leak+7 {
				t.Fatalf("without the check the attack must return %d, it returned %d", c.leak+7, got)
			}
			uniform(t, p.t, 800, func() int64 {
				q := w.query(w.layout())
				return w.answer(q, w.forge(q, weighted(p, len(w.values), at, c.weight)), 7)
			})
		})
	}
}

func TestA2bSmallWeightsEverywhere(t *testing.T) {
	p := attackParams()
	r := rng(6)
	w := newWorld(t, p, randomValues(r, p.n(), 0, 9))
	slots := make([]uint64, p.n())
	var leak int64
	for i := range slots {
		slots[i] = r.Uint64N(3)
		leak += int64(slots[i]) * w.values[i]
	}
	q := w.query(w.layout())
	if got := w.weakAnswer(q, w.forge(q, slots), 0, weak{check: true}); got != leak {
		t.Fatalf("without the check the attack must return %d, it returned %d", leak, got)
	}
	uniform(t, p.t, 300, func() int64 {
		q := w.query(w.layout())
		return w.answer(q, w.forge(q, slots), 0)
	})
}

// slotsOf is an honest selector as slots, for forging around its rules.
func slotsOf(s *Selector, slack ...uint64) []uint64 {
	x := make([]uint64, s.n)
	for i := range x {
		x[i] = s.bit(i)
	}
	return append(x, slack...)
}

func TestA3WrongDeclaredSize(t *testing.T) {
	p := attackParams()
	r := rng(7)
	n := 3 * p.n() / 2
	w := newWorld(t, p, randomValues(r, n, 0, 100))
	l := w.layout(ExactSize(20))
	right, wrong := pick(t, r, n, 20), pick(t, r, n, 21)
	for range 50 {
		q := w.query(l)
		if got, want := w.answer(q, w.forge(q, slotsOf(right)), 3), twin(w.values, right)+3; got != want {
			t.Fatalf("right size: answer %d, twin %d", got, want)
		}
	}
	q := w.query(l)
	if got, want := w.weakAnswer(q, w.forge(q, slotsOf(wrong)), 0, weak{rules: true}), twin(w.values, wrong); got != want {
		t.Fatalf("without rules the attack must return %d, it returned %d", want, got)
	}
	uniform(t, p.t, 400, func() int64 {
		q := w.query(l)
		return w.answer(q, w.forge(q, slotsOf(wrong)), 3)
	})
}

// TestHiddenRange is the table of the specification, section 7: kmin 400, 8 slack bits.
func TestHiddenRange(t *testing.T) {
	p := attackParams()
	r := rng(8)
	const n, min, slack = 1000, 400, 8
	w := newWorld(t, p, randomValues(r, n, 0, 100))
	rule := SizeBetween(min, slack)
	l := w.layout(rule)
	for _, size := range []int{400, 401, 500, 655} {
		for range 10 {
			s := pick(t, r, n, size)
			if got, want := w.ask(s, 0, rule), twin(w.values, s); got != want {
				t.Fatalf("size %d: answer %d, twin %d", size, got, want)
			}
		}
	}
	bitsOf := func(v int) []uint64 {
		b := make([]uint64, slack)
		for i := range b {
			b[i] = uint64(v >> i & 1)
		}
		return b
	}
	// A cheat whose slack bits are not bits: the sum fits, the check fails.
	forged := bitsOf(0)
	forged[0] = p.t - 390 // 10 = 400 + slack
	for _, c := range []struct {
		name  string
		size  int
		slack []uint64
	}{
		{"far below", 10, bitsOf(0)},
		{"just below", 399, bitsOf(255)},
		{"above", 656, bitsOf(255)},
		{"wrong slack", 500, bitsOf(99)},
		{"slack not binary", 10, forged},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := pick(t, r, n, c.size)
			q := w.query(l)
			if c.name == "slack not binary" {
				if got, want := w.weakAnswer(q, w.forge(q, slotsOf(s, c.slack...)), 0, weak{check: true}), twin(w.values, s); got != want {
					t.Fatalf("without the check the attack must return %d, it returned %d", want, got)
				}
			} else if got, want := w.weakAnswer(q, w.forge(q, slotsOf(s, c.slack...)), 0, weak{rules: true}), twin(w.values, s); got != want {
				t.Fatalf("without rules the attack must return %d, it returned %d", want, got)
			}
			uniform(t, p.t, 800, func() int64 {
				q := w.query(l)
				return w.answer(q, w.forge(q, slotsOf(s, c.slack...)), 0)
			})
		})
	}
}

// TestSeveralRules: each holds by itself, and one that fails is not made good by another.
func TestSeveralRules(t *testing.T) {
	p := attackParams()
	r := rng(9)
	n := 2 * p.n()
	w := newWorld(t, p, randomValues(r, n, 0, 100))
	s, err := NewSelector(n)
	must(t, err)
	for i := range 10 {
		must(t, s.Select(i))
	}
	rules := []Rule{ExactSizeIn(0, 20, 10), AtLeast(5, n), ExactSizeIn(p.n(), 2*p.n(), 0)}
	if got, want := w.ask(s, 1, rules...), twin(w.values, s)+1; got != want {
		t.Fatalf("answer %d, twin %d", got, want)
	}
	// One too few in the first rule, one too many in the third: the sum of both conditions would hold.
	cheat, err := NewSelector(n)
	must(t, err)
	for i := range 9 {
		must(t, cheat.Select(i))
	}
	must(t, cheat.Select(p.n()))
	over := 10 - 5
	l := w.layout(rules...)
	slots := slotsOf(cheat)
	for b := range rules[1].slack {
		slots = append(slots, uint64(over>>b&1))
	}
	q := w.query(l)
	if got, want := w.weakAnswer(q, w.forge(q, slots), 0, weak{rules: true}), twin(w.values, cheat); got != want {
		t.Fatalf("without rules the attack must return %d, it returned %d", want, got)
	}
	uniform(t, p.t, 800, func() int64 {
		q := w.query(l)
		return w.answer(q, w.forge(q, slots), 0)
	})
}

func TestA13PaddingMeetsDeclaredSize(t *testing.T) {
	p := attackParams()
	if long {
		p = toy("ecq1-a", 12) // 1,000 entries must leave 499 slots of padding in a block
	}
	n, size := p.n()*5/8, p.n()/4
	w := newWorld(t, p, randomValues(rng(10), n, 1, 100))
	l := w.layout(ExactSize(size))
	slots := make([]uint64, p.n())
	slots[2] = 1
	for i := range size - 1 {
		slots[n+i] = 1
	}
	for range 20 {
		q := w.query(l)
		if got := w.weakAnswer(q, w.forge(q, slots), 0, weak{padding: true}); got != w.values[2] {
			t.Fatalf("with weights on padding the attack must return %d, it returned %d", w.values[2], got)
		}
	}
	s := pick(t, rng(11), n, size)
	for range 100 {
		if got, want := w.ask(s, 0, ExactSize(size)), twin(w.values, s); got != want {
			t.Fatalf("honest: answer %d, twin %d", got, want)
		}
	}
	uniform(t, p.t, 4000, func() int64 {
		q := w.query(l)
		return w.answer(q, w.forge(q, slots), 0)
	})
}

// TestA11SharedMasks: a cheater asks for two aggregates with one upload that is not binary.
func TestA11SharedMasks(t *testing.T) {
	p := attackParams()
	r := rng(12)
	w := newWorld(t, p, randomValues(r, p.n(), 0, 100))
	other := randomValues(r, p.n(), 0, 100)
	table, err := PrepareTable(other, TableConfig{Params: p, High: 100, MaxNoise: 10})
	must(t, err)
	slots := weighted(p, p.n(), 5, 50)
	both := func(q Query) Evaluation {
		return Evaluation{Key: w.reg, Query: q, Upload: w.forge(q, slots), Aggregates: []Aggregate{{w.table, 0}, {table, 0}}}
	}
	read := func(reply []byte) [2]int64 {
		got, err := w.key.Decrypt(reply, []int64{0, 0})
		must(t, err)
		return [2]int64(got)
	}
	for range 10 {
		got := read(textbook(both(w.query(w.layout())), random32(), weak{sameMasks: true}))
		if d, want := centre(p.t, got[0]-got[1]), 50*(w.values[5]-other[5]); d != want {
			t.Fatalf("with shared masks the difference must be %d, it is %d", want, d)
		}
	}
	ask := func() [2]int64 {
		reply, err := Evaluate(context.Background(), both(w.query(w.layout())))
		must(t, err)
		return read(reply)
	}
	t.Run("first", func(t *testing.T) { uniform(t, p.t, 400, func() int64 { return ask()[0] }) })
	t.Run("second", func(t *testing.T) { uniform(t, p.t, 400, func() int64 { return ask()[1] }) })
	t.Run("difference", func(t *testing.T) {
		uniform(t, p.t, 400, func() int64 { a := ask(); return centre(p.t, a[0]-a[1]) })
	})
}

// centre is v mod t in (-t/2, t/2).
func centre(t uint64, v int64) int64 {
	m := int64(t)
	v = (v%m + m) % m
	if v > (m-1)/2 {
		v -= m
	}
	return v
}
