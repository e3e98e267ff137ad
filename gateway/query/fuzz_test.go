package query

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"jali/gateway/catalog"
)

// FuzzCompile: no text crashes the front end; a refusal has a code, a message and a place inside the text; a plan is well
// formed, its literals fit their columns, and the same text gives the same plan.
func FuzzCompile(f *testing.F) {
	d := scheme(f)
	for _, s := range []string{
		"SELECT sex, COUNT(*) AS n, AVG(age) FROM person GROUP BY sex HAVING COUNT(*) > 10 ORDER BY n DESC LIMIT 5",
		"SELECT c.ward, COUNT(*) FROM diagnosis d JOIN claim c ON c.claim_no = d.claim_no WHERE d.icd LIKE 'J1%' AND c.days BETWEEN 1 AND 5 GROUP BY c.ward",
		"SELECT COUNT(*) FROM person WHERE person_id NOT IN (SELECT person_id FROM claim WHERE NOT (drg = '127' OR cost > -5))",
		"SELECT year, SUM(diabetes), STDDEV(income) FROM enrolment WHERE income <> '' AND state IN (1, 2, 3) GROUP BY year",
		"SELECT COUNT(DISTINCT person_id) FROM person WHERE birth_date >= DATE '1950-01-01' AND race IS NULL",
		"SELECT COUNT(*) FROM person p JOIN region r USING (region_id) -- x\nWHERE /* y */ r.state_name = 'north';",
		"SELECT drg, COUNT(*) FROM claim WHERE ward NOT BETWEEN 110 AND 120 AND note NOT LIKE 'a%' GROUP BY drg",
		"SELECT BIN(x.first - p.birth_date, 0, 365, 30) AS b, (x.n > 2) AS f, COUNT(DISTINCT person_id) FROM person p LEFT JOIN (SELECT person_id, MIN(income) AS i, MIN(death_date) AS first, COUNT(*) AS n FROM enrolment JOIN person USING (person_id) GROUP BY person_id) x ON x.person_id = p.person_id GROUP BY b, f",
		"SELECT SUM(CLIP(2 * x.days - k, -5, 50)), COUNT(*) FILTER (WHERE k = 1) FROM (SELECT person_id, days, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY cost DESC, days) AS k FROM claim WHERE drg LIKE '1%') x WHERE k <= 3",
		"WITH a AS (SELECT person_id, ward, SUM(CASE WHEN days > 3 THEN 1 ELSE 0 END) AS n FROM claim GROUP BY person_id, ward), b AS (SELECT DISTINCT person_id, n FROM a) SELECT CASE WHEN a.n < b.n THEN 'x' WHEN person_id IN (SELECT person_id FROM b WHERE n = 2) THEN 'y' END AS g, AVG(CASE WHEN a.ward > 120 THEN 7 ELSE -2 END) FROM a JOIN b ON a.person_id = b.person_id AND a.n BETWEEN b.n - 1 AND b.n + 1 GROUP BY g",
		"SELECT * FROM kaplan_meier(time => days, event => drg = '127', by => (ward > 115, BIN(cost, 0, 100, 50)), of => claim, until => 30, width => 3, at => (10, 20), cohort => days > 0)",
		"SELECT * FROM logistic_regression(outcome => sex = 1, terms => (age, square(BIN(age, 20, 90, 10)), category(race), ref(race, 'white')), of => person, bins => 5)",
		"SELECT * FROM quantile(value => x.n, at => (0.25, 0.5), of => (SELECT person_id, COUNT(*) AS n FROM claim GROUP BY person_id))",
		"SELECT CASE WHEN 1=1 THEN 2 END, x::int, \"q\", E'\\n', $1, $$x$$ FROM (SELECT 1) y, LATERAL z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		p, err := Compile(d, sql)
		if err != nil {
			var e *Error
			if p != nil || !errors.As(err, &e) || e.Code == "" || e.Msg == "" || e.Pos.Offset < 0 || e.Pos.Offset > len(sql) || e.Pos.Line < 1 || e.Pos.Column < 1 {
				t.Fatalf("bad refusal %#v", err)
			}
			if s := e.Render(sql); utf8.ValidString(sql) && !utf8.ValidString(s) {
				t.Fatalf("rendered as invalid text: %q", s)
			}
			return
		}
		if s := illFormed(p); s != "" {
			t.Fatalf("%s\n%s", s, p.Canonical())
		}
		again, err := Compile(d, sql)
		if err != nil || again.Hash() != p.Hash() {
			t.Fatalf("the second time differs: %v", err)
		}
	})
}

