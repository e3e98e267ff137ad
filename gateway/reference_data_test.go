package gateway_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/identity"
	"jali/gateway/protect"
)

// shared is where the reference data lie beside a checkout; see docs/design/README.md. They are not part of the repository.
const shared = "../../shared/data"

// sets are the data sets of the reference that examples/ has a catalogue for, with the files of their tables.
var sets = map[string][]string{
	"birthwt":  {"classic/birthwt.csv"},
	"cms10k":   {"demo/cms10k/beneficiary.csv.gz", "demo/cms10k/beneficiary_year.csv.gz", "demo/cms10k/inpatient_claim.csv.gz", "demo/cms10k/inpatient_diagnosis.csv.gz"},
	"colon":    {"classic/colon.csv"},
	"flchain":  {"classic/flchain.csv.gz"},
	"lung":     {"classic/lung.csv"},
	"nhefs":    {"classic/nhefs.csv.gz"},
	"nmes1988": {"classic/nmes1988.csv.gz"},
	"omop1k":   {"demo/omop1k/person.csv.gz", "demo/omop1k/drug_era.csv.gz", "demo/omop1k/condition_era.csv.gz", "demo/omop1k/payer_plan_period.csv.gz", "demo/omop1k/observation_period.csv.gz", "demo/omop1k/death.csv.gz", "demo/omop1k/location.csv.gz"},
	"pbc":      {"classic/pbc.csv"},

	"cdiscpilot": {"trial/cdiscpilot_adsl.csv.gz", "trial/cdiscpilot_ae.csv.gz", "trial/cdiscpilot_ds.csv.gz"},
	"inline":     nil, // six rows, below
}

// large are sets of up to a million rows, which only the long test imports.
var large = map[string][]string{
	"cms180k":                 {"bench/cms180k/beneficiary.csv.gz", "bench/cms180k/beneficiary_year.csv.gz"},
	"eu_health_insurance":     {"bench/eu_health_insurance.csv.gz"},
	"fr_permanent_disability": {"bench/fr_permanent_disability.csv.gz"},
	"fr_temporary_disability": {"bench/fr_temporary_disability.csv.gz"},
}

func long() bool { return os.Getenv("JALI_LONG") != "" || os.Getenv("JALI_WRITE_DOCS") != "" }

// The six persons of Therneau's validation of Cox's estimator, whose answer has a closed form.
const (
	inlineRows    = "id,time,status,x\n1,1,1,1\n2,1,0,1\n3,6,1,1\n4,6,1,0\n5,8,0,0\n6,9,1,0\n"
	inlineCatalog = `catalogue: 1
dataset: inline
title: Six persons
description: test data of the package survival
source: T. Therneau, package survival, vignette on validation
population: inline
class: health
tables:
  inline:
    rows_per_person: 1
    columns:
      id: {type: integer, role: person, sensitivity: low}
      time: {type: integer, role: measure, sensitivity: low, bounds: [0, 100]}
      status: {type: integer, role: [group, measure], sensitivity: low, codes: [0, 1]}
      x: {type: integer, role: [group, measure], sensitivity: low, codes: [0, 1]}
`
)

type lineOf = budget.Line

// reference is a gateway on all sets, with one agreement per draw: a question asked under another agreement is bought again.
type reference struct {
	g     *gateway.Gateway
	who   identity.Principal
	draws int
}

