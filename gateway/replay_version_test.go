package gateway_test

import (
	"strings"
	"testing"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/synth"
)

// A stored answer is of one data version: when another is active, the same question is asked, and paid, anew.
func TestReplayIsOfOneVersion(t *testing.T) {
	s := newScheme(t)
	ask := func() bool {
		t.Helper()
		answer, err := s.Answer(t.Context(), alice, gateway.Request{Agreement: synth.AgreementID, Purpose: "DUO:0000006", SQL: "SELECT COUNT(*) FROM person", Error: "1000"})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Replayed
	}
	if ask() {
		t.Error("the first answer is a replay")
	}
	if !ask() {
		t.Error("the second is none")
	}
	layout := gateway.Layout(s.dir)
	files, err := synth.Write(t.Context(), t.TempDir(), synth.Config{Persons: 300, Seed: 8})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Load(layout.Catalog(synth.Dataset))
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.ImportConfig{Catalog: cat, Dir: layout.Data(synth.Dataset)}
	for _, f := range files {
		cfg.Files = append(cfg.Files, engine.File{Path: f})
	}
	m, err := engine.Import(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ActivateDataset(t.Context(), synth.Dataset, m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	if ask() {
		t.Error("a new data version is answered with what an old one said")
	}
}

// A stored answer is of one agreement: under another the same question is paid for, and gets noise of its own.
func TestReplayIsOfOneAgreement(t *testing.T) {
	s := newScheme(t)
	if _, err := s.AddAgreement(t.Context(), []byte(strings.Replace(string(synth.Agreement()), "id: "+synth.AgreementID, "id: agr-second", 1)), "test"); err != nil {
		t.Fatal(err)
	}
	for _, agreement := range []string{synth.AgreementID, "agr-second"} {
		answer, err := s.Answer(t.Context(), alice, gateway.Request{Agreement: agreement, Purpose: "DUO:0000006", SQL: "SELECT COUNT(*) FROM person", Error: "1000"})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Replayed {
			t.Errorf("%s is given an answer that it has not paid for", agreement)
		}
	}
}
