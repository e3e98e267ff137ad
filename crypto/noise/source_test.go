package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"math/big"
	"testing"
	"testing/iotest"
)

// testingStream is a reproducible stream of random-looking bytes: AES-128-CTR of zeros under the key.
func testingStream(key byte) io.Reader {
	block, err := aes.NewCipher([]byte{key, 15: 0})
	if err != nil {
		panic(err)
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

func rational(num, den int64) Variance { return Variance{big.NewInt(num), big.NewInt(den)} }

func prepared(t testing.TB, v Variance) *Gaussian {
	t.Helper()
	g, err := NewGaussian(v)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func sampler(t testing.TB, src io.Reader) *Sampler {
	t.Helper()
	s, err := newSampler(src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSourceFailureIsAnError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := newSampler(iotest.ErrReader(broken)); !errors.Is(err, ErrSource) || !errors.Is(err, broken) {
		t.Errorf("new sampler over a broken source: %v", err)
	}
	// One batch, then nothing: every draw until then is good, the one that runs dry fails, and so do all after it.
	s := sampler(t, io.LimitReader(testingStream(1), batch+7))
	g := prepared(t, rational(100, 1))
	var err error
	drawn := 0
	for ; err == nil && drawn < batch; drawn++ {
		_, err = s.Draw(g)
	}
	if !errors.Is(err, ErrSource) || drawn < 5 {
		t.Errorf("draw %d on a dry source: %v", drawn, err)
	}
	if _, err := s.Draw(g); !errors.Is(err, ErrSource) {
		t.Errorf("draw after failure: %v", err)
	}
}

func TestBrokenSourcesEnd(t *testing.T) {
	for _, src := range []io.Reader{zeros{}, ones{}} {
		for _, v := range []Variance{rational(1, 1), rational(104, 1), rational(650, 7), rational(1e12, 1), huge()} {
			// A constant source may yield a constant draw; it must not hang, panic or run away.
			s := sampler(t, src)
			y, err := s.Gauss(v)
			if err != nil && !errors.Is(err, ErrSource) {
				t.Errorf("%T %v: %v", src, v, err)
			}
			if err == nil && y.BitLen() > v.Num.BitLen()+11 {
				t.Errorf("%T %v: draw of %d bits", src, v, y.BitLen())
			}
		}
	}
}

func TestGeometricGivesUp(t *testing.T) {
	// Words chosen so that bernExpOne always succeeds: 1/2, 1/3, 1/4 ... trials: false first means k=2, even, failure; so
	// success needs true (k=2), false (k=3). A word of 0 is below 1/2; all ones is not below 1/3.
	pattern := make([]byte, 16)
	for i := 8; i < 16; i++ {
		pattern[i] = 0xff
	}
	s := sampler(t, &repeat{pattern: pattern})
	s.words = wordsPerDraw
	if v, err := s.geometric(); !errors.Is(err, ErrSource) {
		t.Errorf("geometric on a source that always says yes: %d, %v", v, err)
	}
}

type repeat struct {
	pattern []byte
	at      int
}

func (r *repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.pattern[r.at%len(r.pattern)]
		r.at++
	}
	return len(p), nil
}

func TestCloseWipes(t *testing.T) {
	s := sampler(t, ones{})
	if _, err := s.word(); err == nil {
		t.Error("a word outside a draw was given")
	}
	s.words = wordsPerDraw
	for range 5 {
		if _, err := s.word(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		if s.buf[i] != 0 {
			t.Fatalf("used byte %d is still in the batch", i)
		}
	}
	s.Close()
	for i, b := range s.buf {
		if b != 0 {
			t.Fatalf("byte %d survived Close", i)
		}
	}
	if _, err := s.GaussInt64(rational(1, 1)); !errors.Is(err, ErrSource) {
		t.Errorf("draw after Close: %v", err)
	}
}

func TestSamplersShareNothing(t *testing.T) {
	a, err := NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if a.buf == b.buf {
		t.Error("two samplers hold the same bytes")
	}
}

func TestDrawsFollowTheirBytes(t *testing.T) {
	g := prepared(t, rational(104, 1))
	w := prepared(t, huge())
	one, two := sampler(t, testingStream(9)), sampler(t, testingStream(9))
	for i := range 200 {
		for _, g := range []*Gaussian{g, w} {
			x, err := one.Draw(g)
			if err != nil {
				t.Fatal(err)
			}
			y, err := two.Draw(g)
			if err != nil {
				t.Fatal(err)
			}
			if x.Cmp(y) != 0 {
				t.Fatalf("draw %d differs on the same bytes", i)
			}
		}
	}
}

func TestBelowIsUniform(t *testing.T) {
	// The rejection step: with n = 3*2^62 a quarter of words is rejected; without rejection residues mod 3 would be
	// visibly unequal (1/2, 1/4, 1/4). Chi-square over 3 cells, 2 degrees of freedom: above 27.6 with probability 1e-6.
	s := sampler(t, testingStream(3))
	const n, draws = uint64(3) << 62, 60_000
	var counts [3]float64
	for range draws {
		s.words = wordsPerDraw
		x, err := s.below(n)
		if err != nil {
			t.Fatal(err)
		}
		if x >= n {
			t.Fatal("out of range")
		}
		counts[x%3]++
	}
	chi := 0.0
	for _, c := range counts {
		chi += (c - draws/3) * (c - draws/3) / (draws / 3)
	}
	if chi > 27.6 {
		t.Errorf("chi-square %.1f, counts %v", chi, counts)
	}
}

func huge() Variance {
	return Variance{new(big.Int).Lsh(big.NewInt(5), 160), big.NewInt(3)}
}
