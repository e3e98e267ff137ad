package examples_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jali/examples"
	"jali/gateway/catalog"
	"jali/policy"
)

// ids are the folders of this directory: one dataset each.
var ids = []string{"birthwt", "cdiscpilot", "cms10k", "colon", "eu_health_insurance", "flchain", "fr_permanent_disability", "fr_temporary_disability", "lung", "nhefs", "nmes1988", "omop1k", "pbc"}

// TestFolders: each folder has a catalogue, an agreement that fits it, and provenance.
func TestFolders(t *testing.T) {
	found, err := filepath.Glob("*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2*len(ids) {
		t.Errorf("found %d YAML files, want a catalogue and an agreement in each of %d folders", len(found), len(ids))
	}
	seen := map[string]string{}
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(id, "README.md")); err != nil {
				t.Error("a dataset without provenance")
			}
			d, err := catalog.Load(filepath.Join(id, id+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if d.ID != id || d.Source == "" || d.Level != 1 {
				t.Errorf("dataset %q with source %q and level %d", d.ID, d.Source, d.Level)
			}
			text, err := os.ReadFile(filepath.Join(id, "agreement.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			a, err := policy.ParseAgreement(text)
			if err != nil {
				t.Fatal(err)
			}
			if other, twice := seen[a.ID]; twice {
				t.Errorf("agreement %s is also that of %s", a.ID, other)
			}
			seen[a.ID] = id
			checkAgreement(t, d, a)
		})
	}
}

// checkAgreement: an agreement that opens a table or a class the catalogue does not have would be without effect.
func checkAgreement(t *testing.T, d *catalog.Dataset, a policy.Agreement) {
	t.Helper()
	if pu, ok := a.Cap(d.Population); !ok || pu != 15727 {
		t.Errorf("budget on %s = %d, %v; want 15727 PU", d.Population, pu, ok)
	}
	if d.ThresholdDelta > a.Budget[0].Delta {
		t.Errorf("delta %d cannot pay a question with private keys, which costs %d", a.Budget[0].Delta, d.ThresholdDelta)
	}
	if !slices.Contains(a.Parties, examples.Org) || !slices.Contains(a.Purposes, examples.Purpose) {
		t.Errorf("parties %q, purposes %q", a.Parties, a.Purposes)
	}
	if len(a.Datasets) != 1 || a.Datasets[0].ID != d.ID {
		t.Fatalf("datasets %v, want %s only", a.Datasets, d.ID)
	}
	var tables []string
	classes := map[string]bool{}
	for _, table := range d.Tables {
		tables = append(tables, table.Name+".*")
		for _, c := range table.Columns {
			classes[c.Sensitivity] = true
		}
	}
	for _, c := range a.Datasets[0].Columns {
		if !slices.Contains(tables, c) {
			t.Errorf("the agreement opens %s, which the catalogue does not have", c)
		}
	}
	if len(a.Datasets[0].Columns) != len(tables) {
		t.Errorf("the agreement opens %d of %d tables", len(a.Datasets[0].Columns), len(tables))
	}
	for c := range classes {
		if !slices.Contains([]string{"low", "normal", "high"}, c) {
			t.Errorf("class %q: the examples use low, normal and high", c)
		}
	}
}

// TestEmbedded: what the constants say is what the files say.
func TestEmbedded(t *testing.T) {
	d, err := catalog.Parse("nhefs.yaml", examples.NHEFSCatalog, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := policy.ParseAgreement(examples.NHEFSAgreement)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != examples.NHEFSID || d.Population != examples.NHEFSPopulation || a.ID != examples.NHEFSAgreementID {
		t.Errorf("dataset %s, population %s, agreement %s", d.ID, d.Population, a.ID)
	}
	if slices.Contains(a.Purposes, "DUO:0000011") {
		t.Error("the demo shows a refusal for DUO:0000011, so the agreement must not open it")
	}
	z, err := gzip.NewReader(bytes.NewReader(examples.NHEFS))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+1629 {
		t.Errorf("%d persons, want 1629", len(rows)-1)
	}
	for i, name := range rows[0] {
		if d.Tables[0].Column(name) == nil {
			t.Errorf("column %d (%s) is not in the catalogue", i+1, name)
		}
	}
}
