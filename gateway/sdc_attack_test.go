package gateway_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"jali/gateway"
)

// The attacks of the suite on mode sdc (39 to 42), each against a real gateway, each with a twin that succeeds where the rule it
// tests is out of force: asked by another organisation (whose memory is its own), or computed from true figures. What is printed
// when nothing can be had is not zero: a withheld cell is absent.

// Attack 41: pairs of cohorts that differ by 1 to 10 persons, asked by three users of two parties of one agreement. No pair may be
// told. JALI_SDC_PAIRS sets the number of pairs; the twin, the second of each pair asked by another organisation, is told them.
func TestNestedPairs(t *testing.T) {
	pairs := 30
	if n, err := fmt.Sscan(os.Getenv("JALI_SDC_PAIRS"), &pairs); err != nil && n > 0 {
		t.Fatal(err)
	}
	people := patients(16_384)
	s := newWard(t, people, `"refusals": 20`, `"refusals": 1000000`, `"cells": 100`, `"cells": 1000000`)
	r := rand.New(rand.NewPCG(41, 41))
	both, twin, first := 0, 0, 0
	for i := range pairs {
		low, size, diff := r.IntN(4000), 200+r.IntN(8000), 1+r.IntN(10)
		a := fmt.Sprintf("SELECT COUNT(*) FROM person WHERE nr >= %d AND nr < %d", low, low+size)
		b := fmt.Sprintf("SELECT COUNT(*) FROM person WHERE nr >= %d AND nr < %d", low, low+size+diff)
		if i%2 == 1 { // differ below as well: neither holds the other
			b = fmt.Sprintf("SELECT COUNT(*) FROM person WHERE nr >= %d AND nr < %d", low+diff, low+size+diff)
		}
		who := []int{i % 3, (i + 1) % 3}
		x := s.told(t, inside[who[0]], a)
		y := s.told(t, inside[who[1]], b)
		if x != nil {
			first++
		}
		if x != nil && y != nil {
			both++
		}
		if x != nil && i < 15 && s.told(t, eve, b) != nil {
			twin++
		}
	}
	if both > 0 {
		t.Errorf("%d of %d pairs were told", both, pairs)
	}
	if first < pairs*8/10 || twin < 10 {
		t.Errorf("%d first halves were told and the twin got %d of 15: the test asks for what nobody is told", first, twin)
	}
}

// Attack 39: small cells from margins. Tables, their margins and the total are asked in every order; then the interval that all that
// was printed leaves to each withheld cell with persons in it must be as wide as a smallest cell.
func TestMarginsLeaveRoom(t *testing.T) {
	people := patients(2000)
	orders := [][]string{
		{"region, grade", "region", "grade", ""},
		{"", "grade", "region", "region, grade"},
		{"grade", "region, grade", "", "region"},
	}
	for _, order := range orders {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			s := newWard(t, people)
			printed := map[string]map[string]float64{}
			for i, by := range order {
				printed[by] = s.told(t, inside[i%3], groupBy("COUNT(*)", by))
			}
			withheld, least := narrowest(people, printed, 2)
			if withheld == 0 {
				t.Fatal("nothing is withheld: the test has no target")
			}
			if least < 11 {
				t.Errorf("a withheld cell is known within %v persons", least)
			}
			// The twin asks the margins from elsewhere, where nobody remembers the table.
			for _, by := range []string{"region", "grade", ""} {
				if m := s.told(t, eve, groupBy("COUNT(*)", by)); m != nil {
					printed[by] = m
				}
			}
			exact := map[string]map[string]float64{"region, grade": printed["region, grade"]}
			for _, by := range []string{"region", "grade", ""} {
				exact[by] = truth(people, by)
			}
			for cell := range exact["region, grade"] {
				exact["region, grade"][cell] = truth(people, "region, grade")[cell]
			}
			if _, least := narrowest(people, exact, 0); least >= 11 {
				t.Errorf("exact margins leave %v persons: the attack does not work where it must", least)
			}
		})
	}
}

