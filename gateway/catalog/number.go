package catalog

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// ErrValue is wrapped by every refusal of a value's text. The message names the rule, never the text.
var ErrValue = errors.New("bad value")

// MaxDecimals is the most decimals of a Decimal column.
const MaxDecimals = 6

// ParseInteger reads a decimal integer: an optional sign and digits, nothing else.
func ParseInteger(s string) (int64, error) {
	if !digits(strings.TrimLeft(s, "+-"), false) {
		return 0, fmt.Errorf("%w: not a whole number", ErrValue)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: not a whole number between -2^63 and 2^63-1", ErrValue)
	}
	return n, nil
}

// ParseFixed reads a plain decimal number and scales it by 10^decimals. Digits beyond that must be zero: nothing is rounded.
func ParseFixed(s string, decimals int) (int64, error) {
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 || !digits(body, true) {
		return 0, fmt.Errorf("%w: not a decimal number", ErrValue)
	}
	whole, frac, _ := strings.Cut(body, ".")
	frac = strings.TrimRight(frac, "0")
	if len(frac) > decimals {
		return 0, fmt.Errorf("%w: more than %d decimals", ErrValue, decimals)
	}
	n, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", decimals-len(frac)), 10)
	if !ok || !n.IsInt64() {
		return 0, fmt.Errorf("%w: number out of range", ErrValue)
	}
	if s[0] == '-' {
		return -n.Int64(), nil
	}
	return n.Int64(), nil
}

// ParseDay reads yyyy-mm-dd and returns days since 1970-01-01.
func ParseDay(s string) (int64, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || len(s) != len(time.DateOnly) || t.Year() < 1 {
		return 0, fmt.Errorf("%w: not a date yyyy-mm-dd", ErrValue)
	}
	return t.Unix() / 86400, nil
}

// The first and last day a Date column can hold, and the range of a number without declared bounds.
var (
	minDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
	maxDay = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix() / 86400
)

const (
	minInt = -math.MaxInt64 // symmetric, so that negation is total
	maxInt = math.MaxInt64
)

// digits reports whether s is one or more ASCII digits, with point set also with one point between digits.
func digits(s string, point bool) bool {
	seen := false
	for i := range len(s) {
		switch {
		case '0' <= s[i] && s[i] <= '9':
		case point && s[i] == '.' && !seen && i > 0 && i < len(s)-1:
			seen = true
		default:
			return false
		}
	}
	return s != ""
}

// Kind is the Kind of the column's values.
func (c *Column) Kind() Kind {
	switch c.Type {
	case Integer:
		return Int
	case Decimal:
		return Fixed
	case Date:
		return Day
	}
	return String
}

// Parse reads the text of a value of the column's type. It checks the type only, not codes, pattern or bounds; the empty
// text is NULL.
func (c *Column) Parse(s string) (Value, error) {
	if s == "" {
		return Value{}, nil
	}
	switch c.Type {
	case Integer:
		n, err := ParseInteger(s)
		return IntValue(n), err
	case Decimal:
		n, err := ParseFixed(s, c.Decimals)
		return FixedValue(n, c.Decimals), err
	case Date:
		n, err := ParseDay(s)
		return DayValue(n), err
	}
	return StringValue(s), nil
}
