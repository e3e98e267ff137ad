package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"jali/audit"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JALI_TEST_CHILD"); dir != "" {
		os.Exit(child(dir))
	}
	if dir := os.Getenv("JALI_TEST_BOUNDED"); dir != "" {
		os.Exit(bounded(dir))
	}
	os.Exit(m.Run())
}

// child opens the store in dir and lets 16 writers ask and release until it is killed. Each acknowledged entry is printed.
func child(dir string) int {
	s, err := Open(InDir(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitCode(err)
	}
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	say := func(a Appended) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%d %s\n", a.Seq, audit.Digest(audit.LeafHash(a.Entry)))
		out.Flush()
	}
	fmt.Fprintln(out, "ready")
	out.Flush()
	for range 16 {
		go func() {
			for {
				a, err := s.Append(context.Background(), intent(3))
				if err != nil || a.Refused != "" {
					fmt.Fprintln(os.Stderr, "intent:", a.Refused, err)
					os.Exit(1)
				}
				say(a)
				if rand.N(3) == 0 {
					continue // left open: the next start must close it
				}
				if a, err = s.Append(context.Background(), release(a.Seq, []byte("{}"))); err != nil {
					fmt.Fprintln(os.Stderr, "release:", err)
					os.Exit(1)
				}
				say(a)
			}
		}()
	}
	select {}
}

