package query

import (
	"testing"
)

// TestDetach: tables tied by the person alone become semi-joins where only persons are counted, so that no person's rows are
// multiplied; what ties tables otherwise keeps them together.
func TestDetach(t *testing.T) {
	d := scheme(t)
	for sql, want := range map[string]string{
		// Two conditions on one table's rows of a person: one table stays, the other decides.
		"SELECT COUNT(DISTINCT a.person_id) FROM claim a JOIN claim b ON a.person_id = b.person_id WHERE a.ward = 101 AND b.ward = 102": "claim | and((0.ward = 101) persons(claim where (0.ward = 102)))",
		// The table of the group stays.
		"SELECT p.sex, COUNT(DISTINCT p.person_id) FROM claim c JOIN person p ON p.person_id = c.person_id WHERE c.ward = 101 GROUP BY p.sex": "person | persons(claim where (0.ward = 101))",
		// An OR across tables ties them.
		"SELECT COUNT(DISTINCT a.person_id) FROM claim a JOIN claim b ON a.person_id = b.person_id WHERE a.ward = 101 OR b.ward = 102": "claim, claim | or((0.ward = 101) (1.ward = 102))",
		// Rows are counted: each multiplies.
		"SELECT COUNT(*) FROM claim c JOIN person p ON p.person_id = c.person_id WHERE c.ward = 101 AND p.sex = 1": "claim, person | and((0.ward = 101) (1.sex = 1))",
		// In a cohort nothing is counted but persons.
		"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT a.person_id FROM claim a JOIN claim b ON a.person_id = b.person_id JOIN claim c ON c.person_id = a.person_id WHERE b.ward = 101 AND c.ward = 102)": "person | persons(claim where and(persons(claim where (0.ward = 101)) persons(claim where (0.ward = 102))))",
		// The same condition twice is one.
		"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT a.person_id FROM claim a JOIN claim b ON a.person_id = b.person_id JOIN claim c ON c.person_id = a.person_id WHERE b.ward = 101 AND c.ward = 101)": "person | persons(claim where persons(claim where (0.ward = 101)))",
	} {
		p := compile(t, d, sql)
		where := ""
		if p.Where != nil {
			where = condKey(p.Where)
		}
		if got := tablesKey(p.Tables) + " | " + where; got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

// TestFans: the work of a join follows from verified limits.
func TestFans(t *testing.T) {
	d := scheme(t)
	for sql, want := range map[string][]int64{
		"SELECT COUNT(*) FROM claim": {1},
		"SELECT COUNT(*) FROM claim c JOIN person p ON p.person_id = c.person_id":                 {1, 40},
		"SELECT COUNT(*) FROM claim a JOIN claim b ON a.person_id = b.person_id":                  {40, 40},
		"SELECT COUNT(*) FROM claim a JOIN claim b ON a.person_id = b.person_id WHERE a.cost > 0": {40, 40},
	} {
		p := compile(t, d, sql)
		for i := range want {
			if p.Fans[i] != want[i] {
				t.Errorf("%s: %v, want %v", sql, p.Fans, want)
				break
			}
		}
	}
}
