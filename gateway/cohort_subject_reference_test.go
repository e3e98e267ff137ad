package gateway_test

import (
	"compress/gzip"
	"encoding/csv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/synth"
)

// source is 10,000 persons and questions about a thousand of them.
type source struct {
	dataset, population string
	catalogue           []byte
	files               []string // first that of all persons
	questions           []subjectQuestion
}

// subjectQuestion is asked of the gateway, and of the rows one by one: condition, measure and rows mean the same.
type subjectQuestion struct {
	aggregate, table, measure, where, e string
	holds                               func(row map[string]string) bool
}

func all(map[string]string) bool { return true }

// generated is the scheme of the generator: always there.
func generated(t *testing.T) source {
	t.Helper()
	files, err := synth.Write(t.Context(), t.TempDir(), synth.Config{Persons: 10_000, Seed: 7, Tables: []string{"person", "enrolment", "medical_claim"}})
	if err != nil {
		t.Fatal(err)
	}
	inpatient := func(r map[string]string) bool { return r["setting"] == "inpatient" }
	return source{"scheme", "scheme-insured", synth.Catalog(), files, []subjectQuestion{
		{"count", "medical_claim", "", "setting = 'inpatient'", "50", inpatient},
		{"sum", "medical_claim", "amount", "setting = 'inpatient'", "1000000", inpatient},
		{"mean", "enrolment", "contribution", "", "100", all},
	}}
}

// beneficiaries is DE-SynPUF, where the reference data lie beside the checkout.
func beneficiaries(t *testing.T) source {
	t.Helper()
	text, err := os.ReadFile("../examples/cms10k/cms10k.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range sets["cms10k"] {
		files = append(files, filepath.Join(shared, f))
	}
	return source{"cms10k", "cms-desynpuf", text, files, []subjectQuestion{
		{"count", "inpatient_claim", "", "", "50", all},
		{"count", "beneficiary_year", "", "sp_diabetes = 1 AND year = 2009", "50", func(r map[string]string) bool { return r["sp_diabetes"] == "1" && r["year"] == "2009" }},
		{"sum", "beneficiary_year", "medreimb_ip", "year >= 2009", "30000000", func(r map[string]string) bool { return r["year"] >= "2009" }},
		{"mean", "inpatient_claim", "pmt_amt", "", "50", all},
	}}
}

// A thousand selected out of a study of ten thousand: exact without noise, and within three half-widths (5.8 sigma: false-reject rate
// 10^-8 for each number) in the running gateway.
func TestThousandOfTenThousand(t *testing.T) {
	if _, err := os.Stat(filepath.Join(shared, sets["cms10k"][0])); err != nil {
		t.Log("the reference data are not part of the repository: asking about the generator's persons instead")
		generated(t).ask(t)
		return
	}
	beneficiaries(t).ask(t)
}

// The generator's persons, whether or not the reference data are there.
func TestThousandGenerated(t *testing.T) {
	if os.Getenv("JALI_LONG") == "" {
		t.Skip("JALI_LONG is not set")
	}
	generated(t).ask(t)
}

func (s source) ask(t *testing.T) {
	a, cat := s.open(t)
	var list []string
	for _, row := range readRows(t, s.files[0]) {
		list = append(list, row["person_id"])
	}
	if len(list) != 10_000 {
		t.Fatalf("%d persons", len(list))
	}
	if _, err := a.RegisterStudy(t.Context(), gateway.StudyOrder{Agreement: examples.NHEFSAgreementID, ID: "all", Persons: []byte(strings.Join(list, "\n")), Approver: "test"}); err != nil {
		t.Fatal(err)
	}
	var selected []int
	in := map[string]bool{}
	for i := range 1000 {
		slot := i * 7919 % len(list)
		selected, in[list[slot]] = append(selected, slot), true
	}
	for _, q := range s.questions {
		req := gateway.CohortRequest{
			Agreement: examples.NHEFSAgreementID, Purpose: examples.Purpose, Study: "all", By: q.table, Aggregate: q.aggregate, Measure: q.measure, Where: q.where, Error: q.e,
		}
		m := a.make(t, req, nil, selected...)
		var center int64
		for _, g := range m.offer.Aggregates {
			center = max(center, g.Center)
		}
		want := s.truth(t, cat, q, in, center)
		quiet, err := a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.decrypt(t, m, quiet); !slices.Equal(got, want) || want[0] == 0 {
			t.Errorf("%s of %s where %s: without noise %v, the twin has %v", q.aggregate, q.table, q.where, got, want)
		}
		a.upload(t, m)
		answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range a.decrypt(t, m, answer.Reply) {
			if h := m.offer.Aggregates[i].HalfWidth; got < want[i]-3*h-3 || got > want[i]+3*h+3 {
				t.Errorf("%s of %s: %d, the twin has %d (half-width %d)", q.aggregate, q.table, got, want[i], h)
			}
		}
	}
}

// truth goes through the rows of the file.
func (s source) truth(t *testing.T, cat *catalog.Dataset, q subjectQuestion, in map[string]bool, center int64) []int64 {
	t.Helper()
	var file string
	for _, f := range s.files {
		if base, _, _ := strings.Cut(filepath.Base(f), "."); base == q.table {
			file = f
		}
	}
	var rows, total int64
	persons := map[string]bool{}
	for _, row := range readRows(t, file) {
		if !in[row["person_id"]] || !q.holds(row) {
			continue
		}
		persons[row["person_id"]] = true
		if q.measure == "" || row[q.measure] == "" {
			continue
		}
		c := cat.Table(q.table).Column(q.measure)
		whole, cents, _ := strings.Cut(row[q.measure], ".")
		n, err := strconv.ParseInt(whole+(cents + "0000")[:c.Decimals], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows, total = rows+1, total+min(max(n, c.ClipLo), c.ClipHi)-center
	}
	return map[string][]int64{"count": {int64(len(persons))}, "sum": {total}, "mean": {rows, total}}[q.aggregate]
}

func readRows(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		out = append(out, row)
	}
	return out
}

// open makes a gateway on the source, slots off, with an agreement that opens encrypted questions.
func (s source) open(t *testing.T) (*asker, *catalog.Dataset) {
	t.Helper()
	o := &office{dir: filepath.Join(t.TempDir(), "state"), operator: &strings.Builder{}}
	ctx := t.Context()
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: o.dir, Origin: "test.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(o.dir)
	write(t, layout.Catalog(s.dataset), append(slices.Clone(s.catalogue), "\nslots: off\n"...))
	cat, err := catalog.Load(layout.Catalog(s.dataset))
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.ImportConfig{Catalog: cat, Dir: layout.Data(s.dataset)}
	for _, f := range s.files {
		cfg.Files = append(cfg.Files, engine.File{Path: f})
	}
	m, err := engine.Import(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.open(t)
	t.Cleanup(func() { o.verify(t) })
	if _, err := o.ActivateDataset(ctx, s.dataset, m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, table := range cat.Tables {
		columns = append(columns, table.Name+".*")
	}
	agreement := terms("id: nhefs", "id: "+s.dataset, "nhefs.*", strings.Join(columns, ", "), "[low, normal]", "[low, normal, high]",
		"kinds: [aggregate]", "kinds: [aggregate, encrypted]", "population: nhefs", "population: "+s.population, "15727", "90000000", "min_error: 5", "min_error: 0.001")
	if _, err := o.AddAgreement(ctx, []byte(agreement), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetBudget(ctx, s.population, 100_000_000, 1e12, "test", "test"); err != nil {
		t.Fatal(err)
	}
	return &asker{office: o, who: alice, keys: map[string]*cohort.SecretKey{}}, cat
}
