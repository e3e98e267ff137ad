package pgwire

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// column is a column of a result as the client hears of it.
type column struct {
	name string
	oid  uint32
}

// result is what a statement gives. Values are int64, float64, bool, string (in PostgreSQL's text form), or nil for NULL.
type result struct {
	columns []column // nil: no rows, not even none
	rows    [][]any
	tag     string
	notices []string
	room    *extent // of an answer: it is filled up to this. Nil: what is sent tells nothing of figures
}

// errorSuffix names the column of a half-width at 95 %.
const errorSuffix = "_error95"

// typeOf is how a column is sent: counts as bigint; sums, which are exact decimals, as numeric; derived figures as double precision; labels as
// what the catalogue says.
func typeOf(kind protect.OutputKind, label catalog.Type) uint32 {
	switch kind {
	case protect.OutGroup:
		return labelType(label)
	case protect.OutCount:
		return pgtype.Int8OID
	case protect.OutSum:
		return pgtype.NumericOID
	}
	return pgtype.Float8OID
}

func labelType(t catalog.Type) uint32 {
	switch t {
	case catalog.Integer:
		return pgtype.Int8OID
	case catalog.Decimal:
		return pgtype.NumericOID
	case catalog.Date:
		return pgtype.DateOID
	}
	return pgtype.TextOID
}

// shaped lists the columns of an answer that is not there yet.
func shaped(shapes []gateway.Shape, intervals bool) []column {
	var out []column
	for _, s := range shapes {
		oid := typeOf(s.Kind, s.Type)
		out = append(out, column{s.Name, oid})
		if intervals && s.Kind != protect.OutGroup && !s.Derived {
			out = append(out, column{s.Name + errorSuffix, errorType(oid)})
		}
	}
	return out
}

// errorType is that of a half-width: a count's is a whole number too, but one that may be any size.
func errorType(oid uint32) uint32 {
	if oid == pgtype.Int8OID {
		return pgtype.NumericOID
	}
	return oid
}

// answered is an answer as rows.
func answered(a gateway.Answer, intervals bool) result {
	r := result{notices: a.Notes}
	if a.Label != "" {
		r.notices = append([]string{a.Label}, r.notices...)
	}
	if a.Derived != nil {
		for _, c := range a.Derived.Columns {
			oid := uint32(pgtype.Float8OID)
			if c.Label {
				oid = pgtype.TextOID
			}
			r.columns = append(r.columns, column{c.Name, oid})
		}
		r.rows = a.Derived.Rows
		r.room = extentOf(a, r.notices, intervals)
		r.notices = append(r.notices, a.Derived.Notes...)
	} else {
		viewed(&r, a, intervals)
		r.room = extentOf(a, r.notices, intervals)
	}
	r.tag = "SELECT " + strconv.Itoa(len(r.rows))
	return r
}

// viewed takes the columns and rows that were asked for from the released table.
func viewed(r *result, a gateway.Answer, intervals bool) {
	for _, c := range a.View.Columns {
		released := a.Released.Columns[c.Index]
		oid := typeOf(released.Kind, catalog.Type(released.Type))
		r.columns = append(r.columns, column{c.Name, oid})
		if intervals && released.Kind != protect.OutGroup {
			r.columns = append(r.columns, column{c.Name + errorSuffix, errorType(oid)})
		}
	}
	for _, i := range a.View.Rows {
		row := make([]any, 0, len(r.columns))
		for _, c := range a.View.Columns {
			row = append(row, cell(a.Released.Rows[i].Values[c.Index]))
			if intervals && a.Released.Columns[c.Index].Kind != protect.OutGroup {
				row = append(row, cell(a.Released.Rows[i].Error95[c.Index]))
			}
		}
		r.rows = append(r.rows, row)
	}
}

// cell gives exact numbers digit by digit.
func cell(c protect.Cell) any {
	switch {
	case c.Absent:
		return nil
	case c.Label != nil:
		if c.Label.Kind == catalog.Null {
			return nil
		}
		return c.Label.String()
	case c.Fixed != nil:
		return decimal(c.Fixed, c.Dec)
	}
	return c.Float
}

// decimal writes n / 10^dec.
func decimal(n *big.Int, dec int) string {
	if dec == 0 {
		return n.String()
	}
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= dec {
		digits = fmt.Sprintf("%0*s", dec+1, digits)
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	return sign + digits[:len(digits)-dec] + "." + digits[len(digits)-dec:]
}
