package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway"
	"jali/sdk"
	"jali/sdk/sdktest"
)

const (
	chromium = "/usr/bin/chromium"
	// tools is where make puts what tools/browser pins, screenshots are for people to look at.
	tools       = "../../build/tools/browser"
	screenshots = "../../build/screenshots"
	// maxFirstView is the most that the first view may weigh, compressed, without the editor and WebAssembly.
	maxFirstView = 200 << 10
)

// node finds what the tests in a browser need, or skips.
func node(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("short: a browser takes a while")
	}
	if _, ok := sdktest.Built(); !ok {
		t.Skip("no built gateway ($JALI_BIN): the console was not opened in a browser (make unit does)")
	}
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the console was not opened in a browser")
	}
	if v, err := exec.Command(path, "--version").Output(); err != nil || len(v) < 4 || string(v[1:3]) < "20" {
		t.Skipf("node is %s: playwright-core needs 20 or later, the console was not opened in a browser", bytes.TrimSpace(v))
	}
	for _, need := range []string{chromium, filepath.Join(tools, "node_modules", "playwright-core"), filepath.Join(tools, "node_modules", "axe-core"), "dist/index.html"} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("%s is not here: the console was not opened in a browser (make browser and make console make it)", need)
		}
	}
	return path
}

// link asks for a one-time link.
func link(g *sdktest.Gateway, role, org string) string {
	text, _, _ := strings.Cut(g.Run("console", "link", "--dir", g.Dir, "--role", role, "--name", "tess", "--org", org), "\n")
	return text
}

// survival is what a picture of curves shows.
type survival struct {
	Curves int      // drawn
	Risk   []string // rows of the numbers at risk
	Hidden string
}

// denied is a refusal as it reads in Korean: the translation of each reason, and the gateway's own words.
type denied struct {
	Translated, Original []string
}

// seen is what browser.mjs prints.
type seen struct {
	Asked, Errors, Policy, Axe []string
	Steps                      struct {
		Researcher struct {
			Ready float64
			First []struct {
				URL, Encoding string
				Length        int
			}
			Cookies []struct {
				Name, SameSite, Path string
				HTTPOnly, Secure     bool
			}
			Stored, Quote, Refused, Receipt, Again, History, Korean, Reused string
			Marked                                                          struct {
				Text []string
				Says string
			}
			Answer struct {
				Receipt string
				Rows    int
				Plots   []string
				Text    string
			}
			Encrypted struct {
				Text    string
				Leaked  []string
				Uploads int
			}
			After       int
			Curve, Thin survival
			Denied      denied
			Withheld    struct{ Why, Text string }
			Phone       []string
		}
		Regulator struct {
			Own   struct{ State, Text string }
			Good  string
			Cheat struct {
				Verdict string
				Cards   []string
			}
			Refused struct {
				Found, Hash string
				Kinds       []string
			}
			CSV, FHIR, Opened, Proof, Permalink string
			Held, Erased                        struct{ Why, Text string }
			Stamps                              string
			Agreements, Chinese                 string
			Phone, Reached                      bool
		}
		Altered  struct{ State, Text string }
		Operator struct {
			Text    string
			Buttons int
		}
		Long struct {
			Total    int
			Scrolled struct{ Calls, Entries, Lowest, Highest int }
			Filtered struct {
				MS, Calls, Entries int
				Kinds              []string
			}
			Verified string
		}
	}
}

// browse runs flows in the browser and fails on what no flow may do: errors, breaches of the content security policy, requests to others, serious
// findings of axe.
func browse(t *testing.T, node string, config map[string]any) seen {
	t.Helper()
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
	work := t.TempDir()
	config["tools"], config["work"], config["shots"], config["chromium"] = absolute(tools), work, absolute(screenshots), chromium
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(work, "browser.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(node, "testdata/browser.mjs", path)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, errs.String())
	}
	var got seen
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	for what, found := range map[string][]string{"error in the page": got.Errors, "breach of the content security policy": got.Policy, "axe": got.Axe} {
		for _, f := range found {
			t.Errorf("%s: %s", what, f)
		}
	}
	origin := config["origin"].(string)
	for _, u := range got.Asked {
		if !strings.HasPrefix(u, origin+"/") && !strings.HasPrefix(u, "blob:"+origin+"/") {
			t.Errorf("the page asked %s", u)
		}
	}
	if len(got.Asked) == 0 {
		t.Error("no request was seen")
	}
	checkNetLog(t, filepath.Join(work, "net.json"), origin)
	return got
}

