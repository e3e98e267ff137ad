package query

import (
	"fmt"
	"strings"

	"jali/gateway/catalog"
)

// Expr computes a value of a row from the row's columns: a sum of whole multiples, one of several values, or the value of the first
// condition that holds. All are total: a sum with a NULL term is NULL, and bounds, proved from those of the columns, fit in 62 bits.
// Whatever a row computes from itself is person-local (disclosure-control.md section 12.4).
type Expr struct {
	// Terms and Const are a sum; dates count as days.
	Terms []Term
	Const int64
	// Pick, when set, takes one of Terms (each once) and, when Fixed, Const; for PickFirst in the question's order, Const last.
	Pick  Pick
	Fixed bool
	// Whens is a choice: the value of the first condition that is true, or Else. The column's Codes list the values.
	Whens []When
	Else  catalog.Value // the zero Value is NULL
}

// Term is Coef times a stored column of numbers or dates.
type Term struct {
	Coef int64
	Col  ColumnRef
}

// When gives Then where If is true.
type When struct {
	If   Cond
	Then catalog.Value
}

// key writes an expression so that equal keys compute equal values.
func (e *Expr) key() string {
	var b strings.Builder
	if e.Pick != "" {
		b.WriteString(string(e.Pick) + "(")
		for _, t := range e.Terms {
			b.WriteString(refKey(t.Col) + " ")
		}
		if e.Fixed {
			fmt.Fprintf(&b, "or %d", e.Const)
		}
		return b.String() + ")"
	}
	if len(e.Whens) == 0 {
		b.WriteString("sum(")
		for _, t := range e.Terms {
			fmt.Fprintf(&b, "%d*%s ", t.Coef, refKey(t.Col))
		}
		fmt.Fprintf(&b, "%d)", e.Const)
		return b.String()
	}
	b.WriteString("case(")
	for _, w := range e.Whens {
		b.WriteString(condKey(w.If) + " then " + valueKey(w.Then) + " ")
	}
	b.WriteString("else " + valueKey(e.Else) + ")")
	return b.String()
}

// EachColumn visits the stored columns a reference is made of: itself, or those its expression names in its own FROM.
func (r ColumnRef) EachColumn(visit func(ColumnRef)) {
	if r.Expr == nil {
		visit(r)
		return
	}
	for _, t := range r.Expr.Terms {
		t.Col.EachColumn(visit)
	}
	for _, w := range r.Expr.Whens {
		eachRef(w.If, visit)
	}
}

// intern makes equal expressions of one SELECT one object, so that references to them are equal.
func (s *scope) intern(ref ColumnRef) ColumnRef {
	if s.computed == nil {
		s.computed = map[string]ColumnRef{}
	}
	key := refKey(ref)
	if known, ok := s.computed[key]; ok {
		return known
	}
	s.computed[key] = ref
	return ref
}

// nullableCond reports whether a condition can be NULL, rather than true or false.
func nullableCond(c Cond) bool {
	switch x := c.(type) {
	case And:
		return anyNullable(x.Args)
	case Or:
		return anyNullable(x.Args)
	case Not:
		return nullableCond(x.Arg)
	case Compare:
		return nullable(x.Col)
	case In:
		return nullable(x.Col)
	case Like:
		return nullable(x.Col)
	}
	return false // IS NULL, person IN, constants
}

func anyNullable(args []Cond) bool {
	for _, a := range args {
		if nullableCond(a) {
			return true
		}
	}
	return false
}
