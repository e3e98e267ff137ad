package budget

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/crypto/noise"
)

// TestCountPrices: disclosure-control.md 5.1.
func TestCountPrices(t *testing.T) {
	for _, c := range []struct {
		e  int64
		pu PU
	}{{20, 481}, {50, 77}, {100, 20}} {
		p, err := PriceItems([]Ask{{Name: "persons", S2: big.NewInt(1), E: big.NewInt(c.e)}}, 0)
		if err != nil || p.Rho.PU() != c.pu {
			t.Errorf("±%d costs %d PU, %v; want %d", c.e, p.Rho.PU(), err, c.pu)
		}
	}
	p, err := PriceItems([]Ask{{Name: "persons", S2: big.NewInt(1), E: big.NewInt(50)}}, 0)
	if err != nil || 157_270_000/p.Rho != 204 && 157_270_000/p.Rho != 205 {
		t.Errorf("a budget of 15,727 PU holds %d counts at ±50, %v", 157_270_000/p.Rho, err)
	}
}

func TestItemisedPrice(t *testing.T) {
	asks := []Ask{
		{Name: "rows", S2: big.NewInt(25), E: big.NewInt(50)},
		{Name: "sum(cost)", S2: big.NewInt(1e12), E: big.NewInt(5_000_000), Dec: 2},
		{Name: "nothing", S2: big.NewInt(0), E: big.NewInt(1)},
	}
	p, err := PriceItems(asks, 17)
	if err != nil {
		t.Fatal(err)
	}
	var sum NanoRho
	var names []string
	for _, l := range p.Lines {
		sum += l.Rho
		names = append(names, l.Name)
	}
	if sum != p.Rho || p.Delta != 17 || p.Lines[2].Rho != 1 || p.Lines[1].Dec != 2 {
		t.Errorf("lines sum to %d of %d, delta %d, lines %+v", sum, p.Rho, p.Delta, p.Lines)
	}
	if d := cmp.Diff([]string{"rows", "sum(cost)", "nothing"}, names); d != "" {
		t.Error(d)
	}
	// Two items cost the sum of one each: an average is not charged once for two.
	one, err := PriceItems(asks[:1], 0)
	if err != nil || one.Rho+p.Lines[1].Rho+1 != p.Rho {
		t.Errorf("first item alone costs %d, %v", one.Rho, err)
	}
	// The price keeps its own numbers.
	asks[0].S2.SetInt64(1)
	if p.Lines[0].S2.Int64() != 25 {
		t.Error("a line shares its number with the ask")
	}
}

// TestPriceNeverUnderCharges: rho >= 1e9 S2 den/(2 num) for the fraction that is drawn, and the fraction is at most (E/z)^2.
func TestPriceNeverUnderCharges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		e := randomBig(r, 1+r.IntN(120))
		e.Add(e, one)
		s2 := randomBig(r, 1+r.IntN(120))
		v, err := Sigma(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Check(); err != nil {
			t.Fatalf("sigma of %v: %v", e, err)
		}
		// z^2 num/den <= E^2, z^2 = 3.841459
		left := new(big.Int).Mul(v.Num, big.NewInt(3_841_459))
		right := new(big.Int).Mul(new(big.Int).Mul(e, e), new(big.Int).Mul(v.Den, big.NewInt(1_000_000)))
		if left.Cmp(right) > 0 {
			t.Fatalf("E=%v: sigma is above E/z", e)
		}
		// and not below by more than 2^-19
		left.Add(left, new(big.Int).Rsh(left, 19))
		if left.Cmp(right) < 0 {
			t.Fatalf("E=%v: sigma is far below E/z", e)
		}
		rho, err := Rho(s2, v)
		loss := new(big.Rat).SetFrac(new(big.Int).Mul(s2, v.Den), new(big.Int).Lsh(v.Num, 1))
		loss.Mul(loss, new(big.Rat).SetInt64(1e9))
		if err != nil {
			if !errors.Is(err, ErrPrecision) || loss.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) <= 0 {
				t.Fatalf("S2=%v E=%v: %v", s2, e, err)
			}
			continue
		}
		got := new(big.Rat).SetInt64(int64(rho))
		if got.Cmp(loss) < 0 || rho < 1 {
			t.Fatalf("S2=%v E=%v: charged %d for a loss of %v", s2, e, rho, loss.FloatString(3))
		}
		if got.Sub(got, loss).Cmp(new(big.Rat).SetInt64(1)) > 0 {
			t.Fatalf("S2=%v E=%v: charged %d, more than one above %v", s2, e, rho, loss.FloatString(3))
		}
	}
}

func randomBig(r *rand.Rand, bits int) *big.Int {
	x := new(big.Int)
	for range (bits + 63) / 64 {
		x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(r.Uint64()))
	}
	return x.Rsh(x, uint(x.BitLen()-min(bits, x.BitLen())))
}

// TestHalfWidthIsKept: the drawn noise stays within E with at least 95 %, by exact probabilities, and the interval that protect will
// state is no wider than asked.
func TestHalfWidthIsKept(t *testing.T) {
	known := map[int64]float64{1: 0.9993, 10: 0.961, 50: 0.952, 250: 0.9505} // disclosure-control.md 5.1
	for _, e := range []int64{1, 2, 3, 4, 5, 7, 10, 20, 50, 100, 250, 1000, 5000} {
		v, err := Sigma(big.NewInt(e))
		if err != nil {
			t.Fatal(err)
		}
		within, err := noise.Within(v, e)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := within.Float64()
		if p < 0.95 {
			t.Errorf("P[|Y| <= %d] = %.6f", e, p)
		}
		if want, ok := known[e]; ok && math.Abs(p-want) > 0.0006 {
			t.Errorf("P[|Y| <= %d] = %.6f, specification says %.4f", e, p, want)
		}
		h, err := v.HalfWidth95()
		if err != nil || h.Int64() != e {
			t.Errorf("±%d asked, ±%v stated, %v", e, h, err)
		}
	}
}

