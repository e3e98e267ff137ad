package gateway_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit/store"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/identity"
)

var (
	alice = identity.Principal{Name: "alice", Org: examples.Org, Role: identity.Researcher, Key: strings.Repeat("a1", 32)}
	bob   = identity.Principal{Name: "bob", Org: "Another Pharma", Role: identity.Researcher, Key: strings.Repeat("b2", 32)}
	clerk = identity.Principal{Name: "clerk", Org: "Authority", Role: identity.Regulator, Key: strings.Repeat("c3", 32)}
)

// office is a real gateway on NHEFS in a temporary state directory. Its log is verified completely when the test ends.
type office struct {
	*gateway.Gateway
	dir      string
	operator *strings.Builder
}

// newOffice makes a state directory with the data of NHEFS, slots off, the example agreement and a budget for its population.
func newOffice(t *testing.T, agreement string, population budget.PU) *office {
	t.Helper()
	s := &office{dir: filepath.Join(t.TempDir(), "state"), operator: &strings.Builder{}}
	ctx := t.Context()
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: s.dir, Origin: "test.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: s.logger()}); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(s.dir)
	csv := filepath.Join(t.TempDir(), "nhefs.csv.gz")
	write(t, csv, examples.NHEFS)
	write(t, layout.Catalog("nhefs"), append(examples.NHEFSCatalog, "\nslots: off\n"...))
	cat, err := catalog.Load(layout.Catalog("nhefs"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Import(ctx, engine.ImportConfig{Catalog: cat, Dir: layout.Data("nhefs"), Files: []engine.File{{Path: csv}}})
	if err != nil {
		t.Fatal(err)
	}
	s.open(t)
	t.Cleanup(func() {
		s.verify(t)
		if t.Failed() {
			t.Log(s.operator)
		}
	})
	if _, err := s.ActivateDataset(ctx, "nhefs", m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAgreement(ctx, []byte(agreement), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetBudget(ctx, examples.NHEFSPopulation, population, 0, "test", "test"); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *office) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.operator, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *office) open(t *testing.T) {
	t.Helper()
	g, err := gateway.Open(context.Background(), gateway.Config{Dir: s.dir, Threads: 1, Operator: s.logger()})
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = g
}

func (s *office) reopen(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.open(t)
}

// verify closes the gateway and checks every stored byte of its log: chain, tree, signatures, spends, details, results.
func (s *office) verify(t *testing.T) store.Report {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	rep, err := store.Verify(store.VerifyConfig{Config: gateway.Layout(s.dir).Log()})
	if err != nil {
		t.Errorf("the log does not verify: %v", err)
	}
	return rep
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// terms is the example agreement with some lines replaced.
func terms(replace ...string) string {
	return strings.NewReplacer(replace...).Replace(string(examples.NHEFSAgreement))
}

func question(sql, err string) gateway.Request {
	return gateway.Request{Agreement: examples.NHEFSAgreementID, Purpose: examples.Purpose, SQL: sql, Error: err}
}
