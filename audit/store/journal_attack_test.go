//go:build unix

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Names in the state directory that lead elsewhere are neither read as the end of the log nor written over, and what never ends is not waited for.
func TestJournalIsNoLink(t *testing.T) {
	killed, _, _ := unsettledLog(t)
	inOrder := newDir(t)
	closeAndVerify(t, open(t, inOrder))
	for name, replace := range map[string]func(path string) error{
		"link to what it was": func(path string) error {
			return errors.Join(os.Rename(path, path+".elsewhere"), os.Symlink(path+".elsewhere", path))
		},
		"link to nothing": func(path string) error { return errors.Join(os.Remove(path), os.Symlink(path+".none", path)) },
		"pipe":            func(path string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) },
	} {
		for side := range 2 {
			for state, base := range map[string]Config{"killed": killed, "in order": inOrder} {
				t.Run(name+", "+state, func(t *testing.T) {
					cfg := copied(t, base)
					path := cfg.journal(side)
					if err := replace(path); err != nil {
						t.Fatal(err)
					}
					before, _ := os.ReadFile(path + ".elsewhere")
					done := make(chan error, 1)
					go func() {
						s, err := Open(cfg)
						if err == nil {
							err = errors.Join(errors.New("opened"), s.Close())
						}
						done <- err
					}()
					select {
					case err := <-done:
						if !errors.Is(err, ErrDamaged) {
							t.Errorf("%v, want ErrDamaged", err)
						}
					case <-time.After(10 * time.Second):
						t.Fatal("waits for the pipe")
					}
					if after, _ := os.ReadFile(path + ".elsewhere"); !bytes.Equal(before, after) {
						t.Error("the file behind the link was written")
					}
					if _, err := os.Lstat(path + ".none"); err == nil {
						t.Error("a file was made behind the link")
					}
				})
			}
		}
	}
}

