package attacks

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"jali/sdk"
)

// margins (39): a table, its margins and the total, asked in several orders by users of two organisations under one agreement. The interval that all that was
// printed leaves to a withheld cell with persons in it is as wide as the smallest printed cell. The twin
// withholds small cells, and nothing else, and has exact margins.
func margins(t *testing.T, x *arena) {
	orders := [][]string{{"region, grade", "region", "grade", ""}, {"", "grade", "region", "region, grade"}, {"grade", "region, grade", "", "region"}}
	narrow, targets := math.Inf(1), 0
	for _, order := range orders[:pick(2, 3)] {
		p := x.party(t, "Uni", "Lab")
		printed := map[string]map[string]float64{}
		for i, by := range order {
			printed[by] = p.told(t, i, groupBy("COUNT(*)", by))
		}
		withheld, least := narrowest(printed, wardBase/2)
		if withheld == 0 {
			t.Error("nothing is withheld: the attack has no target")
		}
		if least < smallest {
			t.Errorf("%q: a withheld cell is known within %v persons", order, least)
		}
		narrow, targets = min(narrow, least), targets+withheld
		exact := map[string]map[string]float64{"region, grade": {}, "region": tally("region"), "grade": tally("grade"), "": {"": wardSize}}
		for c, n := range tally("region, grade") {
			if n >= smallest {
				exact["region, grade"][c] = n
			}
		}
		if _, least := narrowest(exact, 0); least > 1 {
			t.Errorf("control: exact margins leave %v persons", least)
		}
	}
	report(t, "39", "%d withheld cells in %d orders: the narrowest is known within %v persons, limit %d", targets, pick(2, 3), narrow, smallest)
}

// roundedFirst (40): every printed rate is a quotient of rounded figures. The twin computes it before rounding, and gives counts away.
func roundedFirst(t *testing.T, x *arena) {
	p := x.party(t, "Uni", "Lab")
	counts, sums, rates := p.told(t, 0, groupBy("COUNT(*)", "grade")), p.told(t, 1, groupBy("SUM(ill)", "grade")), p.told(t, 2, groupBy("AVG(ill)", "grade"))
	raw := 0
	for grade, rate := range rates {
		n, ill := counts[grade], sums[grade]
		if math.Mod(n, wardBase) != 0 || math.Mod(ill, wardBase) != 0 || math.Abs(rate-ill/n) > 1e-9 {
			t.Errorf("grade %s: the rate %v is not %v/%v, rounded", grade, rate, ill, n)
		}
		true1 := tally("grade ill")[grade+" 1"] / tally("grade")[grade]
		raw += digit(math.Abs(true1*n-math.Round(true1*n)) > 1e-9)
	}
	if len(rates) < 5 || raw == 0 {
		t.Errorf("control: of %d rates %d would show that they came before rounding", len(rates), raw)
	}
	report(t, "40", "%d of %d rates are quotients of rounded figures; %d would not be, computed before", len(rates), len(rates), raw)
}

// overlap (41): pairs of cohorts that differ by 1 to 10 persons, asked by three users of two organisations. No pair is told. The twin asks the second of a pair
// from elsewhere, where nobody remembers the first.
func overlap(t *testing.T, x *arena) {
	pairs := pick(24, 1000)
	r := rand.New(rand.NewPCG(41, 41))
	var p, elsewhere *party
	first, both, twin, asked := 0, 0, 0, 0
	for i := range pairs {
		// An agreement is told 100 figures, and after 20 refusals somebody looks.
		if i%40 == 0 {
			p = x.party(t, "Uni", "Lab")
			elsewhere = x.party(t, "Elsewhere")
		} else if i%18 == 0 {
			p.review(t)
			elsewhere.review(t)
		}
		low, size, diff := r.IntN(4000), 200+r.IntN(8000), 1+r.IntN(10)
		const cohort = "SELECT COUNT(*) AS y FROM patient WHERE nr >= %d AND nr < %d"
		a, b := fmt.Sprintf(cohort, low, low+size), fmt.Sprintf(cohort, low, low+size+diff)
		if i%2 == 1 { // neither holds the other
			b = fmt.Sprintf(cohort, low+diff, low+size+diff)
		}
		told := p.told(t, i, a) != nil
		first += digit(told)
		both += digit(told && p.told(t, i+1, b) != nil)
		if told && asked < pairs/2 {
			asked++
			twin += digit(elsewhere.told(t, i, b) != nil)
		}
	}
	if both > 0 {
		t.Errorf("%d of %d pairs were told", both, pairs)
	}
	if first < pairs*7/10 || twin < asked*7/10 {
		t.Errorf("control: %d first halves of %d were told, and the twin got %d of %d", first, pairs, twin, asked)
	}
	report(t, "41", "%d pairs of cohorts 1 to 10 persons apart: %d told; the first alone %d, the second asked by another organisation %d of %d", pairs, both, first, twin, asked)
}

// refusals (42): what the rules withhold is refused in one way, whatever the reason, and costs what an answer costs.
func refusals(t *testing.T, x *arena) {
	p := x.party(t, "Uni", "Lab")
	if p.told(t, 0, "SELECT COUNT(*) AS y FROM patient WHERE nr < 500") == nil {
		t.Fatal("control: a large cohort is not told")
	}
	heard := map[string]int{}
	questions := []string{
		"SELECT COUNT(*) AS y FROM patient WHERE nr < 0",                // nobody
		"SELECT COUNT(*) AS y FROM patient WHERE nr < 3",                // few
		"SELECT COUNT(*) AS y FROM patient WHERE nr < 505",              // too close to what was told
		"SELECT SUM(cost) AS y FROM patient WHERE nr < 400 AND nr >= 2", // one dominates
		"SELECT AVG(ill) AS y FROM patient WHERE ill = 1 AND nr >= 300", // all of them
		"SELECT COUNT(*) AS y FROM patient WHERE nr >= 4 AND nr < 503",  // neither holds the other
	}
	for i, sql := range questions {
		user := p.users[i%len(p.users)]
		before := p.spent(t)
		_, err := user.Query(t.Context(), sdk.Query{Agreement: p.agreement, Purpose: "DUO:0000042", Dataset: "ward", Error: "2", SQL: sql})
		if err == nil {
			t.Errorf("%s: told", sql)
			continue
		}
		var refused *sdk.GatewayError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", sql, err)
		}
		// Only the number of the entry differs.
		heard[fmt.Sprintf("%s %v %s %s", refused.Code, refused.Status, strings.ReplaceAll(refused.Message, fmt.Sprint(refused.Decision), "n"), refused.Hint)]++
		if cost := p.spent(t) - before; cost != 1 {
			t.Errorf("%s: a refusal costs %d cells", sql, cost)
		}
	}
	if len(heard) != 1 {
		t.Errorf("refusals differ: %v", heard)
	}
	if p.told(t, 1, "SELECT COUNT(*) AS y FROM patient WHERE nr >= 8000") == nil {
		t.Error("control: nothing is told any more")
	}
	report(t, "42", "%d reasons to withhold: %d code and text, each costs what an answer costs", len(questions), len(heard))
}
