package query

import (
	"slices"
	"testing"
)

// Wherever a table stands in a question, policy and the check for loaded data see it: among the tables of the plan and, by a column or its
// person key, among the columns.
func TestEveryTableIsSeen(t *testing.T) {
	const ill = "person_id IN (SELECT person_id FROM claim)"
	for _, sql := range []string{
		"SELECT COUNT(*) FROM person WHERE " + ill,
		"SELECT COUNT(*) FROM person WHERE sex = 1 OR NOT " + ill,
		"SELECT (" + ill + ") AS g, COUNT(*) FROM person GROUP BY g",
		"SELECT CASE WHEN " + ill + " THEN 'a' ELSE 'b' END AS g, COUNT(*) FROM person GROUP BY g",
		"SELECT SUM(CASE WHEN " + ill + " THEN 1 ELSE 0 END) FROM person",
		"SELECT SUM(CLIP(CASE WHEN " + ill + " THEN 1 ELSE 0 END, 0, 1)) FROM person",
		"SELECT COUNT(*) FILTER (WHERE " + ill + ") FROM person",
		"SELECT COUNT(*) FROM person p JOIN (SELECT person_id, MIN(days) AS d FROM claim GROUP BY person_id) c ON c.person_id = p.person_id",
		"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id, COUNT(*) AS n FROM claim GROUP BY person_id) c ON c.person_id = p.person_id WHERE c.n IS NULL",
		"SELECT COUNT(*) FROM (SELECT person_id, age FROM person WHERE " + ill + ") p",
		"SELECT COUNT(*) FROM (SELECT person_id, CASE WHEN " + ill + " THEN 1 ELSE 0 END AS x FROM person) p WHERE p.x = 1",
		"WITH c AS (SELECT person_id, MIN(days) AS d FROM claim GROUP BY person_id) SELECT COUNT(*) FROM person WHERE person_id IN (SELECT person_id FROM c)",
		"SELECT * FROM prevalence(of => person, outcome => " + ill + ")",
		"SELECT * FROM prevalence(of => person, outcome => sex = 1, cohort => " + ill + ")",
		"SELECT * FROM prevalence(of => person, outcome => sex = 1, by => " + ill + ")",
		"SELECT * FROM logistic_regression(of => person, outcome => sex = 1, terms => category(CASE WHEN " + ill + " THEN 'a' ELSE 'b' END))",
		"SELECT * FROM prevalence(of => (SELECT person_id, COUNT(*) AS n FROM claim GROUP BY person_id), outcome => n > 3)",
		"SELECT * FROM histogram(of => (SELECT p.person_id, p.age FROM person p JOIN claim c ON c.person_id = p.person_id), value => BIN(age, 0, 100, 10))",
	} {
		p, err := Compile(scheme(t), sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		seen := false
		p.EachFrom(func(tables []TableRef, _ []int64) {
			seen = seen || slices.ContainsFunc(tables, func(r TableRef) bool { return r.Sub == nil && r.Table.Name == "claim" })
		})
		if !seen || !slices.Contains(p.Columns, "claim.person_id") {
			t.Errorf("%s: claim among the tables: %v; columns %v", sql, seen, p.Columns)
		}
	}
}
