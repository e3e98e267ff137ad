package noise

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"testing"
)

// draws per distribution test; JALI_LONG=1 takes the 2 million of the attack suite (attacks.md 2.3).
func draws(short int) int {
	if os.Getenv("JALI_LONG") != "" {
		return 2_000_000
	}
	return short
}

// TestDrawsMatchExactProbabilities compares draws with the exact pmf by chi-square over cells of width w with expectation
// above 20, tails pooled. The statistic is turned into a normal score by Wilson-Hilferty; |z| <= 5 rejects a right sampler
// with probability about 6e-7 per case.
func TestDrawsMatchExactProbabilities(t *testing.T) {
	for _, c := range []struct {
		v     Variance
		width int64
		n     int
		force string
	}{
		{v: rational(49, 100), width: 1, n: 400_000},
		{v: rational(4, 1), width: 1, n: 400_000},
		{v: rational(533, 10), width: 1, n: 400_000},
		{v: rational(27_295_000, 1<<18), width: 1, n: 400_000}, // sigma 10.2, as priced
		{v: rational(1, 1000), width: 1, n: 100_000},
		{v: rational(10_000, 1), width: 10, n: 300_000},
		{v: rational(49, 100), width: 1, n: 200_000, force: "accept"},
		{v: rational(533, 10), width: 1, n: 200_000, force: "accept"},
		{v: rational(49, 100), width: 1, n: 100_000, force: "wide"},
		{v: rational(533, 10), width: 1, n: 100_000, force: "wide"},
		{v: rational(1e12, 1), width: 100_000, n: 150_000}, // big acceptance by itself
	} {
		t.Run(fmt.Sprintf("%v/%v%s", c.v.Num, c.v.Den, c.force), func(t *testing.T) {
			g := prepared(t, c.v)
			switch c.force {
			case "accept":
				g.narrow = false
			case "wide":
				g.narrow, g.narrowT = false, false
			}
			s := sampler(t, rand.Reader)
			n := draws(c.n)
			counts := map[int64]float64{}
			for range n {
				y, err := s.Draw(g)
				if err != nil {
					t.Fatal(err)
				}
				counts[floorDiv(y.Int64(), c.width)]++
			}
			if z, cells := chiSquare(counts, float64(n), func(cell int64) float64 { return cellMass(t, c.v, cell, c.width) }); !(math.Abs(z) <= 5) {
				t.Errorf("chi-square score %.2f over %d cells", z, cells)
			} else {
				t.Logf("z = %+.2f, %d cells", z, cells)
			}
		})
	}
}

// cellMass is P[w*cell <= Y < w*(cell+1)], exactly up to 2^-100.
func cellMass(t *testing.T, v Variance, cell, w int64) float64 {
	t.Helper()
	a, err := Tail(v, cell*w)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Tail(v, (cell+1)*w)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := a.Sub(a, b).Float64()
	return f
}

