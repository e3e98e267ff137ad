package query

import (
	"slices"
	"strings"
	"testing"
)

// TestPersonLocal: what person-local questions are planned as. want are parts of the canonical plan; one row per person keeps a
// count at sensitivity 1.
func TestPersonLocal(t *testing.T) {
	d := scheme(t)
	const firsts = "(SELECT person_id, MIN(days) AS first, COUNT(*) AS n, COUNT(days) AS filled, SUM(cost) AS total FROM claim WHERE status = 1 GROUP BY person_id) x"
	for _, tc := range []struct {
		sql  string
		form Formulation
		rows int64
		want []string
	}{
		{"SELECT COUNT(*) FROM " + firsts + " WHERE x.n >= 2", F0, 1, []string{"from (claim where (0.status = 1) grouped first=min[0.days] n=rows filled=filled[0.days] total=sum[0.cost])\n", "where (0.n >= 2)", "item rows 1 0 1"}},
		{"SELECT p.sex, COUNT(*) FROM person p JOIN " + firsts + " ON x.person_id = p.person_id AND x.first > p.age - 3 GROUP BY p.sex", F0, 1, []string{"where (sum(1*0.first -1*1.age 0) >= -2)"}},
		{"SELECT COUNT(*) FROM (SELECT person_id, days, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days, cost DESC) AS k FROM claim) x WHERE k = 1", F0, 1, []string{"k=number order 0.days false order 0.cost true", "(0.k = 1)"}},
		{"SELECT COUNT(*) FROM (SELECT person_id, days, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days) AS k FROM claim) x WHERE k <= 3", F0, 3, []string{"item rows 9 0 3"}},
		{"SELECT COUNT(*) FROM (SELECT person_id, days FROM claim) x", F0, 40, []string{"item rows 1600 0 40"}},
		{"SELECT COUNT(*) FROM (SELECT DISTINCT person_id, status FROM claim) x", F0, 2, []string{"grouped status=value[0.status]"}},
		{"SELECT COUNT(*) FROM (SELECT person_id, race, COUNT(*) AS n FROM person JOIN claim USING (person_id) GROUP BY person_id, race) x", F0, 1, nil},
		// Three races, and none: four groups of a person that has several rows.
		{"SELECT COUNT(*) FROM (SELECT person_id, r, COUNT(*) AS n FROM (SELECT c.person_id, CASE WHEN days > 5 THEN 1 WHEN days > 2 THEN 2 END AS r FROM claim c) y GROUP BY person_id, r) x", F0, 3, nil},
		// A person has one age, but another sum of it in each ward.
		{"SELECT BIN(s, 0, 200, 50) AS b, COUNT(DISTINCT person_id) FROM (SELECT person_id, ward, SUM(age) AS s FROM person JOIN claim USING (person_id) GROUP BY person_id, ward) x GROUP BY b", F0, 40, []string{"item persons 5 0 1"}},
		{"SELECT BIN(s, 0, 200, 50) AS b, COUNT(DISTINCT person_id) FROM (SELECT person_id, ward, MAX(age) AS s FROM person JOIN claim USING (person_id) GROUP BY person_id, ward) x GROUP BY b", F0, 40, []string{"item persons 1 0 1"}},
		{"SELECT COUNT(DISTINCT p.person_id) FROM person p JOIN " + firsts + " ON x.person_id = p.person_id WHERE x.n > 2", F0, 1, []string{"from (claim", "persons(person)"}},
		{"SELECT COUNT(DISTINCT p.person_id) FROM person p LEFT JOIN " + firsts + " ON x.person_id = p.person_id WHERE x.n IS NULL", F0, 1, []string{"from person, left (claim", "where (1.n null)"}},
		{"SELECT COUNT(*), COUNT(x.n) FROM person p LEFT JOIN " + firsts + " USING (person_id)", F0, 1, []string{"item rows 1 0 1", "item rows 1 1.n 0 0 1"}},
		{"SELECT BIN(x.first, 10, 30, 8) AS b, COUNT(*) FROM person p LEFT JOIN " + firsts + " ON p.person_id = x.person_id GROUP BY b", F0, 1, []string{`1.first/bin(10,30,8) "<10" "10-17" "18-25" "26-29" ">=30" null`}},
		{"SELECT BIN(age, 0, 110, 40) AS b, COUNT(*) FROM person GROUP BY b", F0, 1, []string{`bin(0,110,40) "0-39" "40-79" "80-109" ">=110"` + "\n"}},
		{"SELECT BIN(days - pos, -5, 5, 5) AS b, COUNT(DISTINCT d.person_id) FROM diagnosis d JOIN claim c USING (claim_no) GROUP BY b", F0, 400, []string{`"<-5" "-5..-1" "0-4" ">=5" null`, "item persons 5 0 1"}},
		{"SELECT (race = 'white') AS w, COUNT(*) FROM person GROUP BY w", F0, 1, []string{`case((0.race = "white") then 1 (0.race in "black" "other") then 0 else null)`, " 0 1 null\n"}},
		{"SELECT (person_id IN (SELECT person_id FROM claim WHERE days > 3)) AS e, COUNT(*) FROM person GROUP BY e", F0, 1, []string{"then 1 else 0)", " 0 1\n"}},
		{"SELECT SUM(CLIP(age, 20, 500)) FROM person", F0, 1, []string{"item sum 12100 sum(1*0.age 0)[20 110] 0 0 110"}},
		{"SELECT SUM(CLIP(death_date - birth_date, 0, 1000)) FROM person", F0, 1, []string{"item sum 1000000 sum(-1*0.birth_date 1*0.death_date 0)[0 1000]"}},
		{"SELECT COUNT(*) FILTER (WHERE sex = 1) AS m, SUM(CASE WHEN sex = 1 THEN 3 ELSE -2 END) FROM person", F0, 1, []string{"case((0.sex = 1) then 1 else null)", "item sum 9 case((0.sex = 1) then 3 else -2)"}},
	} {
		p := compile(t, d, tc.sql)
		got := string(p.Canonical())
		for _, w := range tc.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s\nno %q in\n%s", tc.sql, w, got)
			}
		}
		if p.Form != tc.form || p.Bounds.Rows != tc.rows {
			t.Errorf("%s\n%s with %d rows, want %s with %d", tc.sql, p.Form, p.Bounds.Rows, tc.form, tc.rows)
		}
		if s := illFormed(p); s != "" {
			t.Errorf("%s\n%s", tc.sql, s)
		}
	}
}