// checkNetLog reads the browser's own account of its network: nobody but the gateway was connected to.
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
	connect, ours := log.Constants.LogEventTypes["TCP_CONNECT_ATTEMPT"], 0
	for _, e := range log.Events {
		switch {
		case e.Type != connect || e.Params.Address == "":
		case e.Params.Address == strings.TrimPrefix(origin, "https://"):
			ours++
		default:
			t.Errorf("the browser connected to %s", e.Params.Address)
		}
	}
	if connect == 0 || ours == 0 {
		t.Error("the browser's account of its network was not read right")
	}
}

// Each role goes through its work against a real gateway, on generated data and on those of a real follow-up.
func TestConsoleInBrowser(t *testing.T) {
	node := node(t)
	g := sdktest.Start(t, twoStudies(t))
	first, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) FROM person", Error: "50"})
	if err != nil {
		t.Fatal(err)
	}
	held := strconv.FormatUint(first.Receipt.Intent, 10)
	g.Run("hold", "--dir", g.Dir, "--entries", held+"-"+held, "--until", time.Now().AddDate(1, 0, 0).Format(time.DateOnly), "--order", "7 Js 12/27", "--judge", "District Court")
	gone, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT region, COUNT(*) FROM person GROUP BY region", Error: "60"})
	if err != nil {
		t.Fatal(err)
	}
	eraseQuestion(t, g, gone.Receipt.Intent)
	vkeys, err := os.ReadFile(gateway.Layout(g.Dir).VKeys())
	if err != nil {
		t.Fatal(err)
	}
	got := browse(t, node, map[string]any{
		"origin": g.Endpoint, "vkeys": string(vkeys), "held": held, "erased": strconv.FormatUint(gone.Receipt.Intent, 10),
		"flows": []string{"researcher", "regulator", "altered", "operator"},
		"links": map[string]string{
			"researcher": link(g, "researcher", "Example Pharma"), "regulator": link(g, "regulator", "Example Board"),
			"altered": link(g, "regulator", "Example Board"), "operator": link(g, "custodian", "Example Agency"),
		},
		"sql": map[string]string{
			"wrong": "SELECT sexx, COUNT(*) AS n\nFROM person\nGROUP BY sexx",
			"right": "SELECT sex, COUNT(*) AS n\nFROM person\nGROUP BY sex",
			"curve": curve,
			"thin":  thin,
		},
	})
	t.Run("researcher", func(t *testing.T) { checkResearcher(t, got, g.Endpoint) })
	t.Run("regulator", func(t *testing.T) { checkRegulator(t, got) })
	t.Run("altered", func(t *testing.T) {
		if a := got.Steps.Altered; a.State != "bad" || !strings.Contains(a.Text, "At entry 5") {
			t.Errorf("one bit of entry 5 was changed, the seal is %s: %s", a.State, a.Text)
		}
	})
	t.Run("operator", func(t *testing.T) {
		o := got.Steps.Operator
		wants(t, "the gateway's page", o.Text, "DuckDB", "go1.", g.Dataset, "ok", "No witness is configured")
		if o.Buttons != 0 {
			t.Errorf("%d things can be pressed on a page that only shows", o.Buttons)
		}
	})
}

func wants(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s does not say %q:\n%.1500s", what, p, text)
		}
	}
}

