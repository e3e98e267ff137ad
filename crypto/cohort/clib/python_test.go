package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/crypto/cohort/client/clienttest"
)

// build makes the shared library, or skips where there is no C compiler or no Python.
func build(t *testing.T) *clienttest.Client {
	t.Helper()
	for _, name := range []string{"gcc", "python3"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("no %s on this machine: the C library was not run", name)
		}
	}
	if testing.Short() {
		t.Skip("short: building the library takes a while")
	}
	lib := filepath.Join(t.TempDir(), "libjali_cohort.so")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o", lib, ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return clienttest.Start(t, "python3", "testdata/client.py", lib, ".")
}

func TestPython(t *testing.T) {
	c := build(t)
	t.Run("round trip", c.RoundTrip)
	t.Run("errors", c.Errors)

	t.Run("handles", func(t *testing.T) {
		var got map[string]string
		c.Call(t, map[string]any{"do": "errors", "question": c.Question(t)}, &got)
		for _, name := range []string{"handle", "kind", "zero"} {
			if !strings.Contains(got[name], "no such handle") {
				t.Errorf("%s: %q, want a refusal", name, got[name])
			}
		}
	})

	t.Run("threads", func(t *testing.T) {
		var got struct {
			Bad   []string
			Ended int
		}
		c.Call(t, map[string]any{"do": "threads", "question": c.Question(t), "selected": []int{1, 2}}, &got)
		if len(got.Bad) > 0 || got.Ended == 0 {
			t.Errorf("%d wrong, %d ended by the erasure: want none and some", len(got.Bad), got.Ended)
		}
	})

	// What is returned and freed does not add up: 150 more registrations are 157 MB, and the margin is a third of that.
	t.Run("memory", func(t *testing.T) {
		var got struct{ Before, After int }
		c.Call(t, map[string]any{"do": "memory", "question": c.Question(t), "selected": []int{1, 2}, "turns": 150}, &got)
		if grown := got.After - got.Before; grown > 50_000 {
			t.Errorf("peak memory grew by %d kB", grown)
		}
	})
}

// The header is C and C++ by itself, and says what the library exports.
func TestHeader(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc on this machine")
	}
	for _, lang := range []string{"c", "c++"} {
		cmd := exec.Command("gcc", "-Wall", "-Werror", "-pedantic", "-fsyntax-only", "-x", lang, "-")
		cmd.Stdin = strings.NewReader("#include \"jali_cohort.h\"\nint main(void) { jali_cohort_free(0, 0); return 0; }\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", lang, err, out)
		}
	}
}
