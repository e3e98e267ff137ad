package protect

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
)

var sameBig = cmp.Comparer(func(a, b *big.Int) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Cmp(b) == 0
})

// sampleTable has every kind of column, label and absence.
func sampleTable(t testing.TB) Released {
	t.Helper()
	items := []Item{{Name: ItemRows, Sigma2: sigma2(1, 1)}, {Name: "s", Sigma2: sigma2(100, 1)}, {Name: "q", Sigma2: sigma2(100, 1)}}
	spec := Spec{
		Groups: []Domain{
			{Name: "name", Labels: text1(`a"b`, "<é>", "")},
			{Name: "day", Labels: []catalog.Value{catalog.DayValue(-1), catalog.DayValue(14_000)}},
			{Name: "rate", Labels: []catalog.Value{catalog.FixedValue(150, 2), catalog.FixedValue(-5, 2)}},
			{Name: "year", Labels: []catalog.Value{catalog.IntValue(2008)}},
		},
		Items: items, Min: 5,
		Outputs: []Output{
			{Name: "name", Kind: OutGroup, Group: 0},
			{Name: "day", Kind: OutGroup, Group: 1},
			{Name: "rate", Kind: OutGroup, Group: 2},
			{Name: "year", Kind: OutGroup, Group: 3},
			{Name: "n", Kind: OutCount, N: 0},
			{Name: "total", Kind: OutSum, S: 1, Decimals: 2, Unit: "€"},
			{Name: "mean", Kind: OutMean, N: 0, S: 1, Center: 7, Decimals: 2, Unit: "€"},
			{Name: "var", Kind: OutVar, N: 0, S: 1, Q: 2, Center: 7, Decimals: 2},
			{Name: "sd", Kind: OutSD, N: 0, S: 1, Q: 2, Center: 7, Decimals: 2},
		},
	}
	raw := Cells{Values: [][]*big.Int{
		bigs(4, 5, 9, 1000, -3, 1e15, 77, 78, 79, 80, 81, 82),
		bigs(1, -1, 0, 123456789, 3, 4, 5, 6, 7, 8, 9, 10),
		bigs(4, 5, 9, 1e17, 3, 4, 5, -600, 700, 800, 900, 1000),
	}}
	return withoutNoise(t, NewRaw(raw), spec)
}

func TestEncodeIsCanonical(t *testing.T) {
	spec := sexByYear()
	spec.Groups = spec.Groups[:1]
	spec.Outputs = []Output{spec.Outputs[0], spec.Outputs[1], spec.Outputs[3], {Name: "avg", Kind: OutMean, N: 0, S: 1, Decimals: 2}}
	spec.Min = 3
	r := withoutNoise(t, NewRaw(Cells{Values: [][]*big.Int{bigs(1234, 2, 7), bigs(-5, 6, 70)}}), spec)
	want := `{"columns":[{"name":"sex","role":"group","kind":"text","unit":""},{"name":"n","role":"measure","kind":"count","unit":""},` +
		`{"name":"cost","role":"measure","kind":"sum","unit":"EUR"},{"name":"avg","role":"measure","kind":"mean","unit":""}],` +
		`"rows":[["M",                1234,                                       -0.05,  -4.051863857e-05],` +
		`["F",                null,                                        null,              null],` +
		`[null,                   7,                                        0.70,               0.1]],` +
		`"error95":[[                   2,                                        1.96,    0.001592385932],` +
		`[                null,                                        null,              null],` +
		`[                   2,                                        1.96,      0.3179295959]],"hidden_groups":       1}`
	if d := cmp.Diff(want, string(Encode(r))); d != "" {
		t.Error(d)
	}
	if !json.Valid(Encode(r)) {
		t.Error("not JSON")
	}
}

