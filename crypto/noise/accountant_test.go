package noise

import (
	"errors"
	"math"
	"math/big"
	"testing"
)

func TestEpsilon(t *testing.T) {
	// disclosure-control.md 3.1, to two decimals; the finer ones are from an independent search over a grid of a.
	for _, c := range []struct {
		rho        int64
		at7, at9   float64
		fine9      float64 // 0: not computed
		roundedUp9 bool    // the table rounded this one up
	}{
		{rho: 5_000_000, at7: 0.48, at9: 0.57, fine9: 0.5648947, roundedUp9: true},
		{rho: 20_200_000, at7: 1.0, at9: 1.17},
		{rho: 50_000_000, at7: 1.62, at9: 1.88},
		{rho: 157_000_000, at7: 3.0, at9: 3.46, fine9: 3.4543371, roundedUp9: true},
		{rho: 500_000_000, at7: 5.67, at9: 6.47},
		{rho: 919_000_000, at7: 8.0, at9: 9.08},
	} {
		e7, e9 := Epsilon(c.rho, 1e-7), Epsilon(c.rho, 1e-9)
		if math.Abs(e7-c.at7) > 0.005 {
			t.Errorf("eps(%d, 1e-7) = %.4f, want %.2f", c.rho, e7, c.at7)
		}
		if c.roundedUp9 {
			e9 = math.Ceil(e9*100) / 100
		}
		if math.Abs(e9-c.at9) > 0.005 {
			t.Errorf("eps(%d, 1e-9) = %.4f, want %.2f", c.rho, e9, c.at9)
		}
		if e9 = Epsilon(c.rho, 1e-9); c.fine9 > 0 && math.Abs(e9-c.fine9) > 1e-5 {
			t.Errorf("eps(%d, 1e-9) = %.7f, want %.7f", c.rho, e9, c.fine9)
		}
	}
}

func TestEpsilonIsSafe(t *testing.T) {
	for _, c := range []struct {
		rho   int64
		delta float64
		want  float64
	}{
		{0, 1e-7, 0},
		{-1, 1e-7, math.Inf(1)},
		{1, 0, math.Inf(1)},
		{1, 1, math.Inf(1)},
		{1, -1, math.Inf(1)},
		{1, math.NaN(), math.Inf(1)},
	} {
		if got := Epsilon(c.rho, c.delta); got != c.want {
			t.Errorf("Epsilon(%d, %v) = %v, want %v", c.rho, c.delta, got, c.want)
		}
	}
	last := 0.0
	for rho := int64(1); rho > 0 && rho < math.MaxInt64/4; rho *= 3 {
		e := Epsilon(rho, 1e-9)
		f := float64(rho) * 1e-9
		if !(e > last) || e > f+2*math.Sqrt(f*math.Log(1e9))*(1+1e-8) {
			t.Fatalf("Epsilon(%d) = %v: not between %v and the closed form", rho, e, last)
		}
		if d := Delta(rho, e); f < 100 && d > 1e-9*(1+1e-6) {
			t.Errorf("Delta(%d, Epsilon) = %v", rho, d)
		}
		last = e
	}
	if Delta(1000, -1) != 1 || Delta(-1, 1) != 1 || Delta(0, 1) != 0 || Delta(1000, math.NaN()) != 1 {
		t.Error("Delta out of range")
	}
}

// TestTau: disclosure-control.md section 7. Rounding the closed form up would give 121 in the last case.
func TestTau(t *testing.T) {
	for _, c := range []struct{ sigma, l0, want int64 }{{5, 1, 30}, {20, 1, 114}, {5, 10, 32}, {20, 10, 122}} {
		v := rational(c.sigma*c.sigma, 1)
		tau, err := Tau(v, 1e10, c.l0)
		if err != nil || tau != c.want {
			t.Errorf("Tau(sigma %d, l0 %d) = %d, %v; want %d", c.sigma, c.l0, tau, err, c.want)
		}
	}
}

func TestTauIsTheSmallest(t *testing.T) {
	for _, v := range []Variance{
		rational(1, 100), rational(27, 100), rational(1, 1), rational(27_295_000, 1<<18), rational(1<<20, 1),
		rational(1<<24+1, 1), rational(1e12, 1),
	} {
		for _, deltaT := range []int64{1, 1e10, 3e17} {
			for _, l0 := range []int64{1, 24} {
				tau, err := Tau(v, deltaT, l0)
				if err != nil {
					t.Fatal(err)
				}
				limit := float64(deltaT) * 1e-18 / float64(l0)
				if p := tailFloat(t, v, tau-1); p*1.0009999 > limit {
					t.Errorf("sigma %.4g delta %d l0 %d: P[Y >= %d] = %g above %g", v.Sigma(), deltaT, l0, tau-1, p, limit)
				}
				if wide(v) && float64(tau-2) < v.Sigma()+2 {
					continue // floored where the bound is proved
				}
				if p := tailFloat(t, v, tau-2); tau > 2 && p*1.0010001 <= limit {
					t.Errorf("sigma %.4g delta %d l0 %d: %d would do (%g <= %g)", v.Sigma(), deltaT, l0, tau-1, p, limit)
				}
			}
		}
	}
	for _, c := range []struct{ delta, l0 int64 }{{0, 1}, {-1, 1}, {1e18, 1}, {1, 0}, {1, -1}} {
		if _, err := Tau(rational(1, 1), c.delta, c.l0); !errors.Is(err, ErrThreshold) {
			t.Errorf("Tau(delta %d, l0 %d): %v", c.delta, c.l0, err)
		}
	}
	if _, err := Tau(huge(), 1e10, 1); !errors.Is(err, ErrThreshold) {
		t.Errorf("Tau of huge noise: %v", err)
	}
}

