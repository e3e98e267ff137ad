package catalog

import (
	"strconv"
	"time"
)

// Value is one typed value of a column: a code, a band label or a literal. Comparable with ==. The zero Value is NULL.
type Value struct {
	Kind     Kind
	N        int64  // Int: itself; Fixed: scaled by 10^Decimals; Day: days since 1970-01-01
	Decimals int    // Fixed only
	S        string // String only
}

// Kind tells which field of a Value holds it.
type Kind uint8

const (
	Null Kind = iota
	Int
	Fixed
	Day
	String
)

// IntValue, StringValue and DayValue make values.
func IntValue(n int64) Value     { return Value{Kind: Int, N: n} }
func StringValue(s string) Value { return Value{Kind: String, S: s} }
func DayValue(day int64) Value   { return Value{Kind: Day, N: day} }
func FixedValue(scaled int64, decimals int) Value {
	return Value{Kind: Fixed, N: scaled, Decimals: decimals}
}

// String is the value as people and CSV see it: 42, 1.50, 2008-01-31, text; NULL is the empty string.
func (v Value) String() string {
	switch v.Kind {
	case Int:
		return strconv.FormatInt(v.N, 10)
	case Fixed:
		return FormatFixed(v.N, v.Decimals)
	case Day:
		return time.Unix(v.N*86400, 0).UTC().Format(time.DateOnly)
	case String:
		return v.S
	}
	return ""
}

// FormatFixed prints n / 10^decimals without floating point.
func FormatFixed(n int64, decimals int) string {
	s, neg := strconv.FormatInt(n, 10), n < 0
	if neg {
		s = s[1:]
	}
	if decimals > 0 {
		for len(s) <= decimals {
			s = "0" + s
		}
		s = s[:len(s)-decimals] + "." + s[len(s)-decimals:]
	}
	if neg {
		s = "-" + s
	}
	return s
}
