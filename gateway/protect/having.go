package protect

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"

	"jali/gateway/catalog"
)

// Having is a tree: Op "and", "or", "not" over Args, or a comparison ("=", "<>", "<", "<=", ">", ">=") of an output with a
// number (measures) or a value (groups).
type Having struct {
	Op     string
	Args   []*Having
	Output int
	Number float64
	Value  catalog.Value
}

// maxHaving bounds the depth of a HAVING tree.
const maxHaving = 64

// truth is SQL's three-valued logic.
type truth int

const (
	no truth = iota
	unknown
	yes
)

// of evaluates the tree for a row. The tree has passed check.
func (h *Having) of(r Row) truth {
	switch h.Op {
	case "and":
		t := yes
		for _, a := range h.Args {
			t = min(t, a.of(r))
		}
		return t
	case "or":
		t := no
		for _, a := range h.Args {
			t = max(t, a.of(r))
		}
		return t
	case "not":
		return yes - h.Args[0].of(r)
	}
	v := r.Values[h.Output]
	var d int
	switch {
	case v.missing():
		return unknown
	case v.Label != nil:
		if (v.Label.Kind == catalog.String) != (h.Value.Kind == catalog.String) {
			return unknown // text and number do not compare
		}
		d = compare(*v.Label, h.Value)
	case v.Fixed != nil:
		// To the nearest float, as the literal was.
		f, _ := new(big.Rat).SetFrac(v.Fixed, pow10(v.Dec)).Float64()
		d = cmp.Compare(f, h.Number)
	default:
		d = cmp.Compare(v.Float, h.Number)
	}
	if holds(h.Op, d) {
		return yes
	}
	return no
}

// holds reports whether a comparison with result d satisfies the operator.
func holds(op string, d int) bool {
	switch op {
	case "=":
		return d == 0
	case "<>":
		return d != 0
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	}
	return false
}

func (h *Having) check(columns []Column, depth int) error {
	if h == nil || depth == 0 {
		return errors.New("having is incomplete or too deep")
	}
	switch h.Op {
	case "and", "or", "not":
		if len(h.Args) == 0 || h.Op == "not" && len(h.Args) != 1 {
			return fmt.Errorf("having: %s has %d arguments", h.Op, len(h.Args))
		}
		for _, a := range h.Args {
			if err := a.check(columns, depth-1); err != nil {
				return err
			}
		}
		return nil
	case "=", "<>", "<", "<=", ">", ">=":
		if len(h.Args) != 0 || h.Output < 0 || h.Output >= len(columns) {
			return errors.New("having compares no column")
		}
		if columns[h.Output].Kind == OutGroup && h.Value.Kind == catalog.Null {
			return errors.New("having compares a group with nothing")
		}
		if h.Number != h.Number {
			return errors.New("having compares with what is not a number")
		}
		return nil
	}
	return errors.New("having: operator is unknown")
}