func checkResearcher(t *testing.T, got seen, origin string) {
	r := got.Steps.Researcher
	weight := 0
	for _, f := range r.First {
		u, err := url.Parse(f.URL)
		if err != nil || !strings.HasPrefix(u.Path, "/console/") || strings.Contains(u.Path, "Editor") || strings.HasSuffix(u.Path, ".wasm") {
			continue
		}
		if weight += f.Length; f.Encoding == "" && f.Length > 512 && strings.HasSuffix(u.Path, "s") {
			t.Errorf("%s is not compressed", f.URL)
		}
	}
	t.Logf("first view: %d bytes compressed, interactive after %.0f ms", weight, r.Ready)
	if weight == 0 || weight > maxFirstView {
		t.Errorf("the first view weighs %d bytes, want at most %d", weight, maxFirstView)
	}
	// The promise is one second; a machine that runs other tests gets three.
	if r.Ready > 3000 {
		t.Errorf("interactive after %.0f ms", r.Ready)
	}
	if len(r.Cookies) != 1 || !r.Cookies[0].HTTPOnly || !r.Cookies[0].Secure || r.Cookies[0].SameSite != "Strict" || r.Cookies[0].Name != "__Host-jali" {
		t.Errorf("cookies: %+v", r.Cookies)
	}
	if strings.Contains(r.Stored, "code=") || strings.Contains(r.Stored, "__Host") {
		t.Errorf("the page can read its session: %s", r.Stored)
	}
	wants(t, "the quote", r.Quote, "PU", "would be answered")
	if len(r.Marked.Text) == 0 || r.Marked.Text[0] != "sexx" {
		t.Errorf("marked in the editor: %q", r.Marked.Text)
	}
	wants(t, "the error", r.Marked.Says, "UNKNOWN_NAME", "1:49")
	wants(t, "the refusal", r.Refused, "UNKNOWN_NAME", "entry")
	if r.Answer.Receipt != "verified" || r.Answer.Rows < 2 || len(r.Answer.Plots) != 1 || r.Answer.Plots[0] != "bars" {
		t.Errorf("the answer: %+v", r.Answer)
	}
	var receipt struct{ Format string }
	if err := json.Unmarshal([]byte(r.Receipt), &receipt); err != nil || receipt.Format != "jali-receipt/1" {
		t.Errorf("the saved receipt: %v %.200s", err, r.Receipt)
	}
	wants(t, "the answer asked for again", r.Again, "from the record, free")
	if r.Curve.Curves != 2 || len(r.Curve.Risk) != 2 || r.Curve.Hidden != "" {
		t.Errorf("the survival curves: %+v", r.Curve)
	}
	wants(t, "the numbers at risk", strings.Join(r.Curve.Risk, "\n"), "under 50", "50 and over")
	wants(t, "a curve of which the end is hidden", r.Thin.Hidden, "hidden, because noise would drown it", "sex: f", "from ")
	wants(t, "a refusal in Korean", strings.Join(r.Denied.Translated, "\n"), "정책이 이 질의를 허용하지 않습니다", "요청한 오차가 협약의 하한보다 작습니다")
	wants(t, "the gateway's words beneath", strings.Join(r.Denied.Original, "\n"), "the error asked for is smaller than the agreement's accuracy floor")
	if r.Withheld.Why != "withheld" {
		t.Errorf("a detail of another's question is shown as %q: %s", r.Withheld.Why, r.Withheld.Text)
	}
	for _, w := range r.Phone {
		t.Errorf("wider than a phone: %s", w)
	}
	wants(t, "the history", r.History, "SELECT sex, COUNT(*) AS n", "RELEASE", "Open again")
	wants(t, "the encrypted answer", r.Encrypted.Text, "±", "Receipt verified", "sent")
	if len(r.Encrypted.Leaked) > 0 || r.Encrypted.Uploads == 0 {
		t.Errorf("the selection %q was sent; %d uploads", r.Encrypted.Leaked, r.Encrypted.Uploads)
	}
	wants(t, "the page in Korean", r.Korean, "질의", "카탈로그")
	wants(t, "a link used twice", r.Reused, "does not open any more")
	if r.After != 401 {
		t.Errorf("after signing out the gateway answers %d", r.After)
	}
}

