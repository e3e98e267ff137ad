package attacks

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The bounds against values of R's binom.test and qbeta.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		x, n         int
		lower, upper float64
	}{
		{0, 10, 0, 1 - math.Pow(Alpha, 0.1)},
		{10, 10, math.Pow(Alpha, 0.1), 1},
		{1, 1000, 1 - math.Pow(1-Alpha, 1.0/1000), 0},
		{5000, 10000, 0.4814, 0.5186}, // normal: 0.5 -+ 3.719 x 0.005
	} {
		if got := Lower(c.x, c.n); math.Abs(got-c.lower) > 1e-4 {
			t.Errorf("lower bound of %d in %d: %v, want %v", c.x, c.n, got, c.lower)
		}
		if got := Upper(c.x, c.n); c.upper > 0 && math.Abs(got-c.upper) > 1e-4 {
			t.Errorf("upper bound of %d in %d: %v, want %v", c.x, c.n, got, c.upper)
		}
	}
	// eps = 3 at delta = 1e-7 is the default budget of 15,727 PU.
	if eps := Epsilon(0.15727, 1e-7); math.Abs(eps-3) > 0.01 {
		t.Errorf("eps of 15,727 PU is %v, want 3", eps)
	}
}

// What the audit can see: honest Gaussian noise passes; half of it, a person counted twice, and noise that is coarser on one side do not.
func TestAuditHasPower(t *testing.T) {
	const n, sigma = 20_000, 1.0
	rng := rand.New(rand.NewPCG(1, 2))
	draws := func(mean, sigma float64) []float64 {
		ys := make([]float64, n)
		for i := range ys {
			ys[i] = math.Round(mean + sigma*rng.NormFloat64())
		}
		return ys
	}
	rho := 1 / (2 * sigma * sigma)
	parity := draws(0, 3)
	for i := range parity {
		parity[i] = 2 * math.Round(parity[i]/2)
	}
	for _, c := range []struct {
		name        string
		left, right []float64
		fail        bool
	}{
		// Rounding adds noise of its own, so this is within the claim; false alarms 2e-3, with this seed none.
		{"honest", draws(1, sigma), draws(0, sigma), false},
		{"half the noise", draws(1, sigma/2), draws(0, sigma/2), true},
		{"twice the person", draws(2, sigma), draws(0, sigma), true},
		{"parity", parity, draws(0, 3), true},
		{"no noise", draws(1, 0), draws(0, 0), true},
	} {
		if v := Audit(c.left, c.right, rho); v.Fail != c.fail {
			t.Errorf("%s: failed is %v, want %v (%v)", c.name, v.Fail, c.fail, v)
		}
	}
	if s := Strays([]float64{1, 2.5}, []float64{3, 4}, 1); s != 0.25 {
		t.Errorf("strays %v, want 0.25", s)
	}
}
