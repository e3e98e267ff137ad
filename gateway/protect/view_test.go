package protect

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
)

// arranged: rows are sex, count, sum with two decimals, mean; the third is hidden, the mean of the fourth absent.
func arranged() Released {
	var r Released
	for i, name := range []string{"sex", "n", "cost", "avg"} {
		kind := []OutputKind{OutGroup, OutCount, OutSum, OutMean}[i]
		r.Columns = append(r.Columns, Column{Name: name, Kind: kind})
	}
	for _, x := range []struct {
		sex     string
		n, cost int64
		avg     float64
	}{{"M", 20, 110, 5}, {"F", 20, -250, 7}, {"X", -1, 0, 0}, {"", 3, 110, -1}, {"A", 100, 0, 5}} {
		label := text1(x.sex)[0]
		row := Row{Values: []Cell{{Label: &label}, {Fixed: big.NewInt(x.n)}, {Fixed: big.NewInt(x.cost), Dec: 2}, {Float: x.avg}}}
		switch x.n {
		case -1:
			row.Hidden = true
			row.Values[1], row.Values[2], row.Values[3] = Cell{Absent: true}, Cell{Absent: true}, Cell{Absent: true}
		case 3:
			row.Values[3] = Cell{Absent: true}
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

func number(output int, op string, n float64) *Having {
	return &Having{Op: op, Output: output, Number: n}
}

func label1(op, s string) *Having {
	return &Having{Op: op, Output: 0, Value: catalog.StringValue(s)}
}
func tree(op string, args ...*Having) *Having { return &Having{Op: op, Args: args} }

func TestArranged(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Arrange
		want []int
	}{
		{"as is", Arrange{}, []int{0, 1, 2, 3, 4}},
		{"limit", Arrange{Limit: 2}, []int{0, 1}},
		{"limit beyond the end", Arrange{Limit: 99}, []int{0, 1, 2, 3, 4}},
		{"by count, ties in domain order, hidden last", Arrange{Order: []Order{{Output: 1}}}, []int{3, 0, 1, 4, 2}},
		{"by count descending, hidden last all the same", Arrange{Order: []Order{{Output: 1, Desc: true}}}, []int{4, 0, 1, 3, 2}},
		{"by sum, then mean", Arrange{Order: []Order{{Output: 2, Desc: true}, {Output: 3}}}, []int{0, 3, 4, 1, 2}},
		{"by mean", Arrange{Order: []Order{{Output: 3}}}, []int{0, 4, 1, 2, 3}},
		{"by label, other last", Arrange{Order: []Order{{Output: 0}}}, []int{4, 1, 0, 2, 3}},
		{"by label descending, other last", Arrange{Order: []Order{{Output: 0, Desc: true}}}, []int{2, 0, 1, 4, 3}},
		{"count above", Arrange{Having: number(1, ">", 3)}, []int{0, 1, 4}},
		{"decimal equal", Arrange{Having: number(2, "=", 1.10)}, []int{0, 3}},
		{"decimal at most", Arrange{Having: number(2, "<=", -2.5)}, []int{1}},
		{"unequal leaves unknown out", Arrange{Having: number(1, "<>", 20)}, []int{3, 4}},
		{"not of unknown is unknown", Arrange{Having: tree("not", number(1, "=", 20))}, []int{3, 4}},
		{"unknown or true", Arrange{Having: tree("or", number(3, ">", 100), label1("=", "X"))}, []int{2}},
		{"false and unknown", Arrange{Having: tree("not", tree("and", number(1, ">", 0), label1("=", "M")))}, []int{1, 2, 4}},
		{"label", Arrange{Having: label1(">=", "F")}, []int{0, 1, 2}},
		{"other compares with nothing", Arrange{Having: tree("or", label1("=", "M"), label1("<>", "M"))}, []int{0, 1, 2, 4}},
		{"text does not compare with numbers", Arrange{Having: &Having{Op: "<>", Value: catalog.IntValue(3)}}, []int{}},
		{"having, order, limit", Arrange{Having: number(1, "<", 50), Order: []Order{{Output: 3, Desc: true}}, Limit: 1}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := Arranged(arranged(), c.a, []ViewColumn{{Name: "count", Index: 1}, {Name: "s", Index: 0}})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, v.Rows); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff([]ViewColumn{{"count", 1}, {"s", 0}}, v.Columns); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestArrangedRefuses(t *testing.T) {
	deep := number(1, "=", 1)
	for range maxHaving {
		deep = tree("not", deep)
	}
	ok := []ViewColumn{{Name: "n", Index: 1}}
	for name, c := range map[string]struct {
		a       Arrange
		columns []ViewColumn
	}{
		"no columns":          {Arrange{}, nil},
		"column out of range": {Arrange{}, []ViewColumn{{Index: 4}}},
		"negative column":     {Arrange{}, []ViewColumn{{Index: -1}}},
		"negative limit":      {Arrange{Limit: -1}, ok},
		"order out of range":  {Arrange{Order: []Order{{Output: 4}}}, ok},
		"having out of range": {Arrange{Having: number(4, "=", 1)}, ok},
		"having too deep":     {Arrange{Having: deep}, ok},
		"empty and":           {Arrange{Having: tree("and")}, ok},
		"nil argument":        {Arrange{Having: tree("or", nil)}, ok},
		"not of two":          {Arrange{Having: tree("not", number(1, "=", 1), number(1, "=", 1))}, ok},
		"unknown operator":    {Arrange{Having: number(1, "==", 1)}, ok},
		"no operator":         {Arrange{Having: &Having{}}, ok},
		"not a number":        {Arrange{Having: number(1, "=", math.NaN())}, ok},
		"group with nothing":  {Arrange{Having: &Having{Op: "="}}, ok},
	} {
		if v, err := Arranged(arranged(), c.a, c.columns); !errors.Is(err, ErrView) || v.Rows != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}
