package cohort

import (
	"bytes"
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"os"
	"testing"
)

// long runs the attack statistics on the full parameter sets instead of small rings. The counts are those of the
// specification in both cases.
var long = os.Getenv("JALI_LONG") == "1"

// toy returns the numbers of a set in a small ring: all relations between t, Q, kappa and the noise stay, security goes. The
// moduli are 1 mod 2N for every smaller power of two as well.
func toy(id string, logN int) *Params {
	p, err := ParamsByID(id)
	if err != nil {
		panic(err)
	}
	return &Params{id: "insecure-" + id, logN: logN, width: p.width, q: p.q, t: p.t}
}

// world is one researcher and one gateway over one table.
type world struct {
	t      testing.TB
	p      *Params
	key    *SecretKey
	reg    *Registration
	crs    [32]byte
	domain Domain
	values []int64
	table  *Table
}

func newWorld(t testing.TB, p *Params, values []int64) *world {
	t.Helper()
	w := &world{t: t, p: p, crs: random32(), values: values, domain: Domain{Dataset: "d", Version: "1", Mapping: "m", Entries: len(values)}}
	key, body, err := GenerateKey(p, w.crs, nil)
	must(t, err)
	w.key = key
	w.reg, err = ParseRegistration(p, w.crs, body, false)
	must(t, err)
	if w.reg.ID() != key.ID() {
		t.Fatal("gateway and researcher name the key differently")
	}
	w.table, err = PrepareTable(values, TableConfig{Params: p, Low: -1 << 62, High: 1 << 62, MaxNoise: 1 << 20})
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func random32() (b [32]byte) {
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return b
}

// rng is for test inputs, which need not be secret; a failure can be repeated from its seed, which is fixed.
func rng(seed uint64) *mrand.Rand { return mrand.New(mrand.NewPCG(seed, 1)) }

// randomValues are between lo and hi.
func randomValues(r *mrand.Rand, n int, lo, hi int64) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = lo + r.Int64N(hi-lo+1)
	}
	return v
}

// pick selects k of n entries.
func pick(t testing.TB, r *mrand.Rand, n, k int) *Selector {
	t.Helper()
	s, err := NewSelector(n)
	must(t, err)
	for _, i := range r.Perm(n)[:k] {
		must(t, s.Select(i))
	}
	return s
}

// twin is the plaintext answer.
func twin(values []int64, s *Selector) (sum int64) {
	for i, v := range values {
		sum += v * int64(s.bit(i))
	}
	return sum
}

func (w *world) layout(rules ...Rule) *Layout {
	w.t.Helper()
	l, err := NewLayout(w.p, len(w.values), rules...)
	must(w.t, err)
	return l
}

func (w *world) query(l *Layout) Query {
	return Query{Layout: l, Table: w.domain.ID(w.p), Nonce: random32()}
}

func (w *world) upload(q Query, s *Selector) *Upload {
	w.t.Helper()
	e, err := w.key.Encrypt(q, s, nil, nil)
	must(w.t, err)
	var b bytes.Buffer
	_, err = e.WriteTo(&b)
	must(w.t, err)
	u, err := ReadUpload(&b, q.Layout, false)
	must(w.t, err)
	return u
}

// ask runs the real path from selector to number.
func (w *world) ask(s *Selector, noise int64, rules ...Rule) int64 {
	w.t.Helper()
	q := w.query(w.layout(rules...))
	return w.answer(q, w.upload(q, s), noise)
}

func (w *world) answer(q Query, u *Upload, noise int64) int64 {
	w.t.Helper()
	reply, err := Evaluate(context.Background(), Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, noise}}})
	must(w.t, err)
	got, err := w.key.Decrypt(reply, []int64{0})
	must(w.t, err)
	return got[0]
}

// forge makes an upload of any slot values mod t, encrypted by the real encryption, as a cheating client does.
func (w *world) forge(q Query, slots []uint64) *Upload {
	w.t.Helper()
	own := random32()
	nonceC := clientNonce(own)
	seed := q.seed(w.key.kd, nonceC[:])
	sec, err := w.key.open()
	must(w.t, err)
	body := append([]byte(nil), nonceC[:]...)
	n := w.p.n()
	for j := range q.Layout.blocks {
		block := make([]uint64, n)
		if j*n < len(slots) {
			copy(block, slots[j*n:])
		}
		body = append(body, sec.encryptSlots(w.p, seed, own, j, block)...)
	}
	u, err := ReadUpload(bytes.NewReader(body), q.Layout, false)
	must(w.t, err)
	return u
}

// residues is v mod t.
func residues(t uint64, v int64) uint64 { return uint64(v) + t&uint64(v>>63) }

// bins counts numbers in [0,t), given centred, in 16 equal bins.
type bins struct {
	t     uint64
	count [16]int
	n     int
	seen  map[int64]bool
}

func newBins(t uint64) *bins { return &bins{t: t, seen: map[int64]bool{}} }

func (b *bins) add(v int64) {
	b.count[int(float64(residues(b.t, v))/float64(b.t)*16)]++
	b.n++
	b.seen[v] = true
}

// chi2 has 15 degrees of freedom for uniform numbers.
func (b *bins) chi2() float64 {
	e := float64(b.n) / 16
	var x float64
	for _, c := range b.count {
		x += (float64(c) - e) * (float64(c) - e) / e
	}
	return x
}

// uniform fails the test unless draw gives numbers uniform mod t. Randomness is fresh: the limit 56.5 rejects a uniform draw with
// probability 10^-6; above 30.6 (1 %) the test repeats with five times the runs and limit 44.3 (10^-4), so all in all about 2*10^-6.
// A real leak gives thousands.
func uniform(t *testing.T, modulus uint64, runs int, draw func() int64) {
	t.Helper()
	b := newBins(modulus)
	for range runs {
		b.add(draw())
	}
	x := b.chi2()
	if x > 30.6 && x <= 56.5 {
		b = newBins(modulus)
		for range 5 * runs {
			b.add(draw())
		}
		if x = b.chi2(); x <= 44.3 {
			t.Logf("chi2 = %.1f on repetition", x)
			return
		}
	}
	if x > 30.6 {
		t.Errorf("chi2 = %.1f over %d answers, %d distinct: not uniform", x, b.n, len(b.seen))
		return
	}
	t.Logf("chi2 = %.1f over %d answers", x, b.n)
}
