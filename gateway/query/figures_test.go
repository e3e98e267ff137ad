package query

import (
	"strings"
	"testing"
)

// A column that is named again costs nothing, and is sent again. So many that nobody could receive the answer are refused before they are paid for.
func TestFiguresAreBounded(t *testing.T) {
	d := scheme(t)
	const groups = " FROM claim GROUP BY ward, BIN(days, 0, 367, 1)" // some 37,000
	check(t, d, "SELECT ward"+strings.Repeat(", COUNT(*)", 20)+groups, "")
	check(t, d, "SELECT ward"+strings.Repeat(", COUNT(*)", 40)+groups, BoundMissing)
	check(t, d, "SELECT COUNT(*)"+strings.Repeat(", ward", 400)+groups, BoundMissing)
	check(t, d, "SELECT COUNT(*)"+strings.Repeat(", ward", 400)+" FROM claim GROUP BY ward", "")
}
