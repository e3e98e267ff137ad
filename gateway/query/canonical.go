package query

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"jali/gateway/catalog"
)

// Canonical is the plan as bytes: equal bytes mean the same exact numbers before noise, item by item and cell by cell, so a
// stored answer may be given again. It covers what is counted and how it is bounded, and leaves out what is only shown:
// names, order, limits and HAVING. The encoding is injective: user text appears quoted.
func (p *Plan) Canonical() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "jali plan 1\ndataset %s\n", p.Dataset.ID)
	b.WriteString("from " + tablesKey(p.Tables) + "\n")
	if p.Where != nil {
		b.WriteString("where " + condKey(p.Where) + "\n")
	}
	for i, g := range p.GroupBy {
		fmt.Fprintf(&b, "group %s", refKey(g))
		if p.Domains[i].Private {
			b.WriteString(" private")
		}
		for _, v := range p.Domains[i].Labels {
			b.WriteString(" " + valueKey(v))
		}
		b.WriteString("\n")
	}
	for _, it := range p.Items {
		fmt.Fprintf(&b, "item %s %s", it.Kind, it.S2)
		if it.Col != nil {
			fmt.Fprintf(&b, " %s %d", refKey(*it.Col), it.Center)
		}
		if it.Block > 1 {
			fmt.Fprintf(&b, " block %d", it.Block)
		}
		fmt.Fprintf(&b, " %s %s\n", it.Lo, it.Hi)
	}
	fmt.Fprintf(&b, "bounds %d %d %d %s\n", p.Bounds.Rows, p.Bounds.Groups, p.Bounds.PerCol, p.Form)
	return b.Bytes()
}

// Hash is SHA-256 of Canonical.
func (p *Plan) Hash() [32]byte { return sha256.Sum256(p.Canonical()) }

func tablesKey(tables []TableRef) string {
	var parts []string
	for _, t := range tables {
		s := t.Table.Name
		if t.Sub != nil {
			s = t.Sub.key()
		}
		if t.Left {
			s = "left " + s
		}
		for _, on := range t.On {
			s += " on " + refKey(on.Left) + "=" + refKey(on.Right)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// refKey names a column by the table's place in the plan; catalogue names need no quotes. Of what is computed the clip is
// part, since the question declares it.
func refKey(r ColumnRef) string {
	s := strconv.Itoa(r.Table) + "." + r.Column.Name
	if r.Expr != nil {
		s = r.Expr.key()
		if r.Column.Has(catalog.RoleMeasure) {
			s += fmt.Sprintf("[%d %d]", r.Column.ClipLo, r.Column.ClipHi)
		}
	}
	if r.Band != nil {
		s += "/" + r.Band.Name
	}
	return s
}

func valueKey(v catalog.Value) string {
	switch v.Kind {
	case catalog.Null:
		return "null"
	case catalog.String:
		return strconv.Quote(v.S)
	}
	return v.String()
}

// condKey writes a condition in prefix form.
func condKey(c Cond) string {
	list := func(op string, args []Cond) string {
		parts := make([]string, len(args))
		for i, a := range args {
			parts[i] = condKey(a)
		}
		return op + "(" + strings.Join(parts, " ") + ")"
	}
	switch x := c.(type) {
	case And:
		return list("and", x.Args)
	case Or:
		return list("or", x.Args)
	case Not:
		return list("not", []Cond{x.Arg})
	case Compare:
		return "(" + refKey(x.Col) + " " + x.Op + " " + valueKey(x.Value) + ")"
	case In:
		parts := make([]string, len(x.Values))
		for i, v := range x.Values {
			parts[i] = valueKey(v)
		}
		return "(" + refKey(x.Col) + " in " + strings.Join(parts, " ") + ")"
	case Like:
		return "(" + refKey(x.Col) + " like " + strconv.Quote(x.Prefix) + ")"
	case IsNull:
		return "(" + refKey(x.Col) + " null)"
	case InPersons:
		s := "persons(" + tablesKey(x.Sub.Tables)
		if x.Sub.Where != nil {
			s += " where " + condKey(x.Sub.Where)
		}
		return s + ")"
	case small:
		return fmt.Sprintf("(%s accepts %x %t)", refKey(x.ref), x.accept, x.null)
	case constant:
		return strconv.FormatBool(bool(x))
	}
	return "?"
}
