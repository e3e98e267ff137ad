package engine

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// author writes random questions over the fixture with everything that is person-local: derived tables, row numbers, left
// joins, cohorts, calculations, CASE, BIN and CLIP.
type author struct {
	*rand.Rand
	names int
}

// relationText is a table that an author wrote.
type relationText struct {
	alias, text            string
	numbers, words, groups []string
	derived                bool
}

func (a *author) one(of ...string) string { return of[a.IntN(len(of))] }

func (a *author) alias() string {
	a.names++
	return fmt.Sprintf("r%d", a.names)
}

func (a *author) base() relationText {
	r := relationText{alias: a.alias()}
	name := a.one("person", "event", "event", "diagnosis")
	switch name {
	case "person":
		r.numbers, r.words, r.groups = []string{"income", "sex"}, []string{"region = 'north'", "area = 'a1'"}, []string{"sex", "region", "era"}
	case "event":
		r.numbers, r.words, r.groups = []string{"seq", "room", "cost", "flag", "big"}, []string{"kind = 'A1'", "kind LIKE 'B%'", "ward LIKE 'ab%'"}, []string{"kind", "flag", "room", "class"}
	case "diagnosis":
		r.numbers, r.words, r.groups = []string{"pos"}, []string{"icd LIKE 'J%'", "icd IN ('I50', 'J21')"}, []string{"icd", "pos"}
	}
	r.text = name + " " + r.alias
	return r
}

func (a *author) relation(depth int) relationText {
	if depth == 0 || a.IntN(3) == 0 {
		return a.base()
	}
	from, in := a.from(depth-1, true)
	r := relationText{alias: a.alias(), derived: true}
	outs := []string{in[0].alias + ".person_id"}
	if !strings.Contains(outs[0], "r") {
		panic("alias")
	}
	out := func(text string) {
		name := fmt.Sprintf("v%d", len(r.numbers))
		r.numbers, outs = append(r.numbers, name), append(outs, text+" AS "+name)
	}
	where := a.where(in, depth-1)
	tail := ""
	if a.IntN(3) > 0 {
		tail = " GROUP BY " + outs[0]
		if a.IntN(4) == 0 {
			k := a.number(in)
			tail += ", " + k
			out(k)
		}
		for range 1 + a.IntN(3) {
			switch a.IntN(6) {
			case 0:
				out("COUNT(*)")
			case 1:
				out("COUNT(" + a.number(in) + ")")
			case 2:
				out("COUNT(DISTINCT " + a.number(in) + ")")
			case 3:
				out("SUM(" + a.scalar(in) + ")")
			default:
				out(a.one("MIN", "MAX") + "(" + a.scalar(in) + ")")
			}
		}
	} else {
		for range 1 + a.IntN(2) {
			out(a.scalar(in))
		}
		if a.IntN(2) == 0 {
			out("ROW_NUMBER() OVER (PARTITION BY " + outs[0] + " ORDER BY " + a.number(in) + a.one("", " DESC") + ")")
		}
	}
	r.text = "(SELECT " + strings.Join(outs, ", ") + " FROM " + from + where + tail + ") " + r.alias
	return r
}

// from writes a FROM list.
func (a *author) from(depth int, one bool) (string, []relationText) {
	in := []relationText{a.relation(depth)}
	text := in[0].text
	for n := a.IntN(6) - 3; n > 0 && len(in) < 3; n-- {
		r := a.relation(depth)
		join := " JOIN "
		if r.derived && a.IntN(2) == 0 {
			join = " LEFT JOIN "
		}
		text += join + r.text + " ON " + r.alias + ".person_id = " + in[0].alias + ".person_id"
		in = append(in, r)
		if one {
			break
		}
	}
	return text, in
}

func (a *author) number(in []relationText) string {
	r := in[a.IntN(len(in))]
	return r.alias + "." + r.numbers[a.IntN(len(r.numbers))]
}