// A version that knows no journal opens format 1 only. It must not find that in a file that may lack entries, and must in all others.
func TestFormatTellsOfTheJournal(t *testing.T) {
	format := func(path string) uint32 {
		db, err := openDB(path, true, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var f []byte
		if err := db.View(func(tx *bolt.Tx) error { f = bytes.Clone(tx.Bucket(bMeta).Get(keyFormat)); return nil }); err != nil || len(f) != 4 {
			t.Fatalf("%x %v", f, err)
		}
		return binary.BigEndian.Uint32(f)
	}
	cfg := newDir(t)
	if f := format(cfg.Path); f != 1 {
		t.Errorf("created: format %d", f)
	}
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	running := copied(t, cfg)
	if f := format(running.Path); f != 2 {
		t.Errorf("while it runs: format %d: a version without journals would open it", f)
	}
	snap := InDir(t.TempDir())
	if _, err := s.Snapshot(snap.Path, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"closed": cfg.Path, "snapshot": snap.Path} {
		if f := format(path); f != 1 {
			t.Errorf("%s: format %d", name, f)
		}
	}
	// Who takes the name of the journal away, to have the shorter log, is seen.
	killed, _, _ := unsettledLog(t)
	db, err := openDB(killed.Path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bState).Delete(keyJournal) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(killed); !errors.Is(err, ErrDamaged) {
		t.Errorf("open: %v, want ErrDamaged", err)
	}
	if _, err := Verify(VerifyConfig{Config: killed}); !errors.Is(err, ErrDamaged) {
		t.Errorf("verify: %v, want ErrDamaged", err)
	}
}

// More entries than a start otherwise hashes again came from the journal: all of them are, and one that does not fit is found.
func TestLongJournal(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = stopped(t, cfg)
	first := s.Size()
	items := make([]Item, 300)
	for i := range items {
		items[i] = Item{Kind: audit.Heartbeat}
	}
	for s.Size() < first+recheck+600 {
		s.journalGroup(t, items...)
		if s.Size() > first+2000 && s.settling.Load() == nil {
			s.turn()
		}
	}
	size := s.Size()
	drop(t, s)
	if n, err := sizeOf(cfg); n != size || err != nil {
		t.Fatalf("%d entries, %v; want %d", n, err, size)
	}
	// The first entry of the first frame, changed by someone who can make checksums.
	forged := copied(t, cfg)
	b, err := os.ReadFile(forged.journal(0))
	if err != nil {
		t.Fatal(err)
	}
	gen := generation(b[16:32])
	f, ok := parseFrame(b[journalPage:], gen)
	if !ok {
		t.Fatal("no frame")
	}
	rows := bytes.Clone(f.rows)
	at := bytes.Index(rows, []byte(`"k":"HEARTBEAT"`))
	if at < 0 {
		t.Fatalf("no entry in %q", rows[:200])
	}
	rows[at+5] ^= 1
	again := append(make([]byte, frameHead), rows...)
	putFrameHead(again, gen, f)
	copy(b[journalPage:], again)
	if err := os.WriteFile(forged.journal(0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(forged); !errors.Is(err, ErrDamaged) {
		t.Errorf("a changed entry %d places before the end: %v, want ErrDamaged", size-first, err)
	}
	closeAndVerify(t, open(t, cfg))
}

// Whoever was answered finds at once what was answered, whatever the writer, the flyer and the settler are at: the entry, the charge, the
// index, the proof. What is not published is not seen.
func TestReadersSeeWhatWasAnswered(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	ctx := context.Background()
	until := time.Now().Add(1500 * time.Millisecond)
	var wg sync.WaitGroup
	for caller := range 6 {
		wg.Go(func() {
			for i := 0; time.Now().Before(until); i++ {
				it := intent(1)
				it.Index = []string{RequestIndex(string(rune('a'+caller)) + time.Now().String())}
				before, err := s.Balance("agr-1", "insured")
				if err != nil {
					t.Error(err)
					return
				}
				a, err := s.Append(ctx, it)
				if err != nil || a.Refused != "" {
					t.Errorf("%+v %v", a, err)
					return
				}
				if b, err := s.Balance("agr-1", "insured"); err != nil || b.Agreement.Spent.Rho < before.Agreement.Spent.Rho+1 || b.Population.Spent.Rho < b.Agreement.Spent.Rho {
					t.Errorf("spent %+v after %+v and a charge of 1, %v", b, before, err)
				}
				if line, err := s.Entry(a.Seq); err != nil || !bytes.Equal(line, a.Entry) {
					t.Errorf("entry %d: %s, %v; answered %s", a.Seq, line, err, a.Entry)
				}
				if seq, ok := s.Lookup("agr-1", it.Index[0]); !ok || seq != a.Seq {
					t.Errorf("index leads to %d %v, want %d", seq, ok, a.Seq)
				}
				if _, err := s.Append(ctx, it); !errors.As(err, new(*DuplicateError)) {
					t.Errorf("asked again: %v, want a DuplicateError", err)
				}
				r, err := s.Append(ctx, release(a.Seq, []byte(`{"n":1}`)))
				if err != nil {
					t.Error(err)
					return
				}
				if kind, seq, result, ok := s.Outcome(a.Seq); !ok || kind != audit.Release || seq != r.Seq || string(result) != `{"n":1}` {
					t.Errorf("outcome %s %d %q %v", kind, seq, result, ok)
				}
				if i%8 == 0 {
					if _, err := s.Receipt(a.Seq, r.Seq); err != nil {
						t.Error(err)
					}
				}
				if n := s.Size(); n > 0 {
					if _, err := s.Entry(n - 1); err != nil {
						t.Errorf("the last of %d entries: %v", n, err)
					}
				}
			}
		})
	}
	wg.Go(func() { // copies, while it goes on
		for i := 0; time.Now().Before(until); i++ {
			size := s.Size()
			path := filepath.Join(t.TempDir(), "audit.db")
			if _, err := s.Snapshot(path, ""); err != nil {
				t.Error(err)
				return
			}
			if n, err := sizeOf(Config{Path: path}.withDefaults()); err != nil || n < size {
				t.Errorf("a copy has %d entries, %v; %d were there before", n, err, size)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	wg.Wait()
	rep := closeAndVerify(t, s)
	if spent := rep.Ledgers[audit.LedgerKey{Population: "insured"}].Spent.Rho; uint64(spent) != rep.Counts[audit.Intent] {
		t.Errorf("spent %d for %d intents of 1", spent, rep.Counts[audit.Intent])
	}
}
