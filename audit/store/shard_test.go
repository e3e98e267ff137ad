package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	"jali/audit/export"
)

const nextOrigin = "audit.example.gov/gw1/2028"

// closedShard is a log that was used and closed, with its sealed last checkpoint and an export of it.
func closedShard(t *testing.T) (next Config, r *Reader, dir string) {
	t.Helper()
	cfg, next := newDir(t), InDir(t.TempDir())
	s := open(t, cfg)
	setup(t, s, 1e9, 2e9)
	a, err := s.Append(t.Context(), intent(1000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release(a.Seq, []byte("42"))); err != nil {
		t.Fatal(err)
	}
	keys, err := CreateKey(next, nextOrigin)
	if err != nil {
		t.Fatal(err)
	}
	closing, err := s.CloseShard(t.Context(), keys, []audit.Detail{{Name: "what", Value: "new year"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); !errors.Is(err, ErrStopped) {
		t.Errorf("append to a closed shard: %v", err)
	}
	if rep := closeAndVerify(t, s); rep.Size != closing.Seq+1 {
		t.Errorf("%d entries, the shard was closed at %d", rep.Size, closing.Seq)
	}
	if _, err := Open(cfg); !errors.Is(err, ErrShardClosed) {
		t.Fatalf("open a closed shard: %v", err)
	}
	if r, err = OpenReader(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	dir = filepath.Join(t.TempDir(), "old")
	if _, err := r.Export(dir, export.Public); err != nil {
		t.Fatal(err)
	}
	return next, r, dir
}

func carried(t *testing.T, r *Reader, change func(*Carried)) (out []Carried) {
	t.Helper()
	claims, _, err := r.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		l := Carried{LedgerKey: c.LedgerKey, Spent: c.Spent, Cap: c.Cap}
		if change != nil {
			change(&l)
		}
		out = append(out, l)
	}
	return out
}

// nextShard makes the log that follows, uses it, and exports it.
func nextShard(t *testing.T, c CreateConfig, spent int64) string {
	t.Helper()
	if err := Create(c); err != nil {
		t.Fatal(err)
	}
	s := open(t, c.Config)
	for _, it := range []Item{
		{Kind: audit.Policy, Fields: audit.Object{"pol": "pol-1", "rev": "1"}},
		{Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}},
		{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "active", "pu": "epi-03"}},
	} {
		if _, err := s.Append(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := s.Balance("agr-1", "insured"); err != nil || b.Agreement.Spent.Rho != spent || b.Agreement.Cap.Rho != 1e9 {
		t.Errorf("the new log begins with %+v, %v", b, err)
	}
	if a, err := s.Append(t.Context(), intent(1e9-spent+1)); err != nil || a.Refused != RefusedBudget {
		t.Errorf("a charge over what is left: %+v, %v", a, err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, _, err := s.Export(t.Context(), dir, export.Public); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	if _, err := export.Verify(dir, nil); err != nil {
		t.Error(err)
	}
	return dir
}

// A year ends: the next log begins with what was spent, and both exports together show that it is the continuation.
func TestShards(t *testing.T) {
	next, r, older := closedShard(t)
	c := CreateConfig{Config: next, Origin: nextOrigin, Final: r.Checkpoint(), PSize: r.Size(), Why: "year", Carry: carried(t, r, nil)}
	newer := nextShard(t, c, 1000)
	link, rep, err := export.VerifyLink(newer, older)
	if err != nil {
		t.Fatal(err)
	}
	if link.From != testOrigin || link.To != nextOrigin || link.Size != r.Size() || len(link.Checks) != 3 || rep.Size != r.Size() {
		t.Errorf("%+v", link)
	}
	python(t, newer, "")
	javascript(t, newer, "")
	if err := os.Remove(filepath.Join(newer, "final")); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Verify(newer, nil); !errors.Is(err, audit.ErrPrev) {
		t.Errorf("without the checkpoint that the genesis commits to: %v", err)
	}
	python(t, newer, "entry 0: prev")
	javascript(t, newer, "prev")
}

// What a custodian could do wrong, or a thief right, between two logs.
func TestShardsThatDoNotFollow(t *testing.T) {
	next, r, older := closedShard(t)
	good := CreateConfig{Origin: nextOrigin, Final: r.Checkpoint(), PSize: r.Size(), Why: "year", Carry: carried(t, r, nil)}
	for name, c := range map[string]struct {
		change func(*CreateConfig)
		spent  int64
		want   string
	}{
		"budget refunded":        {func(c *CreateConfig) { c.Carry = carried(t, r, func(l *Carried) { l.Spent.Rho = 0 }) }, 0, "was spent 1000 nano-rho, the next log begins with 0"},
		"one nano-rho refunded":  {func(c *CreateConfig) { c.Carry = carried(t, r, func(l *Carried) { l.Spent.Rho-- }) }, 999, "begins with 999"},
		"keys not announced":     {func(c *CreateConfig) { c.Signer = filepath.Join(t.TempDir(), "log.key") }, 1000, "does not announce these keys"},
		"size not that of final": {func(c *CreateConfig) { c.PSize-- }, 1000, "the genesis says"},
		"said to be restored":    {func(c *CreateConfig) { c.Why = "restore" }, 1000, "must begin spent up to its cap"},
		"said to be new":         {func(c *CreateConfig) { c.Why = "new" }, 1000, "goes on from nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			config.Config = InDir(t.TempDir())
			b, err := os.ReadFile(next.Signer)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(config.Signer, b, 0o600); err != nil {
				t.Fatal(err)
			}
			c.change(&config)
			newer := nextShard(t, config, c.spent)
			if _, _, err := export.VerifyLink(newer, older); !errors.Is(err, export.ErrLink) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("the other way round", func(t *testing.T) {
		if _, _, err := export.VerifyLink(older, older); !errors.Is(err, export.ErrLink) {
			t.Errorf("%v", err)
		}
	})
}

// Entries are lost for good: the new log begins with every budget spent up to its cap, and names what is lost.
func TestRestoreInNewOrigin(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 2e9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	backup := copyState(t, cfg, t.TempDir())
	s = open(t, cfg)
	for range 3 {
		if _, err := s.Append(t.Context(), intent(1000)); err != nil {
			t.Fatal(err)
		}
	}
	final, cp := cosigned(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(backup)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	older := filepath.Join(t.TempDir(), "old")
	if _, err := r.Export(older, export.Public); err != nil {
		t.Fatal(err)
	}
	newer := nextShard(t, CreateConfig{
		Config: InDir(t.TempDir()), Origin: nextOrigin, Final: final, PSize: cp.Size, Why: "restore",
		Carry: carried(t, r, func(l *Carried) { l.Spent = l.Cap }), Lost: &Lost{testOrigin, r.Size(), cp.Size - 1},
	}, 1e9)
	link, _, err := export.VerifyLink(newer, older)
	if err != nil {
		t.Fatal(err)
	}
	if link.Lost != cp.Size-r.Size() || len(link.NotChecked) != 1 || !strings.Contains(string(readFile(t, newer, "entries.jsonl")), `"act":"restore","b":`) {
		t.Errorf("%+v", link)
	}
}

// A crash between the two renames of a rebuild is completed by the next start.
func TestRebuildCutOffBetweenRenames(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	closeAndVerify(t, s)
	backup := copyState(t, cfg, t.TempDir())
	s = open(t, cfg)
	if _, err := s.Append(t.Context(), intent(1000)); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	if _, err := Rebuild(backup, headersOf(t, cfg)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup.Path, backup.rebuilt()); err != nil { // as if the second rename had not happened
		t.Fatal(err)
	}
	s = open(t, backup)
	if b, err := s.Balance("agr-1", "insured"); err != nil || b.Agreement.Spent.Rho != 1000 {
		t.Errorf("spent %+v, %v", b, err)
	}
	closeAndVerify(t, s)

	// Without the old log beside it, nothing is put in place of a log that is missing.
	if err := os.Rename(backup.Path, backup.rebuilt()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(backup.restored()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(backup); !errors.Is(err, ErrMissing) {
		t.Errorf("%v", err)
	}
}

// javascript runs the verifier for browsers, which shares no code with ours, on an export.
func javascript(t *testing.T, dir, fails string) {
	t.Helper()
	bin, err := exec.LookPath("node")
	if err != nil {
		t.Log("node is not here: the verifier for browsers was not run")
		return
	}
	const program = `
import { readFileSync, readdirSync, statSync } from "node:fs";
import { verifyExport } from "../wasm/verify.js";
const dir = process.argv.at(-1), files = {};
const read = (at) => { for (const n of readdirSync(dir + "/" + at)) {
  const p = at + n;
  if (statSync(dir + "/" + p).isDirectory()) read(p + "/"); else files[p] = new Uint8Array(readFileSync(dir + "/" + p));
} };
read("");
try { await verifyExport(files, ""); console.log("verified"); } catch (e) { console.log("fails: " + e.message); }`
	cmd := exec.Command(bin, "--input-type=module", "--eval", program, "--", dir)
	out, err := cmd.CombinedOutput()
	if want := "verified"; fails == "" && (err != nil || !strings.HasPrefix(string(out), want)) || fails != "" && !strings.Contains(string(out), "fails: ") {
		t.Errorf("verify.js: %v\n%s\nwant a complaint about %q", err, out, fails)
	}
}
