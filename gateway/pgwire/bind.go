package pgwire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway/catalog"
)

// hole is the place of a parameter in a statement.
type hole struct {
	n       int // of $n, from 1
	at, end int // its text, with a cast that follows it
	column  string
	cast    string
	number  bool // compared with a figure, as in HAVING or LIMIT
	like    bool // the pattern of a LIKE
}

// holes finds the parameters of a statement, and the columns they are compared with.
func (st *statement) holes() []hole {
	var out []hole
	for i, t := range st.tokens {
		if t.kind != param {
			continue
		}
		h := hole{n: paramNumber(t), at: t.at, end: t.end}
		last := i
		if i+2 < len(st.tokens) && st.tokens[i+1].is("::") && st.kind() != "catalogue" {
			last = st.castEnd(i + 2)
			h.cast, h.end = st.tokens[i+2].text, st.tokens[last].end
		}
		h.column, h.number = st.compared(i, last)
		h.like = i > 0 && st.tokens[i-1].is("like")
		out = append(out, h)
	}
	return out
}

// castEnd is the last token of a type's name that begins at i: character varying (12), numeric(10, 2), date.
func (st *statement) castEnd(i int) int {
	for i+1 < len(st.tokens) && st.tokens[i+1].is("varying", "precision", ".") {
		i++
		if st.tokens[i].is(".") && i+1 < len(st.tokens) {
			i++
		}
	}
	if i+1 < len(st.tokens) && st.tokens[i+1].is("(") {
		for j := i + 1; j < len(st.tokens); j++ {
			if st.tokens[j].is(")") {
				return j
			}
		}
	}
	return i
}

var comparisons = []string{"=", "<>", "!=", "<", "<=", ">", ">=", "like"}

// compared finds the column that the parameter at tokens i to last is compared with.
func (st *statement) compared(i, last int) (column string, number bool) {
	t := st.tokens
	is := func(j int, words ...string) bool { return j >= 0 && j < len(t) && t[j].is(words...) }
	before := func(j int) (string, bool) {
		if is(j, "not") {
			j--
		}
		if j >= 0 && (t[j].kind == word || t[j].kind == name) {
			return t[j].text, false
		}
		return "", is(j, ")") // a figure: COUNT(*) > $1
	}
	switch {
	case is(i-1, comparisons...):
		return before(i - 2)
	case is(i-1, "between"):
		return before(i - 2)
	case is(i-1, "limit", "offset"):
		return "", true
	case is(last+1, comparisons...):
		if j := last + 2; j < len(t) && (t[j].kind == word || t[j].kind == name) {
			if is(j+1, ".") && j+2 < len(t) {
				return t[j+2].text, false
			}
			return t[j].text, is(j+1, "(")
		}
	case is(i-1, "and"):
		for j := i - 2; j >= 0 && j > i-12; j-- {
			if is(j, "between") {
				return before(j - 1)
			}
		}
	case is(i-1, "(", ","):
		for j := i - 1; j >= 0; j-- {
			if is(j, "(") {
				if is(j-1, "in") {
					return before(j - 2)
				}
				break
			}
		}
	}
	return "", false
}

// bound is a prepared statement with its parameters written as literals.
func (s *session) bound(st *preparedStatement, values [][]byte, formats []int16) (edited, error) {
	holes := st.holes()
	most := 0
	for _, h := range holes {
		most = max(most, h.n)
	}
	if len(values) > maxBound || most != len(values) && !(len(st.types) == len(values) && most < len(values)) || len(formats) > 1 && len(formats) != len(values) {
		return edited{}, &fault{code: "08P01", message: fmt.Sprintf("the statement has %d parameters, and %d were given", most, len(values)), hint: "give one value for each"}
	}
	var ds *catalog.Dataset
	if who, err := s.who(); err == nil && len(holes) > 0 {
		ds = s.Gateway.Covered(who, s.set.values[setAgreement], s.set.values[setDataset])
	}
	edits := st.edits()
	for _, h := range holes {
		if h.n < 1 || h.n > len(values) {
			return edited{}, &fault{code: "42P02", message: "there is no such parameter", hint: "parameters are numbered from $1", at: st.base + h.at + 1}
		}
		declared := uint32(0)
		if h.n <= len(st.types) {
			declared = st.types[h.n-1]
		}
		text, err := s.encode.literal(h.target(ds, declared), declared, formatOf(formats, h.n-1), values[h.n-1])
		if err != nil {
			return edited{}, &fault{code: "22P02", message: fmt.Sprintf("parameter $%d %s", h.n, err), hint: "check its type: the catalogue says what a column holds", at: st.base + h.at + 1}
		}
		edits = append(edits, edit{h.at, h.end, " " + text + " "})
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.at - b.at })
	return st.change(edits), nil
}