func tailFloat(t *testing.T, v Variance, x int64) float64 {
	t.Helper()
	p, err := Tail(v, x)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := p.Float64()
	return f
}

// TestTailAgainstFloats: a plain float sum agrees to 1e-11, and the tails complete each other.
func TestTailAgainstFloats(t *testing.T) {
	for _, v := range []Variance{rational(49, 100), rational(4, 1), rational(533, 10), rational(10_000, 7)} {
		s2 := v.Sigma() * v.Sigma()
		weight := func(y float64) float64 { return math.Exp(-y * y / (2 * s2)) }
		total := 1.0
		for y := math.Ceil(40 * v.Sigma()); y >= 1; y-- {
			total += 2 * weight(y)
		}
		for _, x := range []int64{-30, -3, -1, 0, 1, 2, 5, 20, 60, 200} {
			want := 0.0
			for y := math.Ceil(40*v.Sigma()) + 40; y >= float64(x); y-- {
				want += weight(y)
			}
			want /= total
			if got := tailFloat(t, v, x); math.Abs(got-want) > 1e-11*want+1e-300 {
				t.Errorf("sigma %.3g: P[Y >= %d] = %g, float sum %g", v.Sigma(), x, got, want)
			}
		}
		a, b := tailFloat(t, v, 3), tailFloat(t, v, -2)
		if math.Abs(a+b-1) > 1e-15 {
			t.Errorf("P[Y >= 3] + P[Y >= -2] = %g", a+b)
		}
	}
}

// TestWideTailBoundsTheExactOne where both can be computed: never below beyond sigma, and as near as promised.
func TestWideTailBoundsTheExactOne(t *testing.T) {
	v := rational(1<<24-1, 1)
	for _, x := range []int64{1, 4000, 4097, 9000, 20_000, 40_000, 49_000} {
		exact := tail(v, big.NewInt(x))
		bound := normalTail(v, big.NewInt(x))
		r, _ := newFloat().Quo(bound, exact).Float64()
		if x > 4097 && bound.Cmp(exact) < 0 {
			t.Errorf("at %d the bound is below the tail", x)
		}
		if math.Abs(r-1) > math.Ldexp(1, -21) {
			t.Errorf("at %d the bound is off by %g", x, r-1)
		}
	}
	// Known values of the normal tail, to 12 digits.
	for _, c := range []struct{ z, want float64 }{{1, 0.158655253931457}, {2.5, 0.00620966532577614}, {3.5, 0.000232629079035525}, {6, 9.86587645037698e-10}} {
		x := int64(c.z*2_000_000) + 1 // x - 1/2 = z sigma with sigma = 10^6 and x = z 10^6 + 1/2
		v := rational(4e12, 1)        // scale by 2 so that the half is whole: (x - 1/2)/sigma
		got, _ := normalTail(v, big.NewInt(x)).Float64()
		want := 0.5 * math.Erfc((float64(x)-0.5)/2e6/math.Sqrt2)
		if math.Abs(got/want-1) > 1e-12 || math.Abs(got/c.want-1) > 1e-5 {
			t.Errorf("normal tail at %v: %g, want %g", c.z, got, want)
		}
	}
}

func TestHalfWidth95Covers(t *testing.T) {
	floor := big.NewFloat(0.95)
	for num := int64(1); num < 1<<26; num += num/7 + 1 {
		for _, den := range []int64{1, 64} {
			v := rational(num, den)
			h, err := v.HalfWidth95()
			if err != nil {
				t.Fatal(err)
			}
			if wide(v) || num > 1<<16 && num%3 != 0 {
				continue // the proof covers them; exact sums of wide variances are slow
			}
			p, err := Within(v, h.Int64())
			if err != nil {
				t.Fatal(err)
			}
			if p.Cmp(floor) < 0 {
				t.Errorf("sigma^2 %d/%d: P[|Y| <= %v] = %v", num, den, h, p)
			}
			// At most one above the smallest that covers.
			if h.Int64() >= 2 {
				if p, err := Within(v, h.Int64()-2); err != nil || p.Cmp(floor) >= 0 {
					t.Errorf("sigma^2 %d/%d: %d would cover: %v %v", num, den, h.Int64()-2, p, err)
				}
			}
		}
	}
	if p, err := Within(rational(1, 1), -1); err != nil || p.Sign() != 0 {
		t.Errorf("Within(-1) = %v, %v", p, err)
	}
}
