package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	chromium = "/usr/bin/chromium"
	// tools is where make puts what tools/browser pins.
	tools = "../../build/tools/browser"
	// screenshots are for people to look at.
	screenshots = "../../build/screenshots"
	// maxCompressed is the most that the verifier may weigh on its way to a browser.
	maxCompressed = 1_300_000
)

// site serves the page from loopback as a witness would, the verifier compressed, and remembers what was asked for.
type site struct {
	files map[string][]byte
	mu    sync.Mutex
	asked []string
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.String())
	s.mu.Unlock()
	if name == "" {
		name = "index.html"
	}
	b, ok := s.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	kinds := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".wasm": "application/wasm"}
	w.Header().Set("Content-Type", kinds[filepath.Ext(name)])
	if name == "jali-verify.wasm" {
		w.Header().Set("Content-Encoding", "br")
	}
	w.Write(b) // a browser that has gone away is no failure of the page
}

type browserCase struct {
	Name    string `json:"name"`
	Export  string `json:"export,omitempty"`
	Receipt string `json:"receipt,omitempty"`
	Result  string `json:"result,omitempty"`
	VKeys   string `json:"vkeys"`
	Shot    string `json:"shot,omitempty"`
	verdict string // class of the page's verdict: good, warn or bad
	says    string // in the verdict
}