func checkRegulator(t *testing.T, got seen) {
	r := got.Steps.Regulator
	if r.Own.State != "own" {
		t.Errorf("without keys the seal is %q: %s", r.Own.State, r.Own.Text)
	}
	wants(t, "the seal without keys", r.Own.Text, "own keys", "entries of sdktest/1")
	wants(t, "the seal", r.Good, "Verified in this browser", "keys that you entered", "ML-DSA-44", "Two independent")
	if r.Cheat.Verdict != "caught" || len(r.Cheat.Cards) != 2 {
		t.Errorf("the try to cheat: %+v", r.Cheat)
	}
	for _, c := range r.Cheat.Cards {
		wants(t, "a verifier of a changed record", c, "does NOT verify", "entry ")
	}
	if n, err := strconv.Atoi(r.Refused.Found); err != nil || n < 1 || len(r.Refused.Kinds) != n || r.Refused.Hash != "#/cases?kind=refused" {
		t.Errorf("the refusals: %+v", r.Refused)
	}
	for _, k := range r.Refused.Kinds {
		if k != "REFUSED" {
			t.Errorf("a filter for refusals shows %s", k)
		}
	}
	wants(t, "the CSV", r.CSV, `"seq","time","kind"`, `"REFUSED"`)
	var bundle struct {
		ResourceType string
		Entry        []any
	}
	if err := json.Unmarshal([]byte(r.FHIR), &bundle); err != nil || bundle.ResourceType != "Bundle" || len(bundle.Entry) < 3 {
		t.Errorf("the FHIR bundle: %v %.300s", err, r.FHIR)
	}
	wants(t, "a case", r.Opened, "allow", "PU", "RELEASE", "actor", "policy bundle")
	wants(t, "the proof", r.Proof, "In the log of", "Saved")
	wants(t, "the permalink", r.Permalink, "Case")
	if r.Held.Why != "held" {
		t.Errorf("a held detail is shown as %q: %s", r.Held.Why, r.Held.Text)
	}
	if r.Erased.Why != "erased" {
		t.Errorf("an erased detail is shown as %q: %s", r.Erased.Why, r.Erased.Text)
	}
	wants(t, "the block of an erased detail", r.Erased.Text, "GDPR:17.1", "the key that opened it was destroyed", "query", "actor", "SHA-256")
	wants(t, "the block of a held detail", r.Held.Text, "By order", "query", "SHA-256")
	wants(t, "the time stamps", r.Stamps, "None is on record")
	wants(t, "the agreements", r.Agreements, "agr-scheme-demo", "Example Pharma", "spent", "scheme-insured")
	wants(t, "the page in Chinese", r.Chinese, "记录", "协议")
	if !r.Phone {
		t.Error("the page is wider than a phone")
	}
	if !r.Reached {
		t.Error("the list of entries is not reached with the keyboard")
	}
}

// The list of a long log scrolls and filters without loading it. JALI_CONSOLE_ENTRIES=1000000 runs it at its promised length.
func TestLongLogInBrowser(t *testing.T) {
	node := node(t)
	n := 20_000
	if s := os.Getenv("JALI_CONSOLE_ENTRIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	config := sdktest.Config{Persons: 100}
	if n > 100_000 {
		// The harness reads the whole log at the end, in as many calls as the limit allows in a second: the page waits, the harness does not.
		config.ServerConfig = map[string]string{"per_second: 50": "per_second: 2000", "burst: 200": "burst: 5000"}
	}
	g := sdktest.Start(t, config)
	g.Stop()
	lengthen(t, g.Dir, n)
	g.Serve()
	got := browse(t, node, map[string]any{"origin": g.Endpoint, "flows": []string{"long"}, "links": map[string]string{"regulator": link(g, "regulator", "Example Board")}}).Steps.Long
	t.Logf("%+v", got)
	if got.Total < n {
		t.Errorf("the list has %d entries, want at least %d", got.Total, n)
	}
	if got.Scrolled.Lowest != 0 || got.Scrolled.Highest < got.Total/2 || got.Scrolled.Entries > 6000 {
		t.Errorf("scrolling to the end: %+v", got.Scrolled)
	}
	if got.Filtered.Entries > 200 || len(got.Filtered.Kinds) == 0 {
		t.Errorf("a filter: %+v", got.Filtered)
	}
	wants(t, "the seal", got.Verified, "Consistent")
}

// lengthen appends entries to the log of a gateway that does not run.
func lengthen(t *testing.T, dir string, n int) {
	t.Helper()
	s, err := store.Open(gateway.Layout(dir).Log())
	if err != nil {
		t.Fatal(err)
	}
	const writers = 200
	var all sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		all.Go(func() {
			for range n / writers {
				if _, err := s.Append(context.Background(), store.Item{Kind: audit.Heartbeat, Fields: audit.Object{"open": int64(0)}, Subject: "heartbeat", Class: "heartbeat"}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	if err := errors.Join(<-errs, s.Close()); err != nil {
		t.Fatal(err)
	}
}
