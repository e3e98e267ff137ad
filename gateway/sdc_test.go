package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"jali/audit"
	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/policy"
)

// ward is a population in mode sdc, made by a rule, so that every true figure is known: person i has the region, the sex, the ill
// and the cost that the functions below say, and one row in visit for each visit.
const wardCatalogue = `catalogue: 1
dataset: ward
population: ward
mode: sdc
class: health
slots: off
tables:
  person:
    rows_per_person: 1
    unique: [[id]]
    columns:
      id: {type: integer, role: person, sensitivity: low}
      nr: {type: integer, role: filter, sensitivity: low, bounds: [0, 100000]}
      region: {type: text, role: group, sensitivity: low, codes: [north, east, south, west], open: true}
      sex: {type: integer, role: group, sensitivity: low, codes: [0, 1], open: true}
      ill: {type: integer, role: [group, measure], sensitivity: normal, codes: [0, 1]}
      grade: {type: integer, role: group, sensitivity: normal, codes: {from: 0, to: 9}}
      cost: {type: integer, role: measure, sensitivity: normal, bounds: [0, 1000000]}
  visit:
    rows_per_person: 400
    columns:
      id: {type: integer, role: person, sensitivity: low}
      kind: {type: text, role: group, sensitivity: normal, codes: [a, b, c]}
`

const wardAgreement = `id: agr-ward
version: 1
title: Mode sdc
state: active
parties: [Uni, Lab]
purposes: ["DUO:0000042"]
datasets:
  - id: ward
    columns: [person.*, visit.*]
    sensitivity: [low, normal]
kinds: [aggregate]
mode: sdc
budget:
  - population: ward
    cells: 100000
min_error: 2
max_price_pu: 100000
per_hour: 1000000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`

// patient is one person of the ward.
type patient struct {
	nr          int
	region      string
	sex, ill    int
	grade, cost int
	visits      map[string]int
}

// patients makes n persons. Region south has few ill women; grade 9 has a handful of persons; person 5 costs more than all others.
func patients(n int) []patient {
	out := make([]patient, n)
	for i := range out {
		p := patient{nr: i, region: []string{"north", "east", "south", "west"}[i%4], sex: i / 4 % 2, grade: i % 9, cost: 100 + i%50, visits: map[string]int{"a": 1 + i%3}}
		if i%7 == 0 {
			p.ill = 1
		}
		if p.region == "south" && p.sex == 1 && i > 40 {
			p.ill = 0
		}
		if i%250 == 3 {
			p.grade = 9
		}
		if i == 5 {
			p.cost, p.visits["b"] = 900_000, 390
		}
		if i%50 == 5 {
			p.visits["b"]++
		}
		out[i] = p
	}
	return out
}

// newWard is a gateway on the ward. Slots are off; the policy's quotas are as given.
func newWard(t *testing.T, people []patient, rules ...string) *office {
	t.Helper()
	s := &office{dir: filepath.Join(t.TempDir(), "state"), operator: &strings.Builder{}}
	ctx := t.Context()
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: s.dir, Origin: "test.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: s.logger()}); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(s.dir)
	write(t, layout.Catalog("ward"), []byte(wardCatalogue))
	s.open(t)
	t.Cleanup(func() {
		s.verify(t)
		if t.Failed() {
			t.Log(s.operator)
		}
	})
	if len(rules) > 0 {
		activate(t, s, rules...)
	}
	s.admit(t, people)
	for _, yaml := range []string{wardAgreement, strings.NewReplacer("agr-ward", "agr-other", "[Uni, Lab]", "[Elsewhere]").Replace(wardAgreement)} {
		if _, err := s.AddAgreement(ctx, []byte(yaml), "test"); err != nil {
			t.Fatal(err)
		}
	}
	if act, err := s.SetBudget(ctx, "ward", 1_000_000, 0, "test", "test"); err != nil || act.Unit != "cells" {
		t.Fatal(act, err)
	}
	return s
}

