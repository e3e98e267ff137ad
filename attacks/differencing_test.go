package attacks

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"jali/sdk"
)

// differencing (1): in every cell, those with the secret and those with the secret but the target; the difference is the target's bit, blurred.
// All 2,000 cells are attacked at once, each person being in one, with the whole budget.
func differencing(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	with := x.ask(t, a, "left", each(2), "SELECT cell, COUNT(*) AS n FROM trial WHERE secret = 1 GROUP BY cell")
	without := x.ask(t, a, "left", each(2), "SELECT cell, COUNT(*) AS n FROM trial WHERE secret = 1 AND target = 0 GROUP BY cell")
	right, control := 0, 0
	n, m := column(with, "n"), column(without, "n")
	for c := range cells {
		// A hidden count is small; the attacker's best use of it is the number in the middle of what hides.
		if guess := known(n[c])-known(m[c]) > 0.5; guess == x.secret[c] {
			right++
		}
		// The same attack on exact counts.
		if exact := x.others[c] + digit(x.secret[c]) - x.others[c]; (exact > 0) == x.secret[c] {
			control++
		}
	}
	rho := float64(with.PricePU+without.PricePU) * 1e-5
	bound := (1 + Advantage(rho)) / 2
	if Lower(right, cells) > bound {
		t.Errorf("%d of %d bits found; at most %.3f may be", right, cells, bound)
	}
	if control != cells {
		t.Errorf("control: exact counts give %d of %d bits", control, cells)
	}
	report(t, "1", "%.1f %% of 2,000 bits found, bound %.1f %%; exact counts 100 %%", 100*float64(right)/cells, 100*bound)
}

// known is a count, or 5 where it is hidden.
func known(y float64) float64 {
	if math.IsNaN(y) {
		return 5
	}
	return y
}

// partitions (4): the size of each cell as the sum of two random halves, over and over with new halves, averaged.
func partitions(t *testing.T, x *arena) {
	const m = 10
	a := x.agree(t, budget, "left")
	sum := make([]float64, cells)
	var spent int64
	asked := 0
	for asked = range m + 5 {
		r, err := x.mallory.Query(t.Context(), sdk.Query{
			Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: each(m),
			SQL: "SELECT cell, half, COUNT(*) AS n FROM trial WHERE " + x.fresh() + " GROUP BY cell, half",
		})
		if errors.Is(err, sdk.ErrNoAnswer) { // charged: one answer fewer
			continue
		}
		if err != nil {
			var out *sdk.BudgetExhausted
			if !errors.As(err, &out) {
				t.Fatal(err)
			}
			break
		}
		spent += r.PricePU
		for i, y := range column(r, "n") {
			sum[i/2] += known(y)
		}
	}
	if spent > budget {
		t.Errorf("%d PU were spent of %d", spent, budget)
	}
	// Half a cell has about ten persons, so some halves are hidden; known makes that a bias, which only adds to the attacker's error.
	mse := 0.0
	for _, s := range sum {
		e := s/float64(asked) - (base + 1)
		mse += e * e / cells
	}
	rmse, least := math.Sqrt(mse), 1/math.Sqrt(2*float64(spent)*1e-5)
	// The mean square of 2,000 normal errors is within 1 -+ 0.12 of its mean but for 1e-4.
	if rmse < least*math.Sqrt(0.88) {
		t.Errorf("the mean of %d partitions is wrong by %.2f; the ledger says at least %.2f", asked, rmse, least)
	}
	if rmse > 10*least {
		t.Errorf("the attack is not one: wrong by %.2f", rmse)
	}
	report(t, "4", "error of the mean of %d partitions %.2f, by the ledger at least %.2f", asked, rmse, least)
}