// Attack 40: whatever is printed follows from rounded parts. The twin computes the rate before rounding, and gives the count away.
func TestRoundingComesFirst(t *testing.T) {
	people := patients(2000)
	s := newWard(t, people)
	// Visits of kind b are told by the 40 persons who have any, but 390 of 431 are one person's.
	if visits := s.told(t, uma, "SELECT kind, COUNT(*) FROM visit GROUP BY kind"); visits["b"] != 0 || visits["a"] == 0 {
		t.Errorf("visits %v", visits)
	}
	counts := s.told(t, uma, groupBy("COUNT(*)", "grade"))
	sums := s.told(t, ulf, groupBy("SUM(ill)", "grade"))
	rates := s.told(t, lara, groupBy("AVG(ill)", "grade"))
	if len(rates) < 5 {
		t.Fatalf("rates %v", rates)
	}
	raw := 0
	for grade, rate := range rates {
		n, ill := counts[grade], sums[grade]
		if math.Mod(n, 5) != 0 || math.Mod(ill, 5) != 0 {
			t.Errorf("grade %s: %v of %v is not rounded", grade, ill, n)
		}
		if math.Abs(rate-ill/n) > 1e-9 {
			t.Errorf("grade %s: the rate %v is not %v/%v", grade, rate, ill, n)
		}
		trueRate := truth(people, "grade, ill")[grade+" 1"] / truth(people, "grade")[grade]
		if math.Abs(trueRate*n-math.Round(trueRate*n)) > 1e-9 {
			raw++ // the twin: not a rounded part of the printed count
		}
	}
	if raw == 0 {
		t.Error("rates from true counts look like rates from rounded ones here: the test cannot fail")
	}
	// Magnitudes: the group of one person's 900,000 is withheld.
	costs := s.told(t, uma, "SELECT region, SUM(cost) FROM person WHERE nr < 400 GROUP BY region")
	if _, printed := costs["east"]; printed || len(costs) != 3 {
		t.Errorf("costs %v: one person has nearly all of the east", costs)
	}
}

// Attack 42: refusals that depend on data are one: the same code, message and hint, whatever the reason, charged, counted, and after
// the quota a person decides.
func TestRefusalOracle(t *testing.T) {
	s := newWard(t, patients(2000), `"refusals": 20`, `"refusals": 6`)
	if s.told(t, uma, "SELECT COUNT(*) FROM person WHERE nr < 500") == nil {
		t.Fatal("a large cohort is not told")
	}
	questions := []string{
		"SELECT COUNT(*) FROM person WHERE nr < 0",                // nobody
		"SELECT COUNT(*) FROM person WHERE nr < 3",                // few
		"SELECT COUNT(*) FROM person WHERE nr < 505",              // too close to what was told
		"SELECT SUM(cost) FROM person WHERE nr < 400 AND nr >= 2", // one dominates
		"SELECT AVG(ill) FROM person WHERE ill = 1 AND nr >= 300", // 100 %
		"SELECT COUNT(*) FROM person WHERE nr >= 4 AND nr < 503",  // neither holds the other
	}
	var heard []string
	for i, sql := range questions {
		before, err := s.Budget(t.Context(), uma, "agr-ward")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Answer(t.Context(), inside[i%3], onWard(inside[i%3], sql))
		r := refusal(t, err)
		if r.Code != gateway.NotReleased || len(r.Reasons) != 0 || r.Line != 0 {
			t.Fatalf("%s: %+v", sql, r)
		}
		heard = append(heard, r.Message+r.Hint)
		after, err := s.Budget(t.Context(), uma, "agr-ward")
		if err != nil || after.Ledgers[0].Spent != before.Ledgers[0].Spent+1 {
			t.Errorf("%s: spent %d, before %d: a refusal costs what an answer costs", sql, after.Ledgers[0].Spent, before.Ledgers[0].Spent)
		}
		if i == 3 {
			s.reopen(t) // what was refused is remembered
		}
	}
	for _, h := range heard[1:] {
		if h != heard[0] {
			t.Errorf("two refusals differ: %q, %q", h, heard[0])
		}
	}
	_, err := s.Answer(t.Context(), ulf, onWard(ulf, "SELECT COUNT(*) FROM person WHERE nr >= 1000"))
	if r := refusal(t, err); r.Code != gateway.PolicyDenied || r.Reasons[0].Code != "refusals" {
		t.Errorf("after the quota: %+v", r)
	}
	if q, err := s.Quote(t.Context(), ulf, onWard(ulf, "SELECT COUNT(*) FROM person WHERE nr >= 1000")); err != nil || q.Allowed {
		t.Errorf("after the quota a quote allows: %+v, %v", q, err)
	}
	if a, err := s.Answer(t.Context(), ulf, onWard(ulf, "SELECT COUNT(*) FROM person WHERE nr < 500")); err != nil || !a.Replayed {
		t.Errorf("what was told is not told again: %v", err)
	}
	// A new version of the agreement is the sign that somebody has looked; the memory stays.
	if _, err := s.AddAgreement(t.Context(), []byte(replaced(wardAgreement, "version: 1", "version: 2")), "board"); err != nil {
		t.Fatal(err)
	}
	if s.told(t, ulf, "SELECT COUNT(*) FROM person WHERE nr >= 1000") == nil {
		t.Error("after the review a large cohort is not told")
	}
	if s.told(t, ulf, "SELECT COUNT(*) FROM person WHERE nr < 497") != nil {
		t.Error("a review made the gateway forget")
	}
}

