package main

import (
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	"jali/audit/store"
)

// Two years of one gateway: the second log is read from its files and its export by every command, and --previous shows that it goes
// on from the first; a log that does not is a finding.
func TestPrevious(t *testing.T) {
	logs := [2]store.Config{store.InDir(t.TempDir()), store.InDir(t.TempDir())}
	if err := store.Create(store.CreateConfig{Config: logs[0], Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := sampleLog(s, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	early := filepath.Join(t.TempDir(), "early") // before the old log has ended
	if status, out, errs := auditor("export", "--dir", filepath.Dir(logs[0].Path), "--out", early); status != statusOK {
		t.Fatalf("export: %d\n%s%s", status, out, errs)
	}
	if s, err = store.Open(logs[0]); err != nil {
		t.Fatal(err)
	}
	next, err := store.CreateKey(logs[1], "audit.example.gov/gw1/2028")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CloseShard(t.Context(), next, []audit.Detail{{Name: "what", Value: "new year"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := store.OpenReader(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	c := store.CreateConfig{Config: logs[1], Origin: next.Origin, Final: r.Checkpoint(), PSize: r.Size(), Why: "year"}
	claims, _, err := r.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range claims {
		c.Carry = append(c.Carry, store.Carried{LedgerKey: l.LedgerKey, Spent: l.Spent, Cap: l.Cap, Unit: l.Unit})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(c); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(logs[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	try := func(want int, says string, args ...string) {
		t.Helper()
		status, out, errs := auditor(args...)
		if status != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: %d, want %d and %q\n%s%s", args, status, want, says, out, errs)
		}
	}
	var exports [2]string
	for i, cfg := range logs {
		exports[i] = filepath.Join(t.TempDir(), "export")
		try(statusOK, "entries", "export", "--dir", filepath.Dir(cfg.Path), "--out", exports[i])
	}
	vkeys := filepath.Join(filepath.Dir(logs[1].Path), "vkeys")
	try(statusOK, "audit.example.gov/gw1/2028 continues audit.example.gov/gw1/2027", "verify", "--export", exports[1], "--vkeys", vkeys, "--previous", exports[0])
	try(statusOK, "2 budgets are carried over with what was spent", "verify", "--export", exports[1], "--previous", exports[0])
	try(statusOK, "the log before, from which this one goes on (--previous DIR)", "verify", "--export", exports[1])
	try(statusFailed, "not the continuation", "verify", "--export", exports[0], "--previous", exports[1])
	try(statusFailed, "its last checkpoint, as the newer genesis pins it", "verify", "--export", exports[1], "--previous", exports[1])
	try(statusFailed, "hint: was it exported before the log ended?", "verify", "--export", exports[1], "--vkeys", vkeys, "--previous", early)
	try(statusUsage, "does not exist", "verify", "--export", exports[1], "--vkeys", vkeys, "--previous", early+"-elsewhere")
	try(statusUsage, "--previous goes with --export", "verify", "--dir", filepath.Dir(logs[1].Path), "--previous", exports[0])
	try(statusOK, "3.0000 PU", "spend", "--dir", filepath.Dir(logs[1].Path))
	try(statusOK, "3.0000 PU", "spend", "--export", exports[1])
	try(statusOK, "goes on as audit.example.gov/gw1/2028", "list", "--export", exports[0], "--kind", "SHARDCLOSE")
}
