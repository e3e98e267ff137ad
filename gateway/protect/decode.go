package protect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"jali/gateway/catalog"
)

// ErrEncoding: bytes are not what Encode writes.
var ErrEncoding = errors.New("not a canonical released table")

// Decode reads what Encode wrote, for a replay. The result equals the table that was encoded, without Noisy. Any other bytes are
// ErrEncoding: what decodes encodes back to the same bytes.
func Decode(b []byte) (Released, error) {
	var t struct {
		Columns []struct{ Name, Role, Kind, Unit string }
		Rows    [][]json.RawMessage
		Error95 [][]json.RawMessage
		Hidden  int    `json:"hidden_groups"`
		Label   string `json:"protection"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&t); err != nil || len(t.Rows) != len(t.Error95) {
		return Released{}, fmt.Errorf("decode table: %w", ErrEncoding)
	}
	r := Released{Columns: make([]Column, len(t.Columns)), Rows: make([]Row, len(t.Rows)), HiddenGroups: t.Hidden, Label: t.Label}
	measures := 0
	for i, c := range t.Columns {
		r.Columns[i] = Column{Name: c.Name, Role: c.Role, Kind: OutputKind(c.Kind), Unit: c.Unit}
		switch {
		case c.Role == RoleGroup:
			r.Columns[i].Kind, r.Columns[i].Type = OutGroup, c.Kind
		case c.Role == RoleMeasure && r.Columns[i].Kind != OutGroup:
			measures++
		default:
			return Released{}, fmt.Errorf("decode table: %w", ErrEncoding)
		}
	}
	for i := range r.Rows {
		if len(t.Rows[i]) != len(r.Columns) || len(t.Error95[i]) != measures {
			return Released{}, fmt.Errorf("decode table: %w", ErrEncoding)
		}
		row := Row{}
		half := t.Error95[i]
		for j, c := range r.Columns {
			v, err := decodeCell(c, t.Rows[i][j])
			e := Cell{Absent: true}
			if err == nil && c.Kind != OutGroup {
				e, err = decodeCell(c, half[0])
				e.Below = false
				half = half[1:]
			}
			if err != nil {
				return Released{}, fmt.Errorf("decode table: %w", ErrEncoding)
			}
			row.Values, row.Error95 = append(row.Values, v), append(row.Error95, e)
		}
		row.Hidden = hidden(row.Values)
		r.Rows[i] = row
	}
	// Spaces, order, unknown keys, forms of numbers: whatever this reading let pass shows when written again.
	if !slices.Equal(Encode(r), b) {
		return Released{}, fmt.Errorf("decode table: %w", ErrEncoding)
	}
	return r, nil
}

func decodeCell(c Column, raw json.RawMessage) (Cell, error) {
	s := string(bytes.TrimSpace(raw))
	switch {
	case c.Kind == OutGroup:
		v, err := decodeLabel(c.Type, s)
		return Cell{Label: &v}, err
	case s == "null":
		return Cell{Absent: true}, nil
	}
	switch c.Kind {
	case OutCount, OutSum:
		n, dec, err := decodeDecimal(s)
		return Cell{Fixed: n, Dec: dec}, err
	case OutMean, OutVar, OutSD:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(f, 0) {
			return Cell{}, ErrEncoding
		}
		// A variance or deviation of exactly 0 is one that was clamped.
		return Cell{Float: f, Below: c.Kind != OutMean && f == 0}, nil
	}
	return Cell{}, ErrEncoding
}

func decodeLabel(kind, s string) (catalog.Value, error) {
	if s == "null" {
		return catalog.Value{}, nil
	}
	switch kind {
	case typeInteger, typeDecimal:
		n, dec, err := decodeDecimal(s)
		if err != nil || !n.IsInt64() || kind == typeInteger && dec != 0 {
			return catalog.Value{}, ErrEncoding
		}
		if kind == typeInteger {
			return catalog.IntValue(n.Int64()), nil
		}
		return catalog.FixedValue(n.Int64(), dec), nil
	case typeDate, typeText:
		var t string
		if err := json.Unmarshal([]byte(s), &t); err != nil {
			return catalog.Value{}, ErrEncoding
		}
		if kind == typeText {
			return catalog.StringValue(t), nil
		}
		day, err := time.Parse(time.DateOnly, t)
		if err != nil {
			return catalog.Value{}, ErrEncoding
		}
		return catalog.DayValue(day.Unix() / 86400), nil
	}
	return catalog.Value{}, ErrEncoding
}

// maxDigits bounds the number read: the noise package draws at most some 1,000 bits.
const maxDigits = 1024

// decodeDecimal reads an integer or decimal as a scaled integer and its number of decimals.
func decodeDecimal(s string) (*big.Int, int, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(s) > maxDigits {
		return nil, 0, ErrEncoding
	}
	n, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok {
		return nil, 0, ErrEncoding
	}
	return n, len(frac), nil
}
