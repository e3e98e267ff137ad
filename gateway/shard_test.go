package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/store"
	"jali/examples"
	"jali/gateway"
)

const nextOrigin = "test.example/jali/2"

// config is what commands on a stopped gateway of the office work with.
func (s *office) config() gateway.Config {
	return gateway.Config{Dir: s.dir, Threads: 1, Now: time.Now, Operator: s.logger(), Witness: gateway.WitnessConfig{Timeout: time.Second}}
}

// exported writes a log of the office to a directory.
func exported(t *testing.T, cfg store.Config) string {
	t.Helper()
	r, err := store.OpenReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dir := filepath.Join(t.TempDir(), "export")
	if _, err := r.Export(dir, export.Public); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Verify(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A year ends. The gateway goes on in a new origin, known to its witness: budgets as they were, agreements and data in force, the
// old log closed, cosigned and kept; and the chain of the two verifies from exports.
func TestNextShard(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	ask := question("SELECT COUNT(*) FROM nhefs WHERE sex = '1'", "50")
	if _, err := s.Answer(t.Context(), alice, ask); err != nil {
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
	known := newCourt(t, layout.VKeys())
	for _, f := range []string{layout.SealPolicy(), layout.L2Policy()} {
		write(t, f, known.policy)
	}
	// A witness that does not know the new log: the old one is closed, the new one is not begun.
	if _, err := gateway.NextShard(t.Context(), s.config(), nextOrigin, "ada", "decision 1"); !errors.Is(err, gateway.ErrNoQuorum) {
		t.Fatalf("with a witness that does not know the new log: %v", err)
	}
	knows := newCourt(t, layout.Shard("test.example_jali_1").VKeys(), keys)
	for _, f := range []string{layout.SealPolicy(), layout.L2Policy()} {
		write(t, f, knows.policy)
	}
	for range 2 { // the second time everything is there
		left, err := gateway.NextShard(t.Context(), s.config(), nextOrigin, "ada", "decision 1")
		if err != nil || len(left) > 0 {
			t.Fatalf("%v, not registered again: %v", err, left)
		}
	}
	stop := s.openWitnessed(t)
	if got := spent(t, s); got != before || before == 0 {
		t.Errorf("the new log begins with %d PU spent, the old one ended with %d", got, before)
	}
	answer, err := s.Answer(t.Context(), alice, ask)
	if err != nil {
		t.Fatal(err)
	}
	if got := spent(t, s); answer.Replayed || got <= before {
		t.Errorf("a question of the old log asked again: replayed %v, %d PU spent", answer.Replayed, got)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := layout.Shard("test.example_jali_1")
	rep, err := store.Verify(store.VerifyConfig{Config: old.Log()})
	if err != nil {
		t.Fatalf("the log that was closed: %v", err)
	}
	if rep.Counts[audit.ShardClose] != 1 || rep.Counts[audit.Key] != 1 || !rep.DetailsOpened {
		t.Errorf("%v", rep.Counts)
	}
	q, err := audit.ParseQuorum(known.policy)
	if err != nil {
		t.Fatal(err)
	}
	if !q.Satisfied(rep.Checkpoint.Note) || rep.Checkpoint.Size != rep.Size {
		t.Error("the end of the old log is not cosigned")
	}
	link, _, err := export.VerifyLink(exported(t, layout.Log()), exported(t, old.Log()))
	if err != nil || link.Why != "year" || link.To != nextOrigin {
		t.Errorf("%+v, %v", link, err)
	}
	s.open(t)
}

// Nobody has the headers of what is lost: the gateway goes on in a new origin with nothing left to spend.
func TestRestoreAnew(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	keys, err := gateway.PrepareShard(s.config(), nextOrigin)
	if err != nil {
		t.Fatal(err)
	}
	c := newCourt(t, layout.VKeys(), keys)
	write(t, layout.SealPolicy(), c.policy)
	s.openWitnessed(t)()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copies := map[string][]byte{}
	for _, f := range []string{layout.Audit(), layout.DetailKeys()} {
		if copies[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	order := gateway.RestoreConfig{Approver: "ada", Order: "the disk is gone"}
	if _, err := gateway.RestoreAnew(t.Context(), s.config(), nextOrigin, order); !errors.Is(err, gateway.ErrRestore) {
		t.Errorf("with nothing lost: %v", err)
	}
	stop := s.openWitnessed(t)
	for _, sex := range []string{"0", "1"} {
		if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE sex = '"+sex+"'", "50")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(500 * time.Millisecond) // some rounds
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for f, b := range copies {
		write(t, f, b)
	}
	if _, err := gateway.Open(t.Context(), s.config()); !errors.Is(err, gateway.ErrRollback) {
		t.Fatalf("the old copy was opened: %v", err)
	}
	lost, err := gateway.RestoreAnew(t.Context(), s.config(), nextOrigin, order)
	if err != nil || lost.A >= lost.B || lost.Origin != "test.example/jali/1" {
		t.Fatalf("%+v, %v", lost, err)
	}
	s.open(t)
	claims, _, err := s.Claims(clerk)
	if err != nil || len(claims) != 2 {
		t.Fatalf("%v, %v", claims, err)
	}
	for _, l := range claims {
		if l.Spent != l.Cap || l.Cap.Rho == 0 {
			t.Errorf("%v begins with %d of %d nano-rho spent", l.LedgerKey, l.Spent.Rho, l.Cap.Rho)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	link, _, err := export.VerifyLink(exported(t, layout.Log()), exported(t, layout.Shard("test.example_jali_1").Log()))
	if err != nil || link.Lost != lost.B-lost.A+1 || !strings.Contains(strings.Join(link.NotChecked, ""), "lost, on record") {
		t.Errorf("%+v, %v", link, err)
	}
	s.open(t)
}

// Two origins may have one name for their directories. What is kept under it stays, and the log that would go there is not closed.
func TestKeptShardStays(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept := layout.Shard("test.example_jali_1").Audit()
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, kept, []byte("another log"))
	if _, err := gateway.NextShard(t.Context(), s.config(), nextOrigin, "ada", "decision 1"); !errors.Is(err, gateway.ErrShard) {
		t.Errorf("a log is kept under this name already: %v", err)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "another log" {
		t.Errorf("what was kept: %q, %v", b, err)
	}
	s.open(t)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "50")); err != nil {
		t.Errorf("the log is not what it was: %v", err)
	}
}
