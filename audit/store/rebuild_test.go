package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
)

// copyState copies a state directory, as a backup or a thief does.
func copyState(t testing.TB, cfg Config, dir string) Config {
	t.Helper()
	out := InDir(dir)
	out.Fatal = cfg.Fatal
	for _, f := range [][2]string{{cfg.Path, out.Path}, {cfg.Keys, out.Keys}, {cfg.FileKey, out.FileKey}, {cfg.Signer, out.Signer}} {
		b, err := os.ReadFile(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f[1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func headersOf(t testing.TB, cfg Config) Headers {
	t.Helper()
	r, err := OpenReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines, err := r.Entries(0, MaxRead)
	if err != nil {
		t.Fatal(err)
	}
	rep := verified(t, cfg)
	return Headers{Size: rep.Size, Root: rep.Root, Entries: func(from uint64) ([][]byte, error) { return lines[from:], nil }}
}

// An old copy is brought up to the headers that others hold: no budget returns, lost details are on record, the log goes on.
func TestRebuild(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	kept, err := s.Append(t.Context(), intent(1000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release(kept.Seq, []byte("42"))); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	backup := copyState(t, cfg, t.TempDir())
	s = open(t, cfg)
	for range 5 {
		a, err := s.Append(t.Context(), intent(1000))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), release(a.Seq, []byte("43"))); err != nil {
			t.Fatal(err)
		}
	}
	open1, err := s.Append(t.Context(), intent(1000))
	if err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	headers := headersOf(t, cfg)
	had := verified(t, backup).Size

	// A fork is not repaired: the copy was continued by itself.
	forked := copyState(t, backup, t.TempDir())
	f := open(t, forked)
	closeAndVerify(t, f)
	if _, err := Rebuild(forked, headers); !errors.Is(err, audit.ErrHistory) {
		t.Errorf("a forked store: %v", err)
	}
	verified(t, forked)
	lying := headers
	lying.Root[0]++
	if _, err := Rebuild(backup, lying); !errors.Is(err, audit.ErrHistory) {
		t.Errorf("headers of another root: %v", err)
	}
	if got := verified(t, backup).Size; got != had {
		t.Errorf("a refused rebuild changed the store: %d entries, had %d", got, had)
	}

	rebuilt, err := Rebuild(backup, headers)
	if err != nil {
		t.Fatal(err)
	}
	if rebuilt.Had != had || rebuilt.Has != headers.Size {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	// Before the restore is on record, missing details are an alarm.
	if _, err := Verify(VerifyConfig{Config: backup}); err == nil || !strings.Contains(err.Error(), "the detail is missing") {
		t.Errorf("unrecorded restore: %v", err)
	}
	s = open(t, backup)
	if kind, _, _, _ := s.Outcome(open1.Seq); kind != audit.Interrupted {
		t.Errorf("the open intent ended as %q", kind)
	}
	if _, _, result, ok := s.Outcome(kept.Seq); !ok || string(result) != "42" {
		t.Errorf("a result that the copy had: %q", result)
	}
	b, err := s.Balance("agr-1", "insured")
	if err != nil || b.Agreement.Spent.Rho != 7000 || b.Population.Spent.Rho != 7000 {
		t.Errorf("spent %+v, %v: budgets returned", b, err)
	}
	if _, err := s.Append(context.Background(), intent(500)); err != nil {
		t.Error(err)
	}
	closeAndVerify(t, s)
	if _, err := os.Stat(filepath.Clean(rebuilt.Old)); err != nil {
		t.Error(err)
	}
	if _, err := Rebuild(backup, headers); !errors.Is(err, ErrItem) && !errors.Is(err, ErrExists) {
		t.Errorf("rebuilt from older headers: %v", err)
	}
}

// An erasure in the range that was lost: its list is gone, and the old keys.db opens again what it destroyed. The log goes on and says
// so, and the erasure can be ordered again.
func TestRebuildAcrossErasure(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	q, r := asked(t, s, 1)
	other, _ := asked(t, s, 2)
	closeAndVerify(t, s)
	backup := copyState(t, cfg, t.TempDir())
	s = open(t, cfg)
	done, err := s.Erase(t.Context(), order(audit.Span{From: q, To: r}))
	if err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	rebuilt, err := Rebuild(backup, headersOf(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	if len(rebuilt.Erasures) != 1 || rebuilt.Erasures[0] != done.Erase {
		t.Errorf("rebuilt names the erasures %v, want %d", rebuilt.Erasures, done.Erase)
	}
	s = open(t, backup)
	if rep, err := s.Verify(t.Context()); err != nil || !strings.Contains(strings.Join(rep.Checks, "\n"), "the list of the erasure of entry") {
		t.Errorf("while serving: %v", err)
	}
	remains(t, s, 1, q, true)
	if _, err := s.Erase(t.Context(), order(audit.Span{From: q, To: r})); err != nil {
		t.Errorf("ordered again: %v", err)
	}
	remains(t, s, 1, q, false)
	remains(t, s, 2, other, true)
	closeAndVerify(t, s)
}

// An erasure that was ordered, and lost in a restore before it was carried out, stops no start; a list that anything else took away does.
func TestRebuildAcrossOpenErasure(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	q, r := asked(t, s, 1)
	closeAndVerify(t, s)
	backup := copyState(t, cfg, t.TempDir())
	s = open(t, cfg)
	done, err := s.Erase(t.Context(), order(audit.Span{From: q, To: r}))
	if err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	all := headersOf(t, cfg)
	lines, err := all.Entries(0)
	if err != nil {
		t.Fatal(err)
	}
	lines = lines[:done.Erase+1]
	rd, err := OpenReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	chain := audit.NewChain(rd.Keys().Origin, rd.Keys().VKeys, nil)
	if err := rd.Close(); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := chain.Next(l); err != nil {
			t.Fatal(err)
		}
	}
	root, err := chain.Root()
	if err != nil {
		t.Fatal(err)
	}
	h := Headers{Size: uint64(len(lines)), Root: root, Entries: func(from uint64) ([][]byte, error) { return lines[from:], nil }}
	if _, err := Rebuild(backup, h); err != nil {
		t.Fatal(err)
	}
	s = open(t, backup)
	if _, err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Erase(t.Context(), order(audit.Span{From: q, To: r})); err != nil {
		t.Error(err)
	}
	remains(t, s, 1, q, false)
	closeAndVerify(t, s)
	s = open(t, backup)
	closeAndVerify(t, s)
}

// A log whose process was killed is rebuilt with what its journal holds, or, where that is lost, without: a shorter copy then.
func TestRebuildOfUnsettledLog(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("journal lost %v", lost), func(t *testing.T) {
			cfg, sizes, _ := unsettledLog(t)
			old := copied(t, cfg)
			closeAndVerify(t, open(t, cfg))
			h := headersOf(t, cfg)
			want := sizes[len(sizes)-1]
			if lost {
				want = sizes[0]
				if err := os.Remove(old.journal(1)); err != nil {
					t.Fatal(err)
				}
			}
			out, err := Rebuild(old, h)
			if err != nil || out.Had != want || out.Has != h.Size {
				t.Fatalf("%+v, %v; want %d before", out, err, want)
			}
			if !lost { // the old log stays readable when its journal is used for the new one
				kept := Config{Path: out.Old, Keys: old.Keys, FileKey: old.FileKey, Signer: old.Signer}
				if n, err := sizeOf(kept); err != nil || n != want {
					t.Errorf("the old log: %d entries, %v", n, err)
				}
			}
			rep := closeAndVerify(t, open(t, old))
			if rep.Ledgers[audit.LedgerKey{Population: "insured"}].Spent.Rho != 60 {
				t.Errorf("%v", rep.Ledgers)
			}
		})
	}
}

// A log that is given up and whose journal is lost can be read as the shorter log that it is, and stands alone afterwards; nothing else
// takes it for one.
func TestAbandon(t *testing.T) {
	cfg, sizes, _ := unsettledLog(t)
	if keys, err := ReadKeys(cfg); err != nil || keys.Origin != testOrigin {
		t.Errorf("%v %v", keys, err)
	}
	whole := copied(t, cfg)
	if err := os.Remove(cfg.journal(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(cfg); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want ErrDamaged", err)
	}
	for _, c := range []struct {
		cfg  Config
		want uint64
	}{{cfg, sizes[0]}, {whole, sizes[len(sizes)-1]}} {
		r, err := OpenCopy(c.cfg)
		if err != nil || r.Size() != c.want {
			t.Fatalf("%v, want %d entries", err, c.want)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Abandon(c.cfg); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.RemoveAll(c.cfg.journal(0)), os.RemoveAll(c.cfg.journal(1))); err != nil {
			t.Fatal(err)
		}
		if n, err := sizeOf(c.cfg); err != nil || n != c.want {
			t.Errorf("%d entries, %v; want %d", n, err, c.want)
		}
	}
}
