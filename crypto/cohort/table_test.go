package cohort

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"sync"
	"testing"
)

func TestPrepareTable(t *testing.T) {
	p := toy("ecq1-a", 4)
	lim := p.Limit()
	ok := TableConfig{Params: p, Low: -lim, High: lim, MaxNoise: 10}
	for _, c := range []struct {
		name   string
		values []int64
		cfg    TableConfig
		fails  bool
	}{
		{"largest sum", []int64{lim - 11, -1}, ok, false},
		{"one more", []int64{lim - 11, -2}, ok, true},
		{"lowest integer", []int64{math.MinInt64}, TableConfig{Params: p, Low: math.MinInt64, High: 1}, true},
		{"lowest integer, clipped", []int64{math.MinInt64}, TableConfig{Params: p, Low: -5, High: 1}, false},
		{"wrap of int64", []int64{math.MaxInt64, math.MaxInt64, 3}, TableConfig{Params: p, High: math.MaxInt64}, true},
		{"noise alone", []int64{0}, TableConfig{Params: p, High: 1, MaxNoise: lim + 1}, true},
		{"largest noise", []int64{0}, TableConfig{Params: p, High: 1, MaxNoise: lim}, false},
		{"negative noise", []int64{0}, TableConfig{Params: p, High: 1, MaxNoise: -1}, true},
		{"empty", nil, ok, true},
		{"bounds without 0", []int64{5}, TableConfig{Params: p, Low: 1, High: 9}, true},
		{"bounds upside down", []int64{0}, TableConfig{Params: p, Low: 1, High: -1}, true},
	} {
		_, err := PrepareTable(c.values, c.cfg)
		if (err != nil) != c.fails || err != nil && !errors.Is(err, ErrTable) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestMoneyNeverWraps asks for the largest and the smallest sum with the largest noise, in the set for money.
func TestMoneyNeverWraps(t *testing.T) {
	p := toy("ecq1-b", 5)
	const noise = 1 << 20
	for _, sign := range []int64{1, -1} {
		values := make([]int64, 2*p.n())
		room := p.Limit() - noise
		each := room / int64(len(values))
		for i := range values {
			values[i] = sign * each
		}
		values[0] += sign * (room - each*int64(len(values)))
		w := newWorld(t, p, values)
		all := pick(t, rng(1), len(values), len(values))
		if got, want := w.ask(all, sign*noise), sign*p.Limit(); got != want {
			t.Errorf("sum of everything: %d, want %d", got, want)
		}
	}
}

func TestClipAndAllow(t *testing.T) {
	p := toy("ecq1-a", 4)
	w := newWorld(t, p, []int64{5, -300, 200, 7, 8})
	var err error
	w.table, err = PrepareTable(w.values, TableConfig{Params: p, Low: -100, High: 50, Allow: func(i int) bool { return i != 3 }})
	must(t, err)
	for i, want := range []int64{5, -100, 50, 0, 8} {
		s, err := NewSelector(5)
		must(t, err)
		must(t, s.Select(i))
		if got := w.ask(s, 0, ExactSize(1)); got != want {
			t.Errorf("entry %d: %d, want %d", i, got, want)
		}
	}
}

func TestLayoutErrors(t *testing.T) {
	p := toy("ecq1-a", 4)
	for _, c := range []struct {
		name  string
		n     int
		rules []Rule
		want  error
	}{
		{"no entries", 0, nil, ErrSlots},
		{"too many", maxSlots + 1, nil, ErrSlots},
		{"slack beyond the last slot", maxSlots, []Rule{SizeBetween(1, 3)}, ErrSlots},
		{"zero rule", 10, []Rule{{}}, ErrRule},
		{"more than all", 10, []Rule{ExactSize(11)}, ErrRule},
		{"negative", 10, []Rule{ExactSize(-1)}, ErrRule},
		{"outside", 10, []Rule{ExactSizeIn(5, 11, 1)}, ErrRule},
		{"empty range", 10, []Rule{ExactSizeIn(5, 5, 0)}, ErrRule},
		{"before the start", 10, []Rule{ExactSizeIn(-1, 5, 0)}, ErrRule},
		{"too much slack", 10, []Rule{SizeBetween(1, 5)}, ErrRule},
		{"negative slack", 10, []Rule{SizeBetween(1, -1)}, ErrRule},
		{"good", 10, []Rule{ExactSize(10), SizeBetween(0, 4), AtLeast(3, 10), ExactSizeIn(9, 10, 1)}, nil},
	} {
		if _, err := NewLayout(p, c.n, c.rules...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	a, err := NewLayout(p, 10, ExactSize(3))
	must(t, err)
	for _, other := range [][]Rule{nil, {ExactSize(4)}, {SizeBetween(3, 1)}, {ExactSizeIn(0, 9, 3)}, {ExactSize(3), ExactSize(3)}} {
		b, err := NewLayout(p, 10, other...)
		must(t, err)
		if a.Digest() == b.Digest() {
			t.Errorf("rules %v have the digest of others", other)
		}
	}
}

func TestSelectorErrors(t *testing.T) {
	if _, err := NewSelector(0); !errors.Is(err, ErrSlots) {
		t.Errorf("empty: %v", err)
	}
	s, err := NewSelector(10)
	must(t, err)
	for _, i := range []int{-1, 10} {
		if err := s.Select(i); !errors.Is(err, ErrSelector) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	must(t, s.Select(9))
	p := toy("ecq1-a", 4)
	k, _ := newKey(p, [32]byte{}, [32]byte{})
	for _, rules := range [][]Rule{{ExactSize(2)}, {AtLeast(2, 10)}, {ExactSizeIn(0, 9, 1)}} {
		l, err := NewLayout(p, 10, rules...)
		must(t, err)
		if _, err := k.Encrypt(Query{Layout: l}, s, nil, nil); !errors.Is(err, ErrSelector) || !strings.Contains(err.Error(), "rule 1") {
			t.Errorf("rule %v: %v", rules, err)
		}
	}
	l, err := NewLayout(p, 11)
	must(t, err)
	if _, err := k.Encrypt(Query{Layout: l}, s, nil, nil); !errors.Is(err, ErrSelector) {
		t.Errorf("another table size: %v", err)
	}
	l, err = NewLayout(toy("ecq1-b", 4), 10)
	must(t, err)
	if _, err := k.Encrypt(Query{Layout: l}, s, nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("another parameter set: %v", err)
	}
	s.Erase()
	if s.Count() != 0 {
		t.Error("erased selector is still there")
	}
}

func TestEvaluateRefuses(t *testing.T) {
	p := toy("ecq1-a", 4)
	w := newWorld(t, p, make([]int64, 20))
	q := w.query(w.layout(ExactSize(2)))
	u := w.upload(q, pick(t, rng(1), 20, 2))
	other := newWorld(t, toy("ecq1-b", 4), make([]int64, 20))
	small, err := PrepareTable(make([]int64, 19), TableConfig{Params: p})
	must(t, err)
	good := Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, 5}}}
	if _, err := Evaluate(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Evaluation){
		"no key":         func(e *Evaluation) { e.Key = nil },
		"no upload":      func(e *Evaluation) { e.Upload = nil },
		"no layout":      func(e *Evaluation) { e.Query.Layout = nil },
		"no aggregates":  func(e *Evaluation) { e.Aggregates = nil },
		"no table":       func(e *Evaluation) { e.Aggregates = []Aggregate{{}} },
		"key of another": func(e *Evaluation) { e.Key = other.reg },
		"table of b":     func(e *Evaluation) { e.Aggregates = []Aggregate{{other.table, 0}} },
		"small table":    func(e *Evaluation) { e.Aggregates = []Aggregate{{small, 0}} },
		"other rules":    func(e *Evaluation) { e.Query.Layout = w.layout(ExactSize(3)) },
		"no rules":       func(e *Evaluation) { e.Query.Layout = w.layout() },
		"noise":          func(e *Evaluation) { e.Aggregates = []Aggregate{{w.table, 1<<20 + 1}} },
		"negative noise": func(e *Evaluation) { e.Aggregates = []Aggregate{{w.table, -1<<20 - 1}} },
	} {
		e := good
		change(&e)
		if _, err := Evaluate(t.Context(), e); !errors.Is(err, ErrEvaluation) {
			t.Errorf("%s: %v, want %v", name, err, ErrEvaluation)
		}
	}
}

// TestConcurrent shares key, table and upload between goroutines: a shared scratch buffer would give wrong answers, as the
// evaluators of the library do. Run with -race as well.
func TestConcurrent(t *testing.T) {
	p := toy("ecq1-a", 8)
	r := rng(50)
	n := 6 * p.n()
	w := newWorld(t, p, randomValues(r, n, -100, 100))
	q := w.query(w.layout(AtLeast(10, n)))
	s := pick(t, r, n, 300)
	u := w.upload(q, s)
	want := twin(w.values, s)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 10 {
				e := Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, int64(g)}, {w.table, int64(i)}}, Workers: 1 + (g+i)%5}
				reply, err := Evaluate(t.Context(), e)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := w.key.Decrypt(reply, []int64{0, 0})
				if err != nil || got[0] != want+int64(g) || got[1] != want+int64(i) {
					t.Errorf("goroutine %d: %d, %v, want %d", g, got, err, want)
					return
				}
				if _, err := w.key.Encrypt(q, s, nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestNoiseMargin measures the phase before flooding against the bound that flooding is computed for: rms 2^-43.9 of Q at
// 123 blocks in set A, 2^-45.5 in A+, 2^-55.8 at 62 blocks in B, growing with the square root of blocks. The error of one
// coefficient is near normal, so 16 rms is never exceeded.
func TestNoiseMargin(t *testing.T) {
	for _, c := range []struct {
		p      *Params
		log    float64
		blocks int
	}{{sets[0], -43.9, 123}, {sets[1], -45.5, 123}, {sets[2], -55.8, 62}} {
		p := c.p
		const blocks = 3
		r := rng(51)
		w := newWorld(t, p, randomValues(r, blocks*p.n(), 0, 100))
		q := w.query(w.layout())
		u := w.upload(q, pick(t, r, blocks*p.n(), 1000))
		j := newJob(q.Layout, Aggregate{w.table, 0}, Digest(random32()))
		e := Evaluation{Key: w.reg, Query: q, Upload: u}
		must(t, e.pass(t.Context(), []*job{j}))
		sec, err := w.key.open()
		must(t, err)
		x := make([]uint64, p.limbs())
		for i := range p.arith().limb {
			l := &p.arith().limb[i]
			d1, d2 := make([]uint64, p.n()), make([]uint64, p.n())
			reduce(d1, j.sums.d1[i], l)
			reduce(d2, j.sums.d2[i], l)
			sum := l.mul(j.sums.d0[i], l.r64)
			for k := range d1 {
				s := l.mul(sec.ntt[i][k], l.invR64)
				sum = l.add(sum, l.add(l.mul(d1[k], s), l.mul(d2[k], l.mul(s, s))))
			}
			x[i] = l.mul(sum, l.nInv)
		}
		v := crt(x, p.q, p.arith().q)
		if v.Cmp(new(big.Int).Rsh(p.arith().q, 1)) > 0 {
			v.Sub(v, p.arith().q)
		}
		f, _ := new(big.Float).Quo(new(big.Float).SetInt(v), new(big.Float).SetInt(p.arith().q)).Float64()
		got := math.Log2(math.Abs(f))
		limit := c.log + math.Log2(float64(blocks)/float64(c.blocks))/2
		t.Logf("%s: phase 2^%.1f of Q, rms by the specification 2^%.1f", p.id, got, limit)
		if got > limit+4 {
			t.Errorf("%s: phase 2^%.1f of Q, beyond 16 times the rms 2^%.1f", p.id, got, limit)
		}
	}
}