// TestPersonLocalSame: spellings of one question.
func TestPersonLocalSame(t *testing.T) {
	d := scheme(t)
	for _, group := range [][]string{
		{
			"SELECT COUNT(*) FROM person p JOIN (SELECT person_id, COUNT(*) AS n FROM claim GROUP BY person_id) x ON x.person_id = p.person_id WHERE n > 2",
			"WITH y AS (SELECT person_id, COUNT(1) AS n FROM claim GROUP BY person_id) SELECT COUNT(*) FROM y JOIN person USING (person_id) WHERE 3 <= y.n",
		},
		{
			"SELECT COUNT(*) FROM person WHERE death_date > birth_date + 180",
			"SELECT COUNT(*) FROM person WHERE death_date - birth_date >= 181",
			"SELECT COUNT(*) FROM person WHERE NOT birth_date >= death_date - 180",
			"SELECT COUNT(*) FROM person WHERE 2 * birth_date - birth_date < -180 + death_date",
		},
		{"SELECT COUNT(*) FROM person WHERE age + 1 > 3", "SELECT COUNT(*) FROM person WHERE age > 2", "SELECT COUNT(*) FROM person WHERE -age < -2"},
		{"SELECT BIN(age, 0, 50, 10) AS b, COUNT(*) FROM person GROUP BY 1", "SELECT COUNT(*), BIN(age, 0, 50, 10) FROM person GROUP BY BIN(age, 0, 50, 10)"},
		{"SELECT (sex = 1) AS m, COUNT(*) FROM person GROUP BY m", "SELECT CASE WHEN sex <> 1 THEN 0 ELSE 1 END AS m, COUNT(*) FROM person GROUP BY m", "SELECT (sex = 1) AS m, COUNT(*) FROM person GROUP BY 1"},
	} {
		first := compile(t, d, group[0])
		for _, sql := range group[1:] {
			if p := compile(t, d, sql); p.Hash() != first.Hash() && !strings.Contains(sql, "THEN 0 ELSE 1") {
				t.Errorf("%s\n%s\n%s\n%s", group[0], sql, first.Canonical(), p.Canonical())
			}
		}
	}
	different := []string{
		"SELECT SUM(CLIP(age, 0, 50)) FROM person", "SELECT SUM(CLIP(age, 0, 60)) FROM person", "SELECT SUM(age) FROM person",
		"SELECT BIN(age, 0, 50, 10) AS b, COUNT(*) FROM person GROUP BY b", "SELECT BIN(age, 0, 50, 5) AS b, COUNT(*) FROM person GROUP BY b",
		"SELECT COUNT(*) FROM person p JOIN (SELECT person_id FROM claim GROUP BY person_id) x USING (person_id)",
		"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id FROM claim GROUP BY person_id) x USING (person_id)",
		"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id FROM claim) x USING (person_id)",
		"SELECT CASE WHEN sex = 1 THEN 'a' ELSE 'b' END AS g, COUNT(*) FROM person GROUP BY g", "SELECT CASE WHEN sex = 1 THEN 'b' ELSE 'a' END AS g, COUNT(*) FROM person GROUP BY g",
	}
	seen := map[[32]byte]string{}
	for _, sql := range different {
		h := compile(t, d, sql).Hash()
		if seen[h] != "" {
			t.Errorf("one plan for\n%s\n%s", seen[h], sql)
		}
		seen[h] = sql
	}
}

