package cohort

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

func TestPackRoundTrip(t *testing.T) {
	r := rng(30)
	for _, width := range []int{1, 7, 8, 34, 50, 51, 53, 57} {
		for _, n := range []int{1, 2, 7, 8, 9, 64} {
			x := make([]uint64, n)
			for i := range x {
				x[i] = r.Uint64() & (1<<width - 1)
			}
			b := pack(nil, x, width)
			if want := (n*width + 7) / 8; len(b) != want {
				t.Fatalf("width %d, %d values: %d bytes, want %d", width, n, len(b), want)
			}
			y := make([]uint64, n)
			must(t, unpackChecked(y, b, width, 1<<width))
			for i := range x {
				if x[i] != y[i] {
					t.Fatalf("width %d, value %d of %d: %x, want %x", width, i, n, y[i], x[i])
				}
			}
			if n*width%8 != 0 {
				b[len(b)-1] |= 0x80
				if err := unpackChecked(y, b, width, 1<<width); !errors.Is(err, ErrResidue) {
					t.Errorf("width %d, %d values: set pad bit gives %v", width, n, err)
				}
			}
		}
	}
}

// upload bytes of an honest client.
func uploadBytes(t testing.TB, w *world, q Query, auditor *Auditor) []byte {
	t.Helper()
	e, err := w.key.Encrypt(q, pick(t, rng(31), len(w.values), 3), auditor, nil)
	must(t, err)
	var b bytes.Buffer
	_, err = e.WriteTo(&b)
	must(t, err)
	return b.Bytes()
}

