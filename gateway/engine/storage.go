package engine

import (
	"math"
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// A version is one DuckDB file with one table per catalogue table, of the same name. A private table begins with _p, the
// person's ordinal, is stored in the order of _p, and does not hold the person key. Ordinals are drawn by the order of keyed
// digests, so physical order tells nothing about keys.
//
// A column is stored as narrow as its domain allows, because the stream's cost is memory traffic:
//
//	text with codes    the index into Column.Codes: UTINYINT, USMALLINT or UINTEGER
//	text without       VARCHAR
//	integer, decimal   the scaled integer as TINYINT .. BIGINT by its bounds or codes
//	date               days since 1970-01-01, likewise
//
// NULL is NULL. Columns of role never and the person key are not stored.

// personColumn is the stored person ordinal, an INTEGER. Catalogue names cannot begin with an underscore.
const personColumn = "_p"

// shadowPrefix begins the VARCHAR copy of a coded text column that a declared join compares with a column coded differently.
const shadowPrefix = "_t_"

// encoding is how a column's values are stored.
type encoding struct {
	column *catalog.Column
	kind   encodingKind
	lo, hi int64  // least and greatest stored number
	typ    string // DuckDB's type
}

type encodingKind uint8

const (
	numbers encodingKind = iota // the value itself
	codes                       // index into column.Codes
	texts                       // VARCHAR
)

// encodingOf says how a column is stored, whether or not it is.
func encodingOf(c *catalog.Column) encoding {
	e := encoding{column: c, lo: c.Lo, hi: c.Hi}
	switch {
	case c.Type == catalog.Text && len(c.Codes) > 0:
		e.kind, e.lo, e.hi = codes, 0, int64(len(c.Codes)-1)
	case c.Type == catalog.Text:
		e.kind = texts
	case len(c.Codes) > 0:
		e.lo, e.hi = c.Codes[0].N, c.Codes[0].N
		for _, v := range c.Codes {
			e.lo, e.hi = min(e.lo, v.N), max(e.hi, v.N)
		}
	}
	e.typ = e.duckType()
	return e
}

// duckType is the narrowest DuckDB type that holds the encoding.
func (e encoding) duckType() string {
	switch {
	case e.kind == texts:
		return "VARCHAR"
	case e.kind == codes && e.hi <= math.MaxUint8:
		return "UTINYINT"
	case e.kind == codes && e.hi <= math.MaxUint16:
		return "USMALLINT"
	case e.kind == codes:
		return "UINTEGER"
	case e.lo >= math.MinInt8 && e.hi <= math.MaxInt8:
		return "TINYINT"
	case e.lo >= math.MinInt16 && e.hi <= math.MaxInt16:
		return "SMALLINT"
	case e.lo >= math.MinInt32 && e.hi <= math.MaxInt32:
		return "INTEGER"
	}
	return "BIGINT"
}

// bytes is the size of a stored number.
func (e encoding) bytes() int {
	switch e.typ {
	case "UTINYINT", "TINYINT":
		return 1
	case "USMALLINT", "SMALLINT":
		return 2
	case "UINTEGER", "INTEGER":
		return 4
	}
	return 8
}

// isStored reports whether a column of the table is in the version.
func isStored(t *catalog.Table, c *catalog.Column) bool {
	return !c.Has(catalog.RoleNever) && !c.Has(catalog.RolePerson) && (t.Public || c.Name != t.PersonKey)
}

// storedColumns lists a table's stored columns in catalogue order.
func storedColumns(t *catalog.Table) []*catalog.Column {
	var out []*catalog.Column
	for _, c := range t.Columns {
		if isStored(t, c) {
			out = append(out, c)
		}
	}
	return out
}

// sameCodes reports whether two columns' stored numbers mean the same.
func sameCodes(a, b *catalog.Column) bool {
	return encodingOf(a).kind == encodingOf(b).kind && (encodingOf(a).kind != codes || slices.Equal(a.Codes, b.Codes))
}

// needsShadow reports whether a declared join compares this coded text column with one coded differently.
func needsShadow(ds *catalog.Dataset, c *catalog.Column) bool {
	if encodingOf(c).kind != codes {
		return false
	}
	for _, j := range ds.Joins {
		var other *catalog.Column
		switch {
		case j.LeftTable == c.Table && j.LeftColumn == c.Name:
			other = column(ds, j.RightTable, j.RightColumn)
		case j.RightTable == c.Table && j.RightColumn == c.Name:
			other = column(ds, j.LeftTable, j.LeftColumn)
		}
		if other != nil && !sameCodes(c, other) {
			return true
		}
	}
	return false
}

func column(ds *catalog.Dataset, table, name string) *catalog.Column {
	if t := ds.Table(table); t != nil {
		return t.Column(name)
	}
	return nil
}

// quote makes an SQL identifier. Only catalogue names and names made here come through, but it is total.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes an SQL string of a path: ATTACH takes no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
