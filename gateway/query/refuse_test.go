package query

import (
	"errors"
	"strings"
	"testing"
)

// TestRefuse: the place of the refusal is marked by a section sign, which is taken out of the text before it is compiled.
func TestRefuse(t *testing.T) {
	refuse(t, []refused{
		// Rows and values never leave.
		{"SELECT §* FROM person", NotSupported, "only in COUNT(*)"},
		{"SELECT §p.* FROM person p", NotSupported, "only in COUNT(*)"},
		{"SELECT §sex FROM person", NotSupported, "add GROUP BY sex"},
		{"SELECT §sex FROM person GROUP BY sex", NotSupported, "add COUNT(*)"},
		{"SELECT §person_id, COUNT(*) FROM person GROUP BY sex", NotSupported, "COUNT(DISTINCT person_id)"},
		{"SELECT COUNT(*) FROM person GROUP BY §person_id", NotSupported, "persons cannot be groups"},
		{"SELECT COUNT(*) FROM person WHERE §person_id = 7", NotSupported, "can only be counted and joined"},
		{"SELECT COUNT(*) FROM person WHERE §person_id IN (7)", NotSupported, "can only be counted and joined"},
		{"SELECT COUNT(*) FROM person WHERE §person_id IS NOT NULL", NotSupported, "can only be counted and joined"},
		{"SELECT §MIN(age) FROM person", NotSupported, "count the groups of a band"},
		{"SELECT §max(age) FROM person", NotSupported, "count the groups of a band"},
		{"SELECT §MEDIAN(age) FROM person", NotSupported, "quantile(value => column"},
		{"SELECT §PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY age) FROM person", NotSupported, "quantile(value => column"},
		{"SELECT COUNT(DISTINCT §sex) FROM person", NotSupported, "COUNT(DISTINCT person key)"},
		{"SELECT SUM(§sex) FROM person", BoundMissing, "not declared as a measure"},
		{"SELECT SUM(§age_band) FROM person", NotSupported, "aggregate the column age"},
		{"SELECT SUM(§birth_date) FROM person", BoundMissing, "not declared as a measure"},
		{"SELECT §SUM(DISTINCT age) FROM person", NotSupported, "leave DISTINCT out"},
		{"SELECT §SUM(age, age) FROM person", NotSupported, "one column"},
		{"SELECT SUM(§age + 1) FROM person", BoundMissing, "CLIP("},
		{"SELECT §1.0*SUM(age)/COUNT(*) FROM person", NotSupported, "calculation"},
		{"SELECT §1, COUNT(*) FROM person", NotSupported, "a value stands"},
		{"SELECT §CAST(age AS INTEGER), COUNT(*) FROM person", NotSupported, "casts"},
		{"SELECT §COUNT(*) OVER (PARTITION BY sex) FROM person", NotSupported, "window"},
		{"SELECT SUM(age) FILTER (WHERE §sex = 1) FROM person", NotSupported, "FILTER stands with COUNT(*)"},
		{"SELECT §DISTINCT_x(sex) FROM person", NotSupported, "not part of the language"},
		{"SELECT DISTINCT §COUNT(*) FROM person", NotSupported, "SELECT DISTINCT"},
		{"SELECT COUNT(*) AS n, §COUNT(age) AS n FROM person", NotSupported, "its own name"},
		// Names.
		{"SELECT COUNT(*) FROM §persn", UnknownName, "did you mean person?"},
		{"SELECT COUNT(*) FROM §information_schema.tables", NotSupported, "table's name alone"},
		{"SELECT COUNT(*) FROM person WHERE §sexx = 1", UnknownName, "did you mean sex?"},
		{"SELECT COUNT(*) FROM person WHERE §ward = 101", UnknownName, "join that table"},
		{"SELECT COUNT(*) FROM person p WHERE §person.sex = 1", UnknownName, "write p.sex"},
		{"SELECT COUNT(*) FROM person p WHERE §q.sex = 1", UnknownName, "no table of this FROM"},
		{"SELECT COUNT(*) FROM person p WHERE §p.sux = 1", UnknownName, "did you mean sex?"},
		{"SELECT COUNT(*) FROM person p WHERE §a.b.c = 1", NotSupported, "two parts"},
		{"SELECT COUNT(*) FROM person WHERE §national_no = '1'", NotSupported, "never released"},
		{"SELECT COUNT(*) FROM claim c JOIN diagnosis d ON c.person_id = d.person_id WHERE §claim_no = 3", UnknownName, "write c.claim_no or d.claim_no"},
		{"SELECT COUNT(*) FROM person GROUP BY §age", BoundMissing, "age_band, adult"},
		{"SELECT COUNT(*) FROM claim GROUP BY §status", BoundMissing, "no declared groups"},
		{"SELECT COUNT(*) FROM claim GROUP BY §note", BoundMissing, "ask the custodian"},
		{"SELECT COUNT(*) FROM person GROUP BY §7", NotSupported, "number of an output"},
		// Literals.
		{"SELECT COUNT(*) FROM person WHERE sex = §3", UnknownCode, "codes: 1, 2"},
		{"SELECT COUNT(*) FROM person WHERE race = §'White'", UnknownCode, "did you mean 'white'?"},
		{"SELECT COUNT(*) FROM diagnosis WHERE icd IN ('J10', §'J1O')", UnknownCode, "did you mean 'J10'?"},
		{"SELECT COUNT(*) FROM claim WHERE drg = §'12x'", UnknownCode, "^[0-9]{3}$"},
		{"SELECT COUNT(*) FROM claim WHERE drg = §127", UnknownCode, "drg = '127'"},
		{"SELECT COUNT(*) FROM claim WHERE days > §1.5", UnknownCode, "whole number"},
		{"SELECT COUNT(*) FROM enrolment WHERE income > §1.234", UnknownCode, "at most 2 decimals"},
		{"SELECT COUNT(*) FROM claim WHERE days > §99999999999999999999", UnknownCode, "whole number"},
		{"SELECT COUNT(*) FROM claim WHERE days > §'three'", UnknownCode, "whole number"},
		{"SELECT COUNT(*) FROM person WHERE birth_date > DATE §'1950-02-30'", UnknownCode, "not a date"},
		{"SELECT COUNT(*) FROM person WHERE birth_date > §1950", UnknownCode, "holds dates"},
		{"SELECT COUNT(*) FROM person WHERE age > DATE §'1950-01-01'", UnknownCode, "does not hold dates"},
		{"SELECT COUNT(*) FROM person WHERE birth_year = §1899", UnknownCode, "not a code of birth_year"},
		{"SELECT COUNT(*) FROM enrolment WHERE diabetes = §TRUE", NotSupported, "flag = 1"},
		{"SELECT COUNT(*) FROM person WHERE race = §NULL", NotSupported, "IS NULL"},
		{"SELECT COUNT(*) FROM person WHERE race IN ('white', §'')", NotSupported, "IS NULL"},
		{"SELECT COUNT(*) FROM person WHERE death_date > §''", NotSupported, "no order"},
		// Conditions.
		{"SELECT COUNT(*) FROM person WHERE §race > 'a'", NotSupported, "no order"},
		{"SELECT COUNT(*) FROM person WHERE §age_band > '0-17'", NotSupported, "no order"},
		{"SELECT COUNT(*) FROM person WHERE §sex", NotSupported, "sex = 1"},
		{"SELECT COUNT(*) FROM person WHERE age §/ 2 > 3", NotSupported, "BIN("},
		{"SELECT COUNT(*) FROM person WHERE age IN (§age)", NotSupported, "a column stands where a value should"},
		{"SELECT COUNT(*) FROM person WHERE §julianday(death_date) > 3", NotSupported, "bands"},
		{"SELECT COUNT(*) FROM person WHERE §substr(race, 1, 1) = 'w'", NotSupported, "LIKE 'J4%'"},
		{"SELECT COUNT(*) FROM person WHERE EXTRACT(YEAR FROM birth_date) = 1950", NotSupported, "function"},
		{"SELECT COUNT(*) FROM person WHERE birth_date > §CURRENT_DATE", NotSupported, "DATE '2010-12-31'"},
		{"SELECT COUNT(*) FROM person WHERE §COUNT(*) > 3", NotSupported, "HAVING"},
		{"SELECT COUNT(*) FROM person WHERE race LIKE §'%hite'", NotSupported, "LIKE 'J4%'"},
		{"SELECT COUNT(*) FROM person WHERE race LIKE §'wh_te%'", NotSupported, "LIKE 'J4%'"},
		{"SELECT COUNT(*) FROM person WHERE race LIKE §'white'", NotSupported, "= 'white'"},
		{"SELECT COUNT(*) FROM person WHERE §sex LIKE '1%'", NotSupported, "compares text"},
		{"SELECT COUNT(*) FROM person WHERE race §ILIKE 'w%'", NotSupported, "LIKE"},
		{"SELECT COUNT(*) FROM person WHERE race §SIMILAR TO 'w%'", NotSupported, ""},
		{"SELECT COUNT(*) FROM person WHERE race IS DISTINCT FROM 'white'", NotSupported, "IS DISTINCT FROM"},
		{"SELECT sex, §1.0 * SUM(age) / COUNT(*) FROM person GROUP BY sex", NotSupported, "sdk/stat.Ratio"},
		{"SELECT COUNT(*) FROM person WHERE §COALESCE(age, 3) = 3", NotSupported, "derived table"},
		{"SELECT BIN(COALESCE(§race, 'x'), 0, 1, 1) AS b, COUNT(*) FROM person GROUP BY b", NotSupported, "no number or date"},
		{"SELECT BIN(LEAST(age, 3, §4), 0, 10, 1) AS b, COUNT(*) FROM person GROUP BY b", NotSupported, "two values"},
		{"SELECT BIN(§LEAST(3), 0, 10, 1) AS b, COUNT(*) FROM person GROUP BY b", NotSupported, "no column decides"},
		{"SELECT BIN(GREATEST(age, §birth_date), 0, 10, 1) AS b, COUNT(*) FROM person GROUP BY b", NotSupported, "different types"},
		{"SELECT COUNT(*) FROM person GROUP BY §LEAST(age, 3)", NotSupported, "cannot stand here"},
		{"SELECT COUNT(*) FROM person WHERE §sex = 1 AND sex = 2", NotSupported, "never be true"},
		{"SELECT COUNT(*) FROM person WHERE §person_id IN (SELECT person_id FROM claim WHERE 1 = 2)", NotSupported, "never be true"},
		{"SELECT COUNT(*) FROM person WHERE §1 = 2", NotSupported, "never be true"},
		{"SELECT COUNT(*) FROM person WHERE §sex IS NULL", NotSupported, "never be true"},
		// Joins.
		{"SELECT COUNT(*) FROM person, §claim", NotSupported, "comma"},
		{"SELECT COUNT(*) FROM person CROSS JOIN §claim", NotSupported, "needs ON"},
		{"SELECT COUNT(*) FROM person NATURAL JOIN claim", NotSupported, "NATURAL JOIN"},
		{"SELECT COUNT(*) FROM person p LEFT JOIN §claim c ON c.person_id = p.person_id", NotSupported, "NOT IN"},
		{"SELECT COUNT(*) FROM person p JOIN claim c ON §c.ward = p.age", NotSupported, "no such join"},
		{"SELECT COUNT(*) FROM claim c JOIN diagnosis d ON §c.claim_no = d.pos", NotSupported, "claim.claim_no = diagnosis.claim_no"},
		{"SELECT COUNT(*) FROM person p JOIN claim c ON §p.person_id = p.person_id", NotSupported, "with itself"},
		{"SELECT COUNT(*) FROM person p JOIN claim c ON c.person_id §> p.person_id", NotSupported, "equal columns"},
		{"SELECT COUNT(*) FROM person p JOIN §claim c ON c.ward = 101", NotSupported, "not joined on the person"},
		{"SELECT COUNT(*) FROM person p JOIN region r ON p.region_id = r.region_id JOIN §person q ON q.region_id = r.region_id", NotSupported, "not joined on the person"},
		{"SELECT COUNT(*) FROM §region", NotSupported, "no persons"},
		{"SELECT COUNT(*) FROM diagnosis d JOIN §icd_name n ON n.code = d.icd", NotSupported, "unique key"},
		{"SELECT COUNT(*) FROM person p JOIN §person p ON p.person_id = p.person_id", NotSupported, "own alias"},
		{"SELECT COUNT(*) FROM (SELECT COUNT(*) FROM person) x", NotSupported, "GROUP BY person_id"},
		{"SELECT COUNT(*) FROM generate_series(1, 10)", NotSupported, "no table function is called"},
		{"SELECT COUNT(*) FROM ONLY (§person)", NotSupported, "ONLY"},
		// Subqueries.
		{"SELECT COUNT(*) FROM person p WHERE §EXISTS (SELECT 1 FROM claim c WHERE c.person_id = p.person_id)", NotSupported, "IN (SELECT"},
		{"SELECT COUNT(*) FROM person WHERE §sex IN (SELECT person_id FROM claim)", NotSupported, "only the person key"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT §ward FROM claim)", NotSupported, "person key and nothing else"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT §person_id, ward FROM claim)", NotSupported, "person key and nothing else"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT §COUNT(*) FROM claim)", NotSupported, "person key and nothing else"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT §person_id FROM claim GROUP BY person_id)", NotSupported, "no GROUP BY"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT §person_id FROM claim LIMIT 5)", NotSupported, "no GROUP BY"},
		{"SELECT COUNT(*) FROM person p WHERE person_id IN (SELECT person_id FROM claim WHERE §p.sex = 1)", UnknownName, "no table of this FROM"},
		{"SELECT COUNT(*) FROM person WHERE age §> (SELECT AVG(age) FROM person)", NotSupported, "only subquery"},
		{"SELECT COUNT(*) FROM person WHERE age §> ALL (SELECT age FROM person)", NotSupported, "IN (SELECT"},
		{"SELECT COUNT(*), §(SELECT COUNT(*) FROM claim) FROM person", NotSupported, "only subquery"},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT person_id FROM §region)", NotSupported, "no persons"},
		// Released values.
		{"SELECT COUNT(*) FROM person HAVING §sex = 1", NotSupported, "neither grouped"},
		{"SELECT sex, COUNT(*) FROM person GROUP BY sex HAVING sex = §9", UnknownCode, "codes: 1, 2"},
		{"SELECT COUNT(*) FROM person HAVING COUNT(*) > §'x'", UnknownCode, "with a number"},
		{"SELECT COUNT(*) FROM person HAVING §COUNT(*)", NotSupported, "HAVING"},
		{"SELECT COUNT(*) FROM person HAVING COUNT(*) > §SUM(age)", NotSupported, "cannot stand here"},
		{"SELECT COUNT(*) FROM person ORDER BY §race", NotSupported, "neither grouped"},
		{"SELECT COUNT(*) FROM person ORDER BY §age + 1", NotSupported, "calculations"},
		{"SELECT COUNT(*) FROM person ORDER BY §1 NULLS FIRST", NotSupported, "NULLS FIRST"},
		{"SELECT COUNT(*) FROM person LIMIT §0", NotSupported, "LIMIT 10"},
		{"SELECT COUNT(*) FROM person LIMIT §-1", NotSupported, "LIMIT 10"},
		{"SELECT COUNT(*) FROM person LIMIT 5 OFFSET 5", NotSupported, "OFFSET"},
		{"SELECT COUNT(*) FROM person ORDER BY 1 FETCH FIRST §5 ROWS WITH TIES", NotSupported, "WITH TIES"},
		// Other statements.
		{"§DELETE FROM person", NotSupported, "begin with SELECT"},
		{"§DROP TABLE person", NotSupported, "begin with SELECT"},
		{"§EXPLAIN SELECT COUNT(*) FROM person", NotSupported, "quote"},
		{"§COPY person TO STDOUT", NotSupported, "rows never leave"},
		{"§SET x = 1", NotSupported, "begin with SELECT"},
		{"SELECT COUNT(*) FROM person FOR UPDATE", NotSupported, "FOR UPDATE"},
		{"SELECT COUNT(*) INTO x FROM person", NotSupported, "INTO"},
		{"§VALUES (1)", NotSupported, ""},
		{"SELECT §COUNT(*)", NotSupported, "no FROM"},
		{"SELECT COUNT(*) FROM person GROUP BY ROLLUP (sex)", NotSupported, "ROLLUP"},
		{"SELECT COUNT(*) FROM person TABLESAMPLE system (10)", NotSupported, "larger error"},
		{"SELECT COUNT(*) FROM§ ", Syntax, "syntax error at end of input"},
		{"SELECT COUNT(*) FROM person WHERE note = 'é' GROUP§", Syntax, "end of input"},
		{"SELECT COUNT(*) FROM claim WHERE note = 'éé' AND §GROUP BY ward", Syntax, "near"},
		// Too many cells, too wide sums.
		{"§SELECT COUNT(*) FROM claim a JOIN claim b ON a.person_id = b.person_id JOIN enrolment e ON e.person_id = a.person_id GROUP BY a.ward, b.ward, e.state", BoundMissing, "100,000"},
		{"SELECT §COUNT(*) FROM diagnosis a JOIN diagnosis b ON a.person_id = b.person_id JOIN diagnosis c ON a.person_id = c.person_id JOIN diagnosis d ON a.person_id = d.person_id JOIN diagnosis e ON a.person_id = e.person_id", BoundMissing, "too many rows"},
		{"SELECT §VAR(a.cost) FROM claim a JOIN diagnosis b ON a.person_id = b.person_id JOIN diagnosis c ON a.person_id = c.person_id JOIN diagnosis d ON a.person_id = d.person_id", BoundMissing, "too many rows"},
	})
}

type refused struct {
	sql  string
	code Code
	hint string // part of message and hint
}

func refuse(t *testing.T, cases []refused) {
	t.Helper()
	d := scheme(t)
	for _, tc := range cases {
		at := strings.Index(tc.sql, "§")
		sql := strings.Replace(tc.sql, "§", "", 1)
		_, err := Compile(d, sql)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s\naccepted", sql)
			continue
		}
		if e.Code != tc.code || at >= 0 && e.Pos.Offset != at || !strings.Contains(e.Msg+" "+e.Hint, tc.hint) || e.Msg == "" {
			t.Errorf("want %s at %d with %q, got %s at %d\n%s", tc.code, at, tc.hint, e.Code, e.Pos.Offset, e.Render(sql))
		}
	}
}