func TestUploadErrors(t *testing.T) {
	p := toy("ecq1-a", 5)
	w := newWorld(t, p, make([]int64, 3*p.n()))
	q := w.query(w.layout())
	good := uploadBytes(t, w, q, nil)
	outOfRange := func(block, limb int, v uint64) []byte {
		b := bytes.Clone(good)
		at := nonceBytes + block*p.elementBytes() + limb*p.limbBytes()
		x := make([]uint64, p.n())
		unpack(x, b[at:at+p.limbBytes()], p.width)
		x[p.n()-1] = v
		copy(b[at:], pack(nil, x, p.width))
		return b
	}
	for _, c := range []struct {
		name string
		body []byte
		want error
		text string
	}{
		{"whole", good, nil, ""},
		{"empty", nil, ErrTruncated, "0 of"},
		{"one byte short", good[:len(good)-1], ErrTruncated, ""},
		{"nonce only", good[:nonceBytes], ErrTruncated, ""},
		{"one byte more", append(bytes.Clone(good), 0), ErrOversized, ""},
		{"endless", append(bytes.Clone(good), make([]byte, 1<<20)...), ErrOversized, ""},
		{"residue q", outOfRange(1, 2, p.q[2]), ErrResidue, "block 1, limb 2"},
		{"all ones", outOfRange(2, 3, 1<<p.width-1), ErrResidue, "block 2, limb 3"},
		{"largest residue", outOfRange(0, 0, p.q[0]-1), nil, ""},
	} {
		for _, step := range []int{1, 7, len(c.body)/2 + 1, len(c.body) + 1} {
			in := NewIntake(q.Layout, false)
			_, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{bytes.NewReader(c.body)}, make([]byte, step))
			if err == nil {
				_, err = in.Close()
			}
			if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s in steps of %d: %v, want %v with %q", c.name, step, err, c.want, c.text)
			}
			if c.want != nil {
				if _, err := in.Write([]byte{0}); err == nil && c.want != ErrTruncated {
					t.Errorf("%s: goes on after an error", c.name)
				}
			}
		}
		_, err := ReadUpload(bytes.NewReader(c.body), q.Layout, false)
		if !errors.Is(err, c.want) {
			t.Errorf("%s, read at once: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestFlippedBits: a flipped bit that stays in range cannot be seen; it gives garbage, not a crash and not a small error.
func TestFlippedBits(t *testing.T) {
	p := toy("ecq1-a", 5)
	r := rng(32)
	w := newWorld(t, p, randomValues(r, 2*p.n(), 1, 100))
	s := pick(t, r, 2*p.n(), 11)
	want := twin(w.values, s)
	refused := 0
	for range 200 {
		q := w.query(w.layout())
		e, err := w.key.Encrypt(q, s, nil, nil)
		must(t, err)
		var b bytes.Buffer
		_, err = e.WriteTo(&b)
		must(t, err)
		body := b.Bytes()
		bit := r.IntN(8 * len(body))
		body[bit/8] ^= 1 << (bit % 8)
		u, err := ReadUpload(bytes.NewReader(body), q.Layout, false)
		if err != nil {
			refused++
			continue
		}
		if d := centre(p.t, w.answer(q, u, 0)-want); d > -1000 && d < 1000 {
			t.Fatalf("flipped bit %d: answer is off by %d", bit, d)
		}
	}
	t.Logf("%d of 200 refused", refused)
}

func TestForeignKey(t *testing.T) {
	p := toy("ecq1-a", 5)
	r := rng(33)
	a, b := newWorld(t, p, randomValues(r, p.n(), 1, 100)), newWorld(t, p, make([]int64, p.n()))
	s := pick(t, r, p.n(), 5)
	q := a.query(a.layout())
	u := b.upload(q, s) // encrypted under another key
	uniform(t, p.t, 300, func() int64 { return a.answer(q, u, 0) })

	reply, err := Evaluate(t.Context(), Evaluation{Key: a.reg, Query: q, Upload: a.upload(q, s), Aggregates: []Aggregate{{a.table, 0}}})
	must(t, err)
	if _, err := b.key.Decrypt(reply, []int64{1 << 10}); !errors.Is(err, ErrImplausible) { // hits with probability 2^-23
		t.Errorf("foreign reply: %v, want %v", err, ErrImplausible)
	}
	if got, err := a.key.Decrypt(reply, []int64{1 << 10}); err != nil || got[0] != twin(a.values, s) {
		t.Errorf("own reply: %v, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"short": reply[:len(reply)-1], "long": append(bytes.Clone(reply), 0), "empty": nil,
		"beta out of range": append(bytes.Repeat([]byte{0xff}, p.betaBytes()), reply[p.betaBytes():]...),
		"all ones":          bytes.Repeat([]byte{0xff}, len(reply)),
		"alpha out of range": append(bytes.Clone(reply[:len(reply)-p.limbBytes()]),
			bytes.Repeat([]byte{0xff}, p.limbBytes())...),
	} {
		if _, err := a.key.Decrypt(bad, []int64{0}); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %v, want %v", name, err, ErrReply)
		}
	}
}

func TestRegistrationErrors(t *testing.T) {
	p := toy("ecq1-a", 5)
	crs := random32()
	auditor, err := GenerateAuditorKey()
	must(t, err)
	public, err := ParseAuditor(auditor.Public())
	must(t, err)
	_, plain, err := GenerateKey(p, crs, nil)
	must(t, err)
	_, opened, err := GenerateKey(p, crs, public)
	must(t, err)
	bad := bytes.Clone(plain)
	at := 2*p.elementBytes() + 3*p.limbBytes()
	copy(bad[at:], bytes.Repeat([]byte{0xff}, p.limbBytes()))
	for _, c := range []struct {
		name   string
		body   []byte
		opened bool
		want   error
	}{
		{"plain", plain, false, nil},
		{"opened", opened, true, nil},
		{"opening missing", plain, true, ErrRegistration},
		{"opening not asked for", opened, false, ErrRegistration},
		{"short", plain[:len(plain)-1], false, ErrRegistration},
		{"empty", nil, false, ErrRegistration},
		{"out of range", bad, false, ErrResidue},
	} {
		if _, err := ParseRegistration(p, crs, c.body, c.opened); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestIntakeMemory: what an upload holds follows what was received.
func TestIntakeMemory(t *testing.T) {
	p := sets[0]
	l, err := NewLayout(p, maxSlots)
	must(t, err)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	in := NewIntake(l, false)
	_, err = in.Write(make([]byte, 100))
	must(t, err)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(3*p.elementBytes()) {
		t.Errorf("100 bytes of an upload of %d took %d bytes", in.Want(), got)
	}
	if in.Received() != 100 {
		t.Errorf("received %d", in.Received())
	}
}

func FuzzUpload(f *testing.F) {
	p := toy("ecq1-a", 4)
	l, err := NewLayout(p, 2*p.n(), ExactSize(3))
	must(f, err)
	good := make([]byte, l.UploadBytes())
	f.Add(good, uint16(1), false)
	f.Add(good[:40], uint16(100), true)
	f.Add(bytes.Repeat([]byte{0xff}, len(good)), uint16(0), false)
	f.Fuzz(func(t *testing.T, body []byte, step uint16, opened bool) {
		in := NewIntake(l, opened)
		rest := body
		for len(rest) > 0 {
			n := min(int(step)+1, len(rest))
			if _, err := in.Write(rest[:n]); err != nil {
				if in.Received() > in.Want() {
					t.Fatal("received more than wanted")
				}
				return
			}
			rest = rest[n:]
		}
		u, err := in.Close()
		if (err == nil) != (len(body) == in.Want()) {
			t.Fatalf("%d of %d bytes: %v", len(body), in.Want(), err)
		}
		if err != nil {
			return
		}
		// What decodes encodes to the same bytes.
		again := append([]byte(nil), u.nonceC[:]...)
		for _, b := range u.blocks {
			for i, q := range p.q {
				x := make([]uint64, p.n())
				if err := unpackChecked(x, b[i*p.limbBytes():(i+1)*p.limbBytes()], p.width, q); err != nil {
					t.Fatal(err)
				}
				again = pack(again, x, p.width)
			}
		}
		if !bytes.Equal(append(again, u.opening...), body) {
			t.Fatal("accepted bytes do not come back")
		}
	})
}

func FuzzRegistration(f *testing.F) {
	p := toy("ecq1-a", 4)
	_, good, err := GenerateKey(p, [32]byte{}, nil)
	must(f, err)
	f.Add(good, false)
	f.Add(good[:100], true)
	f.Add(bytes.Repeat([]byte{0xff}, len(good)), false)
	f.Fuzz(func(t *testing.T, body []byte, opened bool) {
		r, err := ParseRegistration(p, [32]byte{}, body, opened)
		if err == nil && (r.ID() != keyID(p, [32]byte{}, body) || len(r.Opening()) > 0 != opened) {
			t.Fatal("accepted registration has another name or opening")
		}
	})
}

func FuzzReply(f *testing.F) {
	p := toy("ecq1-a", 4)
	k, _, err := GenerateKey(p, [32]byte{}, nil)
	must(f, err)
	f.Add(make([]byte, p.ReplyBytes()), uint8(1))
	f.Add(bytes.Repeat([]byte{0xff}, p.ReplyBytes()), uint8(1))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, reply []byte, aggregates uint8) {
		got, err := k.Decrypt(reply, make([]int64, aggregates))
		if err == nil && len(got)*p.ReplyBytes() != len(reply) {
			t.Fatal("accepted a reply of another length")
		}
		for _, v := range got {
			if v > p.Limit() || v < -p.Limit() {
				t.Fatal("number out of range")
			}
		}
	})
}

func FuzzStored(f *testing.F) {
	f.Add(append(make([]byte, storedBytes), "ecq1-x"...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := RestoreKey(b); err == nil {
			again, err := k.Store()
			if err != nil || !bytes.Equal(again, b) {
				t.Fatal("stored key does not come back")
			}
		}
	})
}

// TestNeverPrints: no verb and no encoder shows a secret.
func TestNeverPrints(t *testing.T) {
	seed := random32()
	for i := range seed {
		seed[i] = 0xab // 171, ab, or the number below would show
	}
	k, _ := newKey(toy("ecq1-a", 4), [32]byte{}, seed)
	s, err := NewSelector(64)
	must(t, err)
	s.bits()[0] = 0x1234567812345678
	a, err := GenerateAuditorKey()
	must(t, err)
	stored, err := a.Store()
	must(t, err)
	holder := struct {
		k *SecretKey
		s *Selector
		a *AuditorKey
		v Selector
	}{k, s, a, *s}
	var out strings.Builder
	for _, v := range []any{k, s, a, holder, &holder, *s} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x\n", v, v, v, v, v)
		j, _ := json.Marshal(v)
		out.Write(j)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	}
	for _, bad := range []string{"171 171", "abab", "0xab, 0xab", "1234567812345678", "1311768465173141112", fmt.Sprintf("%x", stored[:8]), fmt.Sprint(stored[:8])[1:20]} {
		if strings.Contains(strings.ToLower(out.String()), bad) {
			t.Errorf("a secret shows as %s", bad)
		}
	}
}

func TestKeyLife(t *testing.T) {
	crs := random32()
	k, body, err := GenerateKey(sets[0], crs, nil)
	must(t, err)
	stored, err := k.Store()
	must(t, err)
	again, err := RestoreKey(stored)
	must(t, err)
	if again.ID() != k.ID() {
		t.Error("a restored key has another name")
	}
	_, same := newKey(sets[0], crs, [32]byte(stored[32:64]))
	if !bytes.Equal(same, body) {
		t.Error("a restored key has another registration")
	}
	other, _, err := GenerateKey(sets[0], crs, nil)
	must(t, err)
	if other.ID() == k.ID() {
		t.Error("two keys are the same")
	}
	for _, bad := range [][]byte{nil, stored[:64], append(bytes.Clone(stored), 'x')} {
		if _, err := RestoreKey(bad); !errors.Is(err, ErrKey) {
			t.Errorf("restore %d bytes: %v, want %v", len(bad), err, ErrKey)
		}
	}
	sec, err := k.open()
	must(t, err)
	k.Erase()
	k.Erase()
	for _, v := range sec.s {
		if v != 0 {
			t.Fatal("erased key is still there")
		}
	}
	if sec.seed != [32]byte{} || sec.ntt[0][5] != 0 {
		t.Error("erased seed or transform is still there")
	}
	l, err := NewLayout(sets[0], 10)
	must(t, err)
	s, err := NewSelector(10)
	must(t, err)
	if _, err := k.Encrypt(Query{Layout: l}, s, nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("encrypt with an erased key: %v", err)
	}
	if _, err := k.Decrypt(make([]byte, sets[0].ReplyBytes()), []int64{0}); !errors.Is(err, ErrKey) {
		t.Errorf("decrypt with an erased key: %v", err)
	}
	if _, err := k.Store(); !errors.Is(err, ErrKey) {
		t.Errorf("store an erased key: %v", err)
	}
}
