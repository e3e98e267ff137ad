package query

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// TestGolden compiles the questions of testdata/plans.txt, each followed by its canonical form, policy columns and outputs.
// Run with JALI_UPDATE=1 to write what the planner says now, and read the difference.
func TestGolden(t *testing.T) {
	d := scheme(t)
	const file = "testdata/plans.txt"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, part := range strings.Split(strings.TrimSpace(string(src)), "\n\n") {
		sql, want, _ := strings.Cut(part, "\n")
		got := strings.TrimSpace(describe(compile(t, d, sql)))
		out.WriteString(sql + "\n" + got + "\n\n")
		if os.Getenv("JALI_UPDATE") == "" {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%s", sql, diff)
			}
		}
	}
	if os.Getenv("JALI_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(strings.TrimSpace(out.String())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func describe(p *Plan) string {
	var b strings.Builder
	b.Write(p.Canonical())
	b.WriteString("columns " + strings.Join(p.Columns, " ") + "\n")
	for _, o := range p.Outputs {
		b.WriteString("output " + o.Name + " " + string(o.Kind))
		if o.Hidden {
			b.WriteString(" hidden")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestSameQuestion: the texts of one class mean the same and must have one canonical form; the classes differ.
func TestSameQuestion(t *testing.T) {
	d := scheme(t)
	seen := map[[32]byte]string{}
	for _, class := range [][]string{
		{
			"SELECT sex, COUNT(*) AS n FROM person GROUP BY sex ORDER BY n DESC",
			"select SEX , count( * ) from PERSON as P group by P.sex",
			"SELECT COUNT(*), p.sex FROM person p GROUP BY 2 HAVING COUNT(*) > 10 LIMIT 5;",
			"SELECT sex s, COUNT(person_id) FROM person -- all of them\nWHERE 1 = 1 GROUP BY s",
			"SELECT sex, COUNT(1) /* rows */ FROM person WHERE TRUE AND sex IN (2, 1) GROUP BY sex",
			"SELECT sex, COUNT(*) FROM person WHERE sex IS NOT NULL OR age > 100 GROUP BY sex",
			"SELECT sex, COUNT(sex) FROM person WHERE NOT (sex IS NULL AND age > 100) GROUP BY sex",
			"SELECT sex, COUNT(*) FROM person WHERE NOT (1 = 2) AND 'a' = 'a' AND 2.50 > 2.5 OR sex = 1 OR sex = 2 GROUP BY sex",
		},
		{
			"SELECT COUNT(*) FROM claim WHERE days >= 3 AND days <= 9",
			"SELECT COUNT(*) FROM claim WHERE days BETWEEN 3 AND 9",
			"SELECT COUNT(*) FROM claim WHERE days > 2 AND days < 10 AND days IS NOT NULL",
			"SELECT COUNT(*) FROM claim WHERE NOT (days < 3 OR days > 9)",
			"SELECT COUNT(*) FROM claim WHERE NOT days NOT BETWEEN 3.0 AND '9'",
			"SELECT COUNT(*) FROM claim WHERE 3 <= days AND 9 >= days AND days >= 1",
			"SELECT COUNT(*) FROM claim WHERE NOT (NOT (days >= + 3)) AND days <= - - 9",
		},
		{
			"SELECT COUNT(*) FROM claim WHERE ward = 101 OR ward = 103 OR ward = 102",
			"SELECT COUNT(*) FROM claim WHERE ward IN (103, 102, 101, 102)",
			"SELECT COUNT(*) FROM claim WHERE NOT ward NOT IN (101, 102, 103)",
			"SELECT COUNT(*) FROM claim WHERE ward IN (101, 102, 103, 104) AND ward <> 104",
			"SELECT COUNT(*) FROM claim WHERE ward IN (101, 102, 103, 150) AND ward < 110",
			"SELECT COUNT(*) FROM claim WHERE (ward = 101 OR ward = 103) OR 102 = ward",
		},
		{
			"SELECT COUNT(*) FROM claim WHERE note IS NOT NULL",
			"SELECT COUNT(*) FROM claim WHERE note <> ''",
			"SELECT COUNT(note) FROM claim WHERE NOT note = ''",
			"SELECT COUNT(note) FROM claim WHERE note IS NOT NULL AND note <> ''",
		},
		{
			"SELECT COUNT(*) FROM person WHERE race <> 'white'",
			"SELECT COUNT(race) FROM person WHERE race IN ('other', 'black')",
			"SELECT COUNT(*) FROM person WHERE race NOT IN ('white') AND race IS NOT NULL",
			"SELECT COUNT(*) FROM person WHERE race LIKE 'b%' OR race LIKE 'oth%'",
			"SELECT COUNT(*) FROM person WHERE race NOT LIKE 'wh%'",
		},
		{
			"SELECT COUNT(*) FROM claim WHERE (days > 3 AND ward = 150) OR (cost < 5 AND note = 'x')",
			"SELECT COUNT(*) FROM claim WHERE (note = 'x' AND cost <= 4) OR (ward = 150 AND days >= 4)",
			"SELECT COUNT(*) FROM claim WHERE NOT ((NOT note = 'x' OR cost > 4) AND (ward <> 150 OR days < 4))",
		},
		{
			"SELECT COUNT(*) FROM claim c JOIN person p ON p.person_id = c.person_id WHERE p.sex = 1",
			"SELECT COUNT(*) FROM person x JOIN claim y ON x.person_id = y.person_id AND x.sex = 1",
			"SELECT COUNT(*) FROM claim JOIN person USING (person_id) WHERE sex = 1",
			"SELECT COUNT(*) FROM person JOIN claim USING (person_id) WHERE NOT person.sex = 2",
		},
		{
			"SELECT state_name, COUNT(*) FROM person p JOIN region r ON p.region_id = r.region_id GROUP BY state_name",
			"SELECT r.state_name, COUNT(*) FROM region r JOIN person p ON r.region_id = p.region_id GROUP BY r.state_name",
		},
		{
			"SELECT COUNT(*) FROM person WHERE person_id IN (SELECT person_id FROM claim WHERE ward = 150 AND days > 3)",
			"SELECT COUNT(*) FROM person q WHERE q.person_id IN (SELECT DISTINCT z.person_id FROM claim z WHERE NOT (z.days <= 3 OR z.ward <> 150))",
			"SELECT COUNT(*) FROM person WHERE NOT person_id NOT IN (SELECT person_id FROM claim WHERE days >= 4 AND ward IN (150))",
		},
		{
			"SELECT COUNT(*) FROM person WHERE person_id NOT IN (SELECT person_id FROM claim WHERE ward = 150 AND days > 3)",
			"SELECT COUNT(*) FROM person WHERE NOT person_id IN (SELECT person_id FROM claim WHERE ward = 150 AND days > 3)",
		},
		{
			"SELECT COUNT(*) FROM person WHERE birth_date >= DATE '1950-01-01'",
			"SELECT COUNT(*) FROM person WHERE birth_date > '1949-12-31'",
			"SELECT COUNT(*) FROM person WHERE CAST('1950-01-01' AS DATE) <= birth_date",
		},
		{
			// What is bought, not what is shown: AVG buys COUNT and the centred SUM.
			"SELECT AVG(days) FROM claim",
			"SELECT COUNT(days) AS n, AVG(days) FROM claim HAVING AVG(days) > 2",
		},
		{"SELECT COUNT(*) FROM person WHERE sex = 1 OR race IS NULL"},
		{"SELECT COUNT(*) FROM claim WHERE note = 'a'' b'"},
		{"SELECT COUNT(*) FROM claim WHERE note = 'a'' B'"},
		{"SELECT COUNT(*) FROM claim WHERE note LIKE 'a%'"},
		{"SELECT SUM(days) FROM claim"},
		{"SELECT COUNT(DISTINCT person_id) FROM claim"},
		{"SELECT COUNT(*) FROM claim"},
		{
			"SELECT COUNT(*) FROM person",
			"SELECT COUNT(*) FROM person WHERE person_id NOT IN (SELECT person_id FROM claim WHERE 1 = 2)",
		},
		{"SELECT COUNT(*) FROM person WHERE birth_year = 1950"},
	} {
		var first [32]byte
		for i, sql := range class {
			p := compile(t, d, sql)
			h := p.Hash()
			if i == 0 {
				first = h
			}
			if h != first {
				t.Errorf("differs from %q:\n%s\n%s", class[0], sql, p.Canonical())
			}
			if other, ok := seen[h]; ok && other != class[0] {
				t.Errorf("the same canonical form:\n%s\n%s", other, sql)
			}
		}
		seen[first] = class[0]
	}
}

func TestOutputs(t *testing.T) {
	d := scheme(t)
	p := compile(t, d, `SELECT sex, AVG(age) AS m, COUNT(*) AS n, STDDEV(age), SUM(age), SUM(age), COUNT(DISTINCT person_id)
		FROM person GROUP BY sex, age_band HAVING AVG(age) BETWEEN 1.5 AND 90 AND NOT sex IN (2) AND VAR(age) > -1
		ORDER BY 3 DESC, age_band, COUNT(*) LIMIT 7`)
	want := []protect.Output{
		{Name: "sex", Kind: protect.OutGroup},
		{Name: "m", Kind: protect.OutMean, N: 1, S: 3, Center: 55},
		{Name: "n", Kind: protect.OutCount, N: 1},
		{Name: "stddev_age", Kind: protect.OutSD, N: 1, S: 3, Q: 4, Center: 55},
		{Name: "sum_age", Kind: protect.OutSum, S: 2},
		{Name: "sum_age_2", Kind: protect.OutSum, S: 2},
		{Name: "persons", Kind: protect.OutCount},
		{Name: "var_age", Kind: protect.OutVar, N: 1, S: 3, Q: 4, Center: 55, Hidden: true},
		{Name: "age_band", Kind: protect.OutGroup, Group: 1, Hidden: true},
	}
	if diff := cmp.Diff(want, p.Outputs); diff != "" {
		t.Error(diff)
	}
	arrange := protect.Arrange{
		Having: &protect.Having{Op: "and", Args: []*protect.Having{
			{Op: "and", Args: []*protect.Having{{Op: ">=", Output: 1, Number: 1.5}, {Op: "<=", Output: 1, Number: 90}}},
			{Op: "not", Args: []*protect.Having{{Op: "or", Args: []*protect.Having{{Op: "=", Output: 0, Value: catalog.IntValue(2)}}}}},
			{Op: ">", Output: 7, Number: -1},
		}},
		Order: []protect.Order{{Output: 2, Desc: true}, {Output: 8}, {Output: 2}},
		Limit: 7,
	}
	if diff := cmp.Diff(arrange, p.Arrange); diff != "" {
		t.Error(diff)
	}
	var used [][]int
	for _, it := range p.Items {
		used = append(used, it.Outputs)
	}
	if diff := cmp.Diff([][]int{{6}, {1, 2, 3, 7}, {4, 5}, {1, 3, 7}, {3, 7}}, used); diff != "" {
		t.Error(diff)
	}
}

// TestDomains: NULL is a group of its own unless the conditions rule it out, and equality conditions narrow the domain.
func TestDomains(t *testing.T) {
	d := scheme(t)
	for _, tc := range []struct{ where, group, want string }{
		{"", "race", "white,black,other,"},
		{"WHERE race IS NOT NULL", "race", "white,black,other"},
		{"WHERE race <> ''", "race", "white,black,other"},
		{"WHERE race <> 'other'", "race", "white,black"},
		{"WHERE race IS NULL", "race", ""},
		{"WHERE race IS NULL OR race = 'black'", "race", "black,"},
		{"WHERE race = 'white' OR sex = 1", "race", "white,black,other,"},
		{"WHERE sex > 1 AND race LIKE 'b%'", "race", "black"},
		{"", "age_band", "0-17,18-64,65-110"},
		{"", "adult", "18+,"},
		{"WHERE adult IS NOT NULL", "adult", "18+"},
		{"WHERE age > 3", "adult", "18+,"},
		{"WHERE death_date IS NOT NULL AND death_year > 2018", "death_year", "2019,2020"},
		{"WHERE death_year > 2018", "death_year", "2019,2020"},
		{"WHERE death_date > '2018-05-05' AND death_year IN (2017, 2018)", "death_year", "2017,2018"},
	} {
		p := compile(t, d, "SELECT COUNT(*) FROM person "+tc.where+" GROUP BY "+tc.group)
		var got []string
		for _, v := range p.Domains[0].Labels {
			got = append(got, v.String())
		}
		if s := strings.Join(got, ","); s != tc.want || p.Cells != int64(len(got)) {
			t.Errorf("%s GROUP BY %s: %q with %d cells, want %q", tc.where, tc.group, s, p.Cells, tc.want)
		}
	}
}

// TestPolicySees: every column that the question depends on, and every private table.
func TestPolicySees(t *testing.T) {
	d := scheme(t)
	for sql, want := range map[string]string{
		"SELECT COUNT(*) FROM person":                                                                                    "person.person_id",
		"SELECT COUNT(*) FROM diagnosis":                                                                                 "diagnosis.claim_no",
		"SELECT COUNT(*) FROM person p WHERE p.age > 3 AND p.age_band = '0-17'":                                          "person.age person.person_id",
		"SELECT COUNT(*) x FROM person GROUP BY birth_year HAVING SUM(age) > 3":                                          "person.age person.birth_date person.person_id",
		"SELECT COUNT(*) FROM person WHERE 1 = 1 OR race = 'white'":                                                      "person.person_id person.race",
		"SELECT COUNT(*) FROM person JOIN region r ON r.region_id = person.region_id":                                    "person.person_id person.region_id region.region_id",
		"SELECT COUNT(*) FROM person WHERE person_id NOT IN (SELECT d.person_id FROM diagnosis d WHERE d.icd LIKE 'J%')": "diagnosis.claim_no diagnosis.icd person.person_id",
	} {
		if got := strings.Join(compile(t, d, sql).Columns, " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestErrorIsTyped(t *testing.T) {
	_, err := Compile(scheme(t), "SELECT COUNT(*)\nFROM person\nWHERE sexx = 1")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T", err)
	}
	if diff := cmp.Diff(&Error{UnknownName, Pos{Offset: 34, Line: 3, Column: 7}, "no column is called 'sexx'", "did you mean sex?"}, e); diff != "" {
		t.Error(diff)
	}
	const want = "no column is called 'sexx'\n   3 | WHERE sexx = 1\n             ^\nhint: did you mean sex?"
	if got := e.Render("SELECT COUNT(*)\nFROM person\nWHERE sexx = 1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