// illFormed checks what the engine and the valve rely on.
func illFormed(p *Plan) string {
	if len(p.Tables) == 0 || p.Tables[0].Table.Public || len(p.Items) == 0 || len(p.Domains) != len(p.GroupBy) {
		return "a plan without person, items or domains"
	}
	b := p.Bounds
	if b.Rows < 1 || b.Groups < 1 || b.PerCol < 1 || b.PerCol > b.Rows || b.Groups > b.Rows || (p.Form == F0) != b.Proved {
		return "bounds that cannot be"
	}
	for i, it := range p.Items {
		if it.S2 == nil || it.S2.Sign() < 1 || it.Lo.Cmp(it.Hi) > 0 || !it.Lo.IsInt64() || !it.Hi.IsInt64() {
			return "an item without sensitivity or range"
		}
		if (it.Kind == Sum || it.Kind == Squares) && !it.Col.Column.Has(catalog.RoleMeasure) {
			return "a sum of a column that is no measure"
		}
		if i > 0 && itemKey(p.Items[i-1]) >= itemKey(it) {
			return "items out of order"
		}
	}
	for _, o := range p.Outputs {
		if max(o.N, o.S, o.Q) >= len(p.Items) || o.Kind == "group" && o.Group >= len(p.GroupBy) {
			return "an output of nothing"
		}
	}
	if p.Private && (p.PersonItem < 0 || p.Items[p.PersonItem].Kind != Persons) {
		return "private keys without a count of persons"
	}
	if p.Cells < 0 || p.Cells > MaxCells || (p.Cells == 0) != p.Private {
		return "too many cells"
	}
	illegal := ""
	p.EachFrom(func(tables []TableRef, fans []int64) {
		if s := illPlaced(p.Dataset, tables); s != "" || len(fans) != len(tables) {
			illegal = "a FROM list without bounds: " + s
		}
	})
	for _, g := range p.GroupBy {
		if s := illComputed(g, p.Tables); s != "" {
			illegal = s
		}
	}
	for _, it := range p.Items {
		if it.Col != nil {
			if s := illComputed(*it.Col, p.Tables); s != "" {
				illegal = s
			}
		}
	}
	if illegal != "" {
		return illegal
	}
	if !slices.IsSorted(p.Columns) {
		return "columns out of order"
	}
	for _, c := range p.Columns {
		table, col, _ := strings.Cut(c, ".")
		if t := p.Dataset.Table(table); t == nil || t.Column(col) == nil {
			return "a column for policy that the catalogue does not have"
		}
	}
	return illTyped(p.Where, p.Tables)
}

// illPlaced checks a FROM list and all in it.
func illPlaced(d *catalog.Dataset, tables []TableRef) string {
	for i, t := range tables {
		switch {
		case t.Left && (i == 0 || t.Sub == nil || len(t.On) > 0):
			return "a left join of other than a derived table"
		case t.Sub == nil && d.Table(t.Table.Name) != t.Table:
			return "a table of another catalogue"
		case t.Sub == nil:
			continue
		case t.Table.Name != derivedName || t.Table.PersonKey == "" || t.Table.RowsPerPerson < 1 || t.Table.RowsPerPerson > maxRows || len(t.On) > 0:
			return "a derived table that is not bounded by person"
		}
		for k, c := range t.Sub.Columns {
			if c.Column != t.Table.Columns[k] || c.Column.Table != "" || strings.HasPrefix(c.Column.Name, "_") || c.Column.Has(catalog.RolePerson) || c.Column.Has(catalog.RoleNever) {
				return "a derived column that cannot be"
			}
			if c.Arg != nil {
				if s := illComputed(*c.Arg, t.Sub.Tables); s != "" {
					return s
				}
			}
			if (c.Arg == nil) != (c.Kind == RowCount || c.Kind == Number) || t.Sub.Grouped && c.Kind == Number || !t.Sub.Grouped && c.Kind != Value && c.Kind != Number {
				return "a derived column of another kind of table"
			}
		}
		if s := illPlaced(d, t.Sub.Tables); s != "" {
			return s
		}
		if s := illTyped(t.Sub.Where, t.Sub.Tables); s != "" {
			return s
		}
	}
	return ""
}