// chiSquare grows cells outwards from 0 while the expectation is above 20, pools the rest, and returns the Wilson-Hilferty score.
func chiSquare(counts map[int64]float64, n float64, mass func(cell int64) float64) (score float64, cells int) {
	chi, seen, expected := 0.0, 0.0, 0.0
	add := func(cell int64) bool {
		e := n * mass(cell)
		if e <= 20 {
			return false
		}
		chi += (counts[cell] - e) * (counts[cell] - e) / e
		seen, expected, cells = seen+counts[cell], expected+e, cells+1
		return true
	}
	for cell := int64(0); add(cell); cell++ {
	}
	for cell := int64(-1); add(cell); cell-- {
	}
	if rest := n - expected; rest > 20 {
		chi += (n - seen - rest) * (n - seen - rest) / rest
		cells++
	} else if n-seen > 100 { // e <= 20: more than 100 has probability below 1e-30
		return math.Inf(1), cells
	}
	k := float64(cells - 1)
	if k < 1 {
		return 0, cells
	}
	return (math.Cbrt(chi/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k)), cells
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// TestChiSquareHasPower: the same test must reject a sampler whose sigma is 2 % off, else it shows nothing.
func TestChiSquareHasPower(t *testing.T) {
	v, wrong := rational(533, 10), prepared(t, rational(5545, 100))
	s := sampler(t, rand.Reader)
	const n = 400_000
	counts := map[int64]float64{}
	for range n {
		y, err := s.DrawInt64(wrong)
		if err != nil {
			t.Fatal(err)
		}
		counts[y]++
	}
	if z, _ := chiSquare(counts, n, func(c int64) float64 { return cellMass(t, v, c, 1) }); z < 5 {
		t.Errorf("sigma 2 %% too large scores only %.2f", z)
	}
}

// TestHugeDraws checks variances beyond any table by moments: sign balance, and mean square within 5 standard errors of
// sigma^2 (a normal's square has variance 2 sigma^4). False-reject rate about 1e-6 each.
func TestHugeDraws(t *testing.T) {
	for _, v := range []Variance{huge(), {new(big.Int).Lsh(one, 900), one}, rational(1<<62, 3)} {
		g := prepared(t, v)
		s := sampler(t, rand.Reader)
		sigma, n := v.Sigma(), 20_000
		positive, square := 0.0, 0.0
		for range n {
			y, err := s.Draw(g)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := new(big.Float).SetInt(y).Float64()
			square += f / sigma * f / sigma
			if y.Sign() > 0 {
				positive++
			}
		}
		if d := math.Abs(positive-float64(n)/2) / math.Sqrt(float64(n)/4); d > 5 {
			t.Errorf("sign off by %.1f standard errors", d)
		}
		if d := math.Abs(square/float64(n)-1) / math.Sqrt(2/float64(n)); d > 5 {
			t.Errorf("mean square off by %.1f standard errors", d)
		}
	}
}

// TestSupport: low bits of draws are balanced, so no residue is unreachable. Residues mod 16 at sigma 100 are uniform to
// 1e-9; chi-square with 15 degrees of freedom exceeds 56.5 with probability 1e-6.
func TestSupport(t *testing.T) {
	for _, narrow := range []bool{true, false} {
		g := prepared(t, rational(10_000, 1))
		g.narrow = g.narrow && narrow
		s := sampler(t, rand.Reader)
		const n = 160_000
		var counts [16]float64
		for range n {
			y, err := s.DrawInt64(g)
			if err != nil {
				t.Fatal(err)
			}
			counts[y&15]++
		}
		chi := 0.0
		for _, c := range counts {
			chi += (c - n/16) * (c - n/16) / (n / 16)
		}
		if chi > 56.5 {
			t.Errorf("residues mod 16: chi-square %.1f", chi)
		}
	}
}

func TestBadVariances(t *testing.T) {
	s := sampler(t, rand.Reader)
	for _, v := range []Variance{
		{},
		{Num: one},
		{Den: one},
		rational(0, 1), rational(-1, 1), rational(1, 0), rational(1, -1), rational(-1, -1),
		{new(big.Int).Lsh(one, maxVarianceBits), one},
		{one, new(big.Int).Lsh(one, maxVarianceBits)},
	} {
		if _, err := NewGaussian(v); !errors.Is(err, ErrVariance) {
			t.Errorf("NewGaussian(%v): %v", v, err)
		}
		if _, err := s.Gauss(v); !errors.Is(err, ErrVariance) {
			t.Errorf("Gauss(%v): %v", v, err)
		}
		if _, err := Tail(v, 1); !errors.Is(err, ErrVariance) {
			t.Errorf("Tail(%v): %v", v, err)
		}
		if _, err := Tau(v, 1e10, 1); !errors.Is(err, ErrVariance) {
			t.Errorf("Tau(%v): %v", v, err)
		}
		if _, err := v.HalfWidth95(); !errors.Is(err, ErrVariance) {
			t.Errorf("HalfWidth95(%v): %v", v, err)
		}
	}
	if _, err := s.GaussInt64(huge()); !errors.Is(err, ErrVariance) {
		t.Errorf("64-bit draw of a huge variance: %v", err)
	}
}

func TestGaussianOwnsItsNumbers(t *testing.T) {
	v := rational(4, 1)
	g := prepared(t, v)
	v.Num.SetInt64(1_000_000)
	g.Variance().Num.SetInt64(1_000_000)
	g.HalfWidth95().SetInt64(1_000_000)
	if got := g.Variance(); got.Num.Int64() != 4 || g.HalfWidth95().Int64() != 4 {
		t.Errorf("variance %v, half-width %v", got, g.HalfWidth95())
	}
}

// TestFractionDigits drives bernFraction past its first word: p/q has the binary digits 1, 2, 3, 4 in base 2^64.
func TestFractionDigits(t *testing.T) {
	p := new(big.Int)
	for i := int64(1); i <= 4; i++ {
		p.Lsh(p, 64).Add(p, big.NewInt(i))
	}
	q := new(big.Int).Lsh(one, 256)
	for _, c := range []struct {
		words []uint64
		want  bool
	}{
		{[]uint64{0}, true},
		{[]uint64{2}, false},
		{[]uint64{1, 1}, true},
		{[]uint64{1, 3}, false},
		{[]uint64{1, 2, 3, 3}, true},
		{[]uint64{1, 2, 3, 5}, false},
		{[]uint64{1, 2, 3, 4}, false}, // equal so far, and the fraction ends: the uniform is not below it
	} {
		s := sampler(t, zeros{})
		s.words = wordsPerDraw
		for i, w := range c.words {
			for b := range 8 {
				s.buf[8*i+b] = byte(w >> (8 * b))
			}
		}
		var f fraction
		f.set(p, q)
		got, err := s.bernFraction(&f, 1)
		if err != nil || got != c.want {
			t.Errorf("words %v: %v, %v; want %v", c.words, got, err, c.want)
		}
		if s.next != 8*len(c.words) {
			t.Errorf("words %v: used %d bytes", c.words, s.next)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, c := range []struct {
		name string
		v    Variance
	}{
		{"sigma=1", rational(1, 1)},
		{"sigma=10.2", rational(27_295_000, 1<<18)},
		{"sigma=25.5", rational(650*1024+256, 1024)},
		{"sigma=1e6", rational(1e12, 1)},
		{"sigma=2^81", huge()},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := NewSampler()
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			g := prepared(b, c.v)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Draw(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
