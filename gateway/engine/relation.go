package engine

import (
	"fmt"
	"strconv"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// writer builds one SQL statement from a plan. Identifiers come from the catalogue, numbers of the catalogue and person
// ranges are written as digits, every literal of the asker is bound.
type writer struct {
	strings.Builder
	args    []any
	before  int // parameters of the text that this one becomes a part of
	aliases int
	dialect dialect
	// persons restricts every private table to ordinals in [lo, hi): a share of a parallel stream. Zero: all.
	lo, hi int64
}

// scope is the FROM list that column references resolve in.
type scope struct {
	tables  []query.TableRef
	aliases []string
	person  string // SQL of the person's ordinal
	// projected names the columns of a projection that computes everything the plan reads; nil: columns of the tables.
	projected map[query.ColumnRef]string
}

func (s *scope) column(r query.ColumnRef) (string, error) {
	if s.projected != nil {
		x, ok := s.projected[plainRef(r)]
		if !ok {
			return "", errPlan
		}
		return x, nil
	}
	if r.Expr != nil || r.Table < 0 || r.Table >= len(s.tables) || r.Column == nil {
		return "", errPlan
	}
	t := s.tables[r.Table].Table
	if t.Column(r.Column.Name) != r.Column || !isStored(t, r.Column) {
		return "", fmt.Errorf("%w: column %s is not stored", errPlan, r.Column.Name)
	}
	return s.aliases[r.Table] + "." + quote(r.Column.Name), nil
}

// open names the tables of a FROM list.
func (w *writer) open(tables []query.TableRef) (*scope, error) {
	s := &scope{tables: tables}
	for _, t := range tables {
		a := "t" + strconv.Itoa(w.aliases)
		w.aliases++
		s.aliases = append(s.aliases, a)
		if !t.Table.Public && !t.Left && s.person == "" {
			s.person = a + "." + personColumn
		}
	}
	if s.person == "" {
		return nil, fmt.Errorf("%w: no private table", errPlan)
	}
	return s, nil
}

// from writes FROM, the joins and WHERE.
func (w *writer) from(s *scope, where query.Cond) error {
	var ranges []string
	seen := false
	for i, t := range s.tables {
		switch {
		case t.Left && (i == 0 || t.Sub == nil || len(t.On) > 0):
			return fmt.Errorf("%w: left join", errPlan)
		case i == 0:
			w.WriteString(" FROM ")
		case t.Left:
			w.WriteString(" LEFT JOIN ")
		default:
			w.WriteString(" JOIN ")
		}
		if t.Sub != nil {
			if err := w.derived(t.Sub); err != nil {
				return err
			}
		} else {
			w.WriteString(quote(t.Table.Name))
		}
		w.WriteString(" " + s.aliases[i])
		var on []string
		if !t.Table.Public {
			p := s.aliases[i] + "." + personColumn
			if seen {
				on = append(on, p+" = "+s.person)
			}
			seen = true
			if w.hi > 0 && t.Sub == nil { // a derived table has the range inside
				ranges = append(ranges, fmt.Sprintf("%s >= %d AND %s < %d", p, w.lo, p, w.hi))
			}
		}
		for _, j := range t.On {
			eq, err := s.equal(j)
			if err != nil {
				return err
			}
			on = append(on, eq)
		}
		switch {
		case i == 0 && len(on) == 0:
		case i == 0, len(on) == 0: // a cross join would multiply a person's rows
			return fmt.Errorf("%w: join without equality", errPlan)
		default:
			w.WriteString(" ON " + strings.Join(on, " AND "))
		}
	}
	if where == nil && len(ranges) == 0 {
		return nil
	}
	w.WriteString(" WHERE " + strings.Join(ranges, " AND "))
	if where != nil {
		if len(ranges) > 0 {
			w.WriteString(" AND ")
		}
		return w.condition(s, where)
	}
	return nil
}

// equal is one join equality. Columns that code text differently are compared by their shadows.
func (s *scope) equal(j query.JoinOn) (string, error) {
	l, err := s.column(j.Left)
	if err != nil {
		return "", err
	}
	r, err := s.column(j.Right)
	if err != nil {
		return "", err
	}
	lc, rc := j.Left.Column, j.Right.Column
	if j.Left.Band != nil || j.Right.Band != nil || lc.Type != rc.Type || lc.Decimals != rc.Decimals {
		return "", fmt.Errorf("%w: join of unlike columns", errPlan)
	}
	if !sameCodes(lc, rc) {
		l, r = s.shadow(j.Left, l), s.shadow(j.Right, r)
	}
	return l + " = " + r, nil
}

func (s *scope) shadow(r query.ColumnRef, plain string) string {
	if encodingOf(r.Column).kind != codes {
		return plain
	}
	return s.aliases[r.Table] + "." + quote(shadowPrefix+r.Column.Name)
}

// condition writes a filter with SQL's three-valued logic.
func (w *writer) condition(s *scope, c query.Cond) error {
	switch c := c.(type) {
	case query.And:
		return w.list(s, " AND ", c.Args)
	case query.Or:
		return w.list(s, " OR ", c.Args)
	case query.Not:
		w.WriteString("(NOT ")
		err := w.condition(s, c.Arg)
		w.WriteString(")")
		return err
	case query.InPersons:
		w.WriteString("(" + s.person + " IN (SELECT ")
		inner, err := w.open(c.Sub.Tables)
		if err != nil {
			return err
		}
		w.WriteString(inner.person)
		err = w.from(inner, c.Sub.Where)
		w.WriteString("))")
		return err
	case query.IsNull:
		x, err := w.operand(s, c.Col)
		if err != nil {
			return err
		}
		if c.Col.Band == nil {
			w.WriteString("(" + x + " IS NULL)")
			return nil
		}
		return w.among(c.Col, x, func(catalog.Value) bool { return true }, true)
	case query.Compare:
		return w.compare(s, c)
	case query.In:
		x, err := w.operand(s, c.Col)
		if err != nil {
			return err
		}
		kind := valueKind(c.Col)
		listed := map[catalog.Value]bool{}
		for _, v := range c.Values {
			if v.Kind != kind {
				return fmt.Errorf("%w: literal of another type", errPlan)
			}
			listed[v] = true
		}
		if len(c.Values) == 0 {
			return fmt.Errorf("%w: empty list", errPlan)
		}
		if c.Col.Band != nil || encodingOf(c.Col.Column).kind == codes {
			return w.among(c.Col, x, func(v catalog.Value) bool { return listed[v] }, false)
		}
		w.WriteString("(" + x + " IN (")
		for i, v := range c.Values {
			if i > 0 {
				w.WriteString(", ")
			}
			w.bind(v)
		}
		w.WriteString("))")
		return nil
	case query.Like:
		x, err := w.operand(s, c.Col)
		if err != nil {
			return err
		}
		if valueKind(c.Col) != catalog.String {
			return fmt.Errorf("%w: LIKE on a number", errPlan)
		}
		if c.Col.Band != nil || encodingOf(c.Col.Column).kind == codes {
			return w.among(c.Col, x, func(v catalog.Value) bool { return strings.HasPrefix(v.S, c.Prefix) }, false)
		}
		w.WriteString("starts_with(" + x + ", ")
		w.bind(catalog.StringValue(c.Prefix))
		w.WriteString(")")
		return nil
	}
	return fmt.Errorf("%w: unknown condition", errPlan)
}

func (w *writer) list(s *scope, op string, args []query.Cond) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: empty condition", errPlan)
	}
	w.WriteString("(")
	for i, a := range args {
		if i > 0 {
			w.WriteString(op)
		}
		if err := w.condition(s, a); err != nil {
			return err
		}
	}
	w.WriteString(")")
	return nil
}

