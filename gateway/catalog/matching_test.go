package catalog

import (
	"regexp"
	"slices"
	"testing"
)

func TestMatching(t *testing.T) {
	for pattern, want := range map[string][]string{
		`^a$`:                   {"a"},
		`^[ab][0-1]?$`:          {"a", "a0", "a1", "b", "b0", "b1"},
		`^(V|E[01])x{1,2}$`:     {"E0x", "E0xx", "E1x", "E1xx", "Vx", "Vxx"},
		`^(a|a)$`:               {"a"},
		`\Aü[b-c]\z`:            {"üb", "üc"},
		`^[0-9]{6}$`:            nil, // a million
		`^a*$`:                  nil,
		`^a+$`:                  nil,
		`^.$`:                   nil,
		`^[^a]$`:                nil,
		`^(?i)ab$`:              nil,
		`^a?$`:                  nil, // no column holds an empty text
		`^(a{1,100}){1,100}b*$`: nil,
	} {
		var got []string
		for _, v := range matching(pattern) {
			got = append(got, v.S)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	// ICD-9-CM without its dot, as the example catalogue of cms10k has it.
	const icd9 = `^[0-9EV][0-9]{2,4}$`
	list, re := matching(icd9), regexp.MustCompile(icd9)
	if len(list) != 12*(100+1_000+10_000) {
		t.Fatalf("%d texts", len(list))
	}
	for i, v := range list {
		if !re.MatchString(v.S) || i > 0 && list[i-1].S >= v.S {
			t.Fatalf("text %d is %q", i, v.S)
		}
	}
}

// Whatever the pattern, listing it takes bounded time and space, and every text listed matches.
func FuzzMatching(f *testing.F) {
	for _, s := range []string{`^[0-9EV][0-9]{2,4}$`, `^((a|b){1,9}){1,9}$`, `^(((a{1,9}){1,9}){1,9}){1,9}$`, `^\x{10ffff}$`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		list := matching(pattern)
		if len(list) == 0 || len(pattern) > 100 {
			return
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		re.Longest()
		for _, i := range []int{0, len(list) / 2, len(list) - 1} {
			if at := re.FindStringIndex(list[i].S); at == nil || at[0] != 0 || at[1] != len(list[i].S) {
				t.Errorf("%q lists %q", pattern, list[i].S)
			}
		}
	})
}
