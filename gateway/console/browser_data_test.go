package console_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// followUp is the catalogue of the follow-up of the NHEFS: who died, and after how many months. The generated scheme has no time to anything, and a survival curve
// should be one that somebody could have asked for.
const followUp = `catalogue: 1
dataset: followup
title: NHEFS, deaths from 1983 to 1992
description: 1,629 smokers of 1971 by age, with months until death or the end of 1992
source: US National Center for Health Statistics, public use data (examples/nhefs)
population: nhefs
mode: dp
class: health
level: 1
tables:
  followup:
    description: One row per person
    rows_per_person: 1
    columns:
      seqn: {type: integer, role: person, sensitivity: low}
      sex: {type: integer, role: [group, measure], sensitivity: low, codes: {0: male, 1: female}}
      age: {description: in 1971, type: integer, unit: years, role: measure, sensitivity: normal, bounds: [20, 80], bands: {age_band: {cuts: [20, 50, 81], labels: [under 50, 50 and over]}}}
      months: {description: from January 1983 to death or the end of 1992, type: integer, unit: months, role: measure, sensitivity: normal, bounds: [0, 120]}
      death: {type: integer, role: [group, measure], sensitivity: normal, codes: {0: "no", 1: "yes"}}
`

const followUpAgreement = `id: agr-smokers
version: 1
title: Survival of smokers, NHEFS
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006"]
datasets:
  - id: followup
    columns: [followup.*]
    sensitivity: [low, normal]
kinds: [aggregate]
mode: dp
budget:
  - population: nhefs
    pu: 20000
    delta: 1e-7
min_error: 6
max_price_pu: 20000
per_hour: 1000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`

// curve is survival over ten years in two groups of age, a year to a step.
const curve = "SELECT * FROM kaplan_meier(time => months, event => death, by => age_band, until => 120, width => 12)"

// thin is no survival of anybody: the generated scheme has few numbers that are public. It has what hides the end of a curve: fewer and fewer at risk.
const thin = "SELECT * FROM kaplan_meier(of => person, time => conditions, event => scheme = 'resident', by => sex, until => 11, width => 1)"

// twoStudies is the generated scheme, and beside it the follow-up of the NHEFS, made from the file that the repository ships.
func twoStudies(t *testing.T) sdktest.Config {
	t.Helper()
	program, _ := sdktest.Built()
	dir := t.TempDir()
	synth := filepath.Join(dir, "synth")
	if out, err := exec.Command(program, "synth", "--persons", "2000", "--seed", "1", "--out", synth).CombinedOutput(); err != nil {
		t.Fatalf("synth: %v\n%s", err, out)
	}
	tables, err := filepath.Glob(filepath.Join(synth, "*.csv*"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("the generator wrote no tables (%v)", err)
	}
	scheme, err := os.ReadFile(filepath.Join(synth, "agreement.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	catalog := filepath.Join(dir, "followup.yaml")
	if err := os.WriteFile(catalog, []byte(followUp), 0o600); err != nil {
		t.Fatal(err)
	}
	return sdktest.Config{
		Datasets:     []sdktest.Dataset{{Catalog: filepath.Join(synth, "catalog.yaml"), Files: tables}, {Catalog: catalog, Files: []string{months(t, dir)}}},
		Agreements:   []string{string(scheme), followUpAgreement},
		AgreementPU:  20_000,
		PopulationPU: 60_000,
	}
}

// months writes followup.csv: the calendar of examples/nhefs as months of follow-up, as in chapter 17 of Hernan and Robins, What If.
func months(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Open("../../examples/nhefs/nhefs.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	text := []byte("seqn,sex,age,months,death\n")
	for _, r := range rows[1:] {
		until := 120
		if r[at["death"]] == "1" {
			year, err := strconv.Atoi(r[at["yrdth"]])
			if err != nil {
				t.Fatal(err)
			}
			month, err := strconv.Atoi(r[at["modth"]])
			if err != nil {
				t.Fatal(err)
			}
			until = (year-83)*12 + month
		}
		text = fmt.Appendf(text, "%s,%s,%s,%d,%s\n", r[at["seqn"]], r[at["sex"]], r[at["age"]], until, r[at["death"]])
	}
	path := filepath.Join(dir, "followup.csv")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// eraseQuestion erases a question as an authority would have it done: two people approve, each with a certificate of their own, and the custodian carries it out.
func eraseQuestion(t *testing.T, g *sdktest.Gateway, intent uint64) {
	t.Helper()
	program, _ := sdktest.Built()
	auditor := filepath.Join(filepath.Dir(program), "jali-auditor")
	if _, err := os.Stat(auditor); err != nil {
		t.Skip("jali-auditor is not beside jali-gateway: nobody can approve an erasure")
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "erase.txt")
	order := []string{"erase", "--dir", g.Dir, "--scope", "query", "--query", strconv.FormatUint(intent, 10), "--law", "GDPR:17.1", "--order", "decision 7/26"}
	g.Run(append(order, "--preview", "--text", text)...)
	carryOut := order
	for name, profile := range map[string]string{"ada": g.Custodian().Profile(), "ben": g.Regulator().Profile()} {
		out := filepath.Join(dir, name)
		if said, err := exec.Command(auditor, "approve", text, "--profile", profile, "--out", out).CombinedOutput(); err != nil {
			t.Fatalf("approve: %v\n%s", err, said)
		}
		carryOut = append(carryOut, "--approval", out)
	}
	if said := g.Run(carryOut...); !strings.Contains(said, "keys destroyed") {
		t.Fatal(said)
	}
}
