package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jali/audit"
)

// bounded opens the store in dir, lets four callers ask and release a few times, erases one question and closes. Each
// acknowledged entry is printed; what comes after a fault must not be.
func bounded(dir string) int {
	s, err := Open(InDir(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitCode(err)
	}
	ctx := context.Background()
	var mu sync.Mutex
	say := func(a Appended) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%d %s\n", a.Seq, audit.Digest(audit.LeafHash(a.Entry)))
	}
	var last Appended
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				a, err := s.Append(ctx, intent(3))
				if err != nil || a.Refused != "" {
					return
				}
				say(a)
				r, err := s.Append(ctx, release(a.Seq, bytes.Repeat([]byte("r"), 40_000)))
				if err != nil {
					return
				}
				say(r)
				mu.Lock()
				last = a
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if _, err := s.Erase(ctx, Erasure{
		Scope: "query", Law: "x", Spans: []audit.Span{{From: last.Seq, To: last.Seq}}, Order: "o", Approver: "a", Approver2: "b",
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitStorage
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitStorage
	}
	fmt.Println("closed")
	return 0
}

// A system call on one of the store's files fails, or the process is killed in it: nobody is answered from then on, and the
// process ends with a status. The next start finds every acknowledged entry, whole batches or none, and a log that verifies.
func TestInjectedFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("skipped: strace is not installed (apt package strace)")
	}
	if out, err := exec.Command("strace", "-o", os.DevNull, "-e", "inject=fdatasync:error=EIO", "true").CombinedOutput(); err != nil {
		t.Skipf("skipped: strace may not trace here: %s", bytes.TrimSpace(out))
	}
	base := newDir(t)
	s := open(t, base)
	setup(t, s, 1e15, 1e15)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The process that is made to fail begins with what one that was killed has left in the journal.
	s = stopped(t, base)
	before := append(s.journalGroup(t, intent(3)), s.journalGroup(t, intent(3), Item{Kind: audit.Heartbeat})...)
	drop(t, s)
	faults := []string{"error=EIO", "error=ENOSPC", "signal=SIGKILL"}
	calls := map[string][]int{"fdatasync": {1, 2, 5, 9}, "pwrite64": {1, 4, 11}, "ftruncate": {1}, "openat": {1, 2, 3}, "renameat": {1}}
	if os.Getenv("JALI_LONG") != "" {
		for call := range calls {
			calls[call] = nil
			for n := range 40 {
				calls[call] = append(calls[call], n+1)
			}
		}
	} else {
		t.Log("only some of the calls are made to fail; JALI_LONG=1 tries each of the first 40")
	}
	for call, at := range calls {
		for i, n := range at {
			for j, fault := range faults {
				if os.Getenv("JALI_LONG") == "" && (i+j)%len(faults) == 2 && len(at) > 1 {
					continue // two faults for each place
				}
				t.Run(fmt.Sprintf("%s/%d/%s", call, n, fault), func(t *testing.T) {
					t.Parallel()
					inject(t, base, before, call, n, fault)
				})
			}
		}
	}
}

func inject(t *testing.T, base Config, before []Appended, call string, n int, fault string) {
	cfg := copied(t, base)
	dir := filepath.Dir(cfg.Path)
	fatal := cfg.Fatal
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{"-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, n)}
	if call != "renameat" { // the program itself opens and writes other files; it renames none
		args = append(args, "-P", cfg.Path, "-P", cfg.Keys, "-P", cfg.journal(0), "-P", cfg.journal(1))
	}
	cmd := exec.CommandContext(ctx, "strace", append(args, os.Args[0], "-test.run=^$")...)
	cmd.Env = append(os.Environ(), "JALI_TEST_BOUNDED="+dir)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	closed := false
	acknowledged := map[uint64]string{}
	for _, a := range before {
		acknowledged[a.Seq] = audit.Digest(audit.LeafHash(a.Entry))
	}
	for in := bufio.NewScanner(bytes.NewReader(out)); in.Scan(); {
		seq, digest, ok := strings.Cut(in.Text(), " ")
		if i, e := strconv.ParseUint(seq, 10, 64); ok && e == nil {
			acknowledged[i] = digest
		}
		closed = closed || in.Text() == "closed"
	}
	if closed != (err == nil) {
		t.Errorf("closed in order %v, status %v", closed, err)
	}
	if err == nil {
		t.Logf("the process made fewer than %d such calls, or survived one that it may (%d entries)", n, len(acknowledged))
	}
	if exit != nil && strings.HasPrefix(fault, "error") && exit.ExitCode() < ExitStorage {
		t.Errorf("exit status %d: %s", exit.ExitCode(), exit.Stderr)
	}
	cfg.Fatal = fatal
	s := open(t, cfg)
	for seq, digest := range acknowledged {
		line, err := s.Entry(seq)
		if err != nil || audit.Digest(audit.LeafHash(line)) != digest {
			t.Errorf("acknowledged entry %d was lost or changed: %v", seq, err)
		}
	}
	rep := closeAndVerify(t, s)
	if spent := rep.Ledgers[audit.LedgerKey{Population: "insured"}].Spent.Rho; uint64(spent) != 3*rep.Counts[audit.Intent] {
		t.Errorf("spent %d for %d intents of 3", spent, rep.Counts[audit.Intent])
	}
	if rep.Counts[audit.Erase] != rep.Counts[audit.Erased] {
		t.Errorf("%d ERASE, %d ERASED", rep.Counts[audit.Erase], rep.Counts[audit.Erased])
	}
}
