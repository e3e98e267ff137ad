package store

import (
	"context"
	"errors"
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
