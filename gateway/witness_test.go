package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
)

// court is a real witness on the network of this machine.
type court struct {
	url    string
	policy []byte
	server *httptest.Server
	away   atomic.Bool // then it knows no log
}

// newCourt knows the log whose keys lie in a file, and others.
func newCourt(t *testing.T, vkeys string, others ...*audit.Keys) *court {
	t.Helper()
	text, err := os.ReadFile(vkeys)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.ReadKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := witness.Init(dir, "w.court.example"); err != nil {
		t.Fatal(err)
	}
	s, err := witness.Open(witness.Config{Dir: dir, Logs: append([]*audit.Keys{keys}, others...), Operator: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c := &court{}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.away.Load() {
			http.NotFound(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}))
	c.url = c.server.URL
	t.Cleanup(func() { c.server.Close(); s.Close() })
	v := s.VKeys()
	c.policy = fmt.Appendf(nil, "witness ed %s %s\nwitness pq %s %s\ngroup court all ed pq\nquorum court\n", v[0], c.url, v[1], c.url)
	return c
}

// openWitnessed opens the office's gateway with short times and runs its witness loop.
func (s *office) openWitnessed(t *testing.T) (stop func()) {
	t.Helper()
	g, err := gateway.Open(context.Background(), gateway.Config{
		Dir: s.dir, Threads: 1, Operator: s.logger(),
		Witness: gateway.WitnessConfig{Interval: 50 * time.Millisecond, Timeout: time.Second, Hold: 500 * time.Millisecond, Grace: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = g
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Witness(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Level 2: refused without l2.policy; held until the witness has cosigned; pending when it is away, and then free.
func TestLevel2(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	raise := func() error {
		write(t, layout.Catalog("nhefs"), append(bytes.Replace(examples.NHEFSCatalog, []byte("level: 1"), []byte("level: 2"), 1), "\nslots: off\n"...))
		cat, err := catalog.Load(layout.Catalog("nhefs"))
		if err != nil {
			t.Fatal(err)
		}
		csv := filepath.Join(t.TempDir(), "nhefs.csv.gz")
		write(t, csv, examples.NHEFS)
		m, err := engine.Import(t.Context(), engine.ImportConfig{Catalog: cat, Dir: layout.Data("nhefs"), Files: []engine.File{{Path: csv}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.ActivateDataset(t.Context(), "nhefs", m.Encode(), "test")
		return err
	}
	var refused *gateway.Refusal
	if err := raise(); !errors.As(err, &refused) || refused.Code != gateway.Invalid || !strings.Contains(refused.Message, "l2.policy") {
		t.Fatalf("level 2 without l2.policy: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c := newCourt(t, layout.VKeys())
	write(t, layout.SealPolicy(), c.policy)
	write(t, layout.L2Policy(), c.policy)
	stop := s.openWitnessed(t)
	if err := raise(); err != nil {
		t.Fatal(err)
	}
	ask := question("SELECT COUNT(*) FROM nhefs WHERE sex = '1'", "50")
	answer, err := s.Answer(t.Context(), alice, ask)
	if err != nil {
		t.Fatal(err)
	}
	sealed(t, layout, c, answer, true)

	// The witness is away: nobody has noticed yet, so the question is charged, and its answer waits.
	c.away.Store(true)
	before := spent(t, s)
	second := question("SELECT COUNT(*) FROM nhefs WHERE sex = '0'", "50")
	if _, err := s.Answer(t.Context(), alice, second); !errors.As(err, &refused) || refused.Code != gateway.Pending || refused.Decision == 0 {
		t.Fatalf("while the witness is away: %v", err)
	}
	after := spent(t, s)
	if after <= before {
		t.Errorf("spent %d, then %d: the charge stands", before, after)
	}
	// Now it is known to be away: nothing more is charged at level 2.
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "50")); !errors.As(err, &refused) || refused.Code != gateway.Unavailable {
		t.Errorf("with the quorum lost: %v", err)
	}
	if now := spent(t, s); now != after {
		t.Errorf("spent %d, then %d: charged for an answer that could not leave", after, now)
	}
	c.away.Store(false)
	var replayed gateway.Answer
	for range 40 {
		if replayed, err = s.Answer(t.Context(), alice, second); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("with the witness back: %v", err)
	}
	if !replayed.Replayed || spent(t, s) != after {
		t.Errorf("replayed %v, spent %d, want the stored answer for free", replayed.Replayed, spent(t, s))
	}
	sealed(t, layout, c, replayed, true)
	stop()
	if rep := s.verify(t); rep.Counts[audit.Witness] != 4 { // two policies, quorum lost, quorum back
		t.Errorf("%d WITNESS entries, want state changes only: 4", rep.Counts[audit.Witness])
	}
	s.openWitnessed(t)()
}

func spent(t *testing.T, s *office) int64 {
	t.Helper()
	r, err := s.Budget(t.Context(), alice, examples.NHEFSAgreementID)
	if err != nil {
		t.Fatal(err)
	}
	return int64(r.Ledgers[0].Spent)
}

// sealed checks an answer's receipt by the court's quorum.
func sealed(t *testing.T, layout gateway.Layout, c *court, a gateway.Answer, want bool) {
	t.Helper()
	vkeys, err := os.ReadFile(layout.VKeys())
	if err != nil {
		t.Fatal(err)
	}
	q, err := audit.ParseQuorum(c.policy)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := audit.VerifySealedReceipt(a.Receipt, a.Result, strings.Fields(string(vkeys)), "", q)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Sealed != want || rep.Policy != q.Digest || want && len(rep.Cosignatures) != 2 {
		t.Errorf("sealed %v, policy %q, %d cosignatures", rep.Sealed, rep.Policy, len(rep.Cosignatures))
	}
}

// Start asks the witnesses first: without them level 2 does not start, and nothing is appended.
func TestStartNeedsQuorum(t *testing.T) {
	s := newOffice(t, string(examples.NHEFSAgreement), 1_000_000)
	layout := gateway.Layout(s.dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := store.Verify(store.VerifyConfig{Config: layout.Log()})
	if err != nil {
		t.Fatal(err)
	}
	c := newCourt(t, layout.VKeys())
	c.server.Close()
	write(t, layout.L2Policy(), c.policy)
	_, err = gateway.Open(t.Context(), gateway.Config{Dir: s.dir, Threads: 1, Operator: s.logger(), Witness: gateway.WitnessConfig{Timeout: time.Second}})
	if !errors.Is(err, gateway.ErrNoQuorum) || gateway.ExitCode(err) != 75 {
		t.Fatalf("open: %v", err)
	}
	after, err := store.Verify(store.VerifyConfig{Config: layout.Log()})
	if err != nil || !bytes.Equal(before.Root[:], after.Root[:]) {
		t.Errorf("the log changed: %v", err)
	}
	// With seal.policy alone the gateway starts, answers at level 1 and says so on receipts.
	if err := os.Rename(layout.L2Policy(), layout.SealPolicy()); err != nil {
		t.Fatal(err)
	}
	stop := s.openWitnessed(t)
	answer, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE sex = '1'", "50"))
	if err != nil {
		t.Fatal(err)
	}
	sealed(t, layout, c, answer, false)
	stop()
	write(t, layout.SealPolicy(), []byte("witness a b c\nquorum a\n"))
	s.Close()
	if _, err := gateway.Open(t.Context(), gateway.Config{Dir: s.dir, Operator: s.logger()}); !errors.Is(err, audit.ErrQuorum) {
		t.Errorf("a quorum file that is none: %v", err)
	}
	write(t, layout.SealPolicy(), []byte("quorum none\n"))
	s.open(t)
}
