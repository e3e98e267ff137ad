package gateway_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/engine/pgtest"
	"jali/gateway/identity"
)

// TestPostgresKilledMidQuery: real data sets, each in a database of its own. The server of one dies while a question waits in it: the
// asker hears the one error of every failure after the charge, and pays; the next question is refused free while the server is away;
// when it is back the question is answered, with nobody doing anything. The other data set answers all along.
func TestPostgresKilledMidQuery(t *testing.T) {
	held := []string{"cms10k"}
	if long() {
		held = append(held, "cms180k")
	}
	if _, err := os.Stat(filepath.Join(shared, sets["cms10k"][0])); err != nil {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	first, second := pgtest.Start(t), pgtest.Start(t)
	dir := filepath.Join(t.TempDir(), "state")
	var log strings.Builder
	operator := slog.New(slog.NewTextHandler(&log, nil))
	if err := gateway.Init(t.Context(), gateway.InitConfig{Dir: dir, Origin: "postgres.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: operator}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(t.Context(), gateway.Config{Dir: dir, Threads: 2, Now: time.Now, Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceValue(g.Close)
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	layout := gateway.Layout(dir)
	var opened, caps strings.Builder
	var lie string // where cms10k lies
	for _, id := range append(held, "nhefs") {
		server := first
		if id == "nhefs" {
			server = second
		}
		server.SQL(t, "postgres", "CREATE DATABASE "+id)
		owner := server.Role(t, id+"_owner", id)
		server.SQL(t, id, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s_owner", id, id))
		text, err := catalogText(id)
		if err != nil {
			t.Fatal(err)
		}
		write(t, layout.Catalog(id), append(text, "\nslots: off\n"...))
		cat, err := catalog.Load(layout.Catalog(id))
		if err != nil {
			t.Fatal(err)
		}
		cfg := engine.AttachConfig{
			ImportConfig: engine.ImportConfig{Catalog: cat, Dir: layout.Data(id), Threads: 2},
			Owner:        engine.Secret{File: owner}, Reader: engine.Secret{File: server.Role(t, id+"_reader", id)},
		}
		for _, f := range append(sets[id], large[id]...) {
			cfg.Files = append(cfg.Files, engine.File{Path: filepath.Join(shared, f)})
		}
		m, err := engine.Attach(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.ActivateDataset(t.Context(), id, m.Encode(), "test"); err != nil {
			t.Fatal(err)
		}
		place, there, err := engine.FindPlace(layout.Data(id), m)
		if err != nil || !there {
			t.Fatalf("place: %v, %v", there, err)
		}
		if id == "cms10k" {
			lie = place.Schema
		}
		if left, _ := filepath.Glob(filepath.Join(layout.Data(id), "*.duckdb")); len(left) != 1 { // the pattern is well formed; persons.duckdb stays
			t.Errorf("rows are left in the state directory: %v", left)
		}
		fmt.Fprintf(&opened, "  - {id: %s, columns: [", id)
		for i, table := range cat.Tables {
			fmt.Fprintf(&opened, "%s%s.*", strings.Repeat(", ", min(i, 1)), table.Name)
		}
		opened.WriteString("], sensitivity: [low, normal, high]}\n")
		if !strings.Contains(caps.String(), cat.Population+",") {
			fmt.Fprintf(&caps, "  - {population: %s, pu: 1000000, delta: 1e-6}\n", cat.Population)
			if _, err := g.SetBudget(t.Context(), cat.Population, 9_000_000, 1e12, "test", "test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := g.AddAgreement(t.Context(), referenceAgreement(0, opened.String(), caps.String()), "test"); err != nil {
		t.Fatal(err)
	}
	who := identity.Principal{Name: "reference", Org: "Example Pharma", Role: identity.Researcher, Key: strings.Repeat("ab", 32)}
	ask := func(dataset, sql string) (gateway.Answer, error) {
		return g.Answer(t.Context(), who, gateway.Request{Agreement: agreementID(0), Purpose: "DUO:0000006", Dataset: dataset, SQL: sql, Error: "20"})
	}
	eventually := func(dataset, sql string) gateway.Answer {
		t.Helper()
		for range 300 {
			a, err := ask(dataset, sql)
			if err == nil {
				return a
			}
			if r := refusal(t, err); r.Code != gateway.Unavailable || !strings.Contains(r.Hint, "nothing was charged") {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatal("not answered in time")
		return gateway.Answer{}
	}
	spent := func() (sum int64) {
		t.Helper()
		r, err := g.Budget(t.Context(), who, agreementID(0))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range r.Ledgers {
			sum += int64(l.Spent)
		}
		return sum
	}

	for _, id := range held {
		eventually(id, "SELECT sex_code, COUNT(*) AS n FROM beneficiary GROUP BY sex_code")
	}
	eventually("nhefs", "SELECT COUNT(*) FROM nhefs")

	const sql = "SELECT year, SUM(sp_diabetes) AS n FROM beneficiary_year GROUP BY year"
	before := spent()
	first.Lock(t, "cms10k", lie+".beneficiary_year")
	ended := make(chan error, 1)
	go func() {
		_, err := ask("cms10k", sql)
		ended <- err
	}()
	for first.Waiting(t, "cms10k_reader") == "0" {
		time.Sleep(20 * time.Millisecond)
	}
	first.Kill()
	failed := refusal(t, <-ended)
	if failed.Code != gateway.NoAnswer || failed.Decision == 0 || failed.Message != "no answer; the charge stands" {
		t.Errorf("killed: %+v", failed)
	}
	charged := spent()
	if charged <= before {
		t.Errorf("spent %d, before the question %d: the charge must stand", charged, before)
	}
	_, err = ask("cms10k", sql)
	if r := refusal(t, err); r.Code != gateway.Unavailable || spent() != charged {
		t.Errorf("while the server is away: %+v, spent %d of %d", r, spent(), charged)
	}
	if _, err := ask("nhefs", "SELECT COUNT(*) FROM nhefs WHERE age > 40"); err != nil {
		t.Errorf("the other data set: %v", err)
	}
	first.Resume(t)
	for _, id := range held {
		eventually(id, sql)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), pgtest.Password) || strings.Contains(log.String(), "host=") {
		t.Error("a connection string is in the operator's log")
	}
}
