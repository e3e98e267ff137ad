package attacks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// TestSoak keeps a witnessed gateway under load from researchers (SQL new, repeated, refused; encrypted) and a regulator, and meanwhile kills
// gateway and witness with SIGKILL, lets the disk end at a random byte (RLIMIT_FSIZE of the running gateway, so that growing the log fails as on
// a full disk), and stops the gateway for seconds. After each blow the gateway starts on what is there. At the end:
//
//   - the log verifies from its first entry and every answer that anybody was given has its entries in it (none unrecorded, none lost);
//   - no ledger is beyond its cap, ledgers add up to the charges, and every charge has an outcome;
//   - in a calm last quarter, memory and open files of the gateway do not grow.
//
// JALI_SOAK is how long (make soak TIME=60m); by default it is short. The clock cannot be moved from outside: Go programs read it without
// libc, so libfaketime does not reach them; audit/store TestClockSetBackIsRecorded sets it back inside.
func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits and watches the gateway by means of Linux (prlimit, /proc)")
	}
	limit := 12 * time.Second
	if s := os.Getenv("JALI_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		limit = d
	}
	t.Setenv(sdk.KeysEnv, filepath.Join(t.TempDir(), "keys"))
	_, datasets := newWorld(t)
	x := &arena{}
	var small []sdktest.Dataset
	for _, d := range datasets {
		if name := filepath.Base(d.Catalog); name == "shared.yaml" || name == "alias.yaml" || name == "cleft.yaml" {
			small = append(small, d)
		}
	}
	x.Gateway = sdktest.Start(t, sdktest.Config{
		Datasets: small, PopulationPU: 400_000, Agreements: []string{x.terms("agr-first", budget, "shared")},
		ServerConfig: map[string]string{"per_second: 50": "per_second: 100000", "burst: 200": "burst: 10000"},
	})
	x.mallory = x.Client("mallory", "Acme", sdktest.Researcher)
	x.Regulator()
	w := startWitness(t, filepath.Join(x.Dir, "vkeys"))
	x.Stop()
	policy := fmt.Sprintf("witness ed %s %s\nwitness pq %s %s\ngroup court all ed pq\nquorum court\n", w.vkeys[0], w.url, w.vkeys[1], w.url)
	if err := os.WriteFile(filepath.Join(x.Dir, "seal.policy"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Serve()
	l := newLoad(t, x)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 6))
	blows := map[string]int{}
	l.during(func() {
		for began := time.Now(); time.Since(began) < limit*3/4; {
			time.Sleep(time.Duration(200+rng.IntN(1800)) * time.Millisecond)
			name := x.strike(t, rng, w)
			blows[name]++
			time.Sleep(100 * time.Millisecond)
		}
		x.calm(t, limit/4)
	})
	log, err := x.settled()
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for key, ledger := range log.Ledgers {
		if ledger.Spent.Rho > ledger.Cap.Rho {
			t.Errorf("ledger %v: %d spent of %d", key, ledger.Spent.Rho, ledger.Cap.Rho)
		}
	}
	if l.answered.Load() == 0 || l.encrypted.Load() == 0 && limit > time.Minute {
		t.Errorf("%d SQL and %d encrypted answers: the load is none", l.answered.Load(), l.encrypted.Load())
	}
	if n := l.broken.Load(); n > 0 {
		t.Errorf("%d answers came with a receipt that does not verify", n)
	}
	report(t, "soak", "%v, seed %d: %v; %d SQL and %d encrypted answers, %d pages read; %d entries, %d charges, %d releases, %d interrupted, %d failures, %d refused", limit, seed, blows,
		l.answered.Load(), l.encrypted.Load(), l.read.Load(), len(log.Entries), log.Count(audit.Intent), log.Count(audit.Release), log.Count(audit.Interrupted), log.Count(audit.Failure), log.Count(audit.Refused))
}

// strike does one harm and repairs what a custodian would: it starts what has ended.
func (x *arena) strike(t *testing.T, rng *rand.Rand, w *witness) string {
	t.Helper()
	switch n := rng.IntN(10); {
	case n < 6:
		x.Kill()
		x.Serve()
		return "gateway killed"
	case n < 8:
		w.kill()
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
		w.start(t)
		return "witness killed"
	case n < 9:
		// A full disk: the log may grow to its size now and a little, and no further.
		info, err := os.Stat(filepath.Join(x.Dir, "audit.db"))
		if err != nil {
			t.Fatal(err)
		}
		most := info.Size() + int64(rng.IntN(1<<16))
		if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(x.PID()), fmt.Sprintf("--fsize=%d:%d", most, most)).CombinedOutput(); err != nil {
			t.Fatalf("limit the gateway's files: %v: %s", err, out)
		}
		time.Sleep(2 * time.Second)
		x.Kill()
		x.Serve()
		return "disk full"
	default:
		pid := x.PID()
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(500+rng.IntN(2500)) * time.Millisecond)
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		return "gateway stopped"
	}
}