func newReference(t *testing.T, draws int) *reference {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	operator := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := gateway.Init(t.Context(), gateway.InitConfig{Dir: dir, Origin: "reference.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: operator}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(t.Context(), gateway.Config{Dir: dir, Threads: 2, MemoryLimit: "1GB", Now: time.Now, Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &reference{g: g, draws: draws, who: identity.Principal{Name: "reference", Org: "Example Pharma", Role: identity.Researcher, Key: strings.Repeat("ab", 32)}}
	layout := gateway.Layout(dir)
	populations := map[string]bool{}
	var opened []string
	all := maps.Clone(sets)
	if long() {
		maps.Copy(all, large)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		cat := s.load(t, layout, id, all[id])
		var columns []string
		for _, table := range cat.Tables {
			columns = append(columns, table.Name+".*")
		}
		populations[cat.Population] = true
		opened = append(opened, fmt.Sprintf("  - {id: %s, columns: [%s], sensitivity: [low, normal, high]}\n", id, strings.Join(columns, ", ")))
	}
	var caps []string
	for p := range populations {
		if _, err := g.SetBudget(t.Context(), p, 900_000_000, 1e15, "test", "reference"); err != nil {
			t.Fatal(err)
		}
		caps = append(caps, fmt.Sprintf("  - {population: %s, pu: 100000000, delta: 1e-6}\n", p))
	}
	slices.Sort(opened)
	slices.Sort(caps)
	for i := range draws {
		if _, err := g.AddAgreement(t.Context(), referenceAgreement(i, strings.Join(opened, ""), strings.Join(caps, "")), "test"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// load imports and activates one set under its example catalogue, with the slots switched off: what they add is time.
func (s *reference) load(t *testing.T, layout gateway.Layout, id string, files []string) *catalog.Dataset {
	t.Helper()
	text, err := catalogText(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(layout.Catalog(id), append(text, "slots: off\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Load(layout.Catalog(id))
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.ImportConfig{Catalog: cat, Dir: layout.Data(id)}
	for _, f := range files {
		table, _, _ := strings.Cut(filepath.Base(f), ".")
		cfg.Files = append(cfg.Files, engine.File{Path: filepath.Join(shared, f), Table: strings.TrimPrefix(table, "cdiscpilot_")})
	}
	if id == "inline" {
		file := filepath.Join(t.TempDir(), "inline.csv")
		if err := os.WriteFile(file, []byte(inlineRows), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Files = []engine.File{{Path: file}}
	}
	m, err := engine.Import(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.ActivateDataset(t.Context(), id, m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	return cat
}

// catalogText is the example catalogue of a set. The 18 samples of DE-SynPUF take that of the first 10,000 persons.
func catalogText(id string) ([]byte, error) {
	switch id {
	case "inline":
		return []byte(inlineCatalog), nil
	case "cms180k":
		text, err := os.ReadFile("../examples/cms10k/cms10k.yaml")
		return bytes.Replace(text, []byte("\ndataset: cms10k\n"), []byte("\ndataset: cms180k\n"), 1), err
	}
	return os.ReadFile(filepath.Join("../examples", id, id+".yaml"))
}

func agreementID(i int) string { return fmt.Sprintf("agr-reference-%d", i) }

func referenceAgreement(i int, datasets, caps string) []byte {
	return fmt.Appendf(nil, `id: %s
version: 1
title: Reference questions
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006"]
datasets:
%skinds: [aggregate]
mode: dp
budget:
%smin_error: 0.001
max_price_pu: 100000000
per_hour: 1000000
valid_from: "2020-01-01"
valid_until: "2099-12-31"
`, agreementID(i), datasets, caps)
}

func (s *reference) request(draw int, it item, sql string) gateway.Request {
	asked := cmp.Or(accuracy[it.ID], analyses[it.ID].error, "20")
	r := gateway.Request{Agreement: agreementID(draw), Purpose: "DUO:0000006", Dataset: it.Dataset, SQL: sql}
	r.Error, asked, _ = strings.Cut(asked, ",")
	if name, e, ok := strings.Cut(asked, "="); ok {
		r.ErrorFor = map[string]string{name: e}
	}
	return r
}

// item is one reference question with its answer as a table: by columns, or, for one number or named numbers, one row.
type item struct {
	ID, Dataset, Kind, Question, SQL string
	columns                          []string
	rows                             [][]json.RawMessage
}

// referenceItems reads all questions.
func referenceItems(t *testing.T) []item {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, "reference-open.json"))
	if os.IsNotExist(err) {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Items []struct {
			item
			SQL    *string
			Answer json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var items []item
	for _, x := range file.Items {
		if x.SQL != nil {
			x.item.SQL = *x.SQL
		}
		if err := x.read(x.Answer); err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		items = append(items, x.item)
	}
	if len(items) != 86 {
		t.Fatalf("%d questions: the file is not what this test was written for", len(items))
	}
	return items
}

// here reports whether the set of a question is loaded.
func (it item) here() bool { return has(sets, it.Dataset) || long() && has(large, it.Dataset) }

func has(m map[string][]string, key string) bool { _, ok := m[key]; return ok }

func (it *item) read(answer json.RawMessage) error {
	if !bytes.HasPrefix(answer, []byte("{")) {
		it.columns, it.rows = []string{""}, [][]json.RawMessage{{answer}}
		return nil
	}
	var table struct {
		Columns []string
		Rows    [][]json.RawMessage
	}
	if err := json.Unmarshal(answer, &table); err != nil {
		return err
	}
	if table.Columns != nil {
		it.columns, it.rows = table.Columns, table.Rows
		return nil
	}
	var named map[string]json.RawMessage
	if err := json.Unmarshal(answer, &named); err != nil {
		return err
	}
	it.rows = [][]json.RawMessage{nil}
	for name, v := range named {
		it.columns, it.rows[0] = append(it.columns, name), append(it.rows[0], v)
	}
	return nil
}

// column is where measure m of the reference is in the view; measures are numbered in the order of the reference.
func (it item) column(a gateway.Answer, m int) int {
	at := slices.IndexFunc(a.View.Columns, func(c protect.ViewColumn) bool {
		return it.columns[it.index(a, m)] == c.Name
	})
	if at < 0 {
		return 0 // the one column of an answer without a name
	}
	return at
}

// index is the reference's column of measure m.
func (it item) index(a gateway.Answer, m int) int {
	for j, name := range it.columns {
		if it.isGroup(a, name) {
			continue
		}
		if m == 0 {
			return j
		}
		m--
	}
	return -1
}

func (it item) isGroup(a gateway.Answer, name string) bool {
	return slices.ContainsFunc(a.View.Columns, func(c protect.ViewColumn) bool {
		return c.Name == name && a.Released.Columns[c.Index].Role == protect.RoleGroup
	})
}

func (it item) measures(a gateway.Answer) []string {
	var names []string
	for _, name := range it.columns {
		if !it.isGroup(a, name) {
			names = append(names, name)
		}
	}
	return names
}

func (it item) kinds(a gateway.Answer) []protect.OutputKind {
	var kinds []protect.OutputKind
	for m := range it.measures(a) {
		kinds = append(kinds, a.Released.Columns[a.View.Columns[it.column(a, m)].Index].Kind)
	}
	return kinds
}

// truth is measure m of the reference for a released row; a group that the reference does not list has 0.
func (it item) truth(a gateway.Answer, row protect.Row, m int) (value float64, listed bool) {
	for _, want := range it.rows {
		if it.sameGroup(a, row, want) {
			if err := json.Unmarshal(want[it.index(a, m)], &value); err != nil {
				return 0, false
			}
			return value, true
		}
	}
	return 0, false
}

func (it item) sameGroup(a gateway.Answer, row protect.Row, want []json.RawMessage) bool {
	for j, name := range it.columns {
		if !it.isGroup(a, name) {
			continue
		}
		at := slices.IndexFunc(a.View.Columns, func(c protect.ViewColumn) bool { return c.Name == name })
		label := row.Values[a.View.Columns[at].Index].Label.String()
		text := strings.Trim(string(want[j]), `"`)
		if text == "null" {
			text = ""
		}
		if label != text {
			return false
		}
	}
	return true
}
