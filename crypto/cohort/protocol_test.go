package cohort

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

// TestA9DegreeTwo: for one block D2 = rho*c1^2 gives rho, and with it the check, to whoever is shown it. The reply has
// exactly the length of one LWE sample.
func TestA9DegreeTwo(t *testing.T) {
	p := attackParams()
	w := newWorld(t, p, randomValues(rng(20), p.n(), 0, 9))
	q := w.query(w.layout())
	u := w.upload(q, pick(t, rng(20), p.n(), 5))
	e := Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, 0}}}

	job := newJob(q.Layout, e.Aggregates[0], Digest(random32()))
	must(t, e.pass(t.Context(), []*aggregateJob{job}))
	ops := newOperands(p)
	ops.draw(q.Layout, w.table, job.rho, job.seed[:], 0)
	c1 := w.c1(q, u.nonceC)
	for i := range p.arith().limb {
		l := &p.arith().limb[i]
		d2, rho := make([]uint64, p.n()), make([]uint64, p.n())
		reduce(d2, job.sums.d2[i], l)
		ops.rho(rho, l)
		l.NTT(rho, rho)
		for c := range d2 {
			if got := mulmod(d2[c], invmod(l.mul(c1[i][c], c1[i][c]), l.q), l.q); got != rho[c] {
				t.Fatalf("degree 2 must give rho away; limb %d, slot %d differs", i, c)
			}
		}
	}

	reply, err := Evaluate(t.Context(), e)
	must(t, err)
	if want := (2*p.width+7)/8 + 2*p.n()*p.width/8; len(reply) != want || len(reply) != p.ReplyBytes() {
		t.Errorf("reply of %d bytes, want %d", len(reply), want)
	}
}

// aggregateJob is job where a variable has that name.
type aggregateJob = job

// TestA10Repeat: one upload under one nonce is evaluated once. The second time it is a replay, whose answer the caller has stored;
// whoever evaluates again instead gives fresh flooding, noise to average.
func TestA10Repeat(t *testing.T) {
	n, err := NewNonces(NonceConfig{Life: 10 * time.Minute, Total: 10, PerCaller: 3})
	must(t, err)
	now := time.Unix(1_000_000, 0)
	bind, other := Digest{1}, Digest{2}
	one, two := Digest{3}, Digest{4}
	nonce, err := n.Issue(now, "alice", bind)
	must(t, err)

	redeem := func(at time.Time, nonce [32]byte, caller string, binding, commit Digest) error {
		replay, err := n.Redeem(at, nonce, caller, binding, commit)
		if replay {
			return errReplay
		}
		return err
	}
	for _, s := range []struct {
		name    string
		at      time.Duration
		nonce   [32]byte
		caller  string
		binding Digest
		commit  Digest
		want    error
	}{
		{"unknown", 0, [32]byte{9}, "alice", bind, one, ErrNonceUnknown},
		{"another caller", 0, nonce, "bob", bind, one, ErrNonceForeign},
		{"another question", 0, nonce, "alice", other, one, ErrNonceForeign},
		{"first", 1, nonce, "alice", bind, one, nil},
		{"retry", 2, nonce, "alice", bind, one, errReplay},
		{"retry again", 3, nonce, "alice", bind, one, errReplay},
		{"another upload", 4, nonce, "alice", bind, two, ErrNonceUsed},
		{"late retry", 10 * time.Minute, nonce, "alice", bind, one, ErrNonceExpired},
	} {
		if err := redeem(now.Add(s.at), s.nonce, s.caller, s.binding, s.commit); !errors.Is(err, s.want) {
			t.Errorf("%s: %v, want %v", s.name, err, s.want)
		}
	}
}

var errReplay = errors.New("replay")

// TestA10Averages repeats one upload 400 times. Evaluated each time, with noise of +-100 each, the mean tells the sum to within 25 (8 sigma of the
// mean); the nonce lets it be evaluated once, and all retries hear that one answer.
func TestA10Averages(t *testing.T) {
	p := toy("ecq1-a", 5)
	r := rng(23)
	w := newWorld(t, p, randomValues(r, p.n(), 0, 100))
	s := pick(t, r, p.n(), 7)
	truth := twin(w.values, s)
	q := w.query(w.layout())
	u := w.upload(q, s)
	n, err := NewNonces(NonceConfig{Life: 10 * time.Minute, Total: 10, PerCaller: 3})
	must(t, err)
	now := time.Unix(1_000_000, 0)
	nonce, err := n.Issue(now, "alice", Digest{1})
	must(t, err)
	var every int64
	heard := map[int64]bool{}
	var stored int64
	for range 400 {
		got := w.answer(q, u, int64(r.IntN(201))-100)
		every += got - truth
		replay, err := n.Redeem(now, nonce, "alice", Digest{1}, u.Commit())
		must(t, err)
		if !replay {
			stored = got
		}
		heard[stored] = true
	}
	if every > 25*400 || every < -25*400 {
		t.Fatalf("evaluated every time, the mean must tell the sum; it is off by %d", every/400)
	}
	if len(heard) != 1 {
		t.Errorf("%d different answers to one upload", len(heard))
	}
}

