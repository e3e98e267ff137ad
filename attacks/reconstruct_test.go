package attacks

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// marginals asks, for each of m random public attributes, how many in each block have it and the condition: with the whole budget.
func (x *arena) marginals(t *testing.T, m int, condition string) (answers [][]float64, rho float64) {
	t.Helper()
	a := x.agree(t, budget, "puzzle")
	var spent int64
	for i := range m {
		where := fmt.Sprintf("b%d = 1", i)
		if condition != "" {
			where += " AND " + condition
		}
		r := x.ask(t, a, "puzzle", each(m), "SELECT block, COUNT(*) AS n FROM quiz WHERE "+where+" GROUP BY block")
		answers, spent = append(answers, column(r, "n")), spent+r.PricePU
	}
	if spent > budget {
		t.Errorf("%d PU were spent of %d", spent, budget)
	}
	return answers, float64(spent) * 1e-5
}

// leastSquares (6): the secret bits of 200 persons from counts over random subsets, as the solution of a least-squares problem by conjugate
// gradients (Dinur and Nissim 2003). Ten blocks at once. The control has the exact counts.
func leastSquares(t *testing.T, x *arena) {
	m := pick(64, bits)
	answers, rho := x.marginals(t, m, "secret = 1")
	guess := func(noisy bool) (right int) {
		for b := range blocks {
			y := make([]float64, m)
			for i := range m {
				exact := 0.0
				for p := range block {
					exact += float64(digit(x.traits[b][p][i] && x.puzzle[b][p]))
				}
				if y[i] = exact; noisy {
					y[i] = known(answers[i][b])
				}
			}
			z := solve(func(p, i int) float64 { return float64(digit(x.traits[b][p][i])) - 0.5 }, centred(y, x, b, m), block, m)
			for p := range block {
				if (z[p] > 0) == x.puzzle[b][p] {
					right++
				}
			}
		}
		return right
	}
	right, control, n := guess(true), guess(false), blocks*block
	if Lower(right, n) > 0.60 {
		t.Errorf("%d of %d bits were reconstructed; at most 60 %% may be", right, n)
	}
	// Fewer equations than unknowns: exact counts give more than the bits that chance does, though not all.
	if Upper(control, n) < 0.70 {
		t.Errorf("control: exact counts give %d of %d bits", control, n)
	}
	report(t, "6", "%.1f %% of %d bits by %d subsets at rho %.4f, limit 60 %%; exact counts %.1f %%", 100*float64(right)/float64(n), n, m, rho, 100*float64(control)/float64(n))
}

// centred removes from the counts what a block in which half have the secret would show, so that the unknowns are around 0.
func centred(y []float64, x *arena, b, m int) []float64 {
	z := slices.Clone(y)
	mean := 0.0
	for i := range m {
		size := 0.0
		for p := range block {
			size += float64(digit(x.traits[b][p][i]))
		}
		z[i] -= size / 2
		mean += z[i] / float64(m)
	}
	for i := range z {
		z[i] -= mean
	}
	return z
}

// solve is the least-squares solution of sum_p a(p,i) z_p = y_i with a little damping, by conjugate gradients on the normal equations.
func solve(a func(p, i int) float64, y []float64, n, m int) []float64 {
	at := func(r []float64) []float64 {
		out := make([]float64, n)
		for p := range n {
			for i := range m {
				out[p] += a(p, i) * r[i]
			}
		}
		return out
	}
	apply := func(z []float64) []float64 {
		r := make([]float64, m)
		for i := range m {
			for p := range n {
				r[i] += a(p, i) * z[p]
			}
		}
		out := at(r)
		for p := range out {
			out[p] += 1e-3 * z[p]
		}
		return out
	}
	z, r := make([]float64, n), at(y)
	d := slices.Clone(r)
	for range 60 {
		rr := dot(r, r)
		if rr < 1e-9 {
			break
		}
		q := apply(d)
		step := rr / dot(d, q)
		for p := range z {
			z[p] += step * d[p]
			r[p] -= step * q[p]
		}
		ratio := dot(r, r) / rr
		for p := range d {
			d[p] = r[p] + ratio*d[p]
		}
	}
	return z
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// membership (11): from noisy marginals of a block, whether a person whose attributes are known is in it: the score of Homer et al. 2008
// and Dwork et al. 2015, which is the likelihood ratio for small effects.
func membership(t *testing.T, x *arena) {
	m := pick(64, bits)
	answers, rho := x.marginals(t, m, "")
	score := func(b int, traits [bits]bool, noisy bool) float64 {
		s := 0.0
		for i := range m {
			y := known(answers[i][b])
			if !noisy {
				y = 0
				for p := range block {
					y += float64(digit(x.traits[b][p][i]))
				}
			}
			s += (y - block/2) * (float64(digit(traits[i])) - 0.5)
		}
		return s
	}
	rate := func(noisy bool) (hits, n int) {
		var members, strangers []float64
		for b := range blocks {
			for p := range block {
				members, strangers = append(members, score(b, x.traits[b][p], noisy)), append(strangers, score(b, x.strange[b][p], noisy))
			}
		}
		slices.Sort(strangers)
		cut := strangers[len(strangers)-len(strangers)/100]
		for _, s := range members {
			if s >= cut {
				hits++
			}
		}
		return hits, len(members)
	}
	hits, n := rate(true)
	eps := Epsilon(rho, 1e-7)
	limit := math.Exp(eps)*0.01 + 1e-7
	if Lower(hits, n) > limit {
		t.Errorf("%d of %d members are told at 1 %% false alarms; the limit is %.3f", hits, n, limit)
	}
	control, _ := rate(false)
	if Lower(control, n) < 0.015 {
		t.Errorf("control: exact marginals tell %d of %d members", control, n)
	}
	report(t, "11", "%.1f %% of members told at 1 %% false alarms, limit %.1f %%; exact marginals %.1f %%", 100*float64(hits)/float64(n), 100*limit, 100*float64(control)/float64(n))
}