// admit imports the people and activates them.
func (s *office) admit(t *testing.T, people []patient) {
	t.Helper()
	layout := gateway.Layout(s.dir)
	dir := t.TempDir()
	var persons, visits strings.Builder
	persons.WriteString("id,nr,region,sex,ill,grade,cost\n")
	visits.WriteString("id,kind\n")
	for _, p := range people {
		fmt.Fprintf(&persons, "%d,%d,%s,%d,%d,%d,%d\n", 1000+p.nr, p.nr, p.region, p.sex, p.ill, p.grade, p.cost)
		for _, kind := range []string{"a", "b"} {
			for range p.visits[kind] {
				fmt.Fprintf(&visits, "%d,%s\n", 1000+p.nr, kind)
			}
		}
	}
	write(t, filepath.Join(dir, "person.csv"), []byte(persons.String()))
	write(t, filepath.Join(dir, "visit.csv"), []byte(visits.String()))
	cat, err := catalog.Load(layout.Catalog("ward"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Import(context.Background(), engine.ImportConfig{Catalog: cat, Dir: layout.Data("ward"), Files: []engine.File{{Path: filepath.Join(dir, "person.csv")}, {Path: filepath.Join(dir, "visit.csv")}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ActivateDataset(context.Background(), "ward", m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
}

var (
	uma  = identity.Principal{Name: "uma", Org: "Uni", Role: identity.Researcher, Key: strings.Repeat("d4", 32)}
	ulf  = identity.Principal{Name: "ulf", Org: "Uni", Role: identity.Researcher, Key: strings.Repeat("e5", 32)}
	lara = identity.Principal{Name: "lara", Org: "Lab", Role: identity.Researcher, Key: strings.Repeat("f6", 32)}
	eve  = identity.Principal{Name: "eve", Org: "Elsewhere", Role: identity.Researcher, Key: strings.Repeat("a7", 32)}
)

func onWard(who identity.Principal, sql string) gateway.Request {
	id := "agr-ward"
	if who.Org == "Elsewhere" {
		id = "agr-other"
	}
	return gateway.Request{Agreement: id, Purpose: "DUO:0000042", SQL: sql, Error: "2"}
}

// figures are the released measures of an answer by the text of their groups; a withheld one is absent.
func figures(a gateway.Answer) map[string]float64 {
	out := map[string]float64{}
	for _, row := range a.Released.Rows {
		key, at := "", -1
		for j, v := range row.Values {
			switch {
			case v.Label != nil:
				key += v.Label.String() + " "
			case at < 0:
				at = j
			}
		}
		v := row.Values[at]
		switch {
		case v.Absent:
		case v.Fixed != nil:
			out[strings.TrimSpace(key)], _ = v.Fixed.Float64()
		default:
			out[strings.TrimSpace(key)] = v.Float
		}
	}
	return out
}

// told asks, and returns the figures or nil when the answer is NOT_RELEASED. Anything else fails the test.
func (s *office) told(t *testing.T, who identity.Principal, sql string) map[string]float64 {
	t.Helper()
	a, err := s.Answer(t.Context(), who, onWard(who, sql))
	if err != nil {
		if r := refusal(t, err); r.Code != gateway.NotReleased {
			t.Fatalf("%s: %v (%s) %+v", sql, err, r.Hint, r.Reasons)
		}
		return nil
	}
	return figures(a)
}

func TestControlled(t *testing.T) {
	people := patients(2000)
	s := newWard(t, people)
	q, err := s.Quote(t.Context(), uma, onWard(uma, "SELECT region, sex, COUNT(*) AS n FROM person GROUP BY region, sex"))
	if err != nil || !q.Allowed || q.Label != protect.ControlledLabel || q.Unit != "cells" || q.Plan.HideBelow != 11 || q.Price.Rho.PU() != 8 || len(q.Error95) != 1 || q.Error95[0].Value != 2 {
		t.Fatalf("quote %+v, %v", q, err)
	}
	a, err := s.Answer(t.Context(), uma, onWard(uma, "SELECT region, sex, COUNT(*) AS n FROM person GROUP BY region, sex"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Label != protect.ControlledLabel || !strings.Contains(string(a.Result), `"protection":"`+protect.ControlledLabel+`"`) || !strings.Contains(string(a.Receipt), "protect") {
		t.Errorf("the label is missing: %s", a.Result)
	}
	if _, err := audit.VerifyReceipt(a.Receipt, a.Result, vkeys(t, s), "test.example/jali/1"); err != nil {
		t.Errorf("receipt: %v", err)
	}
	if got := figures(a); len(got) != 8 || got["north 0"] != 250 {
		t.Errorf("figures %v", got)
	}
	if a.Budget.Agreement != 100_000-8 {
		t.Errorf("left %d cells", a.Budget.Agreement)
	}
	report, err := s.Budget(t.Context(), uma, "agr-ward")
	if err != nil || report.Ledgers[0].Spent != budget.PU(8) || report.Ledgers[0].SpentEpsilon != 0 || report.Ledgers[0].CapEpsilon != 0 {
		t.Errorf("a ledger of cells shows %+v, %v", report.Ledgers, err)
	}
	again, err := s.Answer(t.Context(), ulf, onWard(ulf, "SELECT sex, COUNT(*), region FROM person GROUP BY sex, region"))
	if err != nil || again.Replayed {
		t.Errorf("another order of groups is another table: %v", err)
	}
	same, err := s.Answer(t.Context(), lara, onWard(lara, "select region, sex, count(*) from person group by region, sex"))
	if err != nil || !same.Replayed || string(same.Result) != string(a.Result) || same.Label != a.Label {
		t.Errorf("a replay: %+v, %v", same, err)
	}
	if _, err := os.Stat(gateway.Layout(s.dir).Memory("ward")); err != nil {
		t.Error(err)
	}
}

// activate changes the default policy's data, tests and signs the bundle as a custodian does, and activates it.
func activate(t *testing.T, s *office, replace ...string) {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policy.Source(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(policy.Source(), name)
		if name == "data.json" {
			changed := strings.NewReplacer(replace...).Replace(string(text))
			if changed == string(text) {
				t.Error("the policy is as it was")
			}
			text = []byte(changed)
		}
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(gateway.Layout(s.dir).PolicyKey())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := policy.Build(files, key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ActivatePolicy(t.Context(), bundle, "test"); err != nil {
		t.Fatal(err)
	}
}
