package engine

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"jali/gateway/catalog"
)

// rule says which rule of the catalogue a value broke, in words that never hold the value. Empty: none.
type rule string

const (
	ruleMissing  rule = "is empty, but the column is not nullable"
	ruleInteger  rule = "is not a whole number"
	ruleDecimal  rule = "is not a decimal number"
	ruleDate     rule = "is not a date written yyyy-mm-dd"
	ruleText     rule = "is not valid UTF-8 text without NUL, or longer than 65,536 bytes"
	ruleCode     rule = "is not in the column's code list"
	rulePattern  rule = "does not match the column's pattern"
	ruleBounds   rule = "is outside the column's bounds"
	ruleFields   rule = "the row has another number of fields than the header"
	ruleQuotes   rule = "the row is not valid CSV (RFC 4180): check its quotes"
	ruleReadable rule = "the file cannot be read beyond this place"
)

// maxText bounds a text value.
const maxText = 65536

// checker turns the text of one column into what is stored, or names the rule it breaks.
type checker struct {
	encoding
	nullable bool
	numbers  map[int64]bool   // codes of a number or date column
	index    map[string]int64 // codes of a text column
	pattern  *regexp.Regexp
	key      bool // the person key: neither codes nor bounds
}

func newChecker(c *catalog.Column) *checker {
	k := &checker{encoding: encodingOf(c), nullable: c.Nullable, key: c.Has(catalog.RolePerson)}
	switch {
	case k.kind == codes:
		k.index = make(map[string]int64, len(c.Codes))
		for i, v := range c.Codes {
			k.index[v.S] = int64(i)
		}
	case len(c.Codes) > 0:
		k.numbers = make(map[int64]bool, len(c.Codes))
		for _, v := range c.Codes {
			k.numbers[v.N] = true
		}
	}
	if c.Pattern != "" {
		// The catalogue has compiled it before; a pattern that cannot compile matches nothing.
		if k.pattern, _ = regexp.Compile(c.Pattern); k.pattern == nil {
			k.pattern = regexp.MustCompile(`^\b\B$`)
		}
	}
	return k
}

// number checks a value of a column that is stored as a number. The empty field is NULL.
func (k *checker) number(s string) (n int64, null bool, broken rule) {
	if s == "" {
		if !k.nullable {
			return 0, false, ruleMissing
		}
		return 0, true, ""
	}
	if k.kind == codes {
		n, ok := k.index[s]
		if !ok {
			return 0, false, ruleCode
		}
		return n, false, ""
	}
	var ok bool
	switch k.column.Type {
	case catalog.Decimal:
		if n, ok = parseFixed(s, k.column.Decimals); !ok {
			return 0, false, ruleDecimal
		}
	case catalog.Date:
		if n, ok = parseDay(s); !ok {
			return 0, false, ruleDate
		}
	default:
		var err error
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			return 0, false, ruleInteger
		}
	}
	switch {
	case k.key:
	case k.numbers != nil && !k.numbers[n]:
		return 0, false, ruleCode
	case n < k.lo || n > k.hi:
		return 0, false, ruleBounds
	}
	return n, false, ""
}

// text checks a value of a column that is stored as text. The empty field is NULL.
func (k *checker) text(s string) (null bool, broken rule) {
	switch {
	case s == "" && !k.nullable:
		return false, ruleMissing
	case s == "":
		return true, ""
	case len(s) > maxText || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return false, ruleText
	case k.pattern != nil && !k.pattern.MatchString(s):
		return false, rulePattern
	}
	return false, ""
}

// parseFixed reads a plain decimal number scaled by 10^decimals. Digits beyond are rounded half to even (IEEE 754,
// roundTiesToEven), so that repeated imports through other tools agree. Exponents, spaces and a bare point are refused.
func parseFixed(s string, decimals int) (n int64, ok bool) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || point && frac == "" {
		return 0, false
	}
	var u uint64
	add := func(c byte) bool {
		if c < '0' || c > '9' || u > (math.MaxInt64-9)/10 {
			return false
		}
		u = u*10 + uint64(c-'0')
		return true
	}
	for i := range len(whole) {
		if !add(whole[i]) {
			return 0, false
		}
	}
	for i := range decimals {
		c := byte('0')
		if i < len(frac) {
			c = frac[i]
		}
		if !add(c) {
			return 0, false
		}
	}
	if len(frac) > decimals {
		rest, up := frac[decimals:], false
		for i := range len(rest) {
			if rest[i] < '0' || rest[i] > '9' {
				return 0, false
			}
			if i > 0 && rest[i] != '0' && rest[0] == '5' {
				up = true
			}
		}
		if up = up || rest[0] > '5' || rest[0] == '5' && u%2 == 1; up {
			u++
		}
	}
	if u > math.MaxInt64 {
		return 0, false
	}
	if neg {
		return -int64(u), true
	}
	return int64(u), true
}

// parseDay reads yyyy-mm-dd of the proleptic Gregorian calendar, years 1 to 9999, as days since 1970-01-01.
func parseDay(s string) (day int64, ok bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	part := func(s string) int64 {
		var n int64
		for i := range len(s) {
			if s[i] < '0' || s[i] > '9' {
				return -1
			}
			n = n*10 + int64(s[i]-'0')
		}
		return n
	}
	y, m, d := part(s[:4]), part(s[5:7]), part(s[8:])
	if y < 1 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	return civilDay(y, m, d), true
}

func daysIn(y, m int64) int64 {
	switch {
	case m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0):
		return 29
	case m == 2:
		return 28
	case m == 4 || m == 6 || m == 9 || m == 11:
		return 30
	}
	return 31
}

// civilDay counts days since 1970-01-01 in years that begin in March, so that the leap day is the last of a year
// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil). Years must be positive.
func civilDay(y, m, d int64) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	era, yoe := y/400, y%400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}
