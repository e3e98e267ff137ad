package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/attacks"
)

// What is chosen is what runs: of the attacks on the path only those, and the tests of other parts with all their subtests.
func TestPatterns(t *testing.T) {
	rows := []row{
		{Attack: attacks.Attack{Number: "5", Tests: []string{attacks.Path, "gateway/protect TestLong"}}},
		{Attack: attacks.Attack{Number: "10", Tests: []string{"attacks TestSearch"}}},
		{Attack: attacks.Attack{Number: "24", Tests: []string{attacks.Path}}},
	}
	for _, test := range []struct {
		pkg   string
		names []string
		want  []string
	}{
		{"attacks", []string{"TestAttacks", "TestSearch"}, []string{"^(TestSearch)$", "^TestAttacks$/^(5|24)_"}},
		{"attacks", []string{"TestAttacks"}, []string{"^TestAttacks$/^(5|24)_"}},
		{"attacks", []string{"TestSearch"}, []string{"^(TestSearch)$"}},
		{"gateway/protect", []string{"TestLong", "TestAttacks"}, []string{"^(TestLong|TestAttacks)$"}},
	} {
		if d := cmp.Diff(test.want, patterns(test.pkg, test.names, rows)); d != "" {
			t.Errorf("%s %v: %s", test.pkg, test.names, d)
		}
	}
}
