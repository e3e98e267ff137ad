package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// Programs as operators run them: a year ends, and the auditor reads the log that was closed, the one that follows, and both together.
func TestShardCommands(t *testing.T) {
	dir, files := filepath.Join(t.TempDir(), "state"), t.TempDir()
	gateway := func(want int, says string, args ...string) {
		t.Helper()
		code, out := program(t, context.Background(), "jali-gateway", args...)
		if code != want || !strings.Contains(out, says) {
			t.Fatalf("%v: %d, want %d and %q\n%s", args, code, want, says, out)
		}
	}
	const next = "test.example/jali/2028"
	gateway(0, "", "init", "--dir", dir, "--origin", "test.example/jali/2027")
	gateway(0, "", "budget", "set", "--dir", dir, "--population", "insured", "--pu", "1000", "--order", "decision 1")
	gateway(2, "origin", "shard", "next", "--dir", dir, "--order", "x")
	gateway(0, next+"+", "shard", "prepare", "--dir", dir, "--origin", next)
	gateway(2, "goes on from no other", "shard", "next", "--dir", dir, "--origin", "test.example/jali/2027", "--order", "x")
	gateway(0, "goes on as "+next, "shard", "next", "--dir", dir, "--origin", next, "--order", "new year")
	gateway(0, "goes on as "+next, "shard", "next", "--dir", dir, "--origin", next, "--order", "again")
	old := filepath.Join(dir, "shards", "test.example_jali_2027")
	for name, d := range map[string]string{"old": old, "new": dir} {
		if code, out := auditor(t, "verify", "--dir", d); code != 0 {
			t.Errorf("%s: %d\n%s", name, code, out)
		}
		if code, out := auditor(t, "export", "--dir", d, "--out", filepath.Join(files, name)); code != 0 {
			t.Fatalf("%s: %d\n%s", name, code, out)
		}
	}
	code, out := auditor(t, "verify", "--export", filepath.Join(files, "new"), "--previous", filepath.Join(files, "old"), "--vkeys", filepath.Join(dir, "vkeys"))
	if code != 0 || !strings.Contains(out, next+" continues test.example/jali/2027") || !strings.Contains(out, "1 budgets are carried over") {
		t.Errorf("%d\n%s", code, out)
	}
}
