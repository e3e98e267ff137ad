package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/engine"
)

func TestParsePersons(t *testing.T) {
	for name, test := range map[string]struct {
		list     string
		integers bool
		want     []string
		err      string
	}{
		"lf":              {"b\na\n", false, []string{"b", "a"}, ""},
		"crlf":            {"b\r\na\r\n", false, []string{"b", "a"}, ""},
		"no end of line":  {"b\na", false, []string{"b", "a"}, ""},
		"integers":        {"7\n-3\n0\n", true, []string{"7", "-3", "0"}, ""},
		"letters as text": {"Ä1\n", false, []string{"Ä1"}, ""},
		"empty":           {"", false, nil, "empty"},
		"only a line end": {"\n", false, nil, "empty"},
		"blank line":      {"a\n\nb\n", false, nil, "line 2: it is empty"},
		"blank last line": {"a\n\n", false, nil, "line 2: it is empty"},
		"twice":           {"ab12\nb\nab12\n", false, nil, "line 3: the person is on line 1 already"},
		"twice in crlf":   {"ab12\r\nab12\n", false, nil, "line 2: the person is on line 1 already"},
		"leading zero":    {"7\n007\n", true, nil, "line 2"},
		"plus":            {"+7\n", true, nil, "line 1"},
		"too large":       {"9223372036854775808\n", true, nil, "line 1"},
		"word":            {"ab12\n", true, nil, "line 1"},
		"space":           {"ab 12\n", false, nil, "line 1: it holds a space"},
		"trailing space":  {"a\nab12 \n", false, nil, "line 2: it holds a space"},
		"control":         {"ab\x0012\n", false, nil, "line 1"},
		"byte order mark": {"\ufeffab12\n", false, nil, "line 1"},
		"not utf-8":       {"\xff\xfe\n", false, nil, "line 1: it is not UTF-8"},
		"long":            {strings.Repeat("x", maxPersonID+1), false, nil, "line 1: it is longer"},
		"longest":         {strings.Repeat("x", maxPersonID), false, []string{strings.Repeat("x", maxPersonID)}, ""},
	} {
		got, err := parsePersons([]byte(test.list), test.integers)
		if test.err == "" {
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", name, err, diff)
			}
			continue
		}
		if !errors.Is(err, errList) || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "ab12") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parsePersons(bytes.Repeat([]byte("a\n"), maxStudy+1), false); !errors.Is(err, errList) || !strings.Contains(err.Error(), "lines") {
		t.Errorf("too many: %v", err)
	}
	if _, err := parsePersons(make([]byte, maxStudyList+1), false); !errors.Is(err, errList) || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("too long: %v", err)
	}
}

// What is read has its persons once each, unchanged, in order; no error quotes what it refuses.
func FuzzParsePersons(f *testing.F) {
	for _, s := range []string{"a\nb\n", "a\r\nb", "1\n2\n2\n", "\n\n", "\xff", "a b"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, list []byte, integers bool) {
		got, err := parsePersons(list, integers)
		if err != nil {
			if !errors.Is(err, errList) || len(err.Error()) > 120 {
				t.Fatal(err)
			}
			return
		}
		seen := map[string]bool{}
		for _, id := range got {
			if id == "" || seen[id] || strings.ContainsAny(id, " \r\n\t") {
				t.Fatalf("%q", got)
			}
			seen[id] = true
		}
		want := strings.TrimSuffix(strings.ReplaceAll(string(list), "\r\n", "\n"), "\n")
		if strings.TrimSuffix(strings.Join(got, "\n"), "\r") != strings.TrimSuffix(want, "\r") {
			t.Fatalf("%q was read as %q", list, got)
		}
	})
}

// A sealed population opens under its key, for its study and version, and otherwise not at all.
func TestPopulation(t *testing.T) {
	p := population{register: [32]byte{7}}
	for i := range 5 {
		p.tags = append(p.tags, engine.TagOf(bytes.Repeat([]byte{byte(i + 1)}, engine.TagBytes)))
	}
	s := &study{id: "s", agreement: "a", dataset: "d", version: 3}
	sealed, key, err := p.seal(s.aad())
	if err != nil {
		t.Fatal(err)
	}
	got, err := openPopulation(sealed, key, s.aad())
	if err != nil || got.register != p.register || !cmp.Equal(got.tags, p.tags, cmp.Comparer(func(a, b engine.Tag) bool { return a == b })) {
		t.Fatal(got, err)
	}
	if bytes.Contains(sealed, bytes.Repeat([]byte{1}, engine.TagBytes)) {
		t.Error("a tag lies in the clear")
	}
	other := *s
	other.version++
	if _, err := openPopulation(sealed, key, other.aad()); !errors.Is(err, errStudyFile) {
		t.Errorf("another version: %v", err)
	}
	if _, err := openPopulation(sealed, [32]byte{1}, s.aad()); !errors.Is(err, errStudyFile) {
		t.Errorf("another key: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := openPopulation(bad, key, s.aad()); !errors.Is(err, errStudyFile) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if _, err := openPopulation(sealed[:i], key, s.aad()); !errors.Is(err, errStudyFile) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestStudyMapping(t *testing.T) {
	list := []string{"p1", "p2", "p3"}
	want := studyMapping("a", "s", list)
	seen := map[[32]byte]string{want: "the list"}
	for name, d := range map[string][32]byte{
		"order": studyMapping("a", "s", []string{"p2", "p1", "p3"}), "shorter": studyMapping("a", "s", list[:2]), "joined": studyMapping("a", "s", []string{"p1p2", "p3"}),
		"agreement": studyMapping("b", "s", list), "study": studyMapping("a", "t", list), "boundary": studyMapping("as", "", list),
	} {
		if other, twice := seen[d]; twice {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[d] = name
	}
	// Frozen: clients compute it too (sdk, docs/encrypted-queries.md).
	if got := fmt.Sprintf("%x", want); got != "17a5f6f71a8290e19df8b1e331415c7077ab58223f73a98e410cd5b55edd7af0" {
		t.Errorf("digest %s", got)
	}
}
