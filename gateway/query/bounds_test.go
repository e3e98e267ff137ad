package query

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// tinyYAML has limits so small that random persons often reach them, and no caps below them: every bound is a proof.
const tinyYAML = `
catalogue: 1
dataset: tiny
population: tiny
class: test
tables:
  person:
    rows_per_person: 1
    columns:
      pid: {type: text, role: person, sensitivity: low}
      sex: {type: integer, role: group, nullable: true, sensitivity: low, codes: [1, 2]}
      reg: {type: integer, role: filter, sensitivity: low, bounds: [1, 2]}
  enrolment:
    rows_per_person: 4
    unique: [[pid, year]]
    columns:
      pid: {type: text, role: person, sensitivity: low}
      year: {type: integer, role: group, sensitivity: low, codes: [1, 2, 3]}
      state: {type: integer, role: group, sensitivity: low, codes: [1, 2, 3, 4, 5]}
      cohort: {type: integer, role: group, per_person: true, sensitivity: low, codes: [1, 2]}
  claim:
    rows_per_person: 4
    unique: [[no]]
    columns:
      pid: {type: text, role: person, sensitivity: low}
      no: {type: integer, role: filter, sensitivity: low}
      ward: {type: integer, role: group, sensitivity: low, codes: [1, 2, 3]}
      cost: {type: integer, role: measure, nullable: true, sensitivity: low, bounds: [-3, 8], clip: [-2, 5], bands: {level: {cuts: [0, 4, 9]}}}
      loss: {type: integer, role: measure, nullable: true, sensitivity: low, bounds: [-9, 2]}
      rate: {type: integer, role: measure, nullable: true, sensitivity: low, bounds: [3, 8]}
  diag:
    via: {table: claim, key: no}
    rows_per_person: 6
    unique: [[no, pos]]
    columns:
      no: {type: integer, role: filter, sensitivity: low}
      pos: {type: integer, role: group, sensitivity: low, codes: [1, 2, 3]}
  region:
    public: true
    unique: [[reg]]
    columns:
      reg: {type: integer, role: filter, sensitivity: low, bounds: [1, 2]}
      side: {type: integer, role: group, sensitivity: low, codes: [1, 2]}
joins:
  - claim.no = diag.no
  - person.reg = region.reg
`

type row map[string]catalog.Value

// onePerson makes the rows of one person that the import of tinyYAML would accept.
func onePerson(rng *rand.Rand) map[string][]row {
	v := func(n int) catalog.Value { return catalog.IntValue(int64(1 + rng.IntN(n))) }
	db := map[string][]row{"region": {{"reg": catalog.IntValue(1), "side": v(2)}, {"reg": catalog.IntValue(2), "side": v(2)}}}
	p := row{"sex": v(2), "reg": v(2)}
	if rng.IntN(3) == 0 {
		p["sex"] = catalog.Value{}
	}
	db["person"] = []row{p}
	cohort := v(2)
	for _, year := range rng.Perm(3)[:rng.IntN(4)] {
		db["enrolment"] = append(db["enrolment"], row{"year": catalog.IntValue(int64(1 + year)), "state": v(5), "cohort": cohort})
	}
	// Skewed, so that all rows often fall into one group.
	wards := 1 + rng.IntN(3)
	for no := range rng.IntN(5) {
		c := row{"no": catalog.IntValue(int64(no)), "ward": v(wards), "cost": catalog.IntValue(int64(rng.IntN(12)) - 3), "loss": catalog.IntValue(int64(rng.IntN(12)) - 9), "rate": catalog.IntValue(int64(rng.IntN(6)) + 3)}
		for _, col := range []string{"cost", "loss", "rate"} {
			if rng.IntN(4) == 0 {
				c[col] = catalog.Value{}
			}
		}
		db["claim"] = append(db["claim"], c)
	}
	for i, n := 0, len(db["claim"]); n > 0 && i < 6; i++ {
		d := row{"no": catalog.IntValue(int64(rng.IntN(n))), "pos": v(3)}
		if rng.IntN(2) == 0 {
			d["no"] = catalog.IntValue(0)
		}
		fresh := true
		for _, x := range db["diag"] {
			fresh = fresh && !(x["no"] == d["no"] && x["pos"] == d["pos"])
		}
		if fresh {
			db["diag"] = append(db["diag"], d)
		}
	}
	return db
}

// at is the value of a column or band in a joined row.
func at(joined []row, r ColumnRef) catalog.Value {
	v := joined[r.Table][r.Column.Name]
	if r.Band == nil || v.Kind == catalog.Null {
		return v
	}
	for i, l := range r.Band.Labels {
		if r.Band.Cuts[i] <= v.N && v.N < r.Band.Cuts[i+1] {
			return l
		}
	}
	return catalog.Value{}
}

