package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/gateway"
	"jali/gateway/identity"
)

// custodian is a gateway with nothing but a budget on its record.
func custodian(t *testing.T) (*gateway.Gateway, gateway.Config) {
	t.Helper()
	cfg := gateway.Config{Dir: filepath.Join(t.TempDir(), "state"), Threads: 1, MemoryLimit: "256MB", Now: time.Now, Operator: slog.New(slog.DiscardHandler)}
	if err := gateway.Init(t.Context(), gateway.InitConfig{Dir: cfg.Dir, Origin: "audit.test/backup/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "config.yaml"), []byte("format: jali-config/1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	if _, err := g.SetBudget(t.Context(), "people", 15727, 0, "Ada", "decision 1"); err != nil {
		t.Fatal(err)
	}
	return g, cfg
}

func TestBackupRestores(t *testing.T) {
	g, cfg := custodian(t)
	dir, keys := filepath.Join(t.TempDir(), "record"), filepath.Join(t.TempDir(), "keys")
	done, err := g.Backup(t.Context(), dir, keys, "Ada")
	if err != nil {
		t.Fatal(err)
	}
	// What comes later is not in it.
	if _, err := g.SetBudget(t.Context(), "later", 100, 0, "Ada", "decision 2"); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"keys.db", "keys/log.key", "keys/details.key", "keys/ca/ca.key", "keys/server.key"} {
		if _, err := os.Stat(filepath.Join(dir, secret)); err == nil {
			t.Errorf("the record has %s", secret)
		}
		if _, err := os.Stat(filepath.Join(keys, secret)); err != nil {
			t.Errorf("the keys have no %s: %v", secret, err)
		}
	}
	at := cfg
	at.Dir = filepath.Join(t.TempDir(), "again")
	if _, err := gateway.RestoreBackup(t.Context(), at, dir, keys, false); !errors.Is(err, gateway.ErrUnwitnessed) {
		t.Errorf("restored without a witness: %v", err)
	}
	if _, err := os.Stat(at.Dir); err == nil {
		t.Error("a refused restore leaves a directory")
	}
	got, err := gateway.RestoreBackup(t.Context(), at, dir, keys, true)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != done.Seq+1 || !got.Keys {
		t.Errorf("restored %+v, want %d entries with keys", got, done.Seq+1)
	}
	again, err := gateway.Open(t.Context(), at)
	if err != nil {
		t.Fatalf("the restored state does not serve: %v", err)
	}
	defer again.Close()
	if again.Status().Origin != g.Status().Origin {
		t.Error("another log")
	}
	if _, err := gateway.RestoreBackup(t.Context(), at, dir, keys, true); !errors.Is(err, gateway.ErrBackup) {
		t.Errorf("restored over a state directory: %v", err)
	}
}

func TestBackupRefused(t *testing.T) {
	g, cfg := custodian(t)
	taken := t.TempDir()
	if _, err := g.Backup(t.Context(), taken, "", "Ada"); err == nil {
		t.Error("backed up over a directory")
	}
	if left, _ := filepath.Glob(taken + ".part"); len(left) > 0 {
		t.Error("a refused backup leaves its parts")
	}
	for name, spoil := range map[string]func(dir, keys string) error{
		"a byte of the log": func(dir, _ string) error { return flip(filepath.Join(dir, "audit.db")) },
		"a key":             func(_, keys string) error { return flip(filepath.Join(keys, "keys", "log.key")) },
		"a file gone":       func(dir, _ string) error { return os.Remove(filepath.Join(dir, "vkeys")) },
		"no manifest":       func(dir, _ string) error { return os.Remove(filepath.Join(dir, "backup.json")) },
		"a file outside": func(dir, _ string) error {
			path := filepath.Join(dir, "backup.json")
			text, err := os.ReadFile(path)
			// It is there, and as the manifest says.
			outside, errOutside := os.ReadFile(filepath.Join(dir, "vkeys"))
			err = errors.Join(err, errOutside, os.WriteFile(filepath.Join(filepath.Dir(dir), "vkeys"), outside, 0o600))
			return errors.Join(err, os.WriteFile(path, []byte(strings.Replace(string(text), `"vkeys"`, `"../vkeys"`, 1)), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, keys := filepath.Join(t.TempDir(), "record"), filepath.Join(t.TempDir(), "keys")
			if _, err := g.Backup(t.Context(), dir, keys, "Ada"); err != nil {
				t.Fatal(err)
			}
			if err := spoil(dir, keys); err != nil {
				t.Fatal(err)
			}
			at := cfg
			at.Dir = filepath.Join(t.TempDir(), "again")
			if _, err := gateway.RestoreBackup(t.Context(), at, dir, keys, true); !errors.Is(err, gateway.ErrBackup) {
				t.Errorf("error %v, want ErrBackup", err)
			}
			if left, _ := filepath.Glob(at.Dir + "*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// Witnesses know whether a backup is the newest.
func TestBackupAndWitnesses(t *testing.T) {
	g, cfg := custodian(t)
	layout := gateway.Layout(cfg.Dir)
	c := newCourt(t, layout.VKeys())
	if err := os.WriteFile(layout.SealPolicy(), c.policy, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Witness = gateway.WitnessConfig{Interval: 50 * time.Millisecond, Timeout: time.Second}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- g.Witness(ctx) }()
	t.Cleanup(func() { cancel(); <-watched; g.Close() })
	cosigned := func() {
		t.Helper()
		for range 200 {
			if o, err := g.Overview(identity.Principal{Role: identity.Custodian}); err != nil {
				t.Fatal(err)
			} else if o.Sealed >= g.Status().Size {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal("the log is not cosigned")
	}
	dir, keys := filepath.Join(t.TempDir(), "record"), filepath.Join(t.TempDir(), "keys")
	if _, err := g.Backup(t.Context(), dir, keys, "Ada"); err != nil {
		t.Fatal(err)
	}
	cosigned()
	at := cfg
	at.Dir = filepath.Join(t.TempDir(), "newest")
	if got, err := gateway.RestoreBackup(t.Context(), at, dir, keys, false); err != nil || got.Witnessed == 0 {
		t.Errorf("the newest backup: %+v, %v", got, err)
	}
	if _, err := g.SetBudget(t.Context(), "later", 100, 0, "Ada", "decision 2"); err != nil {
		t.Fatal(err)
	}
	cosigned()
	at.Dir = filepath.Join(t.TempDir(), "old")
	if _, err := gateway.RestoreBackup(t.Context(), at, dir, keys, true); !errors.Is(err, gateway.ErrRollback) {
		t.Errorf("an old backup: %v", err)
	}
	if _, err := gateway.Open(t.Context(), at); !errors.Is(err, gateway.ErrRollback) {
		t.Errorf("a gateway starts on an old backup: %v", err)
	}
	c.away.Store(true)
	at.Dir = filepath.Join(t.TempDir(), "nobody")
	if _, err := gateway.RestoreBackup(t.Context(), at, dir, keys, false); !errors.Is(err, gateway.ErrUnwitnessed) {
		t.Errorf("while the witness is away: %v", err)
	}
}
