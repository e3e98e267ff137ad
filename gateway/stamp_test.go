package gateway_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rfc3161 "github.com/digitorus/timestamp"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/timestamp"
	"jali/audit/timestamp/tsatest"
	"jali/audit/witness"
	"jali/gateway"
)

// A token is obtained over what witnesses have cosigned, and recorded only if it verifies; a gateway without an authority says so.
func TestTimestamp(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if _, err := s.Timestamp(t.Context()); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("without an authority: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(s.dir)
	c := newCourt(t, layout.VKeys())
	write(t, layout.SealPolicy(), c.policy)
	tsa := tsatest.Start(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, tsa.Root)
	cfg := s.config()
	cfg.Timestamp = gateway.TimestampConfig{URL: tsa.URL, CA: ca, Min: time.Hour}
	g, err := gateway.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = g
	act, err := s.Timestamp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, size, err := s.Entries(t.Context(), clerk, act.Seq, 1, true)
	if err != nil || len(page) != 1 || len(page[0].Details) != 1 {
		t.Fatal(page, err)
	}
	e, err := audit.ParseEntry(page[0].Header)
	if err != nil || e.Kind != audit.Timestamp {
		t.Fatal(e.Kind, err)
	}
	_, _, value, err := audit.OpenDetail(page[0].Details[0])
	if err != nil {
		t.Fatal(err)
	}
	token, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	// The text that was stamped is what the entries give, at the size that the witness has cosigned.
	lines, _, err := s.Entries(t.Context(), clerk, 0, int(e.Int("size")), false)
	if err != nil {
		t.Fatal(err)
	}
	tree := audit.Ranges.NewEmptyRange(0)
	for _, l := range lines {
		leaf := audit.LeafHash(l.Header)
		if err := tree.Append(leaf[:], nil); err != nil {
			t.Fatal(err)
		}
	}
	root, err := audit.RootOf(tree)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := timestamp.ReadRoots(tsa.Root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := timestamp.Verify(token, audit.CheckpointBody("test.example/jali/1", uint64(e.Int("size")), root), roots); err != nil {
		t.Error(err)
	}
	tsa.Change(func(s *rfc3161.Timestamp) { s.HashedMessage[0] ^= 1 })
	if _, err := s.Timestamp(t.Context()); refusal(t, err).Code != gateway.Unavailable {
		t.Errorf("a token of something else: %v", err)
	}
	if _, now, err := s.Entries(t.Context(), clerk, 0, 1, false); err != nil || now > size+1 { // a REVIEW at most
		t.Errorf("%d entries, then %d: a token that does not verify was recorded", size, now)
	}
	dir := filepath.Join(t.TempDir(), "export")
	if _, err := s.Export(t.Context(), dir, export.Regulator); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "seal.policy")); err != nil || string(b) != string(c.policy) {
		t.Errorf("seal.policy of an export: %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "timestamp-"+strconv.FormatUint(act.Seq, 10)+".tsr")); err != nil || string(b) != string(token) {
		t.Errorf("token of an export: %v", err)
	}
	v, err := s.PublishVerifier(t.Context(), [32]byte{7}, "verify.wasm at https://w.court.example/", "ada")
	if err != nil || v.Digest != audit.Digest([32]byte{7}) {
		t.Error(v, err)
	}
}

// amnesiac is a witness that can be made to forget: the same keys, an empty state.
type amnesiac struct {
	url    string
	policy []byte
	now    atomic.Pointer[witness.Server]
	fresh  *witness.Server
}

func newAmnesiac(t *testing.T, vkeys string) *amnesiac {
	t.Helper()
	text, err := os.ReadFile(vkeys)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.ReadKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	if err := witness.Init(dirs[0], "w.court.example"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dirs[1], os.DirFS(dirs[0])); err != nil {
		t.Fatal(err)
	}
	a := &amnesiac{}
	for i, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Chmod(f, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := witness.Open(witness.Config{Dir: dir, Logs: []*audit.Keys{keys}, Operator: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if i == 0 {
			a.now.Store(s)
		} else {
			a.fresh = s
		}
	}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.now.Load().ServeHTTP(w, r) }))
	t.Cleanup(h.Close)
	a.url = h.URL
	a.policy = []byte("witness ed " + a.fresh.VKeys()[0] + " " + a.url + "\nquorum ed\n")
	return a
}

// A witness that has forgotten counts for nothing until its operator has explained, on record; then it counts again.
func TestExplainWitness(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(s.dir)
	a := newAmnesiac(t, layout.VKeys())
	write(t, layout.SealPolicy(), a.policy)
	stop := s.openWitnessed(t)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExplainWitness(t.Context(), "w.court.example", "nothing", "ada"); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("nothing to explain: %v", err)
	}
	if _, err := s.ExplainWitness(t.Context(), "w.other.example", "nothing", "ada"); refusal(t, err).Code != gateway.NotFound {
		t.Errorf("no such witness: %v", err)
	}
	heard := func(event string) bool {
		for range 60 {
			page, _, err := s.Entries(t.Context(), clerk, 0, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				if strings.Contains(string(p.Header), `"ev":"`+event+`"`) {
					return true
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		return false
	}
	time.Sleep(300 * time.Millisecond) // rounds
	a.now.Store(a.fresh)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 50", "30")); err != nil {
		t.Fatal(err)
	}
	if !heard("amnesia") || !heard("quorum-lost") {
		t.Fatal("the gateway did not notice that the witness has forgotten")
	}
	if _, err := s.ExplainWitness(t.Context(), "w.court.example", " ", "ada"); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("without words: %v", err)
	}
	if _, err := s.ExplainWitness(t.Context(), "w.court.example", "their disk died on Monday; letter of 12 March", "ada"); err != nil {
		t.Fatal(err)
	}
	if !heard("explained") || !heard("quorum-back") {
		t.Error("the witness does not count again")
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stop = s.openWitnessed(t) // and what the store keeps of it is true
	stop()
}