// TestPersonLocalColumns: policy sees every column, however deep.
func TestPersonLocalColumns(t *testing.T) {
	p := compile(t, scheme(t), `WITH a AS (SELECT person_id, MAX(CASE WHEN note LIKE 'x%' THEN 1 ELSE 0 END) AS f FROM claim GROUP BY person_id),
		b AS (SELECT person_id, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY income) AS k FROM enrolment)
		SELECT CASE WHEN person_id IN (SELECT person_id FROM diagnosis WHERE icd LIKE 'J1%') THEN 1 ELSE 0 END AS g, SUM(CLIP(p.death_date - p.birth_date, 0, 9))
		FROM person p LEFT JOIN a ON a.person_id = p.person_id LEFT JOIN b ON b.person_id = p.person_id WHERE a.f = 1 AND b.k = 1 GROUP BY g`)
	want := []string{"claim.note", "claim.person_id", "diagnosis.claim_no", "diagnosis.icd", "enrolment.income", "enrolment.person_id", "person.birth_date", "person.death_date", "person.person_id"}
	if !slices.Equal(p.Columns, want) {
		t.Errorf("%v, want %v", p.Columns, want)
	}
	// Not what is summed: all but the dates.
	if got, want := p.Filtered(), []string{"claim.note", "diagnosis.icd", "enrolment.income"}; !slices.Equal(got, want) {
		t.Errorf("filtered by %v, want %v", got, want)
	}
	var read []string
	p.EachFrom(func(tables []TableRef, fans []int64) {
		for i, x := range tables {
			read = append(read, x.Table.Name)
			if fans[i] < 1 {
				t.Errorf("no bound of the work with %s", x.Table.Name)
			}
		}
	})
	slices.Sort(read)
	if want := []string{derivedName, derivedName, "claim", "diagnosis", "enrolment", "person"}; !slices.Equal(read, want) {
		t.Errorf("reads %v, want %v", read, want)
	}
}

