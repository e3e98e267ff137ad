package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// witnessed is a witness in a process of its own that stays at its address when it is started again.
type witnessed struct {
	dir, listen, url string
	logs, vkeys      []string
	cmd              *exec.Cmd
}

func startWitness(t *testing.T, logs ...string) *witnessed {
	t.Helper()
	w := &witnessed{dir: filepath.Join(t.TempDir(), "w"), listen: "127.0.0.1:0", logs: logs}
	w.start(t)
	t.Cleanup(w.kill)
	return w
}

func (w *witnessed) start(t *testing.T) {
	t.Helper()
	args := []string{"witness", "--dir", w.dir, "--name", "w.court.example", "--listen", w.listen}
	for _, l := range w.logs {
		args = append(args, "--origin-vkeys", l)
	}
	w.cmd, w.vkeys = exec.Command(filepath.Join(os.Getenv("JALI_BIN"), "jali-auditor"), args...), nil
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

func (w *witnessed) kill() {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Kill()
		w.cmd.Wait()
	}
}

// memory is the file in which the witness remembers its logs.
func (w *witnessed) memory() string { return filepath.Join(w.dir, "witness.db") }

// seal makes the witness the one that must cosign the log of a state directory.
func (w *witnessed) seal(t *testing.T, dir string) string {
	t.Helper()
	policy := fmt.Sprintf("witness ed %s %s\nwitness pq %s %s\ngroup court all ed pq\nquorum court\n", w.vkeys[0], w.url, w.vkeys[1], w.url)
	if err := os.WriteFile(filepath.Join(dir, "seal.policy"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return policy
}

// commands runs jali-gateway and requires exit status and words.
func commands(t *testing.T) func(want int, says string, args ...string) string {
	return func(want int, says string, args ...string) string {
		t.Helper()
		code, out := program(t, context.Background(), "jali-gateway", args...)
		if code != want || !strings.Contains(out, says) {
			t.Fatalf("%v: %d, want %d and %q\n%s", args, code, want, says, out)
		}
		if code != 0 && !strings.Contains(out, "hint: ") {
			t.Errorf("%v: refused without a hint\n%s", args, out)
		}
		return out
	}
}

// As an operator does it: witnesses have seen more than the copy that is left, and nobody has the headers between. The log goes on under a
// new name, with the loss on record and every budget spent.
func TestRestoreUnderANewOrigin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const first, second = "test.example/jali/1", "test.example/jali/2"
	gateway := commands(t)
	gateway(0, "", "init", "--dir", dir, "--origin", first)
	budget := func(order string) {
		t.Helper()
		gateway(0, "", "budget", "set", "--dir", dir, "--population", "insured", "--pu", "1000", "--order", order)
	}
	budget("decision 1")
	anew := func(want int, says string, more ...string) string {
		t.Helper()
		return gateway(want, says, append([]string{"restore", "--dir", dir, "--new-origin", second}, more...)...)
	}
	order := []string{"--order", "decision 9"}
	anew(2, "--order")
	anew(2, "export new-origin", append(order, "--export", dir)...)
	anew(1, "no seal.policy names witnesses", order...)

	gateway(0, second+"+", "shard", "prepare", "--dir", dir, "--origin", second)
	keys := filepath.Join(t.TempDir(), "vkeys2")
	copyTo(t, filepath.Join(dir, "next", "vkeys"), keys)
	w := startWitness(t, filepath.Join(dir, "vkeys"), keys)
	w.seal(t, dir)
	anew(1, "no witness told a checkpoint", order...)
	budget("decision 2") // its start asks the witness
	old := t.TempDir()
	for _, f := range []string{"audit.db", "keys.db"} {
		copyTo(t, filepath.Join(dir, f), filepath.Join(old, f))
	}
	budget("decision 3")
	budget("decision 4")
	budget("decision 5")
	anew(1, "nothing is lost", order...)
	for _, f := range []string{"audit.db", "keys.db"} {
		copyTo(t, filepath.Join(old, f), filepath.Join(dir, f))
	}
	gateway(2, "choose an origin that no log has had", "restore", "--dir", dir, "--new-origin", first, "--order", "x")
	gateway(2, "give the origin that D/next/vkeys names", "restore", "--dir", dir, "--new-origin", "test.example/jali/3", "--order", "x")
	w.kill()
	anew(1, "no witness told a checkpoint", order...)
	w.start(t)
	out := anew(0, "goes on as "+second, order...)
	if !strings.Contains(out, "lost, on record   entries ") || !strings.Contains(out, " of "+first+"; every budget begins spent up to its cap") {
		t.Errorf("it does not say what is lost:\n%s", out)
	}
	if code, out := auditor(t, "verify", "--dir", dir); code != 0 || !strings.Contains(out, second) {
		t.Errorf("the new log: %d\n%s", code, out)
	}
	if code, out := auditor(t, "spend", "--dir", dir); code != 0 || strings.Count(out, "1000.0000 PU") != 2 {
		t.Errorf("the budget is not spent up to its cap: %d\n%s", code, out)
	}
	if code, out := auditor(t, "list", "--dir", dir, "--kind", "ADMIN", "--details"); code != 0 || !strings.Contains(out, "decision 9") {
		t.Errorf("the order is not on record: %d\n%s", code, out)
	}
	gateway(0, "", "doctor", "--dir", dir, "--open")
}

// A witness that has lost its memory counts again when its operator has explained why, on record, and not before.
func TestExplainWitness(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	gateway := commands(t)
	gateway(0, "", "init", "--dir", dir, "--origin", "test.example/jali/1")
	explain := func(want int, says, name, text string) string {
		t.Helper()
		return gateway(want, says, "witness", "explain", "--dir", dir, "--witness", name, "--explanation", text)
	}
	explain(1, "name no such witness", "w.court.example", "its disk broke")
	gateway(2, "explanation", "witness", "explain", "--dir", dir, "--witness", "w.court.example")
	w := startWitness(t, filepath.Join(dir, "vkeys"))
	w.seal(t, dir)
	w.kill()
	early := filepath.Join(t.TempDir(), "witness.db")
	copyTo(t, w.memory(), early)
	w.start(t)
	grow := func() {
		t.Helper()
		gateway(0, "", "budget", "set", "--dir", dir, "--population", "insured", "--pu", "1000")
	}
	grow()
	grow()
	explain(2, "has not lost its state", "w.court.example", "its disk broke")
	explain(1, "name no such witness", "w.other.example", "its disk broke")
	w.kill() // its disk breaks, and its operator puts an old copy back
	copyTo(t, early, w.memory())
	w.start(t)
	explain(2, "say what the operator of the witness has explained", "w.court.example", " ")
	explain(0, "witness w.court.example counts again", "w.court.example", "its disk broke; minutes of 3 March")
	grow()
	explain(2, "has not lost its state", "w.court.example", "again")
	code, out := auditor(t, "list", "--dir", dir, "--kind", "WITNESS", "--details")
	if code != 0 || !strings.Contains(out, "minutes of 3 March") || strings.Count(out, "explained") != 1 {
		t.Errorf("%d\n%s", code, out)
	}
	if code, out := auditor(t, "verify", "--dir", dir); code != 0 {
		t.Errorf("%d\n%s", code, out)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a live export holds goes with what its reader is shown: the quorum file in force, and no label wider than the reader's role.
func TestLiveExport(t *testing.T) {
	g := sdktest.Start(t, nhefs(t, nil))
	w := startWitness(t, filepath.Join(g.Dir, "vkeys"))
	policy := w.seal(t, g.Dir)
	g.Restart()
	researcher, regulator := g.Researcher().Profile(), g.Regulator().Profile()
	if code, out := program(t, context.Background(), "jali", "--profile", researcher, "query", "SELECT COUNT(*) AS mine FROM nhefs",
		"--error", "20", "--agreement", g.Agreement, "--purpose", g.Purpose); code != 0 {
		t.Fatal(out)
	}
	files := t.TempDir()
	export := func(want int, says, profile, audience string, more ...string) (string, string) {
		t.Helper()
		dir := filepath.Join(files, fmt.Sprint(len(dirNames(t, files))))
		code, out := auditor(t, append([]string{"export", "--profile", profile, "--audience", audience, "--out", dir}, more...)...)
		if code != want || !strings.Contains(out, says) {
			t.Fatalf("export for %s: %d, want %d and %q\n%s", audience, code, want, says, out)
		}
		return dir, out
	}
	dir, _ := export(0, "for the audience regulator", regulator, "regulator")
	if b, err := os.ReadFile(filepath.Join(dir, "seal.policy")); err != nil || string(b) != policy {
		t.Errorf("seal.policy: %q, %v", b, err)
	}
	if code, out := auditor(t, "verify", "--export", dir, "--vkeys", filepath.Join(g.Dir, "vkeys"), "--seal", filepath.Join(g.Dir, "seal.policy")); code != 0 || !strings.Contains(out, "sealed: ") {
		t.Errorf("verify: %d\n%s", code, out)
	}
	for _, form := range []string{"tiles", "jsonl", "fhir"} {
		export(2, "hint: --audience researcher:", researcher, "regulator", "--format", form)
		export(2, "hint: --audience researcher:", researcher, "citizen", "--format", form)
		export(2, "hint: --audience researcher:", researcher, "researcher:"+strings.Repeat("0", 64), "--format", form)
	}
	_, out := export(2, "", researcher, "regulator")
	_, own, _ := strings.Cut(out, "hint: --audience ")
	own, _, _ = strings.Cut(own, ",")
	dir, _ = export(0, "for the audience researcher", researcher, own)
	text, err := os.ReadFile(filepath.Join(dir, "disclosures.researcher.jsonl"))
	if err != nil || len(text) == 0 {
		t.Errorf("own details: %d bytes, %v", len(text), err)
	}
	if code, out := auditor(t, "list", "--export", dir, "--kind", "INTENT", "--details"); code != 0 || !strings.Contains(out, "AS mine") {
		t.Errorf("own question: %d\n%s", code, out)
	}
	// One that holds a researcher's details only does not become a regulator's by being exported again.
	code, out := auditor(t, "export", "--export", dir, "--audience", "regulator", "--format", "jsonl", "--out", filepath.Join(files, "again"))
	if code != 2 || !strings.Contains(out, "researcher") {
		t.Errorf("a researcher's export as a regulator's: %d\n%s", code, out)
	}
}

func dirNames(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
