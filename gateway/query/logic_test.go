package query

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// truth is SQL's three-valued logic.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

// randomCond is a random condition as SQL, with its meaning computed without the planner: the oracle of the normal form.
type randomCond struct {
	sql  string
	eval func(row map[string]catalog.Value) truth
}

func of(b bool) truth {
	if b {
		return yes
	}
	return no
}

// The columns of the oracle: a short listed domain, nullable or not, a long one, plain numbers and plain text.
var oracleColumns = map[string][]string{
	"c.ward": {"100", "101", "150", "199"},
	"p.race": {"'white'", "'black'", "'other'"},
	"p.sex":  {"1", "2"},
	"c.days": {"0", "3", "4", "5", "366"},
	"c.note": {"'a'", "'ab'", "'b'", "'é'"},
	"c.cost": {"-5", "0", "7", "9"},
}

func literalValue(s string) catalog.Value {
	if t, ok := strings.CutPrefix(s, "'"); ok {
		return catalog.StringValue(strings.TrimSuffix(t, "'"))
	}
	n, err := catalog.ParseInteger(s)
	if err != nil {
		panic(err)
	}
	return catalog.IntValue(n)
}

func random(rng *rand.Rand, depth int) randomCond {
	if depth > 0 && rng.IntN(3) > 0 {
		a, b := random(rng, depth-1), random(rng, depth-1)
		switch rng.IntN(3) {
		case 0:
			return randomCond{"(" + a.sql + " AND " + b.sql + ")", func(r map[string]catalog.Value) truth { return min(a.eval(r), b.eval(r)) }}
		case 1:
			return randomCond{"(" + a.sql + " OR " + b.sql + ")", func(r map[string]catalog.Value) truth { return max(a.eval(r), b.eval(r)) }}
		}
		return randomCond{"NOT (" + a.sql + ")", func(r map[string]catalog.Value) truth { return yes - a.eval(r) }}
	}
	names := []string{"c.ward", "p.race", "p.sex", "c.days", "c.note", "c.cost"}
	col := names[rng.IntN(len(names))]
	lits := oracleColumns[col]
	lit := func() string { return lits[rng.IntN(len(lits))] }
	leaf := func(sql string, f func(v catalog.Value) bool) randomCond {
		return randomCond{sql, func(r map[string]catalog.Value) truth {
			if r[col].Kind == catalog.Null {
				return unknown
			}
			return of(f(r[col]))
		}}
	}
	isText := lits[0][0] == '\''
	switch k := rng.IntN(6); {
	case k == 0:
		return randomCond{col + " IS NULL", func(r map[string]catalog.Value) truth { return of(r[col].Kind == catalog.Null) }}
	case k == 1:
		a, b, neg := lit(), lit(), rng.IntN(2) == 0
		op := " IN ("
		if neg {
			op = " NOT IN ("
		}
		return leaf(col+op+a+", "+b+")", func(v catalog.Value) bool { return (v == literalValue(a) || v == literalValue(b)) != neg })
	case k == 2 && isText:
		p := strings.Trim(lit(), "'")
		return leaf(col+" LIKE '"+p+"%'", func(v catalog.Value) bool { return strings.HasPrefix(v.S, p) })
	case k == 2:
		a, b := lit(), lit()
		return leaf(col+" BETWEEN "+a+" AND "+b, func(v catalog.Value) bool { return v.N >= literalValue(a).N && v.N <= literalValue(b).N })
	case k == 3 && !isText:
		op, a := []string{"<", "<=", ">", ">="}[rng.IntN(4)], lit()
		return leaf(col+" "+op+" "+a, func(v catalog.Value) bool { return holds(compareValues(v, literalValue(a)), op) })
	}
	op, a := []string{"=", "<>"}[rng.IntN(2)], lit()
	return leaf(col+" "+op+" "+a, func(v catalog.Value) bool { return (v == literalValue(a)) == (op == "=") })
}