var operators = map[string]func(int) bool{
	"=": func(c int) bool { return c == 0 }, "<>": func(c int) bool { return c != 0 },
	"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
	">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
}

func (w *writer) compare(s *scope, c query.Compare) error {
	x, err := w.operand(s, c.Col)
	if err != nil {
		return err
	}
	holds := operators[c.Op]
	if holds == nil || c.Value.Kind != valueKind(c.Col) {
		return fmt.Errorf("%w: comparison", errPlan)
	}
	if c.Col.Band != nil || encodingOf(c.Col.Column).kind == codes {
		return w.among(c.Col, x, func(v catalog.Value) bool { return holds(order(v, c.Value)) }, false)
	}
	w.WriteString("(" + x + " " + c.Op + " ")
	w.bind(c.Value)
	w.WriteString(")")
	return nil
}

// bind adds a literal as a parameter.
func (w *writer) bind(v catalog.Value) {
	text := v.Kind == catalog.String
	if text {
		w.args = append(w.args, v.S)
	} else {
		w.args = append(w.args, v.N)
	}
	w.WriteString(w.dialect.parameter(w.before+len(w.args), text))
}

// valueKind is the kind of a reference's values: a band's labels, or the column's.
func valueKind(r query.ColumnRef) catalog.Kind {
	if r.Band != nil {
		if len(r.Band.Labels) == 0 {
			return catalog.Null
		}
		return r.Band.Labels[0].Kind
	}
	return r.Column.Kind()
}

// order compares two values of one kind: numbers by size, text by bytes, as DuckDB's binary collation does.
func order(a, b catalog.Value) int {
	if a.Kind == catalog.String {
		return strings.Compare(a.S, b.S)
	}
	switch {
	case a.N < b.N:
		return -1
	case a.N > b.N:
		return 1
	}
	return 0
}