// sampled is a prepared statement without its parameters, for its description: the types they have, and how to write the question with a value of
// the catalogue in each hole. The values decide about nothing but the columns' names and types, which are the same for all.
func (s *session) sampled(st *preparedStatement) (types []uint32, e edited, sample func(*catalog.Dataset) string) {
	holes := st.holes()
	most := len(st.types)
	for _, h := range holes {
		most = max(most, min(h.n, maxBound))
	}
	types = make([]uint32, most)
	copy(types, st.types)
	e = st.change(st.edits())
	if who, err := s.who(); err == nil {
		ds := s.Gateway.Covered(who, s.set.values[setAgreement], s.set.values[setDataset])
		for _, h := range holes {
			if h.n >= 1 && h.n <= most && types[h.n-1] == 0 {
				types[h.n-1] = h.oid(ds)
			}
		}
	}
	for i, oid := range types {
		if oid == 0 {
			types[i] = pgtype.TextOID
		}
	}
	if len(holes) == 0 {
		return types, e, nil
	}
	fill := func(ds *catalog.Dataset) string {
		edits := st.edits()
		for _, h := range holes {
			edits = append(edits, edit{h.at, h.end, " " + h.sample(ds) + " "})
		}
		slices.SortFunc(edits, func(a, b edit) int { return a.at - b.at })
		return st.change(edits).sql
	}
	if st.kind() == "catalogue" {
		var edits []edit
		for _, h := range holes {
			edits = append(edits, edit{h.at, h.end, " NULL "})
		}
		return types, st.change(edits), nil
	}
	return types, e, fill
}

// target is the kind of literal that fits the hole: by the column, the cast, or the type the client declared.
func (h hole) target(ds *catalog.Dataset, declared uint32) catalog.Type {
	if c, b := columnNamed(ds, h.column); c != nil {
		return heldBy(c, b)
	}
	switch strings.ToLower(h.cast) {
	case "date":
		return catalog.Date
	case "int", "integer", "int2", "int4", "int8", "bigint", "smallint", "numeric", "decimal", "float", "float4", "float8", "double", "real":
		return catalog.Decimal
	}
	if h.number {
		return catalog.Decimal
	}
	switch declared {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.BoolOID, pgtype.OIDOID:
		return catalog.Decimal
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return catalog.Date
	}
	return catalog.Text
}

// oid is the type that a client is told, when it asks, to send.
func (h hole) oid(ds *catalog.Dataset) uint32 {
	if t := h.target(ds, 0); t != catalog.Decimal || h.column != "" {
		return labelType(t)
	}
	return pgtype.NumericOID
}

// columnNamed is the first column, or column and band, of that name in any table.
func columnNamed(ds *catalog.Dataset, name string) (*catalog.Column, *catalog.Band) {
	if ds == nil || name == "" {
		return nil, nil
	}
	for _, t := range ds.Tables {
		if c := t.Column(name); c != nil {
			return c, nil
		}
		if c, b := t.Band(name); b != nil {
			return c, b
		}
	}
	return nil, nil
}

// heldBy is the type of the values of a column or band.
func heldBy(c *catalog.Column, b *catalog.Band) catalog.Type {
	switch {
	case b == nil:
		return c.Type
	case b.Kind == catalog.BandYear:
		return catalog.Integer
	}
	return catalog.Text
}