// In a browser without a network the page verifies an export of 10,000 entries and a receipt, by both verifiers, and shows a changed
// byte as what it is. Neither the page nor the browser around it asks anybody else for anything.
func TestPageInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("short: a browser takes a while")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the page was not opened in a browser")
	}
	if v, err := exec.Command(node, "--version").Output(); err != nil || len(v) < 4 || string(v[1:3]) < "20" {
		t.Skipf("node is %s: playwright-core needs 20 or later, the page was not opened in a browser", bytes.TrimSpace(v))
	}
	for _, need := range []string{chromium, filepath.Join(tools, "node_modules", "playwright-core")} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("%s is not here: the page was not opened in a browser (make browser installs both)", need)
		}
	}
	work := t.TempDir()
	s := &site{files: map[string][]byte{"jali-verify.wasm": compressed(t, node, work)}}
	for name, path := range map[string]string{"index.html": "index.html", "page.css": "page.css", "page.js": "page.js", "verify.js": "verify.js", "wasm_exec.js": glue(t)} {
		if s.files[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(s)
	defer server.Close()
	makeEvidence(t, work, 5_000)
	cases := browserCases(t, work)
	absolute := func(p string) string {
		a, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		if cases[i].Shot != "" {
			cases[i].Shot = filepath.Join(absolute(screenshots), cases[i].Shot)
		}
	}
	b, err := json.Marshal(map[string]any{"tools": absolute(tools), "work": work, "chromium": chromium, "page": server.URL + "/", "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "browser.json"), b)
	var errs bytes.Buffer
	cmd := exec.Command(node, "testdata/browser.mjs", filepath.Join(work, "browser.json"))
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, errs.String())
	}
	var got struct {
		Asked   []string
		Offline int
		Errors  []string
		Answers []struct {
			Name, Verdict, Title, Text string
			Cards                      []struct{ Class, Text string }
		}
	}
	if err := json.Unmarshal(out, &got); err != nil || len(got.Answers) != len(cases) {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, a := range got.Answers {
		c := cases[i]
		if a.Verdict != "verdict "+c.verdict || !strings.Contains(a.Text, c.says) {
			t.Errorf("%s: %s %q, want %s with %q", c.Name, a.Verdict, a.Text, c.verdict, c.says)
		}
		for _, card := range a.Cards {
			if want := c.verdict != "bad"; strings.Contains(card.Class, "good") != want {
				t.Errorf("%s: a verifier says %q", c.Name, card.Text)
			}
		}
		if len(a.Cards) != 2 {
			t.Errorf("%s: %d verifiers answered", c.Name, len(a.Cards))
		}
	}
	if len(got.Errors) > 0 {
		t.Errorf("errors in the page: %q", got.Errors)
	}
	if got.Offline != 0 {
		t.Errorf("%d requests while verifying", got.Offline)
	}
	for _, u := range got.Asked {
		if !strings.HasPrefix(u, server.URL+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("the page asked %s", u)
		}
	}
	if want := []string{"GET /", "GET /jali-verify.wasm", "GET /page.css", "GET /page.js", "GET /verify.js", "GET /wasm_exec.js"}; !slices.Equal(slices.Compact(slices.Sorted(slices.Values(s.asked))), want) {
		t.Errorf("the server was asked %q, want %q", s.asked, want)
	}
	checkNetLog(t, filepath.Join(work, "net.json"), server.URL)
}

// compressed builds the verifier and compresses it as a server would, once.
func compressed(t *testing.T, node, work string) []byte {
	t.Helper()
	wasm := filepath.Join(work, "jali-verify.wasm")
	buildTo(t, wasm)
	// Quality 10: 11, which make wasm takes, needs twice as long for two percent.
	const script = `const z = require("zlib"), f = require("fs");
f.writeFileSync(process.argv[2], z.brotliCompressSync(f.readFileSync(process.argv[1]), { params: { [z.constants.BROTLI_PARAM_QUALITY]: 10, [z.constants.BROTLI_PARAM_LGWIN]: 24 } }));`
	if out, err := exec.Command(node, "-e", script, wasm, wasm+".br").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(wasm + ".br")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the verifier weighs %d bytes compressed", len(b))
	if len(b) > maxCompressed {
		t.Errorf("the verifier weighs %d bytes compressed, want at most %d", len(b), maxCompressed)
	}
	return b
}

// browserCases are the evidence as it is, and one byte changed in each kind of file.
func browserCases(t *testing.T, work string) []browserCase {
	t.Helper()
	export, receipt := filepath.Join(work, "export"), filepath.Join(work, "receipt.json")
	vkeys, err := os.ReadFile(filepath.Join(work, "vkeys"))
	if err != nil {
		t.Fatal(err)
	}
	// changed copies the export with one byte of a file changed: in the middle of it, or after a text.
	changed := func(dir, file, after string) string {
		to := filepath.Join(work, dir)
		if err := os.CopyFS(to, os.DirFS(export)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(to, file))
		if err != nil {
			t.Fatal(err)
		}
		at := len(b) / 2
		if after != "" {
			i := bytes.Index(b, []byte(after))
			if i < 0 {
				t.Fatalf("%s does not say %q", file, after)
			}
			at = i + len(after)
		}
		b[at] ^= 1
		write(t, filepath.Join(to, file), b)
		return to
	}
	b, err := os.ReadFile(receipt)
	if err != nil {
		t.Fatal(err)
	}
	forged := filepath.Join(work, "forged.json")
	write(t, forged, bytes.Replace(b, []byte(`\"cost\":{\"d\":0,\"r\":100}`), []byte(`\"cost\":{\"d\":0,\"r\":101}`), 1))
	keys, result := string(vkeys), filepath.Join(work, "result.json")
	return []browserCase{
		{Name: "export of 10,000 entries", Export: export, VKeys: keys, Shot: "verify-export.png", verdict: "good", says: "10,00"},
		{Name: "one byte of an entry", Export: changed("entry", "entries.jsonl", `"seq":5000,"t":1`), VKeys: keys, Shot: "verify-changed-byte.png", verdict: "bad", says: "5,000"},
		{Name: "one byte of a tile", Export: changed("tile", "tile/0/007", ""), VKeys: keys, verdict: "bad", says: "tile"},
		{Name: "one byte of a detail", Export: changed("detail", "disclosures.regulator.jsonl", `"d":["WyJ`), VKeys: keys, verdict: "bad", says: "detail"},
		{Name: "under its own keys", Export: export, verdict: "warn", says: "whose it is is not shown"},
		{Name: "receipt", Receipt: receipt, Result: result, VKeys: keys, Shot: "verify-receipt.png", verdict: "good", says: "verifies"},
		{Name: "receipt with another price", Receipt: forged, Result: result, VKeys: keys, verdict: "bad", says: "does not verify"},
	}
}

// checkNetLog reads the browser's own account of its network. The browser itself would talk to its maker (autofill, accounts); the test
// gives it no name service, and here is what came of that: nobody but the page's server was connected to, and no datagram was sent.
func checkNetLog(t *testing.T, path, origin string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Constants struct{ LogEventTypes map[string]int }
		Events    []struct {
			Type   int
			Params struct{ Address string }
		}
	}
	if err := json.Unmarshal(b, &log); err != nil {
		t.Fatal(err)
	}
	connect, sent := log.Constants.LogEventTypes["TCP_CONNECT_ATTEMPT"], log.Constants.LogEventTypes["UDP_BYTES_SENT"]
	if connect == 0 || sent == 0 {
		t.Fatal("the browser's account of its network has no such events: it was not read right")
	}
	ours := 0
	for _, e := range log.Events {
		switch {
		case e.Type == sent:
			t.Error("the browser sent a datagram")
		case e.Type == connect && e.Params.Address == strings.TrimPrefix(origin, "http://"):
			ours++
		case e.Type == connect && e.Params.Address != "":
			t.Errorf("the browser connected to %s", e.Params.Address)
		}
	}
	if ours == 0 {
		t.Error("the browser never connected to the page: its account was not read right")
	}
}
