package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckEntitled(t *testing.T) {
	for _, c := range []struct {
		audience, have string
		ok             bool
	}{
		{"public", "", true},
		{"public", "researcher:a1", true},
		{"citizen", "regulator", true},
		{"researcher:a1", "regulator", true},
		{"regulator", "regulator", true},
		{"researcher:a1", "researcher:a1", true},
		{"citizen", "citizen", true},
		{"researcher:b2", "researcher:a1", false},
		{"citizen", "researcher:a1", false},
		{"regulator", "researcher:a1", false},
		{"regulator", "citizen", false},
		{"regulator", "public", false},
		{"regulator", "", false},
		{"citizen", "", false},
	} {
		if err := checkEntitled(c.audience, c.have); (err == nil) != c.ok || err != nil && statusOf(err) != statusUsage {
			t.Errorf("for %s from a source for %q: %v", c.audience, c.have, err)
		}
	}
}

// A live export takes the quorum file along that the gateway says is in force, if it is one; a gateway that does not say as whom it shows
// details shows none.
func TestLiveExportPolicy(t *testing.T) {
	s, link, vkeys := gateway(t)
	export := func(audience string) (int, string, string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "out")
		status, out, errs := auditor(append(link, "export", "--vkeys", vkeys, "--out", dir, "--audience", audience)...)
		return status, out + errs, dir
	}
	if status, said, dir := export("regulator"); status != statusOK || fileExists(filepath.Join(dir, "seal.policy")) {
		t.Errorf("without a policy: %d\n%s", status, said)
	}
	s.policy = "quorum none\n"
	status, said, dir := export("regulator")
	if text, err := os.ReadFile(filepath.Join(dir, "seal.policy")); status != statusOK || string(text) != s.policy {
		t.Errorf("with a policy: %d, %q, %v\n%s", status, text, err, said)
	}
	s.policy = "trust me\n"
	if status, said, dir := export("public"); status != statusFailed || !strings.Contains(said, "seal policy") || fileExists(dir) {
		t.Errorf("with what is no policy: %d\n%s", status, said)
	}
	s.policy, s.audience = "", ""
	if status, said, dir := export("regulator"); status != statusUsage || !strings.Contains(said, "hint: --audience public") || fileExists(dir) {
		t.Errorf("as nobody: %d\n%s", status, said)
	}
	if status, said, _ := export("public"); status != statusOK {
		t.Errorf("for the public as nobody: %d\n%s", status, said)
	}
}
