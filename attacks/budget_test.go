package attacks

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"jali/sdk"
)

// budgetRace (25): 200 at once on a budget for ten.
func budgetRace(t *testing.T, x *arena) {
	a := x.agree(t, budget, "shared")
	var mu sync.Mutex
	var group sync.WaitGroup
	answered, spent := 0, int64(0)
	for i := range 200 {
		group.Go(func() {
			r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "shared", Error: each(10), SQL: fmt.Sprintf("SELECT COUNT(*) AS n FROM person WHERE age < %d", 1000+i)})
			var out *sdk.BudgetExhausted
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered, spent = answered+1, spent+r.PricePU
			} else if !errors.As(err, &out) && !errors.Is(err, sdk.ErrNoAnswer) { // that is charged: one answer fewer
				t.Error(err)
			}
		})
	}
	group.Wait()
	if spent > budget || answered == 0 || answered > 11 {
		t.Errorf("%d answers for %d PU of %d", answered, spent, budget)
	}
	report(t, "25", "%d of 200 parallel questions answered, %d of %d PU", answered, spent, int64(budget))
}

// arithmetic (28): accuracies that are no accuracy are refused before they are priced, and cost nothing.
func arithmetic(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	before := x.debited(t, a)
	values := []string{
		"-1", "0", "-0", "0.0", "NaN", "nan", "Inf", "-Inf", "1e-320", "4.9e-324", "1e400", "0x10", "1_000", "١٠", "1,5", " ", "5 ", "+5", "1e", "--1", "1/2", "9007199254740993e-30", "0.000000000000000000001", "null", "1e-9999999999",
	}
	for _, v := range values {
		if r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: v, SQL: "SELECT COUNT(*) FROM trial"}); err == nil {
			t.Errorf("accuracy %q was answered for %d PU", v, r.PricePU)
		}
	}
	if after := x.debited(t, a); after != before {
		t.Errorf("%d PU were charged", after-before)
	}
	// What is a number but beyond everything costs a unit at least: nothing is free.
	for _, v := range []string{"9223372036854775807", "9007199254740993", "1e15"} {
		if r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: v, SQL: "SELECT COUNT(*) FROM trial"}); err == nil && !r.Replayed && r.PricePU < 1 {
			t.Errorf("accuracy %q was answered for %d PU", v, r.PricePU)
		}
	}
	report(t, "28", "%d malformed accuracies refused, nothing charged", len(values))
}

// collusion (30): ten agreements about one population, which stops at its own cap.
func collusion(t *testing.T, x *arena) {
	const limit = 40_000
	spent, answered := x.exhaust(t, limit, "shared")
	if spent > limit || answered == 0 {
		t.Errorf("ten agreements were given %d answers for %d PU of a population of %d", answered, spent, limit)
	}
	report(t, "30", "10 agreements of %d PU: %d answers, %d of the population's %d PU", int64(budget), answered, spent, int64(limit))
}

// alias (31): the same persons by another data set's name are the same population.
func alias(t *testing.T, x *arena) {
	// The population's cap is exhausted by now: by its other name it is too.
	spent, answered := x.exhaust(t, 0, "alias")
	if answered > 0 {
		t.Errorf("by another name %d answers for %d PU", answered, spent)
	}
	report(t, "31", "the exhausted population by another name: %d answers", answered)
}

// exhaust caps the population so much above what is spent (0: leaves it), asks under ten new agreements until all refuse, and returns what
// that spent.
func (x *arena) exhaust(t *testing.T, limit int64, dataset string) (spent int64, answered int) {
	t.Helper()
	if limit > 0 {
		log, err := x.Check()
		if err != nil {
			t.Fatal(err)
		}
		var had int64
		for key, l := range log.Ledgers {
			if key.Population == "shared" && key.Agreement == "" {
				had = (l.Spent.Rho + 9999) / 10_000
			}
		}
		x.Run("budget", "set", "--dir", x.Dir, "--population", "shared", "--pu", fmt.Sprint(had+limit), "--delta", "1e-6", "--order", "attack 30")
	}
	for i := range 10 {
		a := x.agree(t, budget, dataset)
		for j := range 4 {
			r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: dataset, Error: each(3), SQL: fmt.Sprintf("SELECT COUNT(*) AS n FROM person WHERE age < %d", 2000+10*i+j)})
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
			spent, answered = spent+r.PricePU, answered+1
		}
	}
	return spent, answered
}

// smuggling (34): forms that would count something other than persons' own rows.
func smuggling(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	queries := []string{
		"SELECT COUNT(*) FROM trial t WHERE (SELECT COUNT(*) FROM multi m WHERE m.person_id = 7) > 3", "SELECT COUNT(*) FROM trial t WHERE EXISTS (SELECT 1 FROM trial u WHERE u.v > t.v)",
		"SELECT COUNT(*) FROM trial t, LATERAL (SELECT COUNT(*) AS c FROM multi) q WHERE q.c > 3", "SELECT SUM(v) OVER (ORDER BY person_id) FROM trial", "SELECT COUNT(*) FROM (SELECT RANK() OVER (ORDER BY v DESC) AS r FROM trial) q WHERE r = 1",
		"SELECT COUNT(*) FROM (SELECT cell, COUNT(*) AS c FROM trial GROUP BY cell) q WHERE c = 1", "WITH q AS (SELECT MAX(v) AS top FROM trial) SELECT COUNT(*) FROM trial, q WHERE v = top", "SELECT COUNT(*) FROM trial t JOIN trial u ON t.cell = u.cell",
		"SELECT COUNT(*) FROM trial WHERE v = (SELECT MAX(v) FROM trial)", "SELECT COUNT(*) FROM trial UNION ALL SELECT COUNT(*) FROM multi", "SELECT COUNT(*) FILTER (WHERE v > (SELECT AVG(v) FROM trial)) FROM trial", "SELECT MAX(v) FROM trial", "SELECT * FROM trial",
		"SELECT person_id, COUNT(*) FROM trial GROUP BY person_id", "SELECT string_agg(note, ',') FROM trial", "SELECT COUNT(*) FROM trial HAVING MAX(v) > 1000", "SELECT COUNT(*) FROM trial CROSS JOIN multi", "SELECT COUNT(*) FROM trial NATURAL JOIN multi",
		"SELECT COUNT(*) FROM trial WHERE v > ALL (SELECT v FROM trial)", "SELECT COUNT(*) FROM trial t WHERE t.person_id IN (SELECT person_id FROM multi m WHERE m.kind = t.half)",
	}
	for _, q := range queries {
		_, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "50", SQL: q})
		var bad *sdk.QueryError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, want a refusal of the query", q, err)
		}
	}
	report(t, "34", "%d of %d forms refused", len(queries), len(queries))
}
