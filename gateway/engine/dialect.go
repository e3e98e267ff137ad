package engine

import "strconv"

// dialect is what differs between the databases in the SQL that is generated. Everything else that the writers use means the
// same in all of them; the differential tests hold them to it.
type dialect uint8

const (
	duckDB dialect = iota
	postgreSQL
)

// typ is the type in which a database keeps what encoding.typ names. PostgreSQL has no unsigned and no 8-bit integers, and no
// 128-bit one: sums are numeric.
func (d dialect) typ(duck string) string {
	if d == duckDB {
		return duck
	}
	switch duck {
	case "TINYINT", "UTINYINT":
		return "SMALLINT"
	case "USMALLINT":
		return "INTEGER"
	case "UINTEGER":
		return "BIGINT"
	case "VARCHAR":
		return `TEXT COLLATE "C"`
	case "HUGEINT":
		return "NUMERIC"
	}
	return duck
}

// parameter writes the n-th parameter, from 1. PostgreSQL would give it the type of what it is compared with, in which the
// asker's number need not fit.
func (d dialect) parameter(n int, text bool) string {
	switch {
	case d == duckDB:
		return "?"
	case text:
		return "$" + strconv.Itoa(n) + "::TEXT"
	}
	return "$" + strconv.Itoa(n) + "::BIGINT"
}

// stored reports whether a scan of one table yields rows in the order in which they were loaded.
func (d dialect) stored() bool { return d == duckDB }
