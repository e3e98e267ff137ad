package protect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"jali/gateway/catalog"
)

// Widths of numbers in Encode: what the largest engine result (128 bits) and its noise need. A longer number, which only an absurdly
// large error asked for can make, is written in full.
const (
	countWidth  = 20
	sumWidth    = 44
	floatWidth  = 18
	hiddenWidth = 8
)

// Encode is the canonical JSON of a released table; the receipt's digest is over exactly these bytes:
//
//	{"columns":[{"name":"sex","role":"group","kind":"text","unit":""},{"name":"rows","role":"measure","kind":"count","unit":""}],
//	 "rows":[["F",       1234],["M",       1187]],"error95":[[         50],[         50]],"hidden_groups":       0}
//
// without line breaks. kind is the OutputKind of a measure and the type of a group's labels: integer, decimal, date or text.
// Every row has one entry per column, every row of error95 one per measure. Counts are integers, sums decimals as declared, derived
// values have ten significant digits; what is hidden and the group "other" are null. Numbers of measures, and null in their place,
// are right-aligned with spaces to a constant width per kind, so that the length tells the shape and the labels, not the values.
// A table without a formal guarantee says so at the end: ,"protection":"disclosure-controlled, no formal guarantee"
func Encode(r Released) []byte {
	var b bytes.Buffer
	b.WriteString(`{"columns":[`)
	for i, c := range r.Columns {
		comma(&b, i)
		b.WriteString(`{"name":`)
		text(&b, c.Name)
		b.WriteString(`,"role":`)
		text(&b, c.Role)
		b.WriteString(`,"kind":`)
		if c.Kind == OutGroup {
			text(&b, c.Type)
		} else {
			text(&b, string(c.Kind))
		}
		b.WriteString(`,"unit":`)
		text(&b, c.Unit)
		b.WriteByte('}')
	}
	b.WriteString(`],"rows":[`)
	for i, row := range r.Rows {
		comma(&b, i)
		b.WriteByte('[')
		for j, v := range row.Values {
			comma(&b, j)
			value(&b, r.Columns[j].Kind, v)
		}
		b.WriteByte(']')
	}
	b.WriteString(`],"error95":[`)
	for i, row := range r.Rows {
		comma(&b, i)
		b.WriteByte('[')
		n := 0
		for j, v := range row.Error95 {
			if r.Columns[j].Kind == OutGroup {
				continue
			}
			comma(&b, n)
			value(&b, r.Columns[j].Kind, v)
			n++
		}
		b.WriteByte(']')
	}
	fmt.Fprintf(&b, `],"hidden_groups":%*d`, hiddenWidth, r.HiddenGroups)
	if r.Label != "" {
		b.WriteString(`,"protection":`)
		text(&b, r.Label)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func comma(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

func value(b *bytes.Buffer, kind OutputKind, c Cell) {
	s, width := "null", floatWidth
	switch kind {
	case OutGroup:
		label(b, c.Label)
		return
	case OutCount:
		width = countWidth
	case OutSum:
		width = sumWidth
	}
	switch {
	case c.Absent:
	case c.Fixed != nil:
		s = decimal(c.Fixed.String(), c.Dec)
	default:
		s = strconv.FormatFloat(c.Float, 'g', 10, 64)
	}
	fmt.Fprintf(b, "%*s", width, s)
}

// decimal puts the point of a scaled integer, dec digits from the right.
func decimal(s string, dec int) string {
	if dec == 0 {
		return s
	}
	digits, neg := strings.CutPrefix(s, "-")
	if len(digits) <= dec {
		digits = strings.Repeat("0", dec+1-len(digits)) + digits
	}
	s = digits[:len(digits)-dec] + "." + digits[len(digits)-dec:]
	if neg {
		s = "-" + s
	}
	return s
}

// label writes a group's label: a number, a date or text, or null for "other".
func label(b *bytes.Buffer, v *catalog.Value) {
	switch {
	case v == nil || v.Kind == catalog.Null:
		b.WriteString("null")
	case v.Kind == catalog.Int || v.Kind == catalog.Fixed:
		b.WriteString(v.String())
	default:
		text(b, v.String())
	}
}

// text writes a JSON string without escapes for HTML.
func text(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		// A string always encodes: invalid UTF-8 is replaced.
		panic("protect: encode text: " + err.Error())
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
}