// What was told stays told: over a restart, a crash between memory and record, and a new data version. A lost memory is noticed.
func TestMemoryLasts(t *testing.T) {
	people := patients(2000)
	s := newWard(t, people)
	const sql = "SELECT COUNT(*) FROM person WHERE nr < 500"
	if s.told(t, uma, sql) == nil {
		t.Fatal("a large cohort is not told")
	}
	s.reopen(t)
	if s.told(t, ulf, "SELECT COUNT(*) FROM person WHERE nr < 503") != nil {
		t.Error("a restart forgot")
	}
	// The same question about other data: three more persons have come.
	more := append(patients(2000), patient{nr: 100, region: "north", visits: map[string]int{"a": 1}}, patient{nr: 101, region: "north", visits: map[string]int{"a": 1}})
	for i := range more[2000:] {
		more[2000+i].nr = 3000 + i
	}
	more[10].nr = 4000 // and one has another number
	s.admit(t, more)
	if s.told(t, lara, sql) != nil {
		t.Error("a new data version forgot")
	}
	path := gateway.Layout(s.dir).Memory("ward")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A torn frame after the last one on record is what a crash leaves: it goes.
	write(t, path, append(append([]byte(nil), whole...), 0, 0, 1, 0, 't', 'x'))
	s.open(t)
	if got, err := os.ReadFile(path); err != nil || len(got) != len(whole) {
		t.Errorf("%d bytes after a torn frame, want %d: %v", len(got), len(whole), err)
	}
	for name, content := range map[string][]byte{"cut": whole[:len(whole)-40], "changed": append(append([]byte(nil), whole[:60]...), whole[61:]...), "empty": {}} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, path, content)
		s.open(t)
		_, err := s.Answer(t.Context(), uma, onWard(uma, sql))
		if err == nil || len(s.Status().Problems) == 0 {
			t.Errorf("%s: a memory that is not the one on record is served: %v", name, err)
		}
		write(t, path, whole)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.open(t)
	if len(s.Status().Problems) == 0 {
		t.Error("a lost memory is not noticed")
	}
}

// The quota of cells is the smallest of cap, policy and a quarter of the persons, and is held in the transaction of the charge.
func TestCellQuota(t *testing.T) {
	s := newWard(t, patients(150), `"cells": 100`, `"cells": 50`) // 128/4 = 32
	told := 0
	for i := range 40 {
		_, err := s.Answer(t.Context(), uma, onWard(uma, fmt.Sprintf("SELECT COUNT(*) FROM person WHERE nr >= %d", i)))
		var r *gateway.Refusal
		switch {
		case err == nil, errors.As(err, &r) && r.Code == gateway.NotReleased:
			told++
		case r.Code == gateway.PolicyDenied && r.Reasons[0].Code == "refusals":
			if _, err := s.AddAgreement(t.Context(), []byte(replaced(wardAgreement, "version: 1", fmt.Sprintf("version: %d", i+2))), "board"); err != nil {
				t.Fatal(err)
			}
		case r.Code != gateway.BudgetAgreement:
			t.Fatal(err)
		}
	}
	if told != 32 {
		t.Errorf("%d cells were counted on a quota of 32", told)
	}
}

// A tracker of three answers passes the rules, which look at pairs; the nightly audit finds it.
func TestAuditMemory(t *testing.T) {
	s := newWard(t, patients(2000))
	for i, sql := range []string{
		"SELECT COUNT(*) FROM person WHERE nr < 300", "SELECT COUNT(*) FROM person WHERE nr >= 300 AND nr < 600",
		"SELECT COUNT(*) FROM person WHERE nr >= 4 AND nr < 600",
	} {
		if s.told(t, uma, sql) == nil {
			t.Fatalf("answer %d is not told", i)
		}
		found, err := gateway.AuditMemory(gateway.Layout(s.dir), "ward", 11)
		if err != nil || len(found) != 2 { // both parties of the agreement
			t.Fatalf("%+v, %v", found, err)
		}
		if want := i / 2; found[0].Told != want || found[1].Told != want {
			t.Errorf("after %d answers: %+v, want %d told", i+1, found, want)
		}
	}
}