// join calls f with every combination of rows that the plan's FROM and WHERE select for one person.
func join1(p *Plan, db map[string][]row, f func([]row)) {
	var step func(joined []row)
	step = func(joined []row) {
		if len(joined) == len(p.Tables) {
			if planEval(p.Where, func(r ColumnRef) catalog.Value { return at(joined, r) }) == yes {
				f(joined)
			}
			return
		}
	next:
		for _, x := range db[p.Tables[len(joined)].Table.Name] {
			with := append(joined[:len(joined):len(joined)], x)
			for _, on := range p.Tables[len(joined)].On {
				if at(with, on.Left) != at(with, on.Right) {
					continue next
				}
			}
			step(with)
		}
	}
	step(nil)
}

// TestBounds is the proof checked: for random persons that import would accept, no plan finds more rows, groups or rows in
// a group than its bounds, no value outside an item's clip, and no vector of one person longer than the square root of S2.
// Each bound must also be reached by some person, except where noted, so that a looser bound is noticed too.
func TestBounds(t *testing.T) {
	d, err := catalog.Parse("tiny.yaml", []byte(tinyYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	const items = "COUNT(*), COUNT(DISTINCT %[1]s.pid), COUNT(%[1]s.cost), SUM(%[1]s.cost), AVG(%[1]s.cost), VAR(%[1]s.cost)"
	claims := fmt.Sprintf(items, "c")
	for _, tc := range []struct {
		sql   string
		bound [3]int64 // rows, groups, rows in a group
		loose bool     // no person can reach all of it: the proof does not see why
	}{
		{"SELECT " + claims + " FROM claim c", [3]int64{4, 1, 4}, false},
		{"SELECT SUM(loss), AVG(loss), VAR(loss), SUM(rate), AVG(rate), VAR(rate) FROM claim GROUP BY ward", [3]int64{4, 3, 4}, false},
		{"SELECT " + claims + " FROM claim c GROUP BY c.ward", [3]int64{4, 3, 4}, false},
		{"SELECT " + claims + " FROM claim c WHERE c.ward <> 2 GROUP BY c.ward", [3]int64{4, 2, 4}, false},
		{"SELECT " + claims + " FROM claim c WHERE c.ward = 2 AND c.cost IS NOT NULL", [3]int64{4, 1, 4}, false},
		{"SELECT " + claims + " FROM claim c GROUP BY c.level, c.ward", [3]int64{4, 4, 4}, false},
		{"SELECT " + claims + " FROM claim c WHERE c.no = 3 GROUP BY c.ward", [3]int64{1, 1, 1}, false},
		{"SELECT " + claims + " FROM claim c WHERE c.no IN (0, 3) GROUP BY c.ward", [3]int64{2, 2, 2}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment GROUP BY year", [3]int64{3, 3, 1}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment GROUP BY state", [3]int64{3, 3, 3}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment WHERE year = 1 GROUP BY state", [3]int64{1, 1, 1}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment WHERE year >= 2 GROUP BY state, year", [3]int64{2, 2, 1}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment WHERE year = 1 OR state = 2 GROUP BY state", [3]int64{3, 3, 3}, true},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM enrolment GROUP BY cohort", [3]int64{3, 1, 3}, false},
		{"SELECT COUNT(*), COUNT(DISTINCT pid) FROM person GROUP BY sex", [3]int64{1, 1, 1}, false},
		{"SELECT " + claims + " FROM claim c JOIN diag d ON c.no = d.no GROUP BY c.ward, d.pos", [3]int64{6, 6, 4}, true},
		{"SELECT " + claims + " FROM claim c JOIN diag d ON c.no = d.no WHERE d.pos = 1", [3]int64{4, 1, 4}, false},
		{"SELECT " + claims + " FROM claim c JOIN diag d ON c.pid = d.pid GROUP BY d.pos", [3]int64{24, 3, 16}, true},
		{"SELECT " + claims + " FROM claim c JOIN claim b ON c.pid = b.pid GROUP BY b.ward", [3]int64{16, 3, 16}, false},
		{"SELECT " + claims + " FROM claim c JOIN claim b ON c.pid = b.pid WHERE b.ward = 1 AND b.no = 2 GROUP BY c.ward", [3]int64{4, 3, 4}, false},
		{"SELECT " + claims + " FROM claim c JOIN enrolment e ON c.pid = e.pid GROUP BY e.year, c.ward", [3]int64{12, 9, 4}, false},
		{"SELECT " + claims + " FROM claim c JOIN enrolment e ON c.pid = e.pid GROUP BY e.cohort, c.ward", [3]int64{12, 3, 12}, false},
		{"SELECT " + claims + " FROM claim c JOIN person p ON c.pid = p.pid GROUP BY p.sex", [3]int64{4, 1, 4}, false},
		{"SELECT " + claims + " FROM region r JOIN person p ON p.reg = r.reg JOIN claim c ON c.pid = p.pid GROUP BY r.side, p.sex", [3]int64{4, 1, 4}, false},
		{"SELECT " + claims + " FROM region r JOIN person p ON p.reg = r.reg JOIN claim c ON c.pid = p.pid GROUP BY r.side, c.ward", [3]int64{4, 3, 4}, false},
	} {
		p, err := Compile(d, tc.sql)
		if err != nil {
			t.Errorf("%s\n%v", tc.sql, err)
			continue
		}
		if got := [3]int64{p.Bounds.Rows, p.Bounds.Groups, p.Bounds.PerCol}; got != tc.bound || p.Form != F0 || !p.Bounds.Proved {
			t.Errorf("%s\nbounds %v %s, want %v F0", tc.sql, got, p.Form, tc.bound)
			continue
		}
		rng := rand.New(rand.NewPCG(3, 4))
		var most [3]int64
		for range 4000 {
			most = max3(most, person(t, tc.sql, p, onePerson(rng)))
		}
		if !tc.loose && most != tc.bound {
			t.Errorf("%s\nno person reaches %v, only %v", tc.sql, tc.bound, most)
		}
	}
}

func max3(a, b [3]int64) [3]int64 { return [3]int64{max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])} }