// calculation is a column or a sum.
func (a *author) calculation(in []relationText) string {
	x, y := a.number(in), a.number(in)
	if r := in[a.IntN(len(in))]; strings.HasPrefix(r.text, "person ") && a.IntN(3) == 0 {
		return r.alias + ".born - DATE '1950-01-01'"
	}
	switch k := a.IntN(4); {
	case k == 0 && x != y:
		return x + " - " + y
	case k == 1:
		return fmt.Sprintf("%s + %d", x, a.IntN(9)-4)
	case k == 2 && x != y:
		return fmt.Sprintf("%d * %s - (%s - 2)", 1+a.IntN(3), x, y)
	}
	return x
}

func (a *author) scalar(in []relationText) string {
	if a.IntN(4) == 0 {
		return "CASE WHEN " + a.condition(in, 0) + " THEN 1 WHEN " + a.condition(in, 0) + " THEN 7 " + a.one("ELSE -2 ", "") + "END"
	}
	return a.calculation(in)
}

func (a *author) condition(in []relationText, depth int) string {
	op := a.one("<", "<=", ">", ">=", "=", "<>")
	if depth <= 0 && a.IntN(2) == 0 {
		return fmt.Sprintf("%s %s %d", a.number(in), a.one("<", ">="), a.IntN(12)-3)
	}
	x := a.calculation(in)
	switch a.IntN(9) {
	case 0:
		return a.number(in) + " IS " + a.one("", "NOT ") + "NULL"
	case 1:
		if r := in[a.IntN(len(in))]; len(r.words) > 0 {
			return r.alias + "." + r.words[a.IntN(len(r.words))]
		}
	case 2:
		if depth > 0 {
			from, sub := a.from(depth-1, true)
			return in[0].alias + ".person_id " + a.one("", "NOT ") + "IN (SELECT " + sub[0].alias + ".person_id FROM " + from + a.where(sub, depth-1) + ")"
		}
	case 3:
		return "(" + a.condition(in, depth) + a.one(" OR ", " AND ") + a.condition(in, depth) + ")"
	case 4:
		return "NOT " + a.condition(in, depth)
	case 5:
		return a.other(in, x) + " BETWEEN " + a.other(in, "-") + " - 3 AND " + x
	case 6:
		return fmt.Sprintf("%s %s %d", x, op, a.IntN(12)-3)
	}
	return a.other(in, x) + " " + op + " " + x
}

// other is a column that is not part of a calculation: a comparison of a column with itself is refused.
func (a *author) other(in []relationText, of string) string {
	for range 20 {
		if x := a.number(in); !strings.Contains(of, x) {
			return x
		}
	}
	return in[0].alias + "." + in[0].numbers[0] + " - 1"
}

func (a *author) where(in []relationText, depth int) string {
	if a.IntN(3) == 0 {
		return ""
	}
	return " WHERE " + a.condition(in, depth)
}

func (a *author) question() string {
	from, in := a.from(2, false)
	var outs, groups []string
	for i := range a.IntN(3) {
		g := ""
		switch r := in[a.IntN(len(in))]; a.IntN(4) {
		case 0:
			g = fmt.Sprintf("BIN(%s, %d, %d, %d)", a.calculation(in), a.IntN(8)-4, 5+a.IntN(50), 1+a.IntN(9))
		case 1:
			g = "CASE WHEN " + a.condition(in, 1) + " THEN 'a' WHEN " + a.condition(in, 1) + " THEN 'b' " + a.one("ELSE 'c' ", "") + "END"
		case 2:
			g = "(" + a.condition(in, 1) + ")"
		default:
			if len(r.groups) == 0 {
				continue
			}
			g = r.alias + "." + r.groups[a.IntN(len(r.groups))]
		}
		outs, groups = append(outs, fmt.Sprintf("%s AS g%d", g, i)), append(groups, fmt.Sprintf("g%d", i))
	}
	clip := func() string {
		lo := a.IntN(40) - 20
		return fmt.Sprintf("(CLIP(%s, %d, %d))", a.calculation(in), lo, lo+1+a.IntN(90))
	}
	for range 1 + a.IntN(3) {
		switch a.IntN(7) {
		case 0:
			outs = append(outs, "COUNT(DISTINCT "+in[0].alias+".person_id)")
		case 1:
			outs = append(outs, "SUM"+clip())
		case 2:
			outs = append(outs, a.one("AVG", "VAR")+clip())
		case 3:
			outs = append(outs, "COUNT(*) FILTER (WHERE "+a.condition(in, 1)+")")
		case 4:
			outs = append(outs, "SUM(CASE WHEN "+a.condition(in, 1)+" THEN 3 ELSE -1 END)")
		case 5:
			outs = append(outs, "COUNT("+a.number(in)+")")
		default:
			outs = append(outs, "COUNT(*)")
		}
	}
	text := "SELECT " + strings.Join(outs, ", ") + " FROM " + from + a.where(in, 2)
	if len(groups) > 0 {
		text += " GROUP BY " + strings.Join(groups, ", ")
	}
	return text
}

