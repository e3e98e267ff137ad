package stat

import (
	"math"
	"testing"
)

// Published values: Abramowitz & Stegun (1964), tables 26.7, 26.8 and 26.10, and closed forms.
func TestTails(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"chi2 1, 3.841459", ChiSquareTail(3.841458820694124, 1), 0.05},
		{"chi2 2 is exponential", ChiSquareTail(10, 2), math.Exp(-5)},
		{"chi2 4 in closed form", ChiSquareTail(6, 4), math.Exp(-3) * 4},
		{"chi2 10, 18.30704", ChiSquareTail(18.307038053275146, 10), 0.05},
		{"chi2 30, 50.89218", ChiSquareTail(50.892181, 30), 0.01},
		{"chi2 1 far out", ChiSquareTail(100, 1), 1.523970604832105e-23},
		{"chi2 at 0", ChiSquareTail(0, 3), 1},
		{"normal", NormalTail(1.959963984540054), 0.05},
		{"t 1 is Cauchy", StudentTail(1, 1), 0.5},
		{"t 2 in closed form", StudentTail(2, 2), 1 - 2/math.Sqrt(6)},
		{"t 10, 2.228139", StudentTail(2.2281388519649385, 10), 0.05},
		{"t of many is normal", StudentTail(1.959963984540054, 1e9), 0.05},
	} {
		if math.Abs(c.got/c.want-1) > 2e-7 {
			t.Errorf("%s: %.12g, want %.12g", c.name, c.got, c.want)
		}
	}
	for _, c := range [][2]float64{{1, 12.7062}, {5, 2.5706}, {30, 2.0423}, {120, 1.9799}} {
		if p := studentPoint(c[0]); math.Abs(p-c[1]) > 1e-4 {
			t.Errorf("95 %% point of t with %v degrees of freedom: %v, want %v", c[0], p, c[1])
		}
	}
}