func TestDearerIsNeverCheaper(t *testing.T) {
	last := NanoRho(math.MaxInt64)
	for e := int64(1); e < 1<<40; e += 1 + e/97 {
		for _, e := range []int64{e, e + 1} {
			v, err := Sigma(big.NewInt(e))
			if err != nil {
				t.Fatal(err)
			}
			rho, err := Rho(big.NewInt(1e15), v)
			if err != nil {
				continue
			}
			if rho > last {
				t.Fatalf("±%d costs %d, a smaller error %d", e, rho, last)
			}
			last = rho
		}
	}
}

func TestPriceOutOfRange(t *testing.T) {
	huge := new(big.Int).Lsh(one, maxBits)
	b := big.NewInt
	for _, c := range []struct {
		name  string
		asks  []Ask
		delta int64
	}{
		{"no items", nil, 0},
		{"too many items", make([]Ask, maxAsks+1), 0},
		{"no error", []Ask{{S2: b(1)}}, 0},
		{"zero error", []Ask{{S2: b(1), E: b(0)}}, 0},
		{"negative error", []Ask{{S2: b(1), E: b(-5)}}, 0},
		{"huge error", []Ask{{S2: b(1), E: huge}}, 0},
		{"no sensitivity", []Ask{{E: b(1)}}, 0},
		{"negative sensitivity", []Ask{{S2: b(-1), E: b(1)}}, 0},
		{"huge sensitivity", []Ask{{S2: huge, E: b(1)}}, 0},
		{"above int64", []Ask{{S2: new(big.Int).Lsh(one, 40), E: b(1)}}, 0},
		{"sum above int64", []Ask{{S2: b(3_000_000_000), E: b(1)}, {S2: b(3_000_000_000), E: b(1)}}, 0},
		{"negative delta", []Ask{{S2: b(1), E: b(1)}}, -1},
	} {
		if p, err := PriceItems(c.asks, c.delta); !errors.Is(err, ErrPrecision) || p.Rho != 0 {
			t.Errorf("%s: %d, %v", c.name, p.Rho, err)
		}
	}
	// Either half of the sum alone has a price.
	if p, err := PriceItems([]Ask{{S2: b(3_000_000_000), E: b(1)}}, 0); err != nil || p.Rho < math.MaxInt64/2 {
		t.Errorf("half of the sum: %d, %v", p.Rho, err)
	}
}

func TestPrivacyUnits(t *testing.T) {
	for _, c := range []struct {
		rho NanoRho
		pu  PU
	}{{-5, 0}, {0, 0}, {1, 1}, {9_999, 1}, {10_000, 1}, {10_001, 2}, {math.MaxInt64, math.MaxInt64/perPU + 1}} {
		if got := c.rho.PU(); got != c.pu {
			t.Errorf("%d nano-rho = %d PU, want %d", c.rho, got, c.pu)
		}
	}
	if PU(15_727).Nano() != 157_270_000 {
		t.Error("15,727 PU")
	}
	if PU(math.MaxInt64).Nano() != math.MaxInt64 || PU(-1).Nano() != -10_000 || PU(math.MinInt64).Nano() != math.MinInt64 {
		t.Error("privacy units wrap around")
	}
}

func TestFitError(t *testing.T) {
	s2 := big.NewInt(24)
	price := func(e int64) (NanoRho, error) {
		p, err := PriceItems([]Ask{{S2: s2, E: big.NewInt(e)}}, 0)
		return p.Rho, err
	}
	for _, balance := range []NanoRho{1, 2, 50, 100, 7_777, 10_000, 157_270_000, 1 << 40, math.MaxInt64} {
		e, ok, err := FitError(balance, price)
		if err != nil || !ok {
			t.Fatalf("balance %d: %v %v", balance, ok, err)
		}
		if rho, err := price(e); err != nil || rho > balance {
			t.Errorf("balance %d: ±%d costs %d, %v", balance, e, rho, err)
		}
		if e > 1 {
			if rho, err := price(e - 1); err == nil && rho <= balance {
				t.Errorf("balance %d: ±%d would fit too", balance, e-1)
			}
		}
	}
	if e, ok, err := FitError(0, price); ok || err != nil {
		t.Errorf("empty balance fits ±%d, %v", e, err)
	}
	if _, ok, err := FitError(-10, price); ok || err != nil {
		t.Errorf("negative balance: %v %v", ok, err)
	}
	// So dear at small errors that it has no price: the search goes on at larger ones.
	s2 = new(big.Int).Lsh(one, 60)
	if e, ok, err := FitError(157_270_000, price); err != nil || !ok || e < 1_000_000 {
		t.Errorf("±%d %v %v", e, ok, err)
	}
	broken := errors.New("broken")
	if _, ok, err := FitError(1, func(int64) (NanoRho, error) { return 0, broken }); ok || !errors.Is(err, broken) {
		t.Errorf("%v %v", ok, err)
	}
}

func ExamplePriceItems() {
	e, err := ParseError("500.00", 2) // ±500 euro, in cents
	if err != nil {
		panic(err)
	}
	// One person moves the sum by at most 12.00 euro.
	p, err := PriceItems([]Ask{{Name: "sum(fee)", S2: big.NewInt(1200 * 1200), E: e, Dec: 2}}, 0)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Rho.PU(), "PU")
	// Output: 111 PU
}
