package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/synth"
)

// newScheme is an office on the generated scheme of some hundred persons, with response slots as they come.
func newScheme(t *testing.T) *office {
	t.Helper()
	s := &office{dir: filepath.Join(t.TempDir(), "state"), operator: &strings.Builder{}}
	ctx := t.Context()
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: s.dir, Origin: "test.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: s.logger()}); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(s.dir)
	files, err := synth.Write(ctx, t.TempDir(), synth.Config{Persons: 400, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	write(t, layout.Catalog(synth.Dataset), synth.Catalog())
	cat, err := catalog.Load(layout.Catalog(synth.Dataset))
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.ImportConfig{Catalog: cat, Dir: layout.Data(synth.Dataset)}
	for _, f := range files {
		cfg.Files = append(cfg.Files, engine.File{Path: f})
	}
	m, err := engine.Import(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.open(t)
	t.Cleanup(func() { s.verify(t) })
	if _, err := s.ActivateDataset(ctx, synth.Dataset, m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAgreement(ctx, synth.Agreement(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetBudget(ctx, synth.Population, 50_000, 0, "test", "test"); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *office) scheme(t *testing.T, sql string) error {
	t.Helper()
	_, err := s.Answer(t.Context(), alice, gateway.Request{Agreement: synth.AgreementID, Purpose: "DUO:0000006", SQL: sql, Error: "1000"})
	return err
}

// A join that multiplies the rows of the very persons a condition finds would, by missing its slot, tell whether such persons
// exist. Cohorts are answered without multiplying; a count of rows that could not end in time is refused before the charge.
func TestSlotOracle(t *testing.T) {
	s := newScheme(t)
	var joins, conds strings.Builder
	for i := 1; i <= 6; i++ {
		fmt.Fprintf(&joins, " JOIN medical_claim c%d ON c%d.person_id = c0.person_id", i, i)
		fmt.Fprintf(&conds, " AND c%d.setting = 'inpatient'", i)
	}
	cohort := "SELECT COUNT(*) FROM person WHERE person_id IN (SELECT c0.person_id FROM medical_claim c0" + joins.String() + " WHERE c0.setting = 'inpatient'" + conds.String() + ")"
	if err := s.scheme(t, cohort); err != nil {
		t.Errorf("a cohort of joins: %v", err)
	}
	persons := "SELECT COUNT(DISTINCT c0.person_id) FROM medical_claim c0" + joins.String() + " WHERE c0.setting = 'inpatient'" + conds.String()
	if err := s.scheme(t, persons); err != nil {
		t.Errorf("persons of joins: %v", err)
	}
	// Seven tables are more rows of a person than the engine can count; four are not, but more than the longest slot can hold.
	four := "SELECT COUNT(*) FROM medical_claim c0 JOIN medical_claim c1 ON c1.person_id = c0.person_id JOIN medical_claim c2 ON c2.person_id = c0.person_id JOIN medical_claim c3 ON c3.person_id = c0.person_id"
	for _, sql := range []string{"SELECT COUNT(*) FROM medical_claim c0" + joins.String(), four} {
		size := s.Status().Size
		r := refusal(t, s.scheme(t, sql))
		if r.Code != gateway.BoundMissing || s.Status().Size != size+1 {
			t.Errorf("rows of joins: %v, log %d -> %d", r, size, s.Status().Size)
		}
	}
}

// What protect would refuse after the charge is refused before it.
func TestDeepHaving(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	deep := strings.Repeat("NOT NOT NOT NOT (", 30) + "COUNT(*) > 5" + strings.Repeat(")", 30)
	_, err := s.Answer(t.Context(), alice, question("SELECT sex, COUNT(*) FROM nhefs GROUP BY sex HAVING "+deep, "30"))
	var r *gateway.Refusal
	if errors.As(err, &r) && r.Code == gateway.NoAnswer {
		t.Errorf("charged in vain: %v", err)
	}
}

// Who is no party hears the same of an agreement as of one that does not exist, from a quote too.
func TestStrangersQuote(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	for _, sql := range []string{"SELECT COUNT(*) FROM nhefs", "SELECT COUNT(*) FROM ghosts"} {
		req := question(sql, "30")
		_, known := s.Quote(t.Context(), bob, req)
		req.Agreement = "agr-none"
		_, unknown := s.Quote(t.Context(), bob, req)
		if a, b := refusal(t, known), refusal(t, unknown); a.Code != b.Code || a.Message != b.Message || a.Hint != b.Hint {
			t.Errorf("%s: %v, but for an unknown agreement %v", sql, a, b)
		}
	}
}

// The hourly rate holds when all ask at once.
func TestRateRace(t *testing.T) {
	s := newOffice(t, terms("per_hour: 1000", "per_hour: 3"), 50_000)
	var answered atomic.Int64
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			_, err := s.Answer(t.Context(), alice, question(fmt.Sprintf("SELECT COUNT(*) FROM nhefs WHERE wt71 > %d", 40+i), "100"))
			if err == nil {
				answered.Add(1)
			} else if r := refusal(t, err); r.Code != gateway.PolicyDenied {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := answered.Load(); n > 3 {
		t.Errorf("%d answers in an hour that allows 3", n)
	}
}

// The names of folders and patterns in file names are no data.
func TestParquetPath(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	layout := gateway.Layout(s.dir)
	cat, err := catalog.Load(layout.Catalog("nhefs"))
	if err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(t.TempDir(), "*.parquet")
	if err := os.WriteFile(pattern, []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = engine.Import(t.Context(), engine.ImportConfig{Catalog: cat, Dir: layout.Data("nhefs"), Files: []engine.File{{Path: pattern, Table: "nhefs"}}})
	if !errors.Is(err, engine.ErrData) {
		t.Errorf("a pattern for a file name: %v", err)
	}
}
