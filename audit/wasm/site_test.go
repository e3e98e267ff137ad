package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/timestamp"
	"jali/audit/timestamp/tsatest"
	"jali/audit/witness"
)

// stampTwice has an authority stamp the log, first as it is, then with a root that it does not have: such a token is on record in a log that lies.
func stampTwice(t *testing.T, s *store.Store) {
	t.Helper()
	tsa := tsatest.Start(t)
	roots, err := timestamp.ReadRoots(tsa.Root)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		t.Fatal(err)
	}
	for _, bit := range []byte{0, 1} {
		note, err := s.SealedCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		cp, err := keys.OpenCheckpoint(note)
		if err != nil {
			t.Fatal(err)
		}
		cp.Root[0] ^= bit
		token, _, err := timestamp.Obtain(t.Context(), http.DefaultClient, tsa.URL, audit.CheckpointBody(cp.Origin, cp.Size, cp.Root), roots)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), store.Item{
			Kind: audit.Timestamp, Fields: audit.Object{"size": cp.Size, "tok": audit.Digest(sha256.Sum256(token)), "tsa": "tsa.example"},
			Details: []audit.Detail{{Name: "token", Value: base64.StdEncoding.EncodeToString(token)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// review is the site that make review builds.
const review = "../../build/review"

// The review site, served by a witness with an export of 10,000 entries beside it: it is verified and read without a gateway, and what was changed is shown as what it is.
func TestReviewSiteInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("short: a browser takes a while")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the review site was not opened in a browser")
	}
	for _, need := range []string{chromium, filepath.Join(tools, "node_modules", "playwright-core"), filepath.Join(tools, "node_modules", "axe-core"), filepath.Join(review, "index.html")} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("%s is not here: the review site was not opened in a browser (make browser and make review make it)", need)
		}
	}
	work := t.TempDir()
	makeEvidence(t, work, 5_000, func(s *store.Store) { stampTwice(t, s) })
	vkeys, err := os.ReadFile(filepath.Join(work, "vkeys"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.ReadKeys(vkeys)
	if err != nil {
		t.Fatal(err)
	}
	// hosted is the address of a witness with the site, and beside it the export as change left it; nil: none.
	hosted := func(name string, change func(dir string)) string {
		t.Helper()
		dir, page := filepath.Join(work, name), filepath.Join(work, name+"-page")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := witness.Init(dir, "w.court.example"); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(page, os.DirFS(review)); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			if err := os.CopyFS(filepath.Join(page, "export"), os.DirFS(filepath.Join(work, "export"))); err != nil {
				t.Fatal(err)
			}
			change(filepath.Join(page, "export"))
		}
		s, err := witness.Open(witness.Config{Dir: dir, Logs: []*audit.Keys{keys}, Page: page, Operator: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s)
		t.Cleanup(func() {
			server.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return server.URL
	}
	// flip changes one bit of a file: after a text, or the last of its bytes but one.
	flip := func(file, after string) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			at := len(b) - 2
			if after != "" {
				i := bytes.Index(b, []byte(after))
				if i < 0 {
					t.Fatalf("%s does not say %q", file, after)
				}
				at = i + len(after)
			}
			b[at] ^= 1
			write(t, path, b)
		}
	}
	// cosigned adds the line of a witness under the checkpoint, and changes what the log has signed after a text.
	cosigned := func(name string, after []byte) func(string) {
		return func(dir string) {
			note, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			note = fmt.Appendf(note, "— %s %s\n", name, base64.StdEncoding.EncodeToString(make([]byte, 76)))
			if after != nil {
				note[bytes.Index(note, after)+len(after)] ^= 1
			}
			write(t, filepath.Join(dir, "cosigned"), note)
		}
	}
	// The first disclosure is that of the first question.
	first, err := os.ReadFile(filepath.Join(work, "export", "disclosures.regulator.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var intent struct{ Seq uint64 }
	if err := json.NewDecoder(bytes.NewReader(first)).Decode(&intent); err != nil {
		t.Fatal(err)
	}
	origins := map[string]string{
		"good": hosted("good", cosigned(`w.court.example`, nil)), "entry": hosted("entry", flip("entries.jsonl", `"seq":5000,"t":1`)), "detail": hosted("detail", flip("disclosures.regulator.jsonl", `"d":["WyJ`)), "malformed": hosted("malformed", flip("disclosures.regulator.jsonl", `"d":["`)),
		"tile": hosted("tile", flip("tile/0/000", "")), "none": hosted("none", nil), "cosigned": hosted("cosigned", cosigned("w.court.example", []byte("\n10"))),
	}
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
	b, err := json.Marshal(map[string]any{"tools": absolute(tools), "work": work, "chromium": chromium, "shots": absolute(screenshots), "origins": origins, "vkeys": string(vkeys), "intent": intent.Seq})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "site.json"), b)
	var errs bytes.Buffer
	cmd := exec.Command(node, "testdata/site.mjs", filepath.Join(work, "site.json"))
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, errs.String())
	}
	var got struct {
		Asked, Errors, Policy, Axe []string
		Own, Good, Cheat, Case     string
		Proof, Filtered, Chinese   string
		Proofs, Stamps             []string
		Agreements                 string
		Phone                      bool
		Entry, Detail, Tile, None  string
		Malformed                  string
		Cosigned                   string
		MS                         float64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	t.Logf("verified after %.0f ms", got.MS)
	for what, found := range map[string][]string{"error in the page": got.Errors, "breach of the content security policy": got.Policy, "axe": got.Axe} {
		for _, f := range found {
			t.Errorf("%s: %s", what, f)
		}
	}
	for _, says := range []struct {
		what, text string
		parts      []string
	}{
		{"the seal without keys", got.Own, []string{"own", "export's own keys", "10,0"}},
		{"the seal", got.Good, []string{"good", "Verified in this browser", "ML-DSA-44", "Two independent", "Cosigned up to 10,0", "w.court.example", "this page does not"}},
		{"the try to cheat", got.Cheat, []string{"caught", "does NOT verify"}},
		{"a case", got.Case, []string{"INTENT", "RELEASE", "SELECT COUNT(*) FROM claims", "allow"}},
		{"a proof", got.Proof, []string{"In the log of 10,0", "Saved"}},
		{"the filter", got.Filtered, []string{"BUDGET"}},
		{"the page in Chinese", got.Chinese, []string{"记录"}},
		{"the seal of a changed entry", got.Entry, []string{"bad", "does not verify", "5,00"}},
		{"the seal of a checkpoint with cosignatures that the log did not sign", got.Cosigned, []string{"bad", "the log's signature is wrong"}},
		{"a changed detail", got.Detail, []string{"not the text that the entry commits to"}},
		{"a detail that cannot be read", got.Malformed, []string{"not the text that the entry commits to"}},
		{"the agreements", got.Agreements, []string{"agr-1", "v3", "epi-03", "Budget on insured", "left of", "spent", "Populations"}},
		{"a proof by a changed tile", got.Tile, []string{"Does not verify"}},
		{"the page without an export", got.None, []string{"There is no export here", "jali-auditor export"}},
	} {
		for _, p := range says.parts {
			if !strings.Contains(says.text, p) {
				t.Errorf("%s does not say %q:\n%.600s", says.what, p, says.text)
			}
		}
	}
	if len(got.Stamps) != 2 || !strings.Contains(got.Stamps[1], "names this record") || !strings.Contains(got.Stamps[0], "names something else") || !strings.Contains(got.Stamps[1], "tsa.example") {
		t.Errorf("the time stamps, one of them of another record: %q", got.Stamps)
	}
	if len(got.Proofs) != 6 {
		t.Errorf("%d proofs were made, want 6", len(got.Proofs))
	}
	for i, p := range got.Proofs {
		if !strings.Contains(p, "In the log of 10,0") {
			t.Errorf("proof %d: %s", i, p)
		}
	}
	if strings.Contains(got.Filtered, "INTENT") {
		t.Error("the filter for changes shows questions")
	}
	if !got.Phone {
		t.Error("the page is wider than a phone")
	}
	for _, u := range got.Asked {
		ours := false
		for _, o := range origins {
			ours = ours || strings.HasPrefix(u, "GET "+o+"/") || strings.HasPrefix(u, "GET blob:"+o+"/")
		}
		if !ours {
			t.Errorf("the page asked %s", u)
		}
	}
	if len(got.Asked) == 0 {
		t.Error("no request was seen")
	}
}
