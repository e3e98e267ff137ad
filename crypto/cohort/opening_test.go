package cohort

import (
	"bytes"
	"errors"
	"testing"
)

// audited is a world with an auditor.
func audited(t *testing.T, p *Params, entries int) (w *world, a *AuditorKey, public *Auditor, body []byte) {
	t.Helper()
	a, err := GenerateAuditorKey()
	must(t, err)
	stored, err := a.Store()
	must(t, err)
	a, err = ParseAuditorKey(stored)
	must(t, err)
	public, err = ParseAuditor(a.Public())
	must(t, err)
	w = newWorld(t, p, make([]int64, entries))
	w.key, body, err = GenerateKey(p, w.crs, public)
	must(t, err)
	w.reg, err = ParseRegistration(p, w.crs, body, true)
	must(t, err)
	return w, a, public, body
}

func TestOpenUpload(t *testing.T) {
	p := toy("ecq1-a", 5)
	n := 2*p.n() + 5
	w, a, public, body := audited(t, p, n)
	opened, err := a.OpenKey(p, w.crs, body)
	must(t, err)
	rule := SizeBetween(4, 4)
	q := w.query(w.layout(rule))
	s := pick(t, rng(40), n, 9)
	e, err := w.key.Encrypt(q, s, public, nil)
	must(t, err)
	var b bytes.Buffer
	_, err = e.WriteTo(&b)
	must(t, err)
	good := b.Bytes()
	u, err := ReadUpload(bytes.NewReader(good), q.Layout, true)
	must(t, err)
	got, err := opened.OpenUpload(q, u)
	must(t, err)
	for i := range n {
		if got.bit(i) != s.bit(i) {
			t.Fatal("opened selector differs")
		}
	}
	if w.answer(q, u, 3) != 3 {
		t.Error("an upload with opening is not answered")
	}

	// Whatever the researcher changes shows. A length that says nothing: all selectors give the same.
	if full := len(uploadBytes(t, w, w.query(w.layout(AtLeast(0, n))), public)); full-len(good) != (w.layout(AtLeast(0, n)).blocks-q.Layout.blocks)*(p.elementBytes()+p.n()/8) {
		t.Errorf("upload lengths %d and %d depend on more than blocks", full, len(good))
	}
	change := func(at int) *Upload {
		c := bytes.Clone(good)
		c[at] ^= 1
		u, err := ReadUpload(bytes.NewReader(c), q.Layout, true)
		must(t, err)
		return u
	}
	for _, c := range []struct {
		name string
		u    *Upload
		q    Query
		want error
	}{
		{"ciphertext", change(nonceBytes + p.elementBytes()), q, ErrMismatch},
		{"nonce", change(0), q, ErrOpening},
		{"opening", change(len(good) - 1), q, ErrOpening},
		{"encapsulation", change(q.Layout.UploadBytes()), q, ErrOpening},
		{"another query", u, w.query(q.Layout), ErrOpening},
		{"another layout", u, w.query(w.layout()), ErrEvaluation},
	} {
		if _, err := opened.OpenUpload(c.q, c.u); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestOpeningFindsEveryCheat: openings that decrypt, made by a client that cheats elsewhere.
func TestOpeningFindsEveryCheat(t *testing.T) {
	p := toy("ecq1-a", 5)
	n := p.n() + 5
	w, a, public, body := audited(t, p, n)
	opened, err := a.OpenKey(p, w.crs, body)
	must(t, err)
	q := w.query(w.layout(SizeBetween(4, 4)))
	build := func(change func(e *Encryption, plain []byte)) error {
		e, err := w.key.Encrypt(q, pick(t, rng(41), n, 6), public, nil)
		must(t, err)
		plain := append(bytes.Clone(e.own[:]), e.bitmap...)
		change(e, plain)
		e.opening, err = public.seal(labelOpenUpload, e.seed[:], plain)
		must(t, err)
		var b bytes.Buffer
		_, err = e.WriteTo(&b)
		must(t, err)
		u, err := ReadUpload(&b, q.Layout, true)
		must(t, err)
		_, err = opened.OpenUpload(q, u)
		return err
	}
	if err := build(func(*Encryption, []byte) {}); err != nil {
		t.Fatalf("honest: %v", err)
	}
	for name, change := range map[string]func(e *Encryption, plain []byte){
		"another selector encrypted": func(e *Encryption, _ []byte) { e.bitmap[0] ^= 1; e.bitmap[1] ^= 1 },
		"another selector opened":    func(_ *Encryption, plain []byte) { plain[seedBytes] ^= 3 },
		"padding set":                func(e *Encryption, plain []byte) { e.bitmap[len(e.bitmap)-1] |= 0x80; plain[len(plain)-1] |= 0x80 },
		"size breaks the rule":       func(e *Encryption, plain []byte) { clear(e.bitmap); clear(plain[seedBytes:]) },
		"wrong slack": func(e *Encryption, plain []byte) {
			e.bitmap[n>>3] ^= 1 << (n & 7)
			plain[seedBytes+n>>3] ^= 1 << (n & 7)
		},
		"another seed opened": func(_ *Encryption, plain []byte) { plain[0] ^= 1 },
	} {
		if err := build(change); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v, want %v", name, err, ErrMismatch)
		}
	}
}

// TestOpeningFindsGroundNonce: nonce_c follows from the query seed, so a client that ground one to its liking (A4c) shows.
func TestOpeningFindsGroundNonce(t *testing.T) {
	p := toy("ecq1-a", 5)
	w, a, public, body := audited(t, p, p.n())
	opened, err := a.OpenKey(p, w.crs, body)
	must(t, err)
	q := w.query(w.layout())
	sec, err := w.key.open()
	must(t, err)
	own := random32()
	for _, c := range []struct {
		name  string
		nonce [32]byte
		want  error
	}{{"derived", clientNonce(own), nil}, {"ground", random32(), ErrMismatch}} {
		seed := q.seed(w.key.kd, c.nonce[:])
		up := append(bytes.Clone(c.nonce[:]), sec.encryptSlots(p, seed, own, 0, make([]uint64, p.n()))...)
		opening, err := public.seal(labelOpenUpload, seed[:], append(bytes.Clone(own[:]), make([]byte, p.n()/8)...))
		must(t, err)
		u, err := ReadUpload(bytes.NewReader(append(up, opening...)), q.Layout, true)
		must(t, err)
		if _, err := opened.OpenUpload(q, u); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestOpenKeyFindsCheats(t *testing.T) {
	p := toy("ecq1-a", 5)
	w, a, public, body := audited(t, p, p.n())
	if _, err := a.OpenKey(p, w.crs, body[:p.RegistrationBytes()]); !errors.Is(err, ErrRegistration) {
		t.Errorf("without opening: %v", err)
	}
	changed := bytes.Clone(body)
	changed[3] ^= 1
	if _, err := a.OpenKey(p, w.crs, changed); !errors.Is(err, ErrOpening) {
		t.Errorf("opening of another registration: %v", err)
	}
	other, err := GenerateAuditorKey()
	must(t, err)
	if _, err := other.OpenKey(p, w.crs, body); !errors.Is(err, ErrOpening) {
		t.Errorf("another auditor: %v", err)
	}
	// A wrong relinearisation key with an opening of its own: A4, found by the auditor.
	wrong := bytes.Clone(body[:p.RegistrationBytes()])
	wrong[p.elementBytes()] ^= 1
	kd := keyID(p, w.crs, wrong)
	sec, err := w.key.open()
	must(t, err)
	opening, err := public.seal(labelOpenKey, kd[:], sec.seed[:])
	must(t, err)
	if _, err := a.OpenKey(p, w.crs, append(wrong, opening...)); !errors.Is(err, ErrMismatch) {
		t.Errorf("wrong key: %v, want %v", err, ErrMismatch)
	}
	if _, err := ParseAuditor([]byte("short")); !errors.Is(err, ErrAuditorKey) {
		t.Errorf("bad public key: %v", err)
	}
	if _, err := ParseAuditorKey([]byte("short")); !errors.Is(err, ErrAuditorKey) {
		t.Errorf("bad key: %v", err)
	}
}
