package rpc

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"jali/gateway"
	"jali/gateway/protect"
	jaliv1 "jali/proto/jali/v1"
)

// Who watches an encrypted connection sees how long an answer is. The recorded result in it has one length for one shape (protect.Encode); the typed
// copy beside it has not: what is hidden is shorter, rows that HAVING leaves out are missing, and JSON writes numbers with as many digits as they
// have. So each answer is filled up to what the widest answer of its shape would take, in both encodings of the contract. Shape is what the plan
// and the catalogue say: columns, groups with their labels, notes. Groups with private keys are as many as are released, and the receipt's length
// follows the length of the log; both are public. It is rounded up so that an answer and its replay do not differ by the log's growth.
const (
	figureWire = 11 // a number in a ResultValue in a row
	figureJSON = len(`{"number":-0.0000012345678901234567}, `)
	rowWire    = 12 // tags and lengths of a row, its flag, and no other
	rowJSON    = len(`{"values":[], "error95":[], "hidden":false}, `)

	receiptStep = 4 << 10 // receipts are some 4 KiB: they end in the middle of a step, where the next proof does not reach its end
	spare       = 256     // lengths of lengths, and the field of the padding itself
)

// room is what something takes at most in each encoding.
type room struct{ wire, json int }

func (r *room) add(o room) { r.wire, r.json = r.wire+o.wire, r.json+o.json }

// figure is a number, or none.
var figure = room{figureWire, figureJSON}

// labelRoom is that of a label.
func labelRoom(v *jaliv1.ResultValue) room {
	if t, ok := v.GetValue().(*jaliv1.ResultValue_Text); ok {
		return textRoom(len(t.Text), quoted(t.Text))
	}
	return figure
}

// textRoom is that of a text of n bytes that takes so many, quotes included, as JSON.
func textRoom(n, json int) room {
	inner := 1 + protowire.SizeBytes(n)
	return room{1 + protowire.SizeBytes(inner), len(`{"text":}, `) + json}
}

// quoted is the length of a JSON string, as protojson writes it.
func quoted(s string) int {
	n := len(s) + 2
	for _, c := range []byte(s) {
		switch {
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			n++
		case c < ' ':
			n += 5
		}
	}
	return n
}

// padded fills an answer up to the length of the widest one of its shape.
func padded(out *jaliv1.QueryResponse, a gateway.Answer) *jaliv1.QueryResponse {
	most := widest(out, a)
	// A figure wider than its column's width (protect.Encode) takes an absurd accuracy. It is not cut off.
	size := proto.Size(out)
	for most.wire < size+spare/2 {
		most.wire *= 2
	}
	out.JsonBytes = uint32(min(most.json, math.MaxUint32))
	out.Padding = filling(most.wire - size - 5)
	return out
}

// widest bounds both forms of an answer by its shape.
func widest(out *jaliv1.QueryResponse, a gateway.Answer) room {
	frame := &jaliv1.QueryResponse{
		Columns: out.GetColumns(), ViewColumns: out.GetViewColumns(), Notes: a.Notes,
		PricePu: math.MinInt64, Budget: &jaliv1.Budget{AgreementRemainingPu: math.MinInt64, PopulationRemainingPu: math.MinInt64},
		Replayed: true, Decision: math.MaxUint64, SlotsOff: true, HiddenGroups: math.MinInt64, JsonBytes: math.MaxUint32,
	}
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(frame)
	if err != nil {
		text = nil // names that are no UTF-8: the catalogue has none, and nothing could be sent
	}
	most := room{proto.Size(frame) + spare, len(text) + spare}
	blob := func(n int) { most.add(room{n + 5, base64.StdEncoding.EncodedLen(n)}) }
	blob(len(out.GetResult()))
	blob(len(out.GetAnalysis()))
	blob((len(out.GetReceipt())+receiptStep/2-1)/receiptStep*receiptStep + receiptStep/2)
	if a.Derived != nil {
		most.add(derivedRoom(a))
		return most
	}
	for i, row := range a.Released.Rows {
		most.add(room{rowWire + protowire.SizeVarint(uint64(i)), rowJSON + len(strconv.Itoa(i)) + 2})
		for _, c := range a.View.Columns {
			value := figure
			if a.Released.Columns[c.Index].Kind == protect.OutGroup {
				value = labelRoom(cellProto(row.Values[c.Index]))
			}
			most.add(value)
			most.add(figure) // its half-width
		}
	}
	return most
}

// derivedRoom bounds the table of a table function.
func derivedRoom(a gateway.Answer) room {
	e := a.Extent
	label, note := textRoom(e.Label, 2*e.Label+2), textRoom(e.Note, e.Note+2) // notes are our own words: what JSON would escape is in a label at most
	row := room{rowWire, rowJSON}
	for _, c := range a.Derived.Columns {
		switch {
		case c.Label && c.Name == "note":
			row.add(note)
		case c.Label:
			row.add(label)
		default:
			row.add(figure)
		}
		row.add(figure)
	}
	note.add(room{row.wire * e.Rows, row.json * e.Rows})
	return note
}

// paddingField is the number of QueryResponse.padding.
const paddingField = 16

// filling is padding that takes n bytes as fields of a message, n at least 8. The length of a length makes some sums impossible for one string; an
// empty second one then takes the rest.
func filling(n int) []string {
	tag := protowire.SizeTag(paddingField)
	one := func(n int) (string, bool) {
		for width := 1; width <= 5; width++ {
			if length := n - tag - width; length >= 0 && protowire.SizeVarint(uint64(length)) == width {
				return strings.Repeat(" ", length), true
			}
		}
		return "", false
	}
	if s, ok := one(n); ok {
		return []string{s}
	}
	s, _ := one(n - tag - 1)
	return []string{s, ""}
}

// paddedJSON writes an answer in JSON, filled up to its own length. What fills the binary form says nothing here.
type paddedJSON struct{ *vanguard.JSONCodec }

// end is how an answer without padding ends: it is the last field.
var end = []byte(`""]}`)

// MarshalAppend implements vanguard.Codec. The message is the transcoder's own.
func (c paddedJSON) MarshalAppend(base []byte, m proto.Message) ([]byte, error) {
	out, ok := m.(*jaliv1.QueryResponse)
	if !ok || out.GetJsonBytes() == 0 {
		return c.JSONCodec.MarshalAppend(base, m)
	}
	out.Padding = []string{""}
	length := int(out.GetJsonBytes())
	base = slices.Grow(base, length+len(end)) // once: the widest answers take 100 MiB, and growing by halves would take several times that
	b, err := c.JSONCodec.MarshalAppend(base, m)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(b, end) {
		return nil, fmt.Errorf("write answer as JSON: padding is not its last field")
	}
	for length < len(b)-len(base) {
		length *= 2
	}
	missing := length - (len(b) - len(base))
	from := len(b) - len(end) + 1
	b = slices.Grow(b, missing)[:len(b)+missing]
	for i := range b[from : from+missing] {
		b[from+i] = ' '
	}
	copy(b[from+missing:], end[1:])
	return b, nil
}
