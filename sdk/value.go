package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Value is one cell: a number, a text, or nothing (a hidden figure, or the group of rows without a value). It keeps the
// digits as the gateway recorded them.
type Value struct {
	kind kind
	text string
}

type kind uint8

const (
	null kind = iota
	number
	text
)

// IsNull reports that there is no value: the figure is hidden, or the group has none.
func (v Value) IsNull() bool { return v.kind == null }

// IsNumber reports that the value is a number.
func (v Value) IsNumber() bool { return v.kind == number }

// Float is the value as a float64; false if it is not a number.
func (v Value) Float() (float64, bool) {
	if v.kind != number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.text, 64)
	return f, err == nil
}

// Int is the value as an int64; false if it is not a whole number in range.
func (v Value) Int() (int64, bool) {
	if v.kind != number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// String is the number's digits or the text; empty for no value.
func (v Value) String() string { return v.text }

// MarshalJSON writes the number as recorded, the text, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case number:
		return []byte(v.text), nil
	case text:
		return json.Marshal(v.text)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads a number, a string or null; nothing else is a value.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		*v = Value{}
		return nil
	case len(b) > 0 && b[0] == '"':
		v.kind = text
		return json.Unmarshal(b, &v.text)
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		if f, err := strconv.ParseFloat(string(b), 64); err != nil || math.IsInf(f, 0) {
			return fmt.Errorf("a number is out of range")
		}
		*v = Value{kind: number, text: string(b)}
		return nil
	}
	return fmt.Errorf("a cell is neither number, text nor null")
}