// planEval evaluates a plan's condition as the engine does, in three-valued logic.
func planEval(c Cond, row func(ColumnRef) catalog.Value) truth {
	leaf := func(ref ColumnRef, f func(catalog.Value) bool) truth {
		v := row(ref)
		if v.Kind == catalog.Null {
			return unknown
		}
		return of(f(v))
	}
	switch x := c.(type) {
	case nil:
		return yes
	case And:
		t := yes
		for _, a := range x.Args {
			t = min(t, planEval(a, row))
		}
		return t
	case Or:
		t := no
		for _, a := range x.Args {
			t = max(t, planEval(a, row))
		}
		return t
	case Not:
		return yes - planEval(x.Arg, row)
	case Compare:
		return leaf(x.Col, func(v catalog.Value) bool { return holds(compareValues(v, x.Value), x.Op) })
	case In:
		return leaf(x.Col, func(v catalog.Value) bool { return slices.Contains(x.Values, v) })
	case Like:
		return leaf(x.Col, func(v catalog.Value) bool { return strings.HasPrefix(v.S, x.Prefix) })
	case IsNull:
		return of(row(x.Col).Kind == catalog.Null)
	}
	panic(fmt.Sprintf("a plan holds %T", c))
}

// TestNormalForm: a plan's condition selects exactly the rows that the text selects, for random conditions and rows; and it
// is in normal form: NOT only at leaves, AND and OR flat with at least two arguments.
func TestNormalForm(t *testing.T) {
	d := scheme(t)
	rng := rand.New(rand.NewPCG(1, 2))
	pool := map[string][]catalog.Value{}
	for col, lits := range oracleColumns {
		for _, l := range lits {
			pool[col] = append(pool[col], literalValue(l))
		}
	}
	for _, col := range []string{"p.race", "c.days", "c.note"} { // the nullable ones
		pool[col] = append(pool[col], catalog.Value{})
	}
	for _, n := range []int64{1, 2, 6, 10} {
		pool["c.days"] = append(pool["c.days"], catalog.IntValue(n))
		pool["c.cost"] = append(pool["c.cost"], catalog.IntValue(n))
	}
	pool["c.note"] = append(pool["c.note"], catalog.StringValue("c"), catalog.StringValue("abc"))
	refused := 0
	for range 3000 {
		rc := random(rng, rng.IntN(5))
		p, err := Compile(d, "SELECT COUNT(*) FROM claim c JOIN person p ON p.person_id = c.person_id WHERE "+rc.sql)
		never := false
		if err != nil {
			if !strings.Contains(err.Error(), "never be true") {
				t.Fatalf("%s\n%v", rc.sql, err)
			}
			refused++
			never = true
		} else if s := malformed(p.Where, 0); s != "" {
			t.Fatalf("%s\n%s in %s", rc.sql, s, condKey(p.Where))
		}
		for range 60 {
			row := map[string]catalog.Value{}
			for col, vs := range pool {
				row[col] = vs[rng.IntN(len(vs))]
			}
			want := rc.eval(row) == yes
			got := !never && planEval(p.Where, func(r ColumnRef) catalog.Value { return row[r.Column.Table[:1]+"."+r.Column.Name] }) == yes
			if got != want {
				t.Fatalf("%s\nrow %v: want %v, plan selects %v\nplan %v", rc.sql, row, want, got, p)
			}
		}
	}
	if refused > 1500 {
		t.Errorf("%d of 3000 conditions were refused as never true: the test sees too little", refused)
	}
}

func malformed(c Cond, parent byte) string {
	sub := func(args []Cond, op byte) string {
		if len(args) < 2 {
			return "an operator with one argument"
		}
		if op == parent {
			return "an operator inside itself"
		}
		for _, a := range args {
			if s := malformed(a, op); s != "" {
				return s
			}
		}
		if !slices.IsSortedFunc(args, func(a, b Cond) int { return strings.Compare(condKey(a), condKey(b)) }) {
			return "unsorted arguments"
		}
		return ""
	}
	switch x := c.(type) {
	case nil:
		return ""
	case And:
		return sub(x.Args, '&')
	case Or:
		return sub(x.Args, '|')
	case Not:
		switch x.Arg.(type) {
		case In, Like, IsNull, InPersons:
			return ""
		}
		return "NOT above a condition"
	case Compare:
		if !slices.Contains([]string{"=", "<>", "<=", ">="}, x.Op) {
			return "operator " + x.Op
		}
	case In:
		if len(x.Values) < 2 || !slices.IsSortedFunc(x.Values, compareValues) {
			return "a short or unsorted IN"
		}
	case Like, IsNull, InPersons:
	default:
		return fmt.Sprintf("%T", c)
	}
	return ""
}
