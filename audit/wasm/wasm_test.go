package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/store"
)

// edit is one case: what is done to which file of an export, to the receipt or to the result, before both verifiers look at it.
type edit struct {
	Name   string `json:"name"`
	File   string `json:"file,omitempty"`
	At     *int   `json:"at,omitempty"`
	Xor    byte   `json:"xor,omitempty"`
	Cut    *int   `json:"cut,omitempty"`
	Find   string `json:"find,omitempty"`
	Put    string `json:"put"`
	Remove bool   `json:"remove,omitempty"`
	Own    bool   `json:"own,omitempty"` // under the export's own keys
	good   bool
}

type said struct {
	Name           string
	Go, JS         bool
	GoSays, JSSays string
	Entry          int
	MS             float64
}

// The Go verifier in WebAssembly and the independent one in JavaScript accept the same exports and receipts, and refuse the same
// changed ones. What only one of them reads (signatures with ML-DSA-44) is not changed here. The seed is fixed: the corpus is the
// same on every run.
func TestVerifiersAgree(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the verifiers for browsers were not run")
	}
	if testing.Short() {
		t.Skip("short: building WebAssembly takes a while")
	}
	work := t.TempDir()
	wasm := filepath.Join(work, "verify.wasm")
	buildTo(t, wasm)
	questions := 256
	if long() {
		questions = 5_000
	}
	makeEvidence(t, work, questions)
	cases := []edit{{Name: "export of 10,000 entries", good: true}, {Name: "a receipt of it", File: "receipt", good: true}, {Name: "again", File: "receipt", good: true}}
	if !long() {
		cases = corpus(t, work)
	}
	b, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "cases.json"), b)
	cmd := exec.Command(node, "testdata/agree.mjs", work, wasm, glue(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var got struct {
		Started float64
		Out     []said
	}
	if err := json.Unmarshal(out, &got); err != nil || len(got.Out) != len(cases) {
		t.Fatalf("%v\n%s", err, out)
	}
	refused := 0
	for i, s := range got.Out {
		if s.Go != s.JS {
			t.Errorf("%s: Go says %v %q, JavaScript %v %q", s.Name, s.Go, s.GoSays, s.JS, s.JSSays)
		}
		if cases[i].good && !s.Go {
			t.Errorf("%s: refused: %s", s.Name, s.GoSays)
		}
		if long() {
			t.Logf("%s: both in %.0f ms", s.Name, s.MS)
		}
		if !cases[i].good && s.Go {
			t.Errorf("%s: accepted", s.Name)
		}
		if !s.Go {
			refused++
		}
	}
	t.Logf("%d cases, %d refused by both; WebAssembly starts in %.0f ms", len(cases), refused, got.Started)
}

// buildTo compiles the verifier.
func buildTo(t *testing.T, wasm string) {
	t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// glue is the JavaScript that Go brings along to start what it compiled.
func glue(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
}

// long makes the export one of 10,000 entries.
func long() bool { return os.Getenv("JALI_LONG") != "" }

// makeEvidence writes an export of two entries for each question and some more, a receipt with its result, and the keys.
func makeEvidence(t *testing.T, work string, questions int, more ...func(*store.Store)) {
	t.Helper()
	dir := filepath.Join(work, "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := store.InDir(dir)
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	add := func(it store.Item) store.Appended {
		a, err := s.Append(ctx, it)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	add(store.Item{Kind: audit.Policy, Fields: audit.Object{"pol": "pol-1", "rev": "1"}})
	add(store.Item{Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}})
	add(store.Item{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "active", "pu": "epi-03"}})
	add(store.Item{Kind: audit.Budget, Budget: &store.SetBudget{Agreement: "agr-1", Population: "insured", Rho: 1e9}})
	add(store.Item{Kind: audit.Budget, Budget: &store.SetBudget{Population: "insured", Rho: 1e9}})
	result := []byte(`{"rows":[[42]]}`)
	ask := func(i int) (uint64, uint64) {
		a := add(store.Item{
			Kind: audit.Intent, Subject: "r-1", Class: "query",
			Fields:  audit.Object{"agv": 3, "ds": "health", "dsv": "dsv-1", "pu": "epi-03", "cls": "b", "pol": "pol-1", "mode": "sql"},
			Details: []audit.Detail{{Name: "actor", Value: "r-1"}, {Name: "query", Value: fmt.Sprintf("SELECT COUNT(*) FROM claims WHERE näme <> %d", i)}},
			Charge:  &store.Charge{Agreement: "agr-1", Population: "insured", Rho: int64(100 + i)},
		})
		r := add(store.Item{
			Kind: audit.Release, Ref: &a.Seq, Fields: audit.Object{"lvl": 1, "mech": "dgauss"}, Subject: "r-1", Class: "query",
			Details: []audit.Detail{audit.ResultDetail(result, "application/json")},
		})
		return a.Seq, r.Seq
	}
	intent, release := ask(0)
	var wg sync.WaitGroup
	for i := range questions {
		wg.Go(func() { ask(i + 1) })
	}
	wg.Wait()
	for _, f := range more {
		f(s)
	}
	r, err := s.Receipt(intent, release)
	if err != nil {
		t.Fatal(err)
	}
	text, err := audit.FormatReceipt(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Export(ctx, filepath.Join(work, "export"), export.Regulator); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "receipt.json"), text)
	write(t, filepath.Join(work, "result.json"), result)
	write(t, filepath.Join(work, "vkeys"), []byte(strings.Join(s.VKeys(), "\n")+"\n"))
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// pq finds signatures with ML-DSA-44: lines of more than a thousand base64 characters, with the name before them.
var pq = regexp.MustCompile(`— \S+ [A-Za-z0-9+/=]{1000,}`)

// corpus is what is tried: the evidence as it is, edits that a forger would make, and a flipped bit at hundreds of places.
func corpus(t *testing.T, work string) []edit {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(work, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	at := func(n int) *int { return &n }
	entries := read("export/entries.jsonl")
	lines := strings.SplitAfter(string(entries), "\n")
	cases := []edit{
		{Name: "export as it is", good: true},
		{Name: "export under its own keys", Own: true, good: true},
		{Name: "receipt as it is", File: "receipt", good: true},
		{Name: "VERIFY.md is for people", File: "VERIFY.md", Cut: at(10), good: true},
		{Name: "without details", File: "disclosures.regulator.jsonl", Remove: true, good: true},
		{Name: "result cut", File: "result", Cut: at(3)},
		{Name: "entry deleted", File: "entries.jsonl", Find: lines[9], Put: ""},
		{Name: "entry twice", File: "entries.jsonl", Find: lines[9], Put: lines[9] + lines[9]},
		{Name: "entries swapped", File: "entries.jsonl", Find: lines[9] + lines[10], Put: lines[10] + lines[9]},
		{Name: "tail cut", File: "entries.jsonl", Cut: at(len(entries) - len(lines[len(lines)-2]))},
		{Name: "last line cut", File: "entries.jsonl", Cut: at(len(entries) - 1)},
		{Name: "price lowered", File: "entries.jsonl", Find: `"cost":{"d":0,"r":100}`, Put: `"cost":{"d":0,"r":101}`},
		{Name: "key out of order", File: "entries.jsonl", Find: `"agv":3,"bud0"`, Put: `"bud9":3,"bud0"`},
		{Name: "white space", File: "entries.jsonl", Find: `"agv":3,`, Put: `"agv": 3,`},
		{Name: "key twice", File: "entries.jsonl", Find: `"agv":3,`, Put: `"agv":3,"agv":3,`},
		{Name: "not JSON", File: "entries.jsonl", Find: `{"acct"`, Put: `["acct"`},
		{Name: "no disclosure of such entry", File: "disclosures.regulator.jsonl", Find: `{"seq":7,`, Put: `{"seq":1,`},
		{Name: "size raised", File: "checkpoint", Find: "2027\n5", Put: "2027\n6"},
		{Name: "receipt of another format", File: "receipt", Find: "jali-receipt/1", Put: "jali-receipt/2"},
		{Name: "receipt with more", File: "receipt", Find: `{"format"`, Put: `{"x":1,"format"`},
		{Name: "receipt cut", File: "receipt", Cut: at(500)},
	}
	for _, name := range []string{"checkpoint", "entries.jsonl", "vkeys", "tile/0/000", "tile/0/001", "tile/1/000.p/2", "tile/entries/000"} {
		cases = append(cases, edit{Name: name + " removed", File: name, Remove: true}, edit{Name: name + " emptied", File: name, Cut: at(0)})
	}
	// An export's vkeys are read only where no others are given.
	cases = slices.DeleteFunc(cases, func(c edit) bool { return c.Name == "vkeys emptied" })
	rng := rand.New(rand.NewPCG(4, 2))
	flip := func(file, path string, n int) {
		b := read(path)
		hidden := hiddenIn(b)
		for range n {
			i := rng.IntN(len(b))
			if hidden(i) {
				continue
			}
			cases = append(cases, edit{Name: fmt.Sprintf("%s byte %d", file, i), File: file, At: at(i), Xor: 1 << rng.IntN(8)})
		}
	}
	for _, f := range []struct {
		name string
		n    int
	}{{"entries.jsonl", 30}, {"checkpoint", 100}, {"disclosures.regulator.jsonl", 20}, {"tile/0/000", 10}, {"tile/1/000.p/2", 10}, {"tile/entries/001", 10}} {
		flip(f.name, "export/"+f.name, f.n)
	}
	flip("receipt", "receipt.json", 200)
	flip("result", "result.json", 5)
	return cases
}

// hiddenIn tells the places inside signatures with ML-DSA-44, which the independent verifier does not read.
func hiddenIn(b []byte) func(int) bool {
	ranges := pq.FindAllIndex(b, -1)
	return func(i int) bool {
		return slices.ContainsFunc(ranges, func(r []int) bool { return i >= r[0] && i < r[1] })
	}
}
