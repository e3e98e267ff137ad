package engine

import (
	"fmt"
	"strconv"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// What a plan computes from a row, and derived tables, are written here. Every value takes the SQL type of its column's
// encoding, so that it is read as if it were stored. The planner proved its range from what import verified: no cast fails and
// no sum overflows. Numbers of a calculation are written as digits, being int64 here; all else of the asker's is bound.

// value writes what a reference reads. A choice may bind literals, which are then due where the text stands: it is used once,
// and in the order of the calls.
func (w *writer) value(s *scope, r query.ColumnRef) (string, error) {
	switch {
	case r.Expr == nil || s.projected != nil:
		return s.column(r)
	case r.Column == nil:
		return "", errPlan
	case len(r.Expr.Whens) > 0:
		return w.choice(s, r)
	}
	return w.calculation(s, r)
}

func (w *writer) calculation(s *scope, r query.ColumnRef) (string, error) {
	if len(r.Expr.Terms) == 0 || encodingOf(r.Column).kind != numbers {
		return "", fmt.Errorf("%w: calculation", errPlan)
	}
	separator, konst := " + ", r.Expr.Const != 0
	switch r.Expr.Pick {
	case "":
	case query.PickLeast, query.PickGreatest, query.PickFirst: // all three pass over NULL, in both engines
		separator, konst = ", ", r.Expr.Fixed
	default:
		return "", fmt.Errorf("%w: calculation", errPlan)
	}
	var b strings.Builder
	b.WriteString("(" + string(r.Expr.Pick) + "(")
	for i, t := range r.Expr.Terms {
		if t.Col.Expr != nil || t.Col.Band != nil || t.Col.Column == nil || encodingOf(t.Col.Column).kind != numbers {
			return "", fmt.Errorf("%w: term of a calculation", errPlan)
		}
		x, err := s.column(t.Col)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString(separator)
		}
		if t.Coef != 1 {
			b.WriteString("(" + strconv.FormatInt(t.Coef, 10) + ")::BIGINT * ")
		}
		b.WriteString(x + "::BIGINT")
	}
	if konst {
		b.WriteString(separator + "(" + strconv.FormatInt(r.Expr.Const, 10) + ")::BIGINT")
	}
	b.WriteString("))::" + w.dialect.typ(encodingOf(r.Column).typ))
	return b.String(), nil
}

func (w *writer) choice(s *scope, r query.ColumnRef) (string, error) {
	enc := encodingOf(r.Column)
	at := map[catalog.Value]int64{}
	for i, v := range r.Column.Codes {
		at[v] = int64(i)
	}
	result := func(v catalog.Value) (string, error) {
		switch i, listed := at[v]; {
		case v.Kind == catalog.Null:
			return "NULL", nil
		case enc.kind == codes && listed:
			return strconv.FormatInt(i, 10), nil
		case enc.kind == numbers && v.Kind == r.Column.Kind() && v.N >= enc.lo && v.N <= enc.hi:
			return strconv.FormatInt(v.N, 10), nil
		}
		return "", fmt.Errorf("%w: value of a choice", errPlan)
	}
	b := &writer{aliases: w.aliases, lo: w.lo, hi: w.hi, dialect: w.dialect, before: w.before + len(w.args)}
	b.WriteString("(CASE")
	for _, c := range r.Expr.Whens {
		b.WriteString(" WHEN ")
		if err := b.condition(s, c.If); err != nil {
			return "", err
		}
		x, err := result(c.Then)
		if err != nil {
			return "", err
		}
		b.WriteString(" THEN " + x)
	}
	x, err := result(r.Expr.Else)
	if err != nil {
		return "", err
	}
	b.WriteString(" ELSE " + x + " END)::" + w.dialect.typ(enc.typ))
	w.args, w.aliases = append(w.args, b.args...), b.aliases
	return b.String(), nil
}

// operand is a reference that a condition compares: it may be written more than once, so that nothing may be bound in it.
func (w *writer) operand(s *scope, r query.ColumnRef) (string, error) {
	if r.Expr != nil && len(r.Expr.Whens) > 0 {
		return "", fmt.Errorf("%w: condition on a choice", errPlan)
	}
	return w.value(s, r)
}