// person checks the plan on one person and returns its rows, groups and most rows in a group.
func person(t *testing.T, sql string, p *Plan, db map[string][]row) [3]int64 {
	t.Helper()
	n := map[string]int64{}
	values := make([]map[string]*big.Int, len(p.Items))
	for i := range values {
		values[i] = map[string]*big.Int{}
	}
	var got [3]int64
	join1(p, db, func(joined []row) {
		var cell strings.Builder
		for g, ref := range p.GroupBy {
			v := at(joined, ref)
			found := false
			for _, l := range p.Domains[g].Labels {
				found = found || l == v
			}
			if !found {
				t.Fatalf("%s\nthe value %q is not in the domain", sql, v)
			}
			cell.WriteString(v.String() + "|")
		}
		k := cell.String()
		n[k]++
		got[0]++
		got[2] = max(got[2], n[k])
		for i, it := range p.Items {
			if values[i][k] == nil {
				values[i][k] = new(big.Int)
			}
			x := big.NewInt(1)
			if it.Col != nil {
				v := at(joined, *it.Col)
				if v.Kind == catalog.Null {
					continue
				}
				if it.Kind != Rows {
					x.SetInt64(min(max(v.N, it.Col.Column.ClipLo), it.Col.Column.ClipHi) - it.Center)
				}
			}
			if it.Kind == Squares {
				x.Mul(x, x)
			}
			if it.Kind == Persons {
				values[i][k].SetInt64(1)
			} else {
				values[i][k].Add(values[i][k], x)
			}
		}
	})
	got[1] = int64(len(n))
	if got[0] > p.Bounds.Rows || got[1] > p.Bounds.Groups || got[2] > p.Bounds.PerCol {
		t.Fatalf("%s\na person has %d rows, %d groups, %d rows in one: bounds %+v", sql, got[0], got[1], got[2], p.Bounds)
	}
	for i, it := range p.Items {
		norm := new(big.Int)
		for _, v := range values[i] {
			if v.Cmp(it.Lo) < 0 || v.Cmp(it.Hi) > 0 {
				t.Fatalf("%s\n%s of %s is outside [%s, %s]", sql, it.Kind, v, it.Lo, it.Hi)
			}
			norm.Add(norm, new(big.Int).Mul(v, v))
		}
		if norm.Cmp(it.S2) > 0 {
			t.Fatalf("%s\n%s: squared length %s above S2 %s", sql, it.Kind, norm, it.S2)
		}
	}
	return got
}

// TestChoose: bounds are enforced only where that makes the answer cheaper, and no more of them than does.
func TestChoose(t *testing.T) {
	d := scheme(t)
	for sql, want := range map[string]string{
		"SELECT COUNT(*) FROM claim":                                          "F0 40 1 40",  // all rows of a person are one group: the cap of a group does not apply
		"SELECT COUNT(DISTINCT person_id) FROM claim":                         "F0 40 1 40",  // one person counts once anyway
		"SELECT COUNT(DISTINCT person_id) FROM claim GROUP BY ward":           "F2 40 4 40",  // 4 groups instead of 40; rows do not matter
		"SELECT COUNT(*) FROM claim GROUP BY ward":                            "F2 40 40 10", // 10 x 40 with or without a limit of 4 groups
		"SELECT COUNT(*), COUNT(DISTINCT person_id) FROM claim GROUP BY ward": "F2 40 4 10",
		"SELECT COUNT(*) FROM claim WHERE claim_no = 7 GROUP BY ward":         "F0 1 1 1",
		"SELECT COUNT(*) FROM enrolment GROUP BY cohort":                      "F0 3 1 3",
	} {
		p := compile(t, d, sql)
		if got := fmt.Sprintf("%s %d %d %d", p.Form, p.Bounds.Rows, p.Bounds.Groups, p.Bounds.PerCol); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}
