package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"jali/audit"
	"jali/sdk"
)

// Rounds of SIGKILL under load; JALI_KILL_ROUNDS sets how many. The kill falls anywhere: while questions run, between them, or
// into a start that is repairing the log. After each, before anything is repaired, the auditor must find the files of the
// dead gateway whole; and after the next start
//
//   - the whole log verifies, every answer that was handed out has its entries in it, and what was spent covers what was
//     answered (Gateway.Check);
//   - exactly the charges that the kill left without outcome were closed as INTERRUPTED, and their price stayed spent.
//
// Only where the kills fall is chance: an honest gateway never fails. SIGKILL keeps what the kernel has, so this shows nothing about
// power cuts.
func TestKillUnderLoad(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("JALI_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	config := nhefs(t, Config{AgreementPU: 1_000_000})
	config.Agreements[0] = strings.Replace(config.Agreements[0], "per_hour: 1000", "per_hour: 1000000", 1)
	g := start(t, config)
	seed := uint64(time.Now().UnixNano())
	l := &load{gateway: g, client: g.Researcher(), rng: rand.New(rand.NewPCG(seed, 0))}
	began := time.Now()
	var interrupted, cutStarts int
	for round := range rounds {
		l.until(func() {
			// The first kill waits for an answer: on a busy machine none may have left so soon.
			for deadline := time.Now().Add(30 * time.Second); round == 0 && l.answered.Load() == 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Duration(l.rng.IntN(400)) * time.Millisecond)
			g.Kill()
		})
		open := openIntents(t, g)
		if round%3 == 2 {
			cutStarts++
			cutStart(t, g, time.Duration(l.rng.IntN(300))*time.Millisecond)
		}
		g.Serve()
		log, err := g.Check()
		if err != nil {
			t.Fatalf("round %d, seed %d: %v", round, seed, err)
		}
		if now := log.Count(audit.Interrupted); now != interrupted+open || log.Open != 0 {
			t.Fatalf("round %d, seed %d: %d charges were without outcome; %d were closed as INTERRUPTED, %d are open still", round, seed, open, now-interrupted, log.Open)
		}
		interrupted += open
		if rounds > 20 && round%20 == 19 {
			t.Logf("%d rounds, %v", round+1, time.Since(began).Round(time.Second))
		}
	}
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if l.answered.Load() == 0 || log.Count(audit.Release) == 0 {
		t.Error("no question was answered: the kills fell on an idle gateway")
	}
	t.Logf("%d rounds, %d of them killed again while starting, in %v: %d entries, %d charges, %d releases, %d replays, %d interrupted, %d failures, %d refused; %d answers received, each found in the log",
		rounds, cutStarts, time.Since(began).Round(time.Second), len(log.Entries), log.Count(audit.Intent), log.Count(audit.Release), log.Count(audit.Replay),
		interrupted, log.Count(audit.Failure), log.Count(audit.Refused), l.answered.Load())
}

// load asks questions from several goroutines: mostly new ones, some that were asked before, some that are refused.
type load struct {
	gateway  *Gateway
	client   *Client
	rng      *rand.Rand
	n        atomic.Int64
	answered atomic.Int64
}

// until asks until f has returned.
func (l *load) until(f func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for ctx.Err() == nil {
				// Errors are what a killed gateway gives. Answers are kept, to be looked up in the log.
				if _, err := l.client.Query(ctx, sdk.Query{SQL: l.question(), Error: "400"}); err == nil {
					l.answered.Add(1)
				}
			}
		})
	}
	f()
	cancel()
	workers.Wait()
}

func (l *load) question() string {
	n := l.n.Add(1)
	switch n % 16 {
	case 7:
		return "SELECT COUNT(*) FROM nhefs WHERE nothing = 1"
	case 15:
		n -= 13
	}
	// A range of weights of its own, within the column's bounds of 20 to 400 kg.
	return fmt.Sprintf("SELECT COUNT(*) AS n FROM nhefs WHERE wt71 >= %d.%02d AND wt82 <= %d.%02d", 20+n/100%380, n%100, 399-n/38000%300, 0)
}

// cutStart starts the gateway, and kills it after a while: ready, or repairing.
func cutStart(t *testing.T, g *Gateway, after time.Duration) {
	t.Helper()
	cmd := exec.Command(g.program, "serve", "--dir", g.Dir, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), g.config.Environment...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("a start over the files of a killed gateway ended by itself: %v", err)
	}
}

// openIntents has the auditor verify the files that a killed gateway left, as they lie, and returns how many charges have no
// outcome.
func openIntents(t *testing.T, g *Gateway) int {
	t.Helper()
	auditor := filepath.Join(filepath.Dir(g.program), "jali-auditor")
	if _, err := os.Stat(auditor); err != nil {
		t.Skip("jali-auditor is not beside jali-gateway (make build)")
	}
	out, err := exec.Command(auditor, "verify", "--dir", g.Dir, "--vkeys", filepath.Join(g.Dir, "vkeys"), "--format", "json").CombinedOutput()
	if err != nil {
		t.Fatalf("the files of a killed gateway do not verify: %v\n%s", err, out)
	}
	var finding struct {
		OK   bool `json:"ok"`
		Open int  `json:"open_intents"`
	}
	if err := json.Unmarshal(out, &finding); err != nil || !finding.OK {
		t.Fatalf("the auditor says %s (%v)", out, err)
	}
	return finding.Open
}
