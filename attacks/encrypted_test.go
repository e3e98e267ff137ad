package attacks

import (
	"fmt"
	"testing"

	"jali/sdk"
)

// encryptedEpsilon (45): the audit of attack 15 for encrypted questions. 100 places with the same persons are 100 draws of one upload; what
// is selected is the code of the target. The data sets answer without slots, which for 100 groups are of 25 s. A repeated question is a new evaluation, and is charged.
func encryptedEpsilon(t *testing.T, x *arena) {
	a := x.agree(t, rich, "cleft", "cright")
	var ys [2][]float64
	var rho float64
	var spent int64
	runs := pick(5, 120)
	asked := 0
	draw := func(times int) ([]float64, []float64, float64) {
		ys = [2][]float64{}
		for i := range times * runs {
			for side, d := range []string{"cleft", "cright"} {
				r, err := x.mallory.CohortCount(t.Context(), sdk.CohortQuery{
					Agreement: a, Purpose: "DUO:0000042", Dataset: d, By: "crypt.code", Codes: []string{"3", "4"}, Group: "crypt.place", Error: "2",
				})
				if err != nil {
					t.Fatalf("%v\n%s", err, sdk.Hint(err))
				}
				if r.Replayed || r.PricePU == 0 {
					t.Fatalf("evaluation %d was not charged", i)
				}
				asked++
				rho, spent = float64(r.PricePU)*1e-5, spent+r.PricePU
				for row := range r.Rows {
					y, ok := r.Rows[row][len(r.Rows[row])-1].Float()
					if !ok {
						t.Fatal("an encrypted figure is hidden")
					}
					ys[side] = append(ys[side], y)
				}
			}
		}
		return ys[0], ys[1], rho
	}
	v := sure(draw)
	if s := Strays(ys[0], ys[1], 1); s != 0 {
		t.Errorf("%.4f of the outputs are off the grid", s)
	}
	if v.Fail {
		t.Errorf("%v", v)
	}
	if debited := x.debited(t, a); debited < spent-int64(asked) { // prices are shown rounded up, ledgers add exactly
		t.Errorf("%d PU were asked, %d debited", spent, debited)
	}
	if c := Audit(halved(ys[0], 5), halved(ys[1], 4), rho/4); !c.Fail && len(ys[0]) >= 10_000 {
		t.Errorf("control: half the noise at a quarter of the price passes, %v", c)
	}
	report(t, "45", "%s: rho %.4f, %v", fmt.Sprintf("%d evaluations, each charged", asked), rho, v)
}
