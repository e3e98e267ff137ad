package rpc

import (
	"math/big"
	"testing"

	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk/analysis"
)

// asJSONOf is the form that REST and Connect send.
func asJSONOf(t *testing.T, m *jaliv1.QueryResponse) []byte {
	t.Helper()
	c := paddedJSON{&vanguard.JSONCodec{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}}
	b, err := c.MarshalAppend([]byte("before"), proto.Clone(m))
	if err != nil {
		t.Fatal(err)
	}
	b = b[len("before"):]
	var back jaliv1.QueryResponse
	if err := protojson.Unmarshal(b, &back); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	back.Padding, m = nil, proto.Clone(m).(*jaliv1.QueryResponse)
	m.Padding = nil
	if !proto.Equal(&back, m) {
		t.Errorf("JSON says something else: %v, want %v", &back, m)
	}
	return b
}

// table is an answer of one shape: three groups with a count, a sum with decimals and a mean. A nil figure is hidden.
func table(figures [3]*int64, shown []int) gateway.Answer {
	a := gateway.Answer{
		Released: protect.Released{Columns: []protect.Column{
			{Name: "place", Role: "group", Kind: protect.OutGroup},
			{Name: "n", Role: "measure", Kind: protect.OutCount},
			{Name: "cost", Role: "measure", Kind: protect.OutSum, Unit: "EUR"},
			{Name: "avg", Role: "measure", Kind: protect.OutMean},
		}},
		View:   protect.View{Columns: []protect.ViewColumn{{Name: "avg", Index: 3}, {Name: "place", Index: 0}, {Name: "n", Index: 1}, {Name: "c", Index: 2}}, Rows: shown},
		Result: make([]byte, 700), Receipt: make([]byte, 4000+170*len(shown)), Budget: gateway.Remaining{Agreement: 7, Population: -1}, Decision: uint64(len(shown)),
	}
	for i, label := range []string{"a", "a longer \"label\"\n", "é"} {
		v := catalog.StringValue(label)
		row := protect.Row{Values: []protect.Cell{{Label: &v}}, Error95: []protect.Cell{{Absent: true}}}
		for range 3 {
			row.Values, row.Error95 = append(row.Values, protect.Cell{Absent: true}), append(row.Error95, protect.Cell{Absent: true})
		}
		if n := figures[i]; n != nil {
			row.Values[1], row.Values[2], row.Values[3] = protect.Cell{Fixed: big.NewInt(*n)}, protect.Cell{Fixed: big.NewInt(*n), Dec: 2}, protect.Cell{Float: float64(*n) / 3}
			row.Error95[1], row.Error95[2], row.Error95[3] = protect.Cell{Fixed: big.NewInt(5)}, protect.Cell{Fixed: big.NewInt(5), Dec: 2}, protect.Cell{Float: 1e-7}
		} else {
			row.Hidden = true
			a.Released.HiddenGroups++
		}
		a.Released.Rows = append(a.Released.Rows, row)
	}
	return a
}

// One shape, one length, in both forms, whatever the figures, what is hidden, what HAVING leaves and how the rows are ordered; without the padding not.
func TestLengthOfAMessage(t *testing.T) {
	n := func(x int64) *int64 { return &x }
	binary, text, bare := map[int]int{}, map[int]int{}, map[int]int{}
	for _, a := range []gateway.Answer{
		table([3]*int64{nil, nil, nil}, nil),
		table([3]*int64{nil, nil, nil}, []int{0, 1, 2}),
		table([3]*int64{n(0), n(-1), n(7)}, []int{2, 0, 1}),
		table([3]*int64{n(-9223372036854775808), n(9223372036854775807), n(-9223372036854775807)}, []int{1, 2, 0}),
		table([3]*int64{n(123456789), nil, n(5)}, []int{1}),
	} {
		out := answerProto(a)
		bare[proto.Size(out)]++
		padded(out, a)
		binary[proto.Size(out)]++
		text[len(asJSONOf(t, out))]++
	}
	if len(binary) != 1 || len(text) != 1 {
		t.Errorf("lengths of one shape: binary %v, JSON %v", binary, text)
	}
	if len(bare) < 3 {
		t.Errorf("control: without padding the lengths are %v", bare)
	}
}

// A regression without coefficients is as long as one with all, and a note takes no more room than none.
func TestLengthOfADerivedTable(t *testing.T) {
	binary, text := map[int]int{}, map[int]int{}
	for _, d := range []analysis.Derived{
		{Notes: []string{"too noisy: the information in the table is below 4 standard deviations of its noise"}},
		{Rows: [][]any{{"(intercept)", 0.25, "a note"}, {"sex=F", nil, ""}}},
		{Rows: [][]any{{"(intercept)", -1.2345678901234567e-300, ""}, {"sex=F", -1.2345678901234567e-06, ""}}},
	} {
		d.Columns = []analysis.Column{{Name: "term", Label: true}, {Name: "estimate"}, {Name: "note", Label: true}}
		a := gateway.Answer{Derived: &d, Result: make([]byte, 300), Extent: gateway.Extent{Rows: 2, Label: 80, Note: 256}}
		out := padded(answerProto(a), a)
		binary[proto.Size(out)]++
		text[len(asJSONOf(t, out))]++
	}
	if len(binary) != 1 || len(text) != 1 {
		t.Errorf("lengths of one shape: binary %v, JSON %v", binary, text)
	}
}

// Every number of bytes can be filled, exactly.
func TestFilling(t *testing.T) {
	for _, near := range []int{8, 127, 16_384, 2_097_152} {
		for n := max(8, near-20); n < near+20; n++ {
			if got := proto.Size(&jaliv1.QueryResponse{Padding: filling(n)}); got != n {
				t.Errorf("%d bytes take %d", n, got)
			}
		}
	}
}