func TestNonceLimits(t *testing.T) {
	n, err := NewNonces(NonceConfig{Life: time.Minute, Total: 5, PerCaller: 2})
	must(t, err)
	now := time.Unix(0, 0)
	issue := func(caller string, at time.Duration, want error) [32]byte {
		t.Helper()
		v, err := n.Issue(now.Add(at), caller, Digest{})
		if !errors.Is(err, want) {
			t.Fatalf("issue to %s: %v, want %v", caller, err, want)
		}
		return v
	}
	a := issue("a", 0, nil)
	b := issue("a", 0, nil)
	issue("a", 0, ErrNonceLimit)
	n.Burn(a) // a malformed upload: does not make room
	issue("a", 0, ErrNonceLimit)
	if err := n.Check(now, a, "a", Digest{}); !errors.Is(err, ErrNonceUsed) {
		t.Errorf("burnt: %v", err)
	}
	if _, err := n.Redeem(now, b, "a", Digest{}, Digest{1}); err != nil { // a paid one does
		t.Fatal(err)
	}
	n.Burn(b)
	if replay, err := n.Redeem(now, b, "a", Digest{}, Digest{1}); err != nil || !replay {
		t.Errorf("a used nonce was burnt: %v", err)
	}
	issue("a", 0, nil)
	issue("b", 0, nil)
	issue("b", 0, nil)
	issue("c", 0, ErrNonceLimit) // five are known
	if err := n.Check(now.Add(time.Minute), a, "a", Digest{}); !errors.Is(err, ErrNonceExpired) {
		t.Errorf("expired: %v", err)
	}
	issue("c", time.Minute, nil) // the expired ones make room
	if len(n.out) != 1 {
		t.Errorf("%d nonces are kept, want 1", len(n.out))
	}
	if _, err := NewNonces(NonceConfig{}); err == nil {
		t.Error("limits of zero were accepted")
	}
}

// TestA12RepeatedNonce: a gateway that issues one nonce twice learns nothing, because the client adds its own; with one
// seed for both it would read the difference of the selectors from the ciphertexts.
func TestA12RepeatedNonce(t *testing.T) {
	p := attackParams()
	w := newWorld(t, p, make([]int64, p.n()))
	q := w.query(w.layout())
	one, two := pick(t, rng(21), p.n(), 4), pick(t, rng(22), p.n(), 6)

	difference := func(a, b []byte) []int64 { // c0 - c0', decoded as if it were a plaintext
		l := &p.arith().limb[0]
		x, y := make([]uint64, p.n()), make([]uint64, p.n())
		unpack(x, a[:p.limbBytes()], p.width)
		unpack(y, b[:p.limbBytes()], p.width)
		for c := range x {
			x[c] = l.add(x[c], l.neg(y[c]))
		}
		l.INTT(x, x)
		for c, v := range x {
			s := int64(v)
			if v > l.q/2 {
				s -= int64(l.q)
			}
			x[c] = residues(p.t, s%int64(p.t))
		}
		p.arith().t.NTT(x, x)
		out := make([]int64, p.n())
		for c, v := range x {
			out[c] = centre(p.t, int64(v))
		}
		return out
	}
	truth := make([]int64, p.n())
	for i := range truth {
		truth[i] = int64(one.bit(i)) - int64(two.bit(i))
	}
	same := func(a []int64) bool {
		for i := range a {
			if a[i] != truth[i] {
				return false
			}
		}
		return true
	}

	own := random32()
	e1, err := w.key.encrypt(q, one, own, nil, nil)
	must(t, err)
	if _, err := w.key.encrypt(q, two, own, nil, nil); !errors.Is(err, ErrSeedReused) {
		t.Fatalf("a repeated seed: %v, want %v", err, ErrSeedReused)
	}
	clear(w.key.used) // the weak twin: a client that forgets
	e2, err := w.key.encrypt(q, two, own, nil, nil)
	must(t, err)
	b1, err := e1.Block(0)
	must(t, err)
	b2, err := e2.Block(0)
	must(t, err)
	if !same(difference(b1, b2)) {
		t.Fatal("under one seed the difference of the selectors must show")
	}

	e3, err := w.key.Encrypt(q, two, nil, nil)
	must(t, err)
	b3, err := e3.Block(0)
	must(t, err)
	if same(difference(b1, b3)) {
		t.Error("the difference of two selectors shows under one nonce of the gateway")
	}
	if e3.seed == e1.seed {
		t.Error("two encryptions share a seed")
	}

	refused := errors.New("seen before")
	if _, err := w.key.Encrypt(q, one, nil, func(Digest) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("the client's journal refused, Encrypt says %v", err)
	}
}

// TestRetryIsTheSameUpload: an Encryption can be sent again from anywhere.
func TestRetryIsTheSameUpload(t *testing.T) {
	p := toy("ecq1-a", 5)
	w := newWorld(t, p, make([]int64, 7*p.n()))
	q := w.query(w.layout())
	e, err := w.key.Encrypt(q, pick(t, rng(1), 7*p.n(), 9), nil, nil)
	must(t, err)
	var a, b bytes.Buffer
	_, err = e.WriteTo(&a)
	must(t, err)
	seen := 0
	_, err = e.Send(context.Background(), &b, func(n int) { seen = n })
	must(t, err)
	if !bytes.Equal(a.Bytes(), b.Bytes()) || seen != e.Blocks() || a.Len() != e.Bytes() {
		t.Errorf("second upload differs, or progress ended at %d of %d", seen, e.Blocks())
	}
	u, err := ReadUpload(&a, q.Layout, false)
	must(t, err)
	commit, err := e.Commit()
	must(t, err)
	if u.Commit() != commit || u.Bytes() != e.Bytes() {
		t.Error("client and gateway disagree about the commitment")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Send(cancelled, &b, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled upload: %v", err)
	}
}