// TestLengthTellsTheShapeOnly: attacks.md 24.
func TestLengthTellsTheShapeOnly(t *testing.T) {
	spec := sexByYear()
	spec.Outputs = append(spec.Outputs, Output{Name: "avg", Kind: OutMean, N: 0, S: 1}, Output{Name: "avg2", Kind: OutMean, N: 0, S: 1, Center: -7, Decimals: 6})
	spec.Min = 10
	length := 0
	for _, cells := range [][][]*big.Int{
		{bigs(0, 0, 0, 0, 0, 0), bigs(0, 0, 0, 0, 0, 0)},
		{bigs(1e15, 11, 10, 9, -1e15, 1), bigs(-1e18, 1e18, 3, 4, 5, 6)},
		{bigs(100, 1000, 10000, 100000, 1e6, 1e7), bigs(1, -1, 3, 1<<62, -1<<63, 7)},
		{bigs(1<<62, 1<<62, -1<<63, 1<<62, 1<<62, 1<<62), bigs(1, -1, 3, 1<<62, -1<<63, 7)},
	} {
		b := Encode(withoutNoise(t, NewRaw(Cells{Values: cells}), spec))
		if length == 0 {
			length = len(b)
		}
		if len(b) != length {
			t.Errorf("%d bytes, others %d: %s", len(b), length, b)
		}
	}
	// 128-bit sums fit their width.
	big127 := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 127))
	cells := [][]*big.Int{bigs(99, 99, 99, 99, 99, 99), {big127, big127, big127, big127, big127, big127}}
	if b := Encode(withoutNoise(t, NewRaw(Cells{Values: cells}), spec)); len(b) != length {
		t.Errorf("%d bytes with 128-bit sums, others %d", len(b), length)
	}
}

func TestDecodeIsTheInverse(t *testing.T) {
	r := sampleTable(t)
	got, err := Decode(Encode(r))
	if err != nil {
		t.Fatal(err)
	}
	r.Noisy = nil
	if d := cmp.Diff(r, got, sameBig); d != "" {
		t.Error(d)
	}
	hidden, below := 0, 0
	for _, row := range got.Rows {
		hidden += b2i(row.Hidden)
		below += b2i(row.Values[7].Below)
	}
	if hidden == 0 || hidden != got.HiddenGroups || below == 0 {
		t.Errorf("the sample shows %d hidden rows and %d drowned variances", hidden, below)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(Encode(sampleTable(t)))
	for name, b := range map[string]string{
		"empty":            "",
		"null":             "null",
		"an array":         "[]",
		"cut":              good[:len(good)-1],
		"text after":       good + " ",
		"twice":            good + good,
		"space before":     " " + good,
		"a space less":     strings.Replace(good, "  ", " ", 1),
		"unknown key":      strings.Replace(good, `{"columns"`, `{"x":1,"columns"`, 1),
		"role":             strings.Replace(good, `"role":"group"`, `"role":"guess"`, 1),
		"group as measure": strings.Replace(good, `"role":"group"`, `"role":"measure"`, 1),
		"measure as group": strings.Replace(good, `"role":"measure"`, `"role":"group"`, 1),
		"kind":             strings.Replace(good, `"kind":"count"`, `"kind":"median"`, 1),
		"measure of group": strings.Replace(good, `"kind":"count"`, `"kind":"group"`, 1),
		"type":             strings.Replace(good, `"kind":"date"`, `"kind":"integer"`, 1),
		"no rows":          `{"columns":[],"rows":[[]],"error95":[],"hidden_groups":       0}`,
		"hidden text":      strings.Replace(good, `"hidden_groups":       2`, `"hidden_groups":"      2"`, 1),
		"text in a number": strings.Replace(good, "1000000000000000", `"100000000000000"`, 1)[:len(good)],
	} {
		if b == good {
			t.Fatalf("%s: nothing was damaged", name)
		}
		if _, err := Decode([]byte(b)); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode: never panics, and what decodes encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add(Encode(sampleTable(f)))
	f.Add([]byte(`{"columns":[{"name":"n","role":"measure","kind":"count","unit":""}],"rows":[[                   1]],"error95":[[                   2]],"hidden_groups":       0}`))
	f.Add([]byte(`{"columns":[],"rows":[],"error95":[],"hidden_groups":       0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		if !bytes.Equal(Encode(r), b) {
			t.Fatalf("%q reads back as %q", b, Encode(r))
		}
	})
}
