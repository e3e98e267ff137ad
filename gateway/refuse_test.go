package gateway

import (
	"strings"
	"testing"
	"unicode/utf8"

	"jali/audit"
)

// Whatever the text of a refused question is, it fits into a detail of the record.
func TestClippedTextFitsTheRecord(t *testing.T) {
	for _, unit := range []string{"a", "é", "\u20ac", "\U0001f512", "\x00", "\n", "\"", "\\", "<", "\u2028", "\xff", "\x7f", "\xe2\x82"} {
		for _, lead := range []string{"", "x", "xy", "xyz"} {
			text := lead + strings.Repeat(unit, 100_000)
			got := clipText(text, true)
			if _, err := audit.SealDetail(audit.Detail{Name: "query", Value: got}); err != nil {
				t.Errorf("%q after %q: %v", unit, lead, err)
			}
			if !utf8.ValidString(unit) {
				continue // a run of such bytes becomes one mark
			}
			if !strings.HasPrefix(got, lead) || len(got) < 4000 || len(got) > 8192+30 || !strings.HasSuffix(got, " bytes)") {
				t.Errorf("%q after %q: %d bytes, ends with %q", unit, lead, len(got), got[len(got)-20:])
			}
		}
	}
	whole := strings.Repeat("SELECT é\n", 819)
	if clipText(whole, true) != whole {
		t.Error("a text of 8,190 bytes is not kept whole")
	}
}
