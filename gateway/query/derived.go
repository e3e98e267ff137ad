package query

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// Derived is a person-local relation: its rows about a person are a function of that person's rows and of public tables.
// Either one row per person and values of the key columns, or the rows of the join themselves, which may be numbered within
// each person.
type Derived struct {
	Tables  []TableRef
	Where   Cond
	Grouped bool // GROUP BY the person and the columns of kind Value
	Columns []DerivedColumn
	// Order is that of Number: rows of a person by these columns, and where they are equal by all columns of Columns, so that
	// the rows that come out never depend on where rows are stored. Rows equal in all of them are interchangeable.
	Order []OrderBy
	Fans  []int64 // as in Plan
}

// DerivedColumn is one column of a derived table.
type DerivedColumn struct {
	Column *catalog.Column // as the SELECT around it sees it
	Kind   DerivedKind
	Arg    *ColumnRef // nil for RowCount and Number
}

// DerivedKind is how a derived column comes about.
type DerivedKind string

const (
	Value    DerivedKind = "value"  // the column itself: a key, or of each row
	Least    DerivedKind = "min"    // over a person's rows, as all below
	Greatest DerivedKind = "max"    //
	Total    DerivedKind = "sum"    // not clipped; NULL if no row has a value
	RowCount DerivedKind = "rows"   // COUNT(*)
	Filled   DerivedKind = "filled" // COUNT(column)
	Distinct DerivedKind = "distinct"
	Number   DerivedKind = "number" // ROW_NUMBER() in Order, from 1
)

// OrderBy is one key of an order.
type OrderBy struct {
	Col  ColumnRef
	Desc bool
}

// derivedName is what derived tables are called where a table's name is asked for. No table of a catalogue can have it.
const derivedName = "(derived)"

// key writes a derived table so that equal keys hold equal rows under equal names.
func (d *Derived) key() string {
	var b strings.Builder
	b.WriteString("(" + tablesKey(d.Tables))
	if d.Where != nil {
		b.WriteString(" where " + condKey(d.Where))
	}
	if d.Grouped {
		b.WriteString(" grouped")
	}
	for _, c := range d.Columns {
		fmt.Fprintf(&b, " %s=%s", c.Column.Name, c.Kind)
		if c.Arg != nil {
			b.WriteString("[" + refKey(*c.Arg) + "]")
		}
	}
	for _, o := range d.Order {
		fmt.Fprintf(&b, " order %s %t", refKey(o.Col), o.Desc)
	}
	return b.String() + ")"
}

// EachFrom visits every FROM list of the plan with its bounds of work: its own, those of derived tables, and those of cohorts in
// conditions and expressions, at any depth.
func (p *Plan) EachFrom(visit func(tables []TableRef, fans []int64)) {
	p.eachFrom(func(tables []TableRef, fans []int64, _ Cond) { visit(tables, fans) })
}

// Filtered lists the catalogue columns ("table.column") that decide which rows count, sorted: those that conditions read at any
// depth, and whatever derived tables are made of.
func (p *Plan) Filtered() []string {
	read := map[string]bool{}
	see := func(r ColumnRef) {
		if r.Column.Table != "" { // a derived column stands for what it is made of
			read[r.Column.Table+"."+r.Column.Name] = true
		}
	}
	p.eachFrom(func(tables []TableRef, _ []int64, where Cond) {
		eachRef(where, see)
		for _, t := range tables {
			if t.Sub == nil {
				continue
			}
			for _, c := range t.Sub.Columns {
				if c.Arg != nil {
					c.Arg.EachColumn(see)
				}
			}
			for _, o := range t.Sub.Order {
				o.Col.EachColumn(see)
			}
		}
	})
	return slices.Sorted(maps.Keys(read))
}

type fromVisit func(tables []TableRef, fans []int64, where Cond)

func (p *Plan) eachFrom(visit fromVisit) {
	eachFrom(p.Tables, p.Fans, p.Where, visit)
	for _, g := range p.GroupBy {
		eachFromOf(g, visit)
	}
	for _, it := range p.Items {
		if it.Col != nil {
			eachFromOf(*it.Col, visit)
		}
	}
}

func eachFrom(tables []TableRef, fans []int64, where Cond, visit fromVisit) {
	visit(tables, fans, where)
	for _, t := range tables {
		if t.Sub == nil {
			continue
		}
		eachFrom(t.Sub.Tables, t.Sub.Fans, t.Sub.Where, visit)
		for _, c := range t.Sub.Columns {
			if c.Arg != nil {
				eachFromOf(*c.Arg, visit)
			}
		}
		for _, o := range t.Sub.Order {
			eachFromOf(o.Col, visit)
		}
	}
	eachFromIn(where, visit)
}

func eachFromOf(r ColumnRef, visit fromVisit) {
	if r.Expr == nil {
		return
	}
	for _, w := range r.Expr.Whens {
		eachFromIn(w.If, visit)
	}
}

func eachFromIn(c Cond, visit fromVisit) {
	switch x := c.(type) {
	case And:
		for _, a := range x.Args {
			eachFromIn(a, visit)
		}
	case Or:
		for _, a := range x.Args {
			eachFromIn(a, visit)
		}
	case Not:
		eachFromIn(x.Arg, visit)
	case InPersons:
		eachFrom(x.Sub.Tables, x.Sub.Fans, x.Sub.Where, visit)
	}
}
