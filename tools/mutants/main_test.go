package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Subtests are killers too.
func TestTogether(t *testing.T) {
	for _, test := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"TestA", "TestB"}, []string{"^(TestA|TestB)$"}},
		{[]string{"TestA", "TestAttacks/24_size", "TestB"}, []string{"^TestAttacks/24_size$", "^(TestA|TestB)$"}},
	} {
		if d := cmp.Diff(test.want, together(test.names)); d != "" {
			t.Error(d)
		}
	}
}
