package cohort

import (
	"bytes"
	"errors"
	"testing"
)

// TestErasedEncryptionMakesNothing: with the query seed zeroed, the errors of a block are those of the zero seed, which anybody can
// compute. The twin makes such a block, and s is read off it: (c0 - t*e) / -c1.
func TestErasedEncryptionMakesNothing(t *testing.T) {
	p := toy("ecq1-a", 5)
	w := newWorld(t, p, randomValues(rng(1), 40, 0, 9))
	q := w.query(w.layout())
	e, err := w.key.Encrypt(q, pick(t, rng(2), 40, 7), nil, nil)
	must(t, err)
	e.Erase()
	for j := range e.Blocks() {
		if b, err := e.Block(j); !errors.Is(err, ErrErased) || b != nil {
			t.Errorf("block %d of an erased encryption: %d bytes, %v", j, len(b), err)
		}
	}
	if _, err := e.WriteTo(&bytes.Buffer{}); !errors.Is(err, ErrErased) {
		t.Errorf("wrote an erased encryption: %v", err)
	}
	if _, err := e.Commit(); !errors.Is(err, ErrErased) {
		t.Errorf("digested an erased encryption: %v", err)
	}

	sec, err := w.key.open()
	must(t, err)
	var zero [seedBytes]byte
	body := sec.encryptSlots(p, e.seed, zero, 0, make([]uint64, p.n()))
	x := make([]int64, p.n())
	newStream(labelError, zero[:], 0).binomial(x)
	l := &p.arith().limb[0]
	c0, c1, te, s := make([]uint64, p.n()), make([]uint64, p.n()), make([]uint64, p.n()), make([]uint64, p.n())
	unpack(c0, body[:p.limbBytes()], p.width)
	newStream(labelQuery, e.seed[:], 0).uniform(c1, l.q, l.mask)
	for i, v := range x {
		te[i] = l.signed(int64(p.t) * v)
	}
	l.NTT(te, te)
	for i := range s {
		s[i] = l.mul((te[i]+l.q-c0[i])%l.q, inverse(l, c1[i]))
	}
	l.INTT(s, s)
	for i, v := range sec.s {
		if s[i] != l.signed(v) {
			t.Fatal("the key does not follow from a block of a zero seed: the test does not show what it says")
		}
	}
}

// inverse is a^(q-2).
func inverse(l *limb, a uint64) uint64 {
	r := uint64(1)
	for e := l.q - 2; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = l.mul(r, a)
		}
		a = l.mul(a, a)
	}
	return r
}
