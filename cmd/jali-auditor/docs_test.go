package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Every command in the regulators' page exists with the flags it is shown with, and the page says in the design's own words what a
// log cannot prove, as does the page for browsers.
func TestForRegulators(t *testing.T) {
	text, err := os.ReadFile("../../docs/for-regulators.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		rest, ok := strings.CutPrefix(line, "jali-auditor ")
		if !ok {
			continue
		}
		n++
		var args []string
		for _, a := range strings.Split(strings.ReplaceAll(rest, `"Example Pharma"`, "Example_Pharma"), " ") {
			if a != "" {
				args = append(args, a)
			}
		}
		var out, errs bytes.Buffer
		if status := run(append(args, "--help"), &out, &errs); status != statusOK {
			t.Errorf("%s: %s", line, errs.String())
		}
	}
	if n < 10 {
		t.Errorf("found %d commands", n)
	}
	page, err := os.ReadFile("../../audit/wasm/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"docs/for-regulators.md": string(text), "audit/wasm/index.html": string(page)} {
		flat := strings.Join(strings.Fields(s), " ")
		for _, words := range []string{
			"completeness: that no access happened outside it;", "truth: only that a statement was made then, and not changed since;",
			"that a policy was good or a result harmless;", "that a key was used by its owner;",
			"time finer than the witness timestamps around an entry;", "anything about entries not yet cosigned, against root.",
		} {
			if !strings.Contains(flat, words) {
				t.Errorf("%s does not say: %s", name, words)
			}
		}
	}
}
