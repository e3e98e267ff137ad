package gateway_test

import (
	"errors"
	"os"
	"testing"

	"jali/audit"
	"jali/audit/store"
	"jali/examples"
	"jali/gateway"
)

// The yearly change is killed after the old log was closed, and before its end was kept. Running it again goes on, with the budgets as they were.
func TestNextShardAfterAKill(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE sex = '1'", "50")); err != nil {
		t.Fatal(err)
	}
	before := spent(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	keys, err := gateway.PrepareShard(s.config(), nextOrigin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(layout.Log())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.CloseShard(t.Context(), keys, []audit.Detail{{Name: "what", Value: "decision 1"}}); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range []string{layout.Audit(), layout.Audit() + ".journal-0", layout.Audit() + ".journal-1"} {
		if files[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for f, b := range files { // as a kill leaves them
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := gateway.NextShard(t.Context(), s.config(), nextOrigin, "ada", "decision 1"); err != nil || len(left) > 0 {
		t.Fatalf("%v, not registered again: %v", err, left)
	}
	if _, err := store.Open(layout.Shard("test.example_jali_1").Log()); !errors.Is(err, store.ErrShardClosed) {
		t.Errorf("the log that was closed: %v", err)
	}
	s.open(t)
	if got := spent(t, s); got != before || before == 0 {
		t.Errorf("the new log begins with %d PU spent, the old one ended with %d", got, before)
	}
}
