package stat

import (
	"math"
	"testing"
)

// Where few are still at risk, bins are left out of the log-rank test. The expected numbers then lack events, and their bias says how
// many at most: the exact table's own expected number is in Reference at 95 %. 300 draws fall below 89 % with probability 2e-5.
func TestLogRankExpectedWithoutLateBins(t *testing.T) {
	a, b := make([][2]float64, 12), make([][2]float64, 12)
	for i := range a {
		a[i], b[i] = [2]float64{9, 2}, [2]float64{6, 3}
	}
	arms := map[string][][2]float64{"a": a, "b": b}
	exact := lifeTable(0, 0, arms, "a", "b")
	truth, err := LogRank(exact, byArm, Seed{1})
	if err != nil {
		t.Fatal(err)
	}
	d := seedOf("late", 0, 3).draws()
	covered, shown, late := 0, 0, 0
	for range 300 {
		noisy := Table{Dims: exact.Dims, Sigma: 3}
		for _, v := range exact.Cells {
			noisy.Cells = append(noisy.Cells, v+math.Round(3*d.normal()))
		}
		r, err := LogRank(noisy, byArm, Seed{1})
		if err != nil {
			t.Fatal(err)
		}
		if r.Hidden {
			continue
		}
		shown++
		e := r.Arms[0].Expected
		if e.Bias > 0 {
			late++
		}
		if lo, hi := e.Reference(); lo <= truth.Arms[0].Expected.Value && truth.Arms[0].Expected.Value <= hi {
			covered++
		}
	}
	t.Logf("covers %d of %d, bins left out in %d", covered, shown, late)
	if shown < 200 || late < shown/2 || float64(covered) < 0.89*float64(shown) {
		t.Errorf("the exact expected number is in %d of %d intervals; bins were left out in %d", covered, shown, late)
	}
}