// Sums of what a question computes would go around rounding and memory: with values that the asker chooses, a sum is a count in disguise,
// in units that rounding leaves exact, while the persons in the cell stay the same whatever the condition inside says. Only zeros and ones
// are added up, which the rules know for a count: the second of a nested pair is withheld.
func TestSumsAreNoCountsInDisguise(t *testing.T) {
	s := newWard(t, patients(2000))
	for _, sum := range []string{
		"SUM(CASE WHEN nr < 500 THEN 1000 ELSE 0 END) FROM person",
		"SUM(CASE WHEN nr < 500 THEN 2 ELSE 1 END) FROM person",
		"AVG(CASE WHEN nr < 500 THEN 1000 ELSE 0 END) FROM person",
		"SUM(CASE WHEN nr < 500 THEN 1 ELSE -1 END) FROM person",
		"SUM(CLIP(1000 * nr, 499000, 500000)) FROM person",
		"SUM(CLIP(cost, 100, 101)) FROM person",
		"SUM(x.v) FROM person JOIN (SELECT id, MAX(CASE WHEN nr < 500 THEN 1000 ELSE 0 END) AS v FROM person GROUP BY id) x ON x.id = person.id",
		"SUM(x.v) FROM person LEFT JOIN (SELECT id, MAX(cost) AS v FROM person WHERE nr < 500 GROUP BY id) x ON x.id = person.id",
	} {
		a, err := s.Answer(t.Context(), uma, onWard(uma, "SELECT "+sum))
		if err == nil {
			t.Errorf("%s: told %v", sum, figures(a))
		} else if r := refusal(t, err); r.Code != gateway.NotSupported || r.Hint == "" {
			t.Errorf("%s: %v", sum, err)
		}
	}
	const pair = "SELECT SUM(CASE WHEN nr < %d THEN 1 ELSE 0 END) FROM person"
	if got := s.told(t, uma, fmt.Sprintf(pair, 500)); got[""] != 500 {
		t.Errorf("a count as a sum of zeros and ones: %v", got)
	}
	if got := s.told(t, ulf, fmt.Sprintf(pair, 501)); got != nil {
		t.Errorf("the second of a nested pair is told: %v", got)
	}
}

// The year ends, and the log goes on in a new origin, which has told nothing yet. The memory is held to the digest in the log before it.
func TestMemoryOutlivesTheYear(t *testing.T) {
	s := newWard(t, patients(2000))
	if s.told(t, uma, "SELECT COUNT(*) FROM person WHERE nr < 500") == nil {
		t.Fatal("a large cohort is not told")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{nextOrigin, "test.example/jali/3"} { // two years, nothing told in between
		if left, err := gateway.NextShard(t.Context(), s.config(), origin, "ada", "decision 1"); err != nil || len(left) > 0 {
			t.Fatalf("%v, not registered again: %v", err, left)
		}
	}
	path := gateway.Layout(s.dir).Memory("ward")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, nil)
	s.open(t)
	if _, err := s.Answer(t.Context(), ulf, onWard(ulf, "SELECT COUNT(*) FROM person WHERE nr < 503")); err == nil || len(s.Status().Problems) == 0 {
		t.Errorf("an emptied memory is served in the new year: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, whole)
	s.open(t)
	if s.told(t, ulf, "SELECT COUNT(*) FROM person WHERE nr < 503") != nil {
		t.Error("the new year forgot")
	}
	if s.told(t, ulf, "SELECT COUNT(*) FROM person WHERE nr < 1000") == nil {
		t.Error("nothing is told in the new year: the test cannot fail")
	}
}

// A tracker within the rows: both questions count all persons, and differ by the visits of one. The twin asks from elsewhere.
func TestRowsOfOnePerson(t *testing.T) {
	people := patients(2000)
	s := newWard(t, people)
	const all, but = "SELECT COUNT(*) FROM visit", "SELECT COUNT(*) FROM visit JOIN person ON person.id = visit.id WHERE nr <> 5 OR kind = 'a'"
	if s.told(t, uma, all) == nil {
		t.Fatal("all visits are not told")
	}
	if got := s.told(t, ulf, but); got != nil {
		t.Errorf("all visits but the %d of one person are told: %v", people[5].visits["b"], got)
	}
	if s.told(t, eve, but) == nil {
		t.Error("the twin is not told either: the test cannot fail")
	}
	// Nor does another version of the data show what one person's value has become.
	const costs = "SELECT SUM(cost) FROM person WHERE nr >= 100"
	if s.told(t, uma, costs) == nil {
		t.Fatal("the costs of many are not told")
	}
	people[200].cost += 9000
	s.admit(t, people)
	if got := s.told(t, ulf, costs); got != nil {
		t.Errorf("one changed cost is told: %v", got)
	}
	if s.told(t, lara, "SELECT region, COUNT(*) FROM visit JOIN person ON person.id = visit.id GROUP BY region") == nil {
		t.Error("nothing more is told of visits")
	}
}
