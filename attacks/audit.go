package attacks

import (
	"fmt"
	"math"
	"slices"
)

// curve is where delta(eps) is compared.
var curve = []float64{0.25, 0.5, 1, 2, 4}

// Verdict is what an audit found: the event, eps and direction with the largest excess of probability over what was paid for.
type Verdict struct {
	Fail bool
	// Excess is p_L - e^eps q_U - delta(eps; rho) where it is largest; above 0 the claim is refuted.
	Excess, Eps float64
	Event       string
	Draws       int
}

func (v Verdict) String() string {
	return fmt.Sprintf("largest excess %.4f at eps %g, event %s, %d draws a side", v.Excess, v.Eps, v.Event, v.Draws)
}

// event is a set of outputs.
type event struct {
	name string
	has  func(y float64) bool
}

// Audit tests, from outputs on two neighbouring data sets, the claim of rho-zCDP. NaN is an output too: a hidden figure. Of several numbers
// per output pass a score, such as their sum.
func Audit(left, right []float64, rho float64) Verdict {
	n := min(len(left), len(right))
	half := n / 2
	worst := Verdict{Excess: math.Inf(-1), Draws: n}
	found := events(left[:half], right[:half])
	for _, eps := range curve {
		delta := Delta(eps, rho)
		for direction, pair := range [][2][]float64{{left, right}, {right, left}} {
			// The first half chooses the event, the second judges it.
			best, most := -1, math.Inf(-1)
			for i, e := range found {
				p := float64(count(pair[0][:half], e)) / float64(half)
				q := float64(count(pair[1][:half], e)) / float64(half)
				if gap := p - math.Exp(eps)*q; gap > most {
					best, most = i, gap
				}
			}
			e := found[best]
			m := n - half
			excess := Lower(count(pair[0][half:n], e), m) - math.Exp(eps)*Upper(count(pair[1][half:n], e), m) - delta
			if excess > worst.Excess {
				worst.Excess, worst.Eps, worst.Event = excess, eps, fmt.Sprintf("%s (direction %d)", e.name, direction+1)
			}
		}
	}
	worst.Fail = worst.Excess > 0
	return worst
}

// events is the family of attacks.md 2.1: both tails at observed values, intervals, residues, single values, absence.
func events(left, right []float64) []event {
	all := slices.Concat(left, right)
	all = slices.DeleteFunc(all, math.IsNaN)
	slices.Sort(all)
	list := []event{{"hidden", math.IsNaN}}
	if len(all) == 0 {
		return list
	}
	cuts := []float64{}
	for i := range 64 {
		cuts = append(cuts, all[i*(len(all)-1)/63])
	}
	cuts = slices.Compact(cuts)
	for _, t := range cuts {
		list = append(list,
			event{fmt.Sprintf("y <= %g", t), func(y float64) bool { return y <= t }},
			event{fmt.Sprintf("y > %g", t), func(y float64) bool { return y > t }},
			event{fmt.Sprintf("y = %g", t), func(y float64) bool { return y == t }})
	}
	for i := 0; i+8 < len(cuts); i += 4 {
		lo, hi := cuts[i], cuts[i+8]
		list = append(list, event{fmt.Sprintf("%g < y <= %g", lo, hi), func(y float64) bool { return lo < y && y <= hi }})
	}
	for _, m := range []float64{2, 4, 8, 16} {
		for r := range int(m) {
			list = append(list, event{fmt.Sprintf("y mod %g = %d", m, r), func(y float64) bool { return math.Mod(math.Mod(y, m)+m, m) == float64(r) }})
		}
	}
	return list
}

func count(ys []float64, e event) int {
	n := 0
	for _, y := range ys {
		if e.has(y) {
			n++
		}
	}
	return n
}

// Strays is the share of outputs that are not whole multiples of the declared granule: the support test. On the grid discrete Gaussian noise reaches
// every point from every count, so that what only one of two neighbours can say lies off it (Mironov 2012).
func Strays(left, right []float64, granule float64) float64 {
	off := 0
	for _, y := range slices.Concat(left, right) {
		if !math.IsNaN(y) && math.Abs(y/granule-math.Round(y/granule)) > 1e-6 {
			off++
		}
	}
	return float64(off) / float64(len(left)+len(right))
}