// project writes SELECT person, references FROM ... WHERE, with the names _p, _c0, _c1 and so on (names of the asker begin with a letter): every expression once, before
// anything is taken together.
func (w *writer) project(tables []query.TableRef, where query.Cond, refs []query.ColumnRef) error {
	s, err := w.open(tables)
	if err != nil {
		return err
	}
	list := []string{s.person + " AS " + personColumn}
	for i, r := range refs {
		x, err := w.value(s, r)
		if err != nil {
			return err
		}
		list = append(list, x+" AS _c"+strconv.Itoa(i))
	}
	w.WriteString("SELECT " + strings.Join(list, ", "))
	return w.from(s, where)
}

// derived writes a derived table: a statement in parentheses whose columns are _p and those of the table.
func (w *writer) derived(d *query.Derived) error {
	var refs []query.ColumnRef
	place := func(r query.ColumnRef) string {
		refs = append(refs, r)
		return "_c" + strconv.Itoa(len(refs)-1)
	}
	list, keys, order, whole := []string{personColumn}, []string{personColumn}, []string{}, []string{}
	for _, c := range d.Columns {
		var x, name string
		if (c.Arg == nil) != (c.Kind == query.RowCount || c.Kind == query.Number) {
			return fmt.Errorf("%w: derived column", errPlan)
		}
		if c.Arg != nil {
			if c.Arg.Band != nil {
				return fmt.Errorf("%w: derived band", errPlan)
			}
			name = place(*c.Arg)
		}
		switch c.Kind {
		case query.Value:
			x = name
			keys, whole = append(keys, name), append(whole, name)
		case query.Least, query.Greatest, query.Total:
			x = string(c.Kind) + "(" + name + ")"
		case query.RowCount:
			x = "count(*)"
		case query.Filled:
			x = "count(" + name + ")"
		case query.Distinct:
			x = "count(DISTINCT " + name + ")"
		case query.Number:
			x = ""
		default:
			return fmt.Errorf("%w: derived column", errPlan)
		}
		if d.Grouped && c.Kind == query.Number || !d.Grouped && c.Kind != query.Value && c.Kind != query.Number {
			return fmt.Errorf("%w: derived column", errPlan)
		}
		list = append(list, x)
	}
	for _, o := range d.Order {
		x := place(o.Col)
		if o.Desc {
			x += " DESC NULLS FIRST"
		} else {
			x += " ASC NULLS LAST"
		}
		order = append(order, x)
	}
	// Rows that are equal in the order are put in the order of all their columns: which of them is first never depends on
	// where rows are stored, and so on other persons.
	for _, x := range whole {
		order = append(order, x+" ASC NULLS LAST")
	}
	w.WriteString("(SELECT " + personColumn)
	for i, c := range d.Columns {
		x := list[i+1]
		if c.Kind == query.Number {
			if len(d.Order) == 0 {
				return fmt.Errorf("%w: numbers without order", errPlan)
			}
			x = "row_number() OVER (PARTITION BY " + personColumn + " ORDER BY " + strings.Join(order, ", ") + ")"
		}
		w.WriteString(", (" + x + ")::" + w.dialect.typ(encodingOf(c.Column).typ) + " AS " + quote(c.Column.Name))
	}
	w.WriteString(" FROM (")
	if err := w.project(d.Tables, d.Where, refs); err != nil {
		return err
	}
	w.WriteString(") _d")
	if d.Grouped {
		w.WriteString(" GROUP BY " + strings.Join(keys, ", "))
	}
	w.WriteString(")")
	return nil
}

// plainRef is a reference without its band: what is read to find the band's label.
func plainRef(r query.ColumnRef) query.ColumnRef {
	r.Band = nil
	return r
}

// computes reports whether a plan computes a group or a measure.
func computes(p *query.Plan) bool {
	for _, g := range p.GroupBy {
		if g.Expr != nil {
			return true
		}
	}
	for _, it := range p.Items {
		if it.Col != nil && it.Col.Expr != nil {
			return true
		}
	}
	return false
}