// illComputed checks a reference: that what it reads is there, and that what it computes stays in range.
func illComputed(ref ColumnRef, tables []TableRef) string {
	if ref.Expr == nil {
		if ref.Table >= len(tables) || tables[ref.Table].Table.Column(ref.Column.Name) != ref.Column {
			return "a column of another table"
		}
		return ""
	}
	e := ref.Expr
	if (len(e.Terms) == 0) == (len(e.Whens) == 0) || ref.Column.Table != "" || ref.Column.Lo > ref.Column.Hi || ref.Column.ClipLo > ref.Column.ClipHi {
		return "an expression that is neither sum nor choice"
	}
	if e.Pick != "" {
		for _, x := range e.Terms {
			if s := illComputed(x.Col, tables); s != "" || x.Coef != 1 || x.Col.Expr != nil || x.Col.Band != nil || x.Col.Column.Type != ref.Column.Type {
				return "a pick of other than columns of its type " + s
			}
		}
		return ""
	}
	lo, hi := big.NewInt(e.Const), big.NewInt(e.Const)
	for _, x := range e.Terms {
		if s := illComputed(x.Col, tables); s != "" || x.Col.Expr != nil || x.Col.Band != nil || x.Col.Column.Type == catalog.Text {
			return "a sum of other than columns " + s
		}
		a, b := new(big.Int).Mul(big.NewInt(x.Coef), big.NewInt(x.Col.Column.Lo)), new(big.Int).Mul(big.NewInt(x.Coef), big.NewInt(x.Col.Column.Hi))
		if a.Cmp(b) > 0 {
			a, b = b, a
		}
		lo.Add(lo, a)
		hi.Add(hi, b)
		if x.Col.Column.Nullable && !ref.Column.Nullable {
			return "a sum that is not NULL with its term"
		}
	}
	if len(e.Terms) > 0 && (lo.Cmp(big.NewInt(ref.Column.Lo)) != 0 || hi.Cmp(big.NewInt(ref.Column.Hi)) != 0 || lo.BitLen() > 62 || hi.BitLen() > 62) &&
		!(len(e.Terms) == 1 && e.Terms[0].Coef == 1 && e.Const == 0) {
		return "a sum out of its range"
	}
	for _, w := range e.Whens {
		if s := illTyped(w.If, tables); s != "" {
			return s
		}
		if w.Then.Kind == catalog.Null && !ref.Column.Nullable {
			return "a choice that cannot be NULL but is"
		}
	}
	return ""
}

// illTyped checks every literal and column of a condition.
func illTyped(c Cond, tables []TableRef) string {
	if s := malformed(c, 0); s != "" {
		return s
	}
	value := func(ref ColumnRef, v catalog.Value, exact bool) string {
		kind := map[catalog.Type]catalog.Kind{catalog.Integer: catalog.Int, catalog.Decimal: catalog.Fixed, catalog.Date: catalog.Day, catalog.Text: catalog.String}[typeOf(ref)]
		switch {
		case illComputed(ref, tables) != "":
			return illComputed(ref, tables)
		case ref.Expr != nil && len(ref.Expr.Whens) > 0:
			return "a condition on a choice"
		case ref.Column.Has(catalog.RoleNever) || ref.Column.Has(catalog.RolePerson):
			return "a column that must not be filtered"
		case v.Kind != kind || ref.Band == nil && v.Decimals != ref.Column.Decimals:
			return "a literal of another type"
		case kind != catalog.String && v.S != "" || kind == catalog.String && (v.N != 0 || v.S == "" || len(v.S) > maxText || !utf8.ValidString(v.S)):
			return "a literal that is not of its kind"
		case exact && domainOf(ref) != nil && !slices.Contains(domainOf(ref), v):
			return "a literal outside the code list"
		}
		return ""
	}
	switch x := c.(type) {
	case And:
		for _, a := range x.Args {
			if s := illTyped(a, tables); s != "" {
				return s
			}
		}
	case Or:
		for _, a := range x.Args {
			if s := illTyped(a, tables); s != "" {
				return s
			}
		}
	case Not:
		return illTyped(x.Arg, tables)
	case Compare:
		if (x.Op == ">=" || x.Op == "<=") && typeOf(x.Col) == catalog.Text {
			return "an ordered comparison of text"
		}
		return value(x.Col, x.Value, x.Op == "=" || x.Op == "<>")
	case In:
		for _, v := range x.Values {
			if s := value(x.Col, v, true); s != "" {
				return s
			}
		}
	case Like:
		if typeOf(x.Col) != catalog.Text || x.Prefix == "" {
			return "LIKE on other than text"
		}
	case InPersons:
		return illTyped(x.Sub.Where, x.Sub.Tables)
	}
	return ""
}

// BenchmarkCompile is the planner's share of a query's overhead.
func BenchmarkCompile(b *testing.B) {
	d := scheme(b)
	for b.Loop() {
		if _, err := Compile(d, "SELECT p.sex, COUNT(*) AS n, AVG(c.cost) AS m FROM claim c JOIN person p ON p.person_id = c.person_id WHERE c.days > 3 AND p.race IN ('white', 'black') GROUP BY p.sex ORDER BY n DESC"); err != nil {
			b.Fatal(err)
		}
	}
}