// directed are questions where a wrong proof would show.
var directed = []string{
	"SELECT BIN(x.s, 0, 12, 1) AS b, COUNT(DISTINCT x.person_id) AS n FROM (SELECT e.person_id, kind, SUM(sex) AS s FROM person p JOIN event e ON e.person_id = p.person_id GROUP BY e.person_id, kind) x GROUP BY b",
	"SELECT BIN(x.c, 0, 12, 1) AS b, COUNT(*) AS n FROM (SELECT person_id, kind, COUNT(seq) AS c FROM event GROUP BY person_id, kind) x GROUP BY b",
	"SELECT BIN(x.k, 0, 12, 1) AS b, COUNT(*) AS n FROM (SELECT person_id, flag, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY flag) AS k FROM event) x WHERE x.k <= 7 GROUP BY b",
	"SELECT x.flag, SUM(CLIP(x.room * 20 - x.k, -100, 100)) FROM (SELECT person_id, flag, room, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY flag DESC) AS k FROM event) x WHERE x.k = 2 GROUP BY x.flag",
	"SELECT (e.seq > x.first) AS after, (e.flag = 1) AS f, COUNT(DISTINCT e.person_id) FROM event e LEFT JOIN (SELECT person_id, MIN(seq) AS first FROM event WHERE kind = 'B1' GROUP BY person_id) x ON x.person_id = e.person_id GROUP BY after, f",
	"SELECT COUNT(*) FROM (SELECT DISTINCT person_id, CASE WHEN room > 1 THEN 1 WHEN room < 0 THEN 2 END AS r FROM event) x",
	"SELECT kind, AVG(CLIP(e.seq - x.last, -12, 0)) FROM event e JOIN (SELECT person_id, MAX(seq) AS last FROM event GROUP BY person_id) x ON x.person_id = e.person_id AND e.seq >= x.last - 2 GROUP BY kind",
	"SELECT BIN(born - DATE '1920-01-01', 0, 36500, 3650) AS age, (p.person_id IN (SELECT person_id FROM event WHERE flag = 1)) AS exposed, COUNT(*) FROM person p GROUP BY age, exposed",
	"SELECT BIN(x.n - x.l, -40, 40, 1) AS b, COUNT(*) FROM (SELECT person_id, LEAST(room, seq, 3) AS l, COALESCE(room, 5) AS n FROM event) x GROUP BY b",
	"SELECT BIN(LEAST(x.a, y.a), 0, 12, 1) AS b, SUM(CLIP(GREATEST(x.a, y.a, 3), 2, 9)), COUNT(*) FROM person p LEFT JOIN (SELECT person_id, MIN(seq) AS a FROM event WHERE kind = 'B1' GROUP BY person_id) x ON x.person_id = p.person_id LEFT JOIN (SELECT person_id, MAX(seq) AS a FROM event WHERE flag = 1 GROUP BY person_id) y ON y.person_id = p.person_id GROUP BY b",
	"SELECT x.room, COUNT(*) FROM (SELECT person_id, room, COUNT(*) AS n FROM event GROUP BY person_id, room) x WHERE x.n > 1 GROUP BY x.room",
}

// without takes a person out of all tables.
func without(sheets map[string]*sheet, person string) map[string]*sheet {
	out := map[string]*sheet{"area": sheets["area"]}
	events := map[string]bool{}
	for _, name := range []string{"person", "event", "diagnosis"} {
		s := sheets[name]
		out[name] = &sheet{header: s.header}
		who, no := slices.Index(s.header, "person_id"), slices.Index(s.header, "event_no")
		for _, row := range s.rows {
			switch {
			case who >= 0 && row[who] == person:
				if no >= 0 {
					events[row[no]] = true
				}
			case who < 0 && events[row[no]]:
			default:
				out[name].rows = append(out[name].rows, row)
			}
		}
	}
	return out
}

