package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// auditorProgram finds or builds this program as others run it.
func auditorProgram(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("JALI_BIN"); dir != "" {
		if path := filepath.Join(dir, "jali-auditor"); fileExists(path) {
			return path
		}
	}
	path := filepath.Join(t.TempDir(), "jali-auditor")
	if out, err := exec.Command("go", "build", "-o", path, "jali/cmd/jali-auditor").CombinedOutput(); err != nil {
		t.Fatalf("build jali-auditor: %v\n%s", err, out)
	}
	return path
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// running is a witness in a process of its own.
type running struct {
	cmd   *exec.Cmd
	url   string
	vkeys []string
}

func startWitness(t *testing.T, program, dir, listen, vkeys string) *running {
	t.Helper()
	w := &running{cmd: exec.Command(program, "witness", "--dir", dir, "--name", "w.court.example", "--listen", listen, "--origin-vkeys", vkeys)}
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kill)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "vkey "); ok {
			w.vkeys = append(w.vkeys, v)
		}
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			w.url = at
			return w
		}
	}
	t.Fatal("the witness did not start")
	return nil
}

// kill ends the witness at once, as a power cut does.
func (w *running) kill() {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Signal(syscall.SIGKILL)
		w.cmd.Wait()
	}
}

// root is whoever owns the gateway's host: all files, all keys.
type root struct {
	t   *testing.T
	dir string // the gateway's state directory
}

func (r root) state() store.Config {
	cfg := store.InDir(r.dir)
	cfg.FileKey, cfg.Signer = filepath.Join(r.dir, "keys", "details.key"), filepath.Join(r.dir, "keys", "log.key")
	return cfg
}

var stateFiles = []string{"audit.db", "keys.db"}

func (r root) save(to string) string {
	r.t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range stateFiles {
		copyFile(r.t, filepath.Join(r.dir, f), filepath.Join(to, f))
	}
	return to
}

