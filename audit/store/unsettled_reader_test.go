package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit"
)

// All that a reader of a killed gateway's files is asked for is answered from audit.db and journal together, none waits for another, and an export
// verifies.
func TestReaderOfUnsettledLog(t *testing.T) {
	cfg, sizes, _ := unsettledLog(t)
	size := sizes[len(sizes)-1]
	r, err := OpenReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		claims, n, err := r.Claims()
		if err != nil || n != size {
			t.Errorf("claims of %d entries, %v; want %d", n, err, size)
		}
		spent := audit.Amount{}
		for _, c := range claims {
			if c.Agreement == "" {
				spent = c.Spent
			}
		}
		if spent.Rho != 60 {
			t.Errorf("spent %+v, want 60: three charges that only the journal has", spent)
		}
		if active, err := r.Active(); err != nil || len(active) == 0 {
			t.Errorf("active: %v %v", active, err)
		}
		opened := 0
		for seq := range size {
			d, err := r.Details(seq)
			if err != nil {
				t.Errorf("details of entry %d: %v", seq, err)
			}
			if seq >= sizes[0] {
				opened += len(d)
			}
		}
		if opened == 0 {
			t.Error("no detail of an entry in the journal opens")
		}
		dir := filepath.Join(t.TempDir(), "export")
		if _, err := r.Export(dir, "regulator"); err != nil {
			t.Errorf("export: %v", err)
		} else if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a reader waits for itself")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// Without its journal a copy is read only by who gives the log up, and is the shorter log then, not more.
	if err := errors.Join(os.Remove(cfg.journal(0)), os.Remove(cfg.journal(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(cfg); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "journal") {
		t.Errorf("without the journal: %v, want ErrDamaged that names it", err)
	}
	c, err := OpenCopy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size() != sizes[0] {
		t.Errorf("the copy has %d entries, want %d", c.Size(), sizes[0])
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