// TestPersonLocal: what the planner makes of random questions is answered as the definition says, by whatever formulation it
// chose; and taking one person out of the data moves no item by more than its squared sensitivity.
func TestPersonLocal(t *testing.T) {
	questions, seeds := 400, uint64(2)
	if os.Getenv("JALI_LONG") != "" {
		questions, seeds = 6000, 4
	}
	ds := parseFixture(t)
	forms, nodes, refused := map[query.Formulation]int{}, map[string]int{}, map[string]int{}
	accepted, moved := 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 11))
		sheets, dir := makeRows(r, 20), t.TempDir()
		gone := sheets["event"].rows[r.IntN(len(sheets["event"].rows))][0]
		var engines [2]*Engine
		var brutes [2]*brute
		for i, s := range []map[string]*sheet{sheets, without(sheets, gone)} {
			m, err := importSheets(t, ds, dir, s, nil, "person", "event", "diagnosis", "area")
			if err != nil {
				t.Fatal(err)
			}
			engines[i], brutes[i] = openVersion(t, ds, dir, m), newBrute(t, ds, s)
		}
		ordinals := ordinalsOf(t, dir, sheets)
		a := &author{Rand: r}
		for n := range len(directed) + questions {
			sql := ""
			if n < len(directed) {
				sql = directed[n]
			} else {
				sql = a.question()
			}
			p, err := query.Compile(ds, sql)
			var refusal *query.Error
			if errors.As(err, &refusal) {
				refused[refusal.Msg]++
				continue
			}
			accepted++
			forms[p.Form]++
			p.EachFrom(func(tables []query.TableRef, _ []int64) {
				for _, x := range tables {
					if x.Left {
						nodes["left"]++
					}
					if x.Sub != nil {
						nodes["derived"]++
					}
				}
			})
			var key [32]byte
			for i := range key {
				key[i] = byte(r.Uint32())
			}
			var cells [2]protect.Cells
			for i, e := range engines {
				if cells[i], err = e.run(context.Background(), p, key); err != nil {
					t.Fatalf("%v\n%s\n%s", err, sql, p.Canonical())
				}
				if diff := cmp.Diff(brutes[i].run(p, key, ordinals), cells[i], compareCells); diff != "" {
					t.Fatalf("(-definition +engine):\n%s\n%s\n%s", diff, sql, p.Canonical())
				}
			}
			for i, it := range p.Items {
				d := distance(cells[0], cells[1], i)
				if d.Cmp(it.S2) > 0 {
					t.Fatalf("one person moves item %d by %s, more than %s\n%s\n%s", i, d, it.S2, sql, p.Canonical())
				}
				if d.Sign() > 0 {
					moved++
				}
			}
		}
	}
	t.Logf("%d questions, %d items moved by the person, forms %v, %v, refused %v", accepted, moved, forms, nodes, refused)
	if accepted < questions*int(seeds)/4 || moved < accepted/8 || forms[query.F0] == 0 || forms[query.F2] == 0 || nodes["left"] == 0 || nodes["derived"] == 0 {
		t.Error("the questions test too little")
	}
}

// distance is the squared distance of item i.
func distance(a, b protect.Cells, i int) *big.Int {
	sum := new(big.Int)
	at := map[string]*big.Int{}
	name := func(c protect.Cells, k int) string {
		if c.Keys == nil {
			return fmt.Sprint(k)
		}
		return string(encodeKey(c.Keys[k]))
	}
	number := func(v *big.Int) *big.Int {
		if v == nil {
			return new(big.Int)
		}
		return v
	}
	for k, v := range b.Values[i] {
		at[name(b, k)] = number(v)
	}
	for k, v := range a.Values[i] {
		d := new(big.Int).Sub(number(v), number(at[name(a, k)]))
		delete(at, name(a, k))
		sum.Add(sum, d.Mul(d, d))
	}
	for _, v := range at {
		sum.Add(sum, new(big.Int).Mul(v, v))
	}
	return sum
}