// kill -9 under load, again and again on one file. After each: the log verifies, no acknowledged entry is lost or changed,
// each open intent gets exactly one INTERRUPTED, and the ledger holds every charge.
func TestKillLoop(t *testing.T) {
	rounds := 3
	if long := os.Getenv("JALI_LONG"); long != "" { // JALI_LONG=300: so many rounds
		if n, err := strconv.Atoi(long); err == nil && n > 1 {
			rounds = n
		} else {
			rounds = 60
		}
	}
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e15, 1e15)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSuffix(cfg.Path, "/audit.db")
	acknowledged := map[uint64]string{}
	replayed := 0
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "JALI_TEST_CHILD="+dir)
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(pipe)
		if !in.Scan() || in.Text() != "ready" {
			t.Fatalf("round %d: child said %q", round, in.Text())
		}
		time.AfterFunc(100*time.Millisecond+rand.N(600*time.Millisecond), func() { cmd.Process.Kill() })
		n := 0
		for in.Scan() {
			seq, digest, ok := strings.Cut(in.Text(), " ")
			if i, err := strconv.ParseUint(seq, 10, 64); ok && err == nil && len(digest) == 43 {
				acknowledged[i] = digest
				n++
			}
		}
		_ = cmd.Wait() // killed
		replayed += pending(t, cfg)
		s := open(t, cfg)
		if n == 0 {
			t.Errorf("round %d: the child acknowledged nothing", round)
		}
		if err := s.read(func(tx *bolt.Tx) error {
			if k, _ := tx.Bucket(bOpen).Cursor().First(); k != nil {
				return fmt.Errorf("entry %d is still open after the start", fromU64(k))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		for seq, digest := range acknowledged {
			line, err := s.Entry(seq)
			if err != nil || audit.Digest(audit.LeafHash(line)) != digest {
				t.Fatalf("round %d: acknowledged entry %d was lost or changed: %v", round, seq, err)
			}
		}
		rep := closeAndVerify(t, s)
		if spent := rep.Ledgers[audit.LedgerKey{Population: "insured"}].Spent.Rho; uint64(spent) != 3*rep.Counts[audit.Intent] {
			t.Errorf("round %d: spent %d for %d intents of 3", round, spent, rep.Counts[audit.Intent])
		}
		if round == rounds-1 {
			t.Logf("%d rounds, %d acknowledged entries, %d groups only in the journal, %v", rounds, len(acknowledged), replayed, rep.Counts)
			if replayed == 0 {
				t.Error("no kill came between a frame and its settling: the test is of nothing")
			}
		}
	}
}

func TestSecondOpenerIsLockedOut(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	defer s.Close()
	dir := strings.TrimSuffix(cfg.Path, "/audit.db")
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "JALI_TEST_CHILD="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != ExitLocked || !strings.Contains(string(out), ErrLocked.Error()) {
		t.Errorf("second process: %v %s, want exit %d", err, out, ExitLocked)
	}
	if _, err := Verify(VerifyConfig{Config: cfg}); !errors.Is(err, ErrLocked) {
		t.Errorf("verification beside the gateway: %v, want ErrLocked", err)
	}
}

func TestOpenIntentsAreInterrupted(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	var seqs []uint64
	for range 3 {
		a, err := s.Append(t.Context(), intent(7))
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, a.Seq)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	for _, seq := range seqs {
		if kind, _, result, ok := s.Outcome(seq); kind != audit.Interrupted || result != nil || !ok {
			t.Errorf("outcome of %d: %s %v", seq, kind, ok)
		}
	}
	last, err := s.Entry(s.Size() - 1)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := audit.ParseEntry(last); err != nil || e.Kind != audit.Admin || e.Text("act") != "start" {
		t.Errorf("last entry %s", last)
	}
	if b, _ := s.Balance("agr-1", "insured"); b.Agreement.Spent.Rho != 21 {
		t.Errorf("the charge of an interrupted query must stand: %+v", b)
	}
	rep := closeAndVerify(t, s)
	if rep.Counts[audit.Interrupted] != 3 || rep.OpenIntents != 0 {
		t.Errorf("%v", rep.Counts)
	}
}

func TestCreateIsNotOpen(t *testing.T) {
	cfg := InDir(t.TempDir())
	if _, err := Open(cfg); err == nil {
		t.Error("opened a store that does not exist")
	}
	if err := Create(CreateConfig{Config: cfg, Origin: testOrigin}); err != nil {
		t.Fatal(err)
	}
	if err := Create(CreateConfig{Config: cfg, Origin: testOrigin}); !errors.Is(err, ErrExists) {
		t.Errorf("created over a store: %v", err)
	}
	for _, f := range []string{cfg.Signer, cfg.FileKey, cfg.Path, cfg.Keys} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
	for _, f := range []string{cfg.Signer, cfg.FileKey} {
		if err := os.Chmod(f, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(cfg); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s readable by others: %v, want ErrKeyFile", f, err)
		}
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What a crashed Create leaves is no store: a second run completes it, with the log key of the first.
	key, err := os.ReadFile(cfg.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cfg.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, ErrMissing) {
		t.Errorf("no audit.db: %v, want ErrMissing", err)
	}
	if err := Create(CreateConfig{Config: cfg, Origin: testOrigin}); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(cfg.Signer); err != nil || string(again) != string(key) {
		t.Errorf("the log key was replaced: %v", err)
	}
	closeAndVerify(t, open(t, cfg))
}

// A commit that fails stops the store: nobody is answered, nothing is appended any more.
func TestStorageErrorPoisons(t *testing.T) {
	cfg := newDir(t)
	fatal := make(chan error, 1)
	cfg.Fatal = func(err error) { fatal <- err }
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	if err := s.db.Close(); err != nil { // as if the disk went away
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), intent(1)); !errors.Is(err, ErrStopped) {
		t.Errorf("append on a dead disk: %v, want ErrStopped", err)
	}
	if err := <-fatal; !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		t.Errorf("fatal: %v", err)
	}
	if _, err := s.Append(t.Context(), intent(1)); !errors.Is(err, ErrStopped) {
		t.Errorf("append after: %v, want ErrStopped", err)
	}
	if err := s.keys.close(); err != nil {
		t.Fatal(err)
	}
	verified(t, cfg)
}

func TestClockSetBackIsRecorded(t *testing.T) {
	cfg := newDir(t)
	now := time.Now()
	var mu sync.Mutex
	cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := open(t, cfg)
	beat := func() audit.Entry {
		t.Helper()
		a, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat})
		if err != nil {
			t.Fatal(err)
		}
		e, err := audit.ParseEntry(a.Entry)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := beat()
	mu.Lock()
	now = now.Add(-time.Hour)
	mu.Unlock()
	if e := beat(); e.Time < first.Time || e.Seq != first.Seq+2 {
		t.Errorf("time %d after %d, seq %d after %d", e.Time, first.Time, e.Seq, first.Seq)
	}
	beat()
	if rep := closeAndVerify(t, s); rep.Counts[audit.Clock] != 1 {
		t.Errorf("%d CLOCK entries, want 1", rep.Counts[audit.Clock])
	}
}
