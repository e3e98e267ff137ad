package cohort

import (
	"math"
	"testing"
)

// The seeds are fixed, so these tests have no false rejects; a change of a sampler changes the outcome.

func TestBinomial(t *testing.T) {
	const n = 1 << 18
	x := make([]int64, n)
	newStream("test", make([]byte, 32), 0).binomial(x)
	count := map[int64]float64{}
	for _, v := range x {
		count[v]++
	}
	// Chi-square against the exact distribution C(42, 21+v)/2^42 for |v| <= 12: 25 cells, 24 degrees of freedom; 61.1 is 5*10^-5.
	var chi2 float64
	for v := int64(-12); v <= 12; v++ {
		lg := func(x float64) float64 { g, _ := math.Lgamma(x + 1); return g }
		e := n * math.Exp(lg(42)-lg(float64(21+v))-lg(float64(21-v))-42*math.Ln2)
		chi2 += (count[v] - e) * (count[v] - e) / e
	}
	if chi2 > 61.1 {
		t.Errorf("chi2 = %.1f", chi2)
	}
}

func TestTernary(t *testing.T) {
	const n = 1 << 18
	x := make([]int64, n)
	newStream("test", make([]byte, 32), 1).ternary(x)
	var count [3]float64
	for _, v := range x {
		count[v+1]++
	}
	var chi2 float64
	for _, c := range count {
		chi2 += (c - n/3.) * (c - n/3.) / (n / 3.)
	}
	if chi2 > 20 { // 2 degrees of freedom: 5*10^-5
		t.Errorf("chi2 = %.1f, counts %v", chi2, count)
	}
}

func TestBelow(t *testing.T) {
	st := newStream("test", make([]byte, 32), 2)
	bound := []uint64{5, 3}
	seen := map[[2]uint64]bool{}
	top := [4]int{}
	for range 4000 {
		var v [2]uint64
		st.below(v[:], bound)
		if v[1] > 3 || v[1] == 3 && v[0] >= 5 {
			t.Fatalf("%v is not below %v", v, bound)
		}
		top[v[1]]++
		seen[v] = true
	}
	if top[3] != 0 || top[0] < 1200 || top[1] < 1200 || top[2] < 1200 { // thirds, 5 sigma = 150
		t.Errorf("top words %v", top)
	}
	small := map[uint64]bool{}
	for range 200 {
		var v [1]uint64
		st.below(v[:], []uint64{5})
		small[v[0]] = true
	}
	if len(small) != 5 || small[5] {
		t.Errorf("below 5: %v", small)
	}
}

// TestDraw: the three parts come from disjoint bits, cover their ranges and r is below t.
func TestDraw(t *testing.T) {
	for _, p := range sets {
		st := newStream("test", make([]byte, 32), 3)
		tbits := 0
		for v := p.t; v > 0; v >>= 1 {
			tbits++
		}
		var or [3]uint64
		and := [3]uint64{1<<64 - 1, 1<<64 - 1, 1<<64 - 1}
		for range 2000 {
			r, k, k2 := st.draw(p.t, tbits)
			if r >= p.t {
				t.Fatalf("%s: r is not below t", p.id)
			}
			for i, v := range []uint64{r, k, k2} {
				or[i] |= v
				and[i] &= v
			}
		}
		if want := [3]uint64{1<<tbits - 1, 1<<kappa - 1, 1<<kappa - 1}; or != want || and != [3]uint64{} {
			t.Errorf("%s: bits used %x, always set %x", p.id, or, and)
		}
	}
	if a, b := newStream("a", make([]byte, 32), 0).word(), newStream("b", make([]byte, 32), 0).word(); a == b {
		t.Error("labels do not separate streams")
	}
}
