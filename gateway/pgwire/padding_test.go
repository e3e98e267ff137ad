package pgwire

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/sdk/analysis"
)

// table is an answer of one shape: groups by a text, a number and a date, with a count, a sum with decimals and a mean. A nil figure is hidden.
func table(figures []*int64, shown []int) gateway.Answer {
	a := gateway.Answer{
		Released: protect.Released{Columns: []protect.Column{
			{Name: "place", Role: "group", Kind: protect.OutGroup, Type: string(catalog.Text)},
			{Name: "rate", Role: "group", Kind: protect.OutGroup, Type: string(catalog.Decimal)},
			{Name: "day", Role: "group", Kind: protect.OutGroup, Type: string(catalog.Date)},
			{Name: "n", Role: "measure", Kind: protect.OutCount},
			{Name: "cost", Role: "measure", Kind: protect.OutSum},
			{Name: "avg", Role: "measure", Kind: protect.OutMean},
		}},
		View:  protect.View{Columns: []protect.ViewColumn{{Name: "avg", Index: 5}, {Name: "place", Index: 0}, {Name: "rate", Index: 1}, {Name: "day", Index: 2}, {Name: "n", Index: 3}, {Name: "c", Index: 4}}, Rows: shown},
		Notes: []string{"a note of every answer of this shape"},
	}
	for i, n := range figures {
		place, rate, day := catalog.StringValue(string(bytes.Repeat([]byte("p"), i%7))), catalog.FixedValue(int64(i)*1000-2000, 2), catalog.DayValue(int64(i))
		row := protect.Row{Values: []protect.Cell{{Label: &place}, {Label: &rate}, {Label: &day}}, Error95: []protect.Cell{{Absent: true}, {Absent: true}, {Absent: true}}}
		if n == nil {
			for range 3 {
				row.Values, row.Error95 = append(row.Values, protect.Cell{Absent: true}), append(row.Error95, protect.Cell{Absent: true})
			}
		} else {
			row.Values = append(row.Values, protect.Cell{Fixed: big.NewInt(*n)}, protect.Cell{Fixed: big.NewInt(*n), Dec: 2}, protect.Cell{Float: float64(*n) / 3})
			row.Error95 = append(row.Error95, protect.Cell{Fixed: big.NewInt(5)}, protect.Cell{Fixed: big.NewInt(5), Dec: 2}, protect.Cell{Float: 1e-300 / 3})
		}
		a.Released.Rows = append(a.Released.Rows, row)
	}
	return a
}

// sent is what a session writes, with the padding in it.
func sent(t *testing.T, say func(s *session) error) (all, padding int) {
	t.Helper()
	var b bytes.Buffer
	s := &session{wire: pgproto3.NewBackend(nil, &b), encode: newEncoder()}
	if err := say(s); err != nil {
		t.Fatal(err)
	}
	if err := s.wire.Flush(); err != nil {
		t.Fatal(err)
	}
	all = b.Len()
	client := pgproto3.NewFrontend(&b, nil)
	for {
		m, err := client.Receive()
		if err != nil {
			return all, padding
		}
		if p, ok := m.(*pgproto3.ParameterStatus); ok {
			if p.Name != paddingName || len(p.Value) > maxStatus {
				t.Errorf("padding %q of %d bytes", p.Name, len(p.Value))
			}
			padding += statusFrame + len(p.Value)
		}
	}
}

// One shape, one length, whole and in portions, in text and binary; without the padding not.
func TestLengthOfAnAnswer(t *testing.T) {
	n := func(x int64) *int64 { return &x }
	const rows = 1000 // more than libpq takes in one padding message
	fill := func(x *int64) []*int64 {
		out := make([]*int64, rows)
		for i := range out {
			out[i] = x
		}
		return out
	}
	all := make([]int, rows)
	for i := range all {
		all[i] = rows - 1 - i
	}
	answers := []gateway.Answer{
		table(fill(nil), all), table(fill(n(0)), all), table(fill(n(-9223372036854775808)), all), table(fill(n(123_456_789)), all[:400]), table(fill(n(7)), nil),
		table(append(fill(n(4))[:rows-1], nil), all),
	}
	for name, formats := range map[string][]int16{"text": nil, "binary": {formatBinary}} {
		for _, intervals := range []bool{false, true} {
			whole, bare, portions := map[int]int{}, map[int]int{}, map[int]int{}
			for _, a := range answers {
				r := answered(a, intervals)
				length, padding := sent(t, func(s *session) error { return s.send(r, formats) })
				whole[length]++
				bare[length-padding]++
				if len(r.rows) <= 50 {
					continue
				}
				length, _ = sent(t, func(s *session) error {
					p := &portal{formats: formats, columns: r.columns, result: &r, edited: edited{statement: &statement{}}}
					s.prepared.portals = map[string]*portal{"": p}
					_, err := s.execute(t.Context(), new(watch), &pgproto3.Execute{MaxRows: 50})
					return err
				})
				portions[length]++
			}
			if len(whole) != 1 || len(portions) != 1 {
				t.Errorf("%s, intervals %v: lengths of one shape: %v, in portions %v", name, intervals, whole, portions)
			}
			if len(bare) < 3 {
				t.Errorf("control: without padding the lengths are %v", bare)
			}
		}
	}
}

// A regression without coefficients, and a note, tell nothing by their length.
func TestLengthOfADerivedTable(t *testing.T) {
	whole := map[int]int{}
	for _, d := range []analysis.Derived{
		{Notes: []string{"too noisy: the information in the table is below 4 standard deviations of its noise"}},
		{Rows: [][]any{{"(intercept)", 0.25, "a note"}, {"sex=F", nil, ""}}},
		{Rows: [][]any{{"(intercept)", -1.2345678901234567e-300, ""}, {"sex=F", -1.2345678901234567e-06, ""}}},
	} {
		d.Columns = []analysis.Column{{Name: "term", Label: true}, {Name: "estimate"}, {Name: "note", Label: true}}
		r := answered(gateway.Answer{Derived: &d, Extent: gateway.Extent{Rows: 2, Label: 80, Note: 256}, Notes: []string{"caps"}}, false)
		length, _ := sent(t, func(s *session) error { return s.send(r, nil) })
		whole[length]++
	}
	if len(whole) != 1 {
		t.Errorf("lengths of one shape: %v", whole)
	}
}