func (r root) put(from string) {
	r.t.Helper()
	for _, f := range stateFiles {
		copyFile(r.t, filepath.Join(from, f), filepath.Join(r.dir, f))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rebuild makes the whole store anew from other lines, with the details it had, chained, consistent and signed with the log's own
// key: nothing on the host shows that it ever was different. early is a copy of the files from before the lines differ.
func (r root) rebuild(early string, lines [][]byte) {
	r.t.Helper()
	full := r.save(r.t.TempDir())
	r.put(early)
	cfg := r.state()
	keys, err := audit.ReadKeys(readFile(r.t, filepath.Join(r.dir, "vkeys")))
	if err != nil {
		r.t.Fatal(err)
	}
	chain := audit.NewChain(keys.Origin, keys.VKeys, nil)
	for i := range lines {
		if i > 0 {
			e, err := audit.ParseEntry(lines[i])
			if err != nil {
				r.t.Fatal(err)
			}
			lines[i] = []byte(strings.Replace(string(lines[i]), `"prev":"`+e.Prev+`"`, `"prev":"`+audit.Digest(audit.LeafHash(lines[i-1]))+`"`, 1))
		}
		if err := chain.Next(lines[i]); err != nil {
			r.t.Fatal(err)
		}
	}
	top, err := chain.Root()
	if err != nil {
		r.t.Fatal(err)
	}
	n := uint64(len(lines))
	done, err := store.Rebuild(cfg, store.Headers{Size: n, Root: top, Entries: func(from uint64) ([][]byte, error) { return lines[from:], nil }})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Remove(done.Old); err != nil {
		r.t.Fatal(err)
	}
	copyFile(r.t, filepath.Join(full, "keys.db"), cfg.Keys)
	skey, _, _ := strings.Cut(string(readFile(r.t, cfg.Signer)), "\n")
	signer, err := note.NewSigner(skey)
	if err != nil {
		r.t.Fatal(err)
	}
	cp, err := audit.SignCheckpoint(keys.Origin, n, top, signer)
	if err != nil {
		r.t.Fatal(err)
	}
	r.carry(filepath.Join(full, "audit.db"), n, chain, cp)
}

// carry copies details, results and indexes below n of the store that was.
func (r root) carry(from string, n uint64, chain *audit.Chain, checkpoint []byte) {
	r.t.Helper()
	old, err := bolt.Open(from, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	defer old.Close()
	db, err := bolt.Open(filepath.Join(r.dir, "audit.db"), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	number := func(b []byte) (v uint64) {
		for _, c := range b[:8] {
			v = v<<8 | uint64(c)
		}
		return v
	}
	err = old.View(func(src *bolt.Tx) error {
		return db.Update(func(dst *bolt.Tx) error {
			for _, b := range []string{"d", "r", "q", "a"} {
				err := src.Bucket([]byte(b)).ForEach(func(k, v []byte) error {
					keep := true
					switch b {
					case "d":
						keep = number(k) < n
					case "r":
						keep = chain.Released(number(k))
					default:
						keep = number(v) < n
					}
					if !keep || b == "a" && dst.Bucket([]byte(b)).Get(k) != nil {
						return nil
					}
					return dst.Bucket([]byte(b)).Put(k, v)
				})
				if err != nil {
					return err
				}
			}
			key := make([]byte, 8)
			for i := range key {
				key[i] = byte(n >> (8 * (7 - i)))
			}
			return dst.Bucket([]byte("c")).Put(key, checkpoint)
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r root) lines() [][]byte {
	r.t.Helper()
	s, err := store.OpenReader(r.state())
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	lines, err := s.Entries(0, store.MaxRead)
	if err != nil {
		r.t.Fatal(err)
	}
	return lines
}

// The four attacks that only root can make and no check on the host can see. Gateway, witness and auditor are processes of
// their own; each attack passes the auditor's complete check of the files, and the witness stops the gateway all the same.
func TestRootAttacksAreCaughtByTheWitness(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs three programs")
	}
	auditor := auditorProgram(t)
	g := sdktest.Start(t, sdktest.Config{Persons: 300})
	g.Stop()
	r := root{t, g.Dir}
	early := r.save(t.TempDir())

	place := t.TempDir()
	w := startWitness(t, auditor, place, "127.0.0.1:0", filepath.Join(g.Dir, "vkeys"))
	policy := fmt.Sprintf("witness ed %s %s\nwitness pq %s %s\ngroup court all ed pq\nquorum court\n", w.vkeys[0], w.url, w.vkeys[1], w.url)
	policies := []string{filepath.Join(g.Dir, "seal.policy"), filepath.Join(g.Dir, "l2.policy")}
	witnessed := func(on bool) {
		for _, p := range policies {
			if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if on {
				if err := os.WriteFile(p, []byte(policy), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	witnessed(true)
	g.Serve()
	ask := func(i int) {
		t.Helper()
		if _, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: fmt.Sprintf("SELECT COUNT(*) FROM person WHERE birth_date > DATE '%d-01-01'", 1940+i), Error: "100"}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		ask(i)
	}
	g.Stop()
	old := r.save(t.TempDir())
	g.Serve()
	for i := range 4 {
		ask(10 + i)
	}
	size := waitCosigned(t, w, g.Dir)
	g.Stop()
	// Killed and started again, the witness remembers.
	address := strings.TrimPrefix(w.url, "http://")
	w.kill()
	w = startWitness(t, auditor, place, address, filepath.Join(g.Dir, "vkeys"))
	honest := r.save(t.TempDir())

	keys, err := audit.ReadKeys(readFile(t, filepath.Join(g.Dir, "vkeys")))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := (&witness.Client{}).Latest(t.Context(), witness.Peer{URL: w.url}, keys.Origin)
	if err != nil {
		t.Fatal(err)
	}
	keptFile := filepath.Join(t.TempDir(), "witnessed")

	attacks := map[string]struct {
		make func()
		exit int
	}{
		"tail cut, rebuilt, signed again": {func() { r.rebuild(early, r.lines()[:size-6]) }, 73},
		"entry edited, rebuilt, signed again": {func() {
			lines := r.lines()
			at := slices.IndexFunc(lines, func(l []byte) bool { return strings.Contains(string(l), `"k":"RELEASE"`) })
			lines[at] = []byte(strings.Replace(string(lines[at]), `"mech":"dgauss"`, `"mech":"laplace"`, 1))
			r.rebuild(early, lines)
		}, 74},
		"old database restored": {func() { r.put(old) }, 73},
		"old database and new entries": {func() {
			r.put(old)
			witnessed(false) // root does not ask the witness while it writes
			for i := 0; len(r.lines()) <= int(size)+5; i++ {
				g.Run("budget", "set", "--dir", g.Dir, "--population", g.Population, "--pu", fmt.Sprint(2_000_000+i))
			}
			witnessed(true)
		}, 74},
	}
	for _, name := range slices.Sorted(maps.Keys(attacks)) {
		t.Run(name, func(t *testing.T) {
			r.put(honest)
			attacks[name].make()
			before := readFile(t, filepath.Join(g.Dir, "audit.db"))
			// The auditor, on the host, with the log's published keys: everything verifies.
			out, err := exec.Command(auditor, "verify", "--dir", stateFor(t, r), "--vkeys", filepath.Join(g.Dir, "vkeys")).CombinedOutput()
			if err != nil {
				t.Fatalf("the attack does not pass local checks: %v\n%s", err, out)
			}
			// The gateway asks the witness, and refuses to start. Nothing is appended.
			_, err = g.Try("serve", "--dir", g.Dir, "--listen", "127.0.0.1:0")
			var failed *exec.ExitError
			if !errors.As(err, &failed) || failed.ExitCode() != attacks[name].exit {
				t.Fatalf("serve: %v, want exit status %d", err, attacks[name].exit)
			}
			// bbolt may rewrite its own pages on opening; the entries are the same.
			if n := len(r.lines()); fmt.Sprint(n) != fmt.Sprint(countIn(t, before)) {
				t.Errorf("%d entries after the refused start", n)
			}
			if found, _ := filepath.Glob(filepath.Join(g.Dir, "evidence", "*", "theirs")); len(found) == 0 {
				t.Error("no evidence was written")
			}
			// And the auditor, given what the witness has cosigned, sees it too.
			if err := os.WriteFile(keptFile, kept, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err = exec.Command(auditor, "verify", "--dir", stateFor(t, r), "--vkeys", filepath.Join(g.Dir, "vkeys"), "--remember", keptFile).CombinedOutput()
			if !errors.As(err, &failed) || failed.ExitCode() != statusFailed {
				t.Errorf("verify with the witnessed checkpoint: %v, want exit status %d\n%s", err, statusFailed, out)
			}
		})
	}
	r.put(honest)
	g.Serve() // the honest log is served
	waitCosigned(t, w, g.Dir)
	g.Stop()
	// An honest custodian whose disk died restores the old copy from an export that the auditor has kept.
	mirror := filepath.Join(t.TempDir(), "mirror")
	if out, err := exec.Command(auditor, "export", "--dir", stateFor(t, r), "--out", mirror).CombinedOutput(); err != nil {
		t.Fatalf("export: %v\n%s", err, out)
	}
	r.put(old)
	t.Log(g.Run("restore", "--dir", g.Dir, "--export", mirror, "--order", "disk failure of the test"))
	if out, err := exec.Command(auditor, "verify", "--dir", stateFor(t, r), "--vkeys", filepath.Join(g.Dir, "vkeys"), "--remember", keptFile).CombinedOutput(); err != nil {
		t.Fatalf("the restored log: %v\n%s", err, out)
	}
	g.Serve()
	g.Stop()
	witnessed(false) // the cleanup checks the log once more, after the witness is gone
}

// stateFor lays the files out as the auditor expects them in one directory.
func stateFor(t *testing.T, r root) string {
	t.Helper()
	dir := t.TempDir()
	r.save(dir)
	copyFile(t, filepath.Join(r.dir, "keys", "details.key"), filepath.Join(dir, "keys.db.key"))
	return dir
}

func countIn(t *testing.T, db []byte) int {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "audit.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenReader(store.InDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return int(s.Size())
}

// waitCosigned waits until the witness has cosigned the log, and returns the size it holds.
func waitCosigned(t *testing.T, w *running, dir string) uint64 {
	t.Helper()
	keys, err := audit.ReadKeys(readFile(t, filepath.Join(dir, "vkeys")))
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(1500 * time.Millisecond) {
		text, err := (&witness.Client{}).Latest(t.Context(), witness.Peer{URL: w.url}, keys.Origin)
		if err != nil {
			continue
		}
		cp, err := keys.OpenCheckpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		if cp.Size == last && last > 0 {
			return last
		}
		last = cp.Size
	}
	t.Fatal("nothing was cosigned")
	return 0
}