// calm watches memory and open files while nothing is killed: the most of the last third against the most of the second. The first is for
// warming up. Garbage collection makes a short look uneven, so that only a long one judges memory.
func (x *arena) calm(t *testing.T, long time.Duration) {
	t.Helper()
	most := func() (memory, files int) {
		for range 20 {
			time.Sleep(long / 60)
			m, f := usage(t, x.PID())
			memory, files = max(memory, m), max(files, f)
		}
		return memory, files
	}
	most()
	m0, f0 := most()
	m1, f1 := most()
	if f1 > f0+32 || long > time.Minute && m1 > m0*5/4+16<<10 {
		t.Errorf("in %v the gateway went from %d to %d KiB and from %d to %d files", long, m0, m1, f0, f1)
	}
	report(t, "soak", "calm for %v: %d to %d KiB, %d to %d open files", long, m0, m1, f0, f1)
}

// usage is the memory that is the process's own, in KiB, and the number of its open files. Pages of mapped files, such as the log, are the
// kernel's to take back.
func usage(t *testing.T, pid int) (memory, files int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	memory, err = strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return memory, len(list)
}

// settled reads the log when every charge has its outcome.
func (x *arena) settled() (sdktest.Log, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		log, err := x.Check()
		if err != nil || log.Open == 0 {
			return log, err
		}
		if time.Now().After(deadline) {
			return log, fmt.Errorf("%d charges have no outcome", log.Open)
		}
	}
}

// load asks questions of all kinds.
type load struct {
	x                                 *arena
	agreements                        []string
	n                                 atomic.Int64
	answered, encrypted, read, broken atomic.Int64
}

func newLoad(t *testing.T, x *arena) *load {
	l := &load{x: x}
	for range 4 {
		l.agreements = append(l.agreements, x.agree(t, 200_000, "shared", "alias", "cleft"))
	}
	return l
}

// during keeps the load up while f runs.
func (l *load) during(f func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			for ctx.Err() == nil {
				l.ask(ctx)
			}
		})
	}
	group.Go(func() {
		for ctx.Err() == nil {
			l.count(l.x.mallory.CohortCount(ctx, sdk.CohortQuery{Agreement: l.agreements[0], Purpose: "DUO:0000042", Dataset: "cleft", By: "crypt.code", Codes: []string{"3"}, Error: "400"}))
		}
	})
	group.Go(func() {
		service := jaliv1.NewAuditServiceClient(l.x.Regulator().Conn())
		for ctx.Err() == nil {
			if _, err := service.ListEntries(ctx, &jaliv1.ListEntriesRequest{From: uint64(rand.IntN(1000)), Limit: 100}); err == nil {
				l.read.Add(1)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	f()
	cancel()
	group.Wait()
}

func (l *load) count(_ *sdk.CohortResult, err error) {
	if err == nil {
		l.encrypted.Add(1)
	}
	l.judge(err)
}

// judge tells the errors of a gateway that was killed from the one that must never be.
func (l *load) judge(err error) {
	var receipt *sdk.ReceiptError
	if errors.As(err, &receipt) {
		l.broken.Add(1)
	}
	if err != nil {
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *load) ask(ctx context.Context) {
	n := l.n.Add(1)
	q := sdk.Query{Agreement: l.agreements[n%4], Purpose: "DUO:0000042", Dataset: []string{"shared", "alias"}[n%2], Error: "150", SQL: fmt.Sprintf("SELECT COUNT(*) AS n FROM person WHERE age < %d", n)}
	switch n % 16 {
	case 3: // a repeat
		q.SQL = fmt.Sprintf("SELECT COUNT(*) AS n FROM person WHERE age < %d", max(1, n-64))
	case 7: // no question
		q.SQL = "SELECT nothing FROM person"
	case 11: // a purpose outside the agreement
		q.Purpose = "DUO:0000011"
	}
	_, err := l.x.mallory.Query(ctx, q)
	if err == nil {
		l.answered.Add(1)
	}
	l.judge(err)
}

// witness is a running jali-auditor witness.
type witness struct {
	dir, origin, listen, url string
	vkeys                    []string
	cmd                      *exec.Cmd
}

func startWitness(t *testing.T, origin string) *witness {
	t.Helper()
	w := &witness{dir: filepath.Join(t.TempDir(), "w"), origin: origin, listen: "127.0.0.1:0"}
	w.start(t)
	t.Cleanup(w.kill)
	return w
}

func (w *witness) start(t *testing.T) {
	t.Helper()
	w.cmd, w.vkeys = exec.Command(auditor(t), "witness", "--dir", w.dir, "--name", "w.court.example", "--listen", w.listen, "--origin-vkeys", w.origin), nil
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "vkey "); ok {
			w.vkeys = append(w.vkeys, v)
		}
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			w.url, w.listen = at, strings.TrimPrefix(at, "http://")
			return
		}
	}
	t.Fatal("the witness did not start")
}

func (w *witness) kill() {
	if w.cmd != nil && w.cmd.ProcessState == nil {
		w.cmd.Process.Kill()
		w.cmd.Wait()
	}
}

// auditor is the program in $JALI_BIN, or one that is built.
var built = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("JALI_BIN"); dir != "" {
		return filepath.Join(dir, "jali-auditor"), nil
	}
	dir, err := os.MkdirTemp("", "jali-attacks-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jali-auditor")
	out, err := exec.Command("go", "build", "-o", path, "jali/cmd/jali-auditor").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build jali-auditor: %w\n%s", err, out)
	}
	return path, nil
})

func auditor(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
