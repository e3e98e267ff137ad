package audit

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpans(t *testing.T) {
	got, err := ParseSpans("5,7-9,12:actor")
	want := []Span{{5, 5, ""}, {7, 9, ""}, {12, 12, "actor"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	for _, c := range []struct {
		seq  uint64
		name string
		want bool
	}{{5, "query", true}, {6, "query", false}, {7, "x", true}, {9, "x", true}, {10, "x", false}, {12, "actor", true}, {12, "query", false}} {
		if Covered(got, c.seq, c.name) != c.want {
			t.Errorf("Covered(%d, %s) = %v", c.seq, c.name, !c.want)
		}
	}
	for _, bad := range []string{"", ",", "5,", "05", "+5", "-5", "5-", "5-5", "9-7", "5:", "5:Actor", "5:a:b", "9007199254740992", "5 ", "5-7-9", "1e3"} {
		if s, err := ParseSpans(bad); !errors.Is(err, ErrSpans) {
			t.Errorf("ParseSpans(%q) = %v, %v", bad, s, err)
		}
	}
}

func FuzzParseSpans(f *testing.F) {
	f.Add("5,7-9,12:actor")
	f.Add("0-9007199254740991:a_1")
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := ParseSpans(text)
		if err == nil && FormatSpans(spans) != text {
			t.Errorf("%q formats as %q", text, FormatSpans(spans))
		}
	})
}
