package pgwire

import (
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// Formats of a value on the wire.
const (
	formatText   = 0
	formatBinary = 1
)

// sizes are those of types of constant width; the others are -1.
var sizes = map[uint32]int16{
	pgtype.BoolOID: 1, pgtype.QCharOID: 1, pgtype.Int2OID: 2, pgtype.Int4OID: 4, pgtype.Int8OID: 8, pgtype.OIDOID: 4, pgtype.Float8OID: 8, pgtype.DateOID: 4,
	pgtype.NameOID: 64,
}

// formatOf is what a client wants for the i-th column: none said is text, one said is for all.
func formatOf(formats []int16, i int) int16 {
	switch len(formats) {
	case 0:
		return formatText
	case 1:
		return formats[0]
	}
	if i < len(formats) {
		return formats[i]
	}
	return formatText
}

// rowDescription announces columns. formats is nil where they are not known yet.
func rowDescription(columns []column, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, c := range columns {
		size, ok := sizes[c.oid]
		if !ok {
			size = -1
		}
		d.Fields = append(d.Fields, pgproto3.FieldDescription{
			Name: []byte(c.name), DataTypeOID: c.oid, DataTypeSize: size, TypeModifier: -1, Format: formatOf(formats, i),
		})
	}
	return d
}

// encoder writes values. It is not safe for concurrent use: each session has its own.
type encoder struct{ types *pgtype.Map }

func newEncoder() encoder { return encoder{pgtype.NewMap()} }

// row encodes a row; a value that does not fit its column's type is an error without the value.
func (e encoder) row(columns []column, formats []int16, values []any) (*pgproto3.DataRow, error) {
	if len(values) != len(columns) {
		return nil, fmt.Errorf("encode row: %d values for %d columns", len(values), len(columns))
	}
	out := &pgproto3.DataRow{Values: make([][]byte, len(values))}
	for i, v := range values {
		if v == nil {
			continue
		}
		text := textOf(v)
		if formatOf(formats, i) == formatText {
			out.Values[i] = []byte(text)
			continue
		}
		b, err := e.binary(columns[i].oid, text)
		if err != nil {
			return nil, err
		}
		out.Values[i] = b
	}
	return out, nil
}

// textOf is PostgreSQL's text form.
func textOf(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case bool:
		if x {
			return "t"
		}
		return "f"
	}
	return ""
}

// binary turns the text form into the binary one, by the type.
func (e encoder) binary(oid uint32, text string) ([]byte, error) {
	bad := fmt.Errorf("encode value: it does not fit type %d", oid)
	t, ok := e.types.TypeForOID(oid)
	if !ok {
		return []byte(text), nil
	}
	v, err := t.Codec.DecodeValue(e.types, oid, pgtype.TextFormatCode, []byte(text))
	if err != nil {
		return nil, bad
	}
	b, err := e.types.Encode(oid, pgtype.BinaryFormatCode, v, []byte{})
	if err != nil {
		return nil, bad
	}
	return b, nil
}
