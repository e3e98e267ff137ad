package rpc

import (
	"fmt"
	"testing"

	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"jali/gateway"
	"jali/sdk/analysis"
)

// The widest derived table that may be asked for, 100,000 rows with three long labels, fits what our clients take and what the transcoder buffers:
// whoever has paid for it gets it. The buffer is made once.
func TestWidestDerivedTable(t *testing.T) {
	const rows, label = 100_000, 60
	d := analysis.Derived{Columns: []analysis.Column{
		{Name: "a", Label: true},
		{Name: "b", Label: true},
		{Name: "c", Label: true},
		{Name: "count"},
		{Name: "lower"},
		{Name: "upper"},
		{Name: "row"},
		{Name: "column"},
		{Name: "note", Label: true},
	}}
	for i := range rows {
		d.Rows = append(d.Rows, []any{"a", "b", fmt.Sprint(i), 1.5, 2.5, 3.5, 0.25, nil, ""})
	}
	a := gateway.Answer{Derived: &d, Result: make([]byte, 20<<20), Extent: gateway.Extent{Rows: rows, Label: label, Note: 256 + label}}
	out := padded(answerProto(a), a)
	if n := proto.Size(out); n > maxAnswer {
		t.Errorf("%d bytes, clients take %d", n, maxAnswer)
	}
	length := int(out.GetJsonBytes())
	if length > maxAnswer {
		t.Errorf("%d bytes of JSON, the transcoder takes %d", length, maxAnswer)
	}
	c := paddedJSON{&vanguard.JSONCodec{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}}
	b, err := c.MarshalAppend(nil, out)
	if err != nil || len(b) != length {
		t.Fatalf("%d bytes, want %d: %v", len(b), length, err)
	}
	if cap(b) > length+length/16 {
		t.Errorf("room for %d bytes was taken for an answer of %d: it grew step by step", cap(b), length)
	}
}
