package query

import "testing"

// LEAST, GREATEST and COALESCE pass over NULL, so a value among them leaves no NULL and bounds the result.
func TestPickBounds(t *testing.T) {
	for _, c := range []struct {
		pick   string
		lo, hi int64
		open   bool
	}{
		{"LEAST(days, 30)", 0, 30, false},
		{"GREATEST(days, 30)", 30, 366, false},
		{"COALESCE(days, 400)", 0, 400, false},
	} {
		p, err := Compile(scheme(t), "SELECT COUNT(*) FROM (SELECT person_id, "+c.pick+" AS x FROM claim) c WHERE c.x > 1")
		if err != nil {
			t.Errorf("%s: %v", c.pick, err)
			continue
		}
		col := p.Tables[0].Sub.Columns[0].Column
		for _, x := range p.Tables[0].Sub.Columns {
			if x.Column.Name == "x" {
				col = x.Column
			}
		}
		if col.Lo != c.lo || col.Hi != c.hi || col.Nullable != c.open {
			t.Errorf("%s lies in %d to %d, NULL %v; want %d to %d, NULL %v", c.pick, col.Lo, col.Hi, col.Nullable, c.lo, c.hi, c.open)
		}
	}
}

// The order of LEAST's columns does not matter, that of COALESCE's does, and what no row can reach is dropped.
func TestPickCanonical(t *testing.T) {
	canonical := func(pick string) string {
		p, err := Compile(scheme(t), "SELECT COUNT(*) FROM (SELECT p.person_id, "+pick+" AS x FROM claim c JOIN person p ON p.person_id = c.person_id) y WHERE y.x > 1")
		if err != nil {
			t.Fatalf("%s: %v", pick, err)
		}
		return string(p.Canonical())
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"LEAST(days, age, 5)", "least(5, age, days, age)", true},
		{"LEAST(days, age)", "GREATEST(days, age)", false},
		{"COALESCE(days, age)", "COALESCE(age, days)", false},
		{"COALESCE(days, 3, age)", "COALESCE(days, 3)", true},
		{"COALESCE(age, days)", "age", true}, // age is never NULL
	} {
		if got := canonical(c.a) == canonical(c.b); got != c.same {
			t.Errorf("%s and %s are the same: %v, want %v", c.a, c.b, got, c.same)
		}
	}
}
