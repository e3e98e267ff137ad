package protect

import (
	"fmt"
	"math"
	"math/big"
	"os"
	"testing"

	"jali/crypto/noise"
	"jali/gateway/budget"
	"jali/gateway/catalog"
)

// draws is how many cells of equal content a coverage test releases.
func draws() int {
	if os.Getenv("JALI_LONG") != "" {
		return 200_000
	}
	return 10_000
}

// variance is what the gateway buys for a half-width.
func bought(t testing.TB, e *big.Int) noise.Variance {
	t.Helper()
	v, err := budget.Sigma(e)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// bounded is n values given by their centred sum and sum of squares; u is the largest distance from the centre their bounds allow.
type sample struct {
	n, s, q int64
	u       int64
	center  int64
}

// values makes a sample from how often each centred value occurs.
func values(u int64, counts map[int64]int64) sample {
	x := sample{u: u, center: 1_000}
	for v, n := range counts {
		if v > u || v < -u {
			panic("value beyond its bounds")
		}
		x.n, x.s, x.q = x.n+n, x.s+n*v, x.q+n*v*v
	}
	return x
}

func (x sample) mean() float64 { return float64(x.center) + float64(x.s)/float64(x.n) }

func (x sample) variance() float64 {
	return (float64(x.q) - float64(x.s)*float64(x.s)/float64(x.n)) / float64(x.n-1)
}

// releaseMany releases the sample in many cells of equal content, bought at a half-width of e persons: sum and squares at the same rho.
func releaseMany(t testing.TB, x sample, e int64, cells int) Released {
	t.Helper()
	spec := Spec{
		Groups: []Domain{{Name: "copy", Labels: make([]catalog.Value, cells)}},
		Items: []Item{
			{Name: ItemPersons, Sigma2: bought(t, big.NewInt(e))},
			{Name: "sum", Sigma2: bought(t, big.NewInt(e*x.u))},
			{Name: "squares", Sigma2: bought(t, big.NewInt(e*x.u*x.u))},
		},
		Outputs: []Output{
			{Name: "n", Kind: OutCount, N: 0},
			{Name: "total", Kind: OutSum, S: 1},
			{Name: "mean", Kind: OutMean, N: 0, S: 1, Center: x.center},
			{Name: "var", Kind: OutVar, N: 0, S: 1, Q: 2, Center: x.center},
			{Name: "sd", Kind: OutSD, N: 0, S: 1, Q: 2, Center: x.center},
		},
	}
	raw := Cells{Values: [][]*big.Int{make([]*big.Int, cells), make([]*big.Int, cells), make([]*big.Int, cells)}}
	for i := range cells {
		spec.Groups[0].Labels[i] = catalog.IntValue(int64(i))
		raw.Values[0][i], raw.Values[1][i], raw.Values[2][i] = big.NewInt(x.n), big.NewInt(x.s), big.NewInt(x.q)
	}
	r, err := Release(NewRaw(raw), spec)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown is a measure as a float, or false if absent.
func shown(c Cell) (float64, bool) {
	switch {
	case c.Absent:
		return 0, false
	case c.Fixed != nil:
		f, _ := new(big.Rat).SetFrac(c.Fixed, pow10(c.Dec)).Float64()
		return f, true
	}
	return c.Float, true
}

// TestCoverage: of many independent draws, at most 5 % show an interval that misses the true value. A case fails when misses exceed
// 5 % by more than 5 standard errors, so a right implementation fails with probability below 3e-7 per figure and case; with 10,000
// draws any coverage below 93.5 % is caught with probability above 0.97.
func TestCoverage(t *testing.T) {
	n := draws()
	limit := 0.05*float64(n) + 5*math.Sqrt(0.05*0.95*float64(n))
	for _, c := range []struct {
		name string
		x    sample
		e    int64
		hide bool // so small that figures over n are hidden in part
	}{
		{"flags, exact to one", values(1, map[int64]int64{0: 300, 1: 700}), 1, false},
		{"constant at the edge", values(50, map[int64]int64{50: 1_000}), 50, false},
		{"constant at the centre", values(50, map[int64]int64{0: 1_000}), 50, false},
		{"two ends", values(50, map[int64]int64{50: 500, -50: 500}), 50, false},
		{"skewed", values(5_000, map[int64]int64{-5_000: 1_800, 5_000: 40, 1_000: 160}), 50, false},
		{"large group", values(20_000, map[int64]int64{-7: 100_000, 11: 90_000, 19_000: 10}), 20, false},
		{"hardly enough, edge", values(40, map[int64]int64{40: 150}), 50, true},
		{"hardly enough, ends", values(40, map[int64]int64{40: 75, -40: 75}), 50, true},
		{"hardly enough, centre", values(40, map[int64]int64{0: 130}), 50, true},
		{"hardly enough, few", values(40, map[int64]int64{40: 5, -40: 4}), 3, true},
		{"half of enough", values(40, map[int64]int64{40: 60}), 50, true},
		{"nearly nobody", values(40, map[int64]int64{40: 1, -40: 1}), 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := releaseMany(t, c.x, c.e, n)
			truth := []float64{float64(c.x.n), float64(c.x.s), c.x.mean(), c.x.variance(), math.Sqrt(c.x.variance())}
			summary := ""
			for j, want := range truth {
				miss, seen := 0, 0
				for _, row := range r.Rows {
					v, ok := shown(row.Values[j])
					h, ok2 := shown(row.Error95[j])
					if ok != ok2 || h < 0 {
						t.Fatalf("%s: value and half-width disagree", r.Columns[j].Name)
					}
					if ok {
						seen++
						if math.Abs(v-want) > h*(1+1e-9) {
							miss++
						}
					}
				}
				summary += fmt.Sprintf(" %s %.1f%%", r.Columns[j].Name, 100-100*float64(miss)/float64(n))
				if !c.hide && seen != n {
					t.Errorf("%s: only %d of %d shown", r.Columns[j].Name, seen, n)
				}
				if float64(miss) > limit {
					t.Errorf("%s: interval misses in %d of %d draws, %d of them shown", r.Columns[j].Name, miss, n, seen)
				}
			}
			t.Log(summary)
		})
	}
}
