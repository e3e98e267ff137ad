package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"jali/audit"
	"jali/audit/store"
)

// childEnv marks the process that reads the files itself.
const childEnv = "JALI_AUDITOR_CHILD"

// stalled is how long the child may go without progress: damage can send a reader in circles.
const stalled = 2 * time.Minute

// state checks the files of a stopped gateway. A child process reads them: a truncated file shows as a fault that no
// program survives, and damaged pages may make one panic or run for ever. Each of these becomes a finding here.
func (v *verification) state(ctx context.Context) (*finding, error) {
	if os.Getenv(childEnv) != "" {
		return v.stateHere()
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdout = v.stdout
	errs := &tail{}
	cmd.Stderr = errs
	progress, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start reader: %w", err)
	}
	defer progress.Close()
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start reader: %w", err), w.Close())
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	var at atomic.Uint64
	var hung atomic.Bool
	timer := time.AfterFunc(stalled, func() { hung.Store(true); cancel() })
	defer timer.Stop()
	for in := bufio.NewScanner(progress); in.Scan(); timer.Reset(stalled) {
		if n, err := strconv.ParseUint(in.Text(), 10, 64); err == nil {
			at.Store(n)
		}
	}
	return nil, v.childEnd(cmd.Wait(), hung.Load(), at.Load(), errs)
}

// childEnd turns the way the child ended into this process's end.
func (v *verification) childEnd(err error, hung bool, at uint64, errs *tail) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		_, err := v.stderr.Write(errs.b)
		return err
	case hung:
		return failedError{fmt.Errorf("%w: %w", store.ErrDamaged, &audit.EntryError{Seq: at, Err: errors.New("the file sends its reader in circles here or after")})}
	case errors.As(err, &exit) && exit.Exited() && reported(exit.ExitCode()):
		if _, err := v.stderr.Write(errs.b); err != nil {
			return err
		}
		return childError(exit.ExitCode())
	case errors.As(err, &exit):
		return failedError{fmt.Errorf("%w: %w", store.ErrDamaged, &audit.EntryError{Seq: at, Err: fmt.Errorf("reading the file here or after killed the reader: %v", exit)})}
	}
	return fmt.Errorf("read the files: %w", err)
}

// reported tells a status that the child chose from one that Go's runtime or a signal chose (2 is both; flags were
// checked before the child was started, so from a child it is a crash, but for a missing file).
func reported(status int) bool {
	return status == statusLocal || status == statusUnavailable || status == statusFailed || status == statusChildUsage
}

// statusChildUsage is what a child says for a usage error.
const statusChildUsage = 64

// childError is a status that the child has explained already.
type childError int

func (e childError) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// stateHere reads the files in this process.
func (v *verification) stateHere() (*finding, error) {
	keys, err := v.from.keys()
	if err != nil {
		return nil, err
	}
	cfg := store.VerifyConfig{Config: v.from.state()}
	if keys != nil {
		cfg.VKeys = keys.VKeys
	}
	if cfg.Earlier, err = v.remembered(keys); err != nil {
		return nil, err
	}
	if out := os.NewFile(3, "progress"); out != nil {
		cfg.Progress = func(n uint64) { fmt.Fprintln(out, n) }
	}
	rep, err := store.Verify(cfg)
	if err != nil {
		return nil, err
	}
	f := &finding{
		Source: "state directory " + v.from.dir, Origin: rep.Origin, Size: rep.Size, Root: rep.Root[:], KeysFrom: keysFrom(keys, "the files"),
		First: &rep.First, Last: &rep.Last, Counts: rep.Counts, Uninterpreted: rep.Uninterpreted, OpenIntents: rep.OpenIntents,
		Checks: rep.Checks, Checked: v.when, NotChecked: v.notChecked(cfg.Earlier),
	}
	if !rep.DetailsOpened {
		f.NotChecked = append(f.NotChecked, "details: no keys.db here to open them with")
	}
	f.held(rep.Holds)
	if rep.Checkpoint == nil {
		f.NotChecked = append(f.NotChecked, "signatures: no checkpoint is kept in these files")
		return f, nil
	}
	f.SignedBy, f.SignedSize = rep.Checkpoint.SignedBy, rep.Checkpoint.Size
	f.signed(rep.Checkpoint.Time)
	if v.seal != "" {
		if keys == nil {
			return nil, usagef("--vkeys FILE: the keys that the custodian published", "--seal needs --vkeys for files")
		}
		if err := v.judge(f, keys, *rep.Checkpoint, rep.Cosigned, cfg.Earlier); err != nil {
			return nil, err
		}
	}
	return f, v.keep(rep.Checkpoint.Note)
}

// tail keeps the first few KiB of what the child says: its report, or the start of a crash.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	if room := 8<<10 - len(t.b); room > 0 {
		t.b = append(t.b, p[:min(room, len(p))]...)
	}
	return len(p), nil
}
