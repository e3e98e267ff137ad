package sdk

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is a result as the gateway writes it: padded numbers, a hidden row, the group "other".
const recorded = `{"columns":[{"name":"sex","role":"group","kind":"text","unit":""},{"name":"mean of sum(c.cost-5)","role":"measure","kind":"mean","unit":"EUR"},{"name":"rows","role":"measure","kind":"count","unit":""}],` +
	`"rows":[["F",       12.5,                1234],["M",              null,                null],[null,        -0.25,                  -3]],` +
	`"error95":[[     0.125,                  50],[              null,                null],[         3,                  50]],"hidden_groups":       1}`

func TestDecodeAndView(t *testing.T) {
	whole, err := decodeTable([]byte(recorded))
	if err != nil {
		t.Fatal(err)
	}
	columns, rows, error95, err := whole.apply(view{names: []string{"n", "s", "n2"}, columns: []int32{2, 0, 2}, rows: []int32{2, 0}})
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{Columns: columns, Rows: rows, Error95: error95, HiddenGroups: whole.hidden, PricePU: 77, Receipt: Receipt{Raw: []byte(`{"format": "jali-receipt/1"}`)}}
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"columns":[{"name":"n","role":"measure"},{"name":"s","role":"group"},{"name":"n2","role":"measure"}],` +
		`"rows":[[-3,null,-3],[1234,"F",1234]],"error95":[[50,50],[50,50]],"hidden_groups":1,"price_pu":77,` +
		`"budget":{"agreement_remaining_pu":0,"population_remaining_pu":null},"replayed":false,"receipt":{"format":"jali-receipt/1"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if !r.Columns[0].IsCount() || r.Columns[1].IsCount() {
		t.Error("count columns are not told apart")
	}
	if f, ok := r.Float(1, "n2"); !ok || f != 1234 {
		t.Errorf("Float = %v, %v", f, ok)
	}
	if lo, hi, ok := r.Interval(0, "n"); !ok || lo != -53 || hi != 47 {
		t.Errorf("Interval = %v, %v, %v", lo, hi, ok)
	}
	if _, ok := r.Float(0, "s"); ok {
		t.Error("a group without a value has a figure")
	}
	for _, bad := range []struct {
		row    int
		column string
	}{{-1, "n"}, {2, "n"}, {0, "x"}} {
		if _, ok := r.Float(bad.row, bad.column); ok {
			t.Errorf("Float(%d, %q) found something", bad.row, bad.column)
		}
	}
	var seen []string
	for i, row := range r.All() {
		if i == 1 {
			f, _ := row.Float("n")
			if f != 1234 || row.Hidden() {
				t.Errorf("row 1: %v, hidden %v", f, row.Hidden())
			}
		}
		seen = append(seen, row.Value("s").String())
	}
	if diff := cmp.Diff([]string{"", "F"}, seen); diff != "" {
		t.Errorf("iteration (-want +got):\n%s", diff)
	}
	_, rows, error95, err = whole.apply(view{names: []string{"m"}, columns: []int32{1}, rows: []int32{1}})
	if err != nil {
		t.Fatal(err)
	}
	hidden := &Result{Columns: []Column{{Name: "m", Role: "measure"}}, Rows: rows, Error95: error95}
	for _, row := range hidden.All() {
		if _, _, ok := row.Interval("m"); ok || !row.Hidden() {
			t.Error("a hidden figure has an interval")
		}
	}
}

func TestViewCannotReachOutside(t *testing.T) {
	whole, err := decodeTable([]byte(recorded))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]view{
		"no columns":      {rows: []int32{0}},
		"column too high": {names: []string{"a"}, columns: []int32{3}},
		"column negative": {names: []string{"a"}, columns: []int32{-1}},
		"row too high":    {names: []string{"a"}, columns: []int32{0}, rows: []int32{3}},
		"row negative":    {names: []string{"a"}, columns: []int32{0}, rows: []int32{-1}},
		"row twice":       {names: []string{"a"}, columns: []int32{0}, rows: []int32{1, 1}},
	} {
		if _, _, _, err := whole.apply(v); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDecodeTableRefuses(t *testing.T) {
	edit := func(old, new string) string {
		out := strings.Replace(recorded, old, new, 1)
		if out == recorded {
			t.Fatalf("edit %q changed nothing", old)
		}
		return out
	}
	for name, text := range map[string]string{
		"empty":               "",
		"null":                "null",
		"array":               "[]",
		"truncated":           recorded[:len(recorded)-1],
		"text after the end":  recorded + "{}",
		"key twice":           edit(`"hidden_groups"`, `"rows":[],"hidden_groups"`),
		"column key twice":    edit(`"unit":"EUR"`, `"unit":"EUR","name":"x"`),
		"missing error95":     edit(`"error95"`, `"errors"`),
		"other role":          edit(`"role":"group"`, `"role":"key"`),
		"short row":           edit(`["F",       12.5,`, `["F",`),
		"long error row":      edit(`[     0.125,`, `[     0.125,1,`),
		"negative half-width": edit(`0.125`, `-0.125`),
		"text for a measure":  edit(`12.5`, `"12.5"`),
		"text half-width":     edit(`0.125`, `"0.125"`),
		"boolean cell":        edit(`12.5`, `true`),
		"object cell":         edit(`"F"`, `{}`),
		"number out of range": edit(`12.5`, `1e999`),
		"hidden too many":     edit(`       1}`, `4}`),
		"hidden negative":     edit(`       1}`, `-1}`),
		"null row":            edit(`["M",              null,                null]`, `null`),
	} {
		if _, err := decodeTable([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := decodeTable([]byte(edit(`"hidden_groups"`, `"later":{"x":[1]},"hidden_groups"`))); err != nil {
		t.Errorf("an unknown key of a later gateway: %v", err)
	}
}

// What decodes has the shape callers rely on, and decodes to the same table after encoding its cells again.
func FuzzDecodeTable(f *testing.F) {
	f.Add([]byte(recorded))
	f.Add([]byte(`{"columns":[],"rows":[],"error95":[],"hidden_groups":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := decodeTable(text)
		if err != nil {
			return
		}
		for _, row := range whole.rows {
			for _, v := range row {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatalf("cell does not encode: %v", err)
				}
				var back Value
				if err := json.Unmarshal(b, &back); err != nil || back != v {
					t.Fatalf("cell %q came back as %q (%v)", v, back, err)
				}
				if x, ok := v.Float(); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
					t.Fatal("a cell is not finite")
				}
			}
		}
	})
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func splitLines(s string) []string { return strings.Split(s, "\n") }