// trackers (5): a padding predicate T that everybody may ask, then T or C, and T and not C: individual, general and double trackers.
func trackers(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	const c = "(target = 1 AND secret = 1)"
	queries := []string{"half = 0", "(half = 0 OR " + c + ")", "half = 1", "(half = 1 OR " + c + ")"}
	var answers [][]float64
	var spent int64
	for _, q := range queries {
		r := x.ask(t, a, "left", each(len(queries)), "SELECT cell, COUNT(*) AS n FROM trial WHERE "+q+" GROUP BY cell")
		answers, spent = append(answers, column(r, "n")), spent+r.PricePU
	}
	right := 0
	for i := range cells {
		// The target is in the half c%2 already, so one difference shows it and the other does not: the double tracker uses both.
		d := known(answers[1][i]) - known(answers[0][i])
		if i%2 == 0 {
			d = known(answers[3][i]) - known(answers[2][i])
		}
		if (d > 0.5) == x.secret[i] {
			right++
		}
	}
	bound := (1 + Advantage(float64(spent)*1e-5)) / 2
	if Lower(right, cells) > bound {
		t.Errorf("%d of %d bits found; at most %.3f may be", right, cells, bound)
	}
	report(t, "5", "%.1f %% of 2,000 bits found, bound %.1f %%", 100*float64(right)/cells, 100*bound)
}

// isolation (9): ten conjuncts that hold for the target alone; every cell shows one person, or none.
func isolation(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	runs := pick(3, 50)
	draw := func(times int) (left, right []float64, rho float64) {
		var ys [2][]float64
		var price int64
		for range times * runs {
			q := "SELECT cell, COUNT(*) AS n FROM trial WHERE target = 1 AND v > 1000 AND v > 10000 AND v <> 50 AND note = 'b' AND note <> 'a' AND dummy >= 0 AND half IN (0, 1) AND secret IN (0, 1) AND " + x.fresh() + " GROUP BY cell"
			for side, d := range []string{"left", "right"} {
				r := x.ask(t, a, d, "2", q)
				ys[side], price = append(ys[side], column(r, "n")...), r.PricePU
			}
		}
		return ys[0], ys[1], float64(price) * 1e-5
	}
	v := sure(draw)
	if v.Fail {
		t.Errorf("%v", v)
	}
	report(t, "9", "%v", v)
}

// hashPredicates (7): what picks random subsets by arithmetic on keys is no question.
func hashPredicates(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	texts := []string{
		"person_id % 7 = 3", "MOD(person_id, 7) = 3", "person_id = 100", "person_id IN (1, 2, 3)", "person_id BETWEEN 1 AND 100", "person_id < 1000", "md5(note) < '8'", "hash(person_id) % 2 = 0",
		"person_id * 2654435761 < 1000000", "substr(note, 1, 1) = 'a'", "EXTRACT(day FROM dummy) = 1", "random() < 0.5", "person_id & 1 = 1", "CAST(person_id AS text) LIKE '%7'", "row_number() OVER () < 10",
	}
	for _, p := range texts {
		_, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "10", SQL: "SELECT COUNT(*) FROM trial WHERE " + p})
		var bad *sdk.QueryError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, want a refusal of the query", p, err)
		}
	}
	report(t, "7", "%d of %d predicates on keys refused", len(texts), len(texts))
}

// dummyConditions (8): conditions that do not change the set buy no fresh noise for free: each is charged, or is the stored answer.
func dummyConditions(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	n, distinct := 0, map[string]bool{}
	var spent int64
	for i := range 200 {
		r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: each(20), SQL: fmt.Sprintf("SELECT COUNT(*) AS n FROM trial WHERE target = 1 AND cell = 7 AND v >= %d", i)})
		var out *sdk.BudgetExhausted
		if errors.As(err, &out) {
			break
		}
		if errors.Is(err, sdk.ErrNoAnswer) { // charged: one answer fewer
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		spent += r.PricePU
		distinct[string(r.Raw)] = true
	}
	if n > 25 || spent > budget {
		t.Errorf("%d dummy conditions were answered for %d PU; the budget holds 20", n, spent)
	}
	report(t, "8", "%d of 200 dummy conditions answered before the budget of 20 ended, %d PU", n, spent)
}