// TestRefusePersonLocal: what would take persons together, or leave the language.
func TestRefusePersonLocal(t *testing.T) {
	refuse(t, []refused{
		{"SELECT COUNT(*) FROM (SELECT person_id, §MIN(days) AS m FROM claim) x", NotSupported, "rows of different persons"},
		{"SELECT COUNT(*) FROM (SELECT ward, COUNT(*) AS n FROM claim GROUP BY §ward) x", NotSupported, "GROUP BY person_id"},
		{"SELECT COUNT(*) FROM (SELECT §days FROM claim) x", NotSupported, "has the person key"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §AVG(days) AS m FROM claim GROUP BY person_id) x", NotSupported, "SUM and COUNT"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §days FROM claim GROUP BY person_id) x", NotSupported, "neither grouped"},
		{"SELECT COUNT(*) FROM (SELECT §person_id FROM claim GROUP BY person_id, ward) x", NotSupported, "not selected"},
		{"SELECT COUNT(*) FROM (SELECT person_id FROM claim GROUP BY person_id HAVING §COUNT(*) > 3) x", NotSupported, "WHERE around"},
		{"SELECT COUNT(*) FROM (SELECT §person_id FROM claim ORDER BY days LIMIT 5) x", NotSupported, "ROW_NUMBER"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §ROW_NUMBER() OVER (ORDER BY days) AS k FROM claim) x", NotSupported, "different persons"},
		{"SELECT COUNT(*) FROM (SELECT person_id, ROW_NUMBER() OVER (PARTITION BY §ward ORDER BY days) AS k FROM claim) x", NotSupported, "within each person"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §RANK() OVER (PARTITION BY person_id ORDER BY days) AS k FROM claim) x", NotSupported, "ROW_NUMBER"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §SUM(days) OVER (PARTITION BY person_id) AS k FROM claim) x", NotSupported, "ROW_NUMBER"},
		{"SELECT COUNT(*) FROM (SELECT person_id, §ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days ROWS UNBOUNDED PRECEDING) AS k FROM claim) x", NotSupported, "window"},
		{"SELECT COUNT(*) FROM (SELECT person_id, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days) AS k, §ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY cost) AS m FROM claim) x", NotSupported, "once"},
		{"SELECT §ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY days) FROM claim", NotSupported, "derived table"},
		{"SELECT COUNT(*) FROM person p JOIN (SELECT person_id FROM claim) x ON x.person_id = p.person_id WHERE §x.ward = 3", UnknownName, "has no column"},
		{"SELECT COUNT(*) FROM person p JOIN (SELECT §person_id, days FROM claim) x ON x.days = p.age", NotSupported, "not joined on the person"},
		{"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT §person_id, days FROM claim) x ON x.person_id = p.person_id AND x.days > 3", NotSupported, "person key alone"},
		{"SELECT COUNT(DISTINCT §x.person_id) FROM person p LEFT JOIN (SELECT person_id FROM claim) x ON x.person_id = p.person_id", NotSupported, "whose persons are kept"},
		{"SELECT COUNT(DISTINCT §pid) FROM person p LEFT JOIN (SELECT person_id AS pid FROM claim) x ON x.pid = p.person_id", NotSupported, "whose persons are kept"},
		{"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id AS pid FROM claim) x ON x.pid = p.person_id WHERE §pid IN (SELECT person_id FROM claim)", NotSupported, "whose persons are kept"},
		{"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id AS pid FROM claim) x ON x.pid = p.person_id JOIN claim c ON c.person_id = §pid", NotSupported, "whose persons are kept"},
		{"SELECT COUNT(*) FROM person p LEFT JOIN (SELECT person_id FROM claim) x ON x.person_id = p.person_id JOIN claim c ON c.person_id = §x.person_id", NotSupported, "whose persons are kept"},
		{"SELECT COUNT(*) FROM person p RIGHT JOIN (SELECT §person_id FROM claim) x ON x.person_id = p.person_id", NotSupported, "LEFT JOIN"},
		{"SELECT COUNT(*) FROM claim WHERE §claim_no + 1 > 3", BoundMissing, "has no bounds"},
		{"SELECT COUNT(*) FROM claim WHERE days §* cost > 3", NotSupported, "not multiplied"},
		{"SELECT COUNT(*) FROM person WHERE birth_date §> 3 + age", NotSupported, "compared with a number"},
		{"SELECT COUNT(*) FROM person WHERE §race = race", NotSupported, "is text"},
		{"SELECT COUNT(*) FROM person GROUP BY §age + 1", BoundMissing, "BIN("},
		{"SELECT COUNT(*) FROM claim GROUP BY §BIN(claim_no, 0, 10, 1)", BoundMissing, "bounds"},
		{"SELECT COUNT(*) FROM person GROUP BY BIN(age, 0, 10, §0)", NotSupported, "above 0"},
		{"SELECT COUNT(*) FROM person GROUP BY BIN(age, 0, §age, 1)", NotSupported, "stand in the question"},
		{"SELECT COUNT(*) FROM person GROUP BY BIN(age, 0, 1000000, §1)", BoundMissing, "10,000"},
		{"SELECT COUNT(*) FROM person GROUP BY BIN(§race, 0, 10, 1)", NotSupported, "is text"},
		{"SELECT SUM(CLIP(age, 10, §5)) FROM person", NotSupported, "upper bound"},
		{"SELECT SUM(§x.n) FROM (SELECT person_id, COUNT(*) AS n FROM claim GROUP BY person_id) x", BoundMissing, "CLIP(n, 0"},
		{"SELECT SUM(CASE WHEN sex = 1 THEN §age ELSE 0 END) FROM person", NotSupported, "CASE gives values"},
		{"SELECT CASE sex WHEN 1 THEN 2 END AS g, COUNT(*) FROM person GROUP BY g", NotSupported, "CASE WHEN column"},
		{"SELECT CASE WHEN sex = 1 THEN 'a' ELSE §1 END AS g, COUNT(*) FROM person GROUP BY g", NotSupported, "one type"},
		{"SELECT COUNT(*) FROM person WHERE §CASE WHEN sex = 1 THEN 1 ELSE 0 END = 1", NotSupported, "AND and OR"},
		{"SELECT CASE WHEN sex = 1 THEN §'a\u202eb' ELSE 'c' END AS g, COUNT(*) FROM person GROUP BY g", NotSupported, "printable"},
		{"SELECT COUNT(*) FROM person GROUP BY §1 = 1", NotSupported, "same for every row"},
	})
}
