package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Column describes a column of an answer.
type Column struct {
	// Name is the one asked for (AS); Recorded is the column's name on record, which tells what it holds: "rows", "persons",
	// "sum(claim.cost)", "mean of ...", or a group column's name.
	Name, Recorded string
	// Kind is what a measure is ("count", "sum", "mean", "var", "sd"), or the type of a group ("integer", "decimal", "date", "text").
	Kind string
	// Role is "group" or "measure".
	Role string
	Unit string
}

// IsCount reports that the column counts rows or persons, so that a figure below 0 is noise.
func (c Column) IsCount() bool { return c.Kind == "count" }

// table is the released table as the receipt covers it: every row in catalogue order, every output once.
type table struct {
	columns []Column
	rows    [][]Value
	error95 [][]Value // per row, one per measure column
	hidden  int64
	// protection is what a table without a formal guarantee says of itself.
	protection string
}

// decodeTable parses canonical result JSON (docs/api.md, "Result"). It refuses what could be read in two ways (a key twice, text
// after the end) and rows that do not fit the columns. Unknown keys are skipped: a later gateway may add some.
func decodeTable(result []byte) (table, error) {
	var t table
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.UseNumber()
	need := map[string]bool{"columns": true, "rows": true, "error95": true, "hidden_groups": true}
	err := object(dec, func(key string) error {
		delete(need, key)
		switch key {
		case "columns":
			return array(dec, func() error {
				c, err := decodeColumn(dec)
				t.columns = append(t.columns, c)
				return err
			})
		case "rows":
			return dec.Decode(&t.rows)
		case "error95":
			return dec.Decode(&t.error95)
		case "hidden_groups":
			return dec.Decode(&t.hidden)
		case "protection":
			return dec.Decode(&t.protection)
		}
		return dec.Decode(new(json.RawMessage))
	})
	if err != nil {
		return table{}, fmt.Errorf("decode result: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return table{}, errors.New("decode result: text after its end")
	}
	if len(need) > 0 {
		return table{}, errors.New("decode result: columns, rows, error95 or hidden_groups is missing")
	}
	if err := t.check(); err != nil {
		return table{}, fmt.Errorf("decode result: %w", err)
	}
	return t, nil
}

func decodeColumn(dec *json.Decoder) (Column, error) {
	var c Column
	err := object(dec, func(key string) error {
		switch key {
		case "name":
			return dec.Decode(&c.Recorded)
		case "kind":
			return dec.Decode(&c.Kind)
		case "role":
			return dec.Decode(&c.Role)
		case "unit":
			return dec.Decode(&c.Unit)
		}
		return dec.Decode(new(json.RawMessage))
	})
	return c, err
}

// check holds the table to its shape.
func (t table) check() error {
	measures := 0
	for _, c := range t.columns {
		switch c.Role {
		case "group":
		case "measure":
			measures++
		default:
			return errors.New("a column is neither group nor measure")
		}
	}
	if len(t.rows) != len(t.error95) {
		return errors.New("rows and error95 differ in length")
	}
	if t.hidden < 0 || t.hidden > int64(len(t.rows)) {
		return errors.New("hidden_groups does not fit the rows")
	}
	for i, row := range t.rows {
		if len(row) != len(t.columns) || len(t.error95[i]) != measures {
			return errors.New("a row does not fit the columns")
		}
		for j, v := range row {
			if t.columns[j].Role == "measure" && v.kind == text {
				return errors.New("a measure is not a number")
			}
		}
		for _, e := range t.error95[i] {
			if f, ok := e.Float(); e.kind == text || ok && f < 0 {
				return errors.New("a half-width is not a number from 0 up")
			}
		}
	}
	return nil
}

// object walks a JSON object's members; each must consume its value from dec. A key given twice is refused.
func object(dec *json.Decoder, member func(key string) error) error {
	if err := delim(dec, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok || seen[key] {
			return errors.New("a key is given twice")
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	return delim(dec, '}')
}

// array walks a JSON array's elements.
func array(dec *json.Decoder, element func() error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("expected %v", want)
	}
	return nil
}
