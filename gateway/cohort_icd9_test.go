package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jali/crypto/cohort"
	"jali/crypto/noise"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// claims is a gateway on the claims of cms10k; its diagnoses are texts of a pattern, without a list of codes.
type claims struct {
	*asker
	cat  *catalog.Dataset
	file string // of the data version
}

func newClaims(t *testing.T) *claims {
	t.Helper()
	if _, err := os.Stat(filepath.Join(shared, sets["cms10k"][0])); os.IsNotExist(err) {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	c := &claims{asker: &asker{
		office: &office{dir: filepath.Join(t.TempDir(), "state"), operator: &strings.Builder{}}, who: alice, keys: map[string]*cohort.SecretKey{},
	}}
	if err := gateway.Init(t.Context(), gateway.InitConfig{Dir: c.dir, Origin: "test.example/jali/1", Hosts: []string{"localhost"}, Now: time.Now, Operator: c.logger()}); err != nil {
		t.Fatal(err)
	}
	layout := gateway.Layout(c.dir)
	text, err := os.ReadFile("../examples/cms10k/cms10k.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, layout.Catalog("cms10k"), append(text, "slots: off\n"...))
	if c.cat, err = catalog.Load(layout.Catalog("cms10k")); err != nil {
		t.Fatal(err)
	}
	cfg := engine.ImportConfig{Catalog: c.cat, Dir: layout.Data("cms10k")}
	for _, f := range sets["cms10k"] {
		cfg.Files = append(cfg.Files, engine.File{Path: filepath.Join(shared, f)})
	}
	m, err := engine.Import(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.file = layout.Version("cms10k", m.Version())
	c.open(t)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.ActivateDataset(t.Context(), "cms10k", m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetBudget(t.Context(), c.cat.Population, 50_000_000, 1e12, "test", "test"); err != nil {
		t.Fatal(err)
	}
	agreement := fmt.Sprintf(`id: %s
version: 1
title: Secret diagnoses
state: active
parties: [%s]
purposes: ["%s"]
datasets:
  - {id: cms10k, columns: [beneficiary.*, inpatient_claim.*, inpatient_diagnosis.*], sensitivity: [low, normal, high]}
kinds: [aggregate, encrypted]
mode: dp
budget:
  - {population: %s, pu: 40000000, delta: 1e-6}
min_error: 1
max_price_pu: 40000000
per_hour: 1000
valid_from: "2020-01-01"
valid_until: "2099-12-31"
`, examples.NHEFSAgreementID, examples.Org, examples.Purpose, c.cat.Population)
	if _, err := c.AddAgreement(t.Context(), []byte(agreement), "test"); err != nil {
		t.Fatal(err)
	}
	return c
}

func columnsOf(t *testing.T, file string, names ...string) [][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, file))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for _, row := range rows[1:] {
		var picked []string
		for _, name := range names {
			picked = append(picked, row[slices.Index(rows[0], name)])
		}
		out = append(out, picked)
	}
	return out
}

// perCode counts the persons with each code, from the files themselves.
func perCode(t *testing.T) map[string]int64 {
	t.Helper()
	person := map[string]string{}
	for _, r := range columnsOf(t, sets["cms10k"][2], "claim_no", "person_id") {
		person[r[0]] = r[1]
	}
	seen, counts := map[[2]string]bool{}, map[string]int64{}
	for _, r := range columnsOf(t, sets["cms10k"][3], "claim_no", "icd9") {
		if k := [2]string{person[r[0]], r[1]}; !seen[k] {
			seen[k] = true
			counts[r[1]]++
		}
	}
	return counts
}

// A secret list of ICD-9 codes, of all texts that the catalogue's pattern allows: with next to no noise the answer is the count made from
// the files, exactly; from the running gateway it lies where its noise puts it.
func TestCohortICD9(t *testing.T) {
	c := newClaims(t)
	list := c.cat.Table("inpatient_diagnosis").Column("icd9").Matching
	var selected []int
	var want int64
	counts := perCode(t)
	for i, v := range list {
		if strings.HasPrefix(v.S, "250") || v.S == "4280" { // diabetes mellitus, heart failure: many texts, some of them codes
			selected = append(selected, i)
			want += counts[v.S]
		}
	}
	if len(list) != 133_200 || want < 1000 {
		t.Fatalf("%d texts on the list, %d persons: not the data this test was written for", len(list), want)
	}

	t.Run("exact", func(t *testing.T) {
		if got := c.silent(t, list, selected); got != want {
			t.Errorf("without noise %d, in the files %d", got, want)
		}
	})

	t.Run("gateway", func(t *testing.T) {
		req := gateway.CohortRequest{
			Agreement: examples.NHEFSAgreementID, Purpose: examples.Purpose, Dataset: "cms10k", By: "inpatient_diagnosis.icd9", Aggregate: "count", Error: "200",
		}
		m, got := c.answer(t, req, nil, selected...)
		half := m.offer.Aggregates[0].HalfWidth
		if m.offer.Entries != len(list) || math.Abs(float64(got[0]-want)) > 4*float64(half) { // 8 sigma: by chance below 10^-15
			t.Errorf("%d of %d entries, in the files %d (half-width %d)", got[0], m.offer.Entries, want, half)
		}
		full := m.offer.Price.Rho
		// Fewer categories per person cost less, by the square, and lose what lies beyond, never more.
		req.PerPerson = 10
		m, got = c.answer(t, req, nil, selected...)
		if ratio := float64(full) / float64(m.offer.Price.Rho); math.Abs(ratio-100) > 1 || m.offer.Plan.GroupsPerPerson != 10 {
			t.Errorf("10 categories instead of 100 are cheaper by %v", ratio)
		}
		if float64(got[0]) > float64(want)+4*float64(half) || float64(got[0]) < float64(want)/4 {
			t.Errorf("capped %d, all %d", got[0], want)
		}
		if len(m.offer.Warnings) < 2 {
			t.Errorf("warnings %q do not speak of double counting and of the cap", m.offer.Warnings)
		}
	})
}

// silent answers with noise of variance 10^-6, which is 0 but with probability e^-500000: the same plan, vectors and cipher.
func (c *claims) silent(t *testing.T, list []catalog.Value, selected []int) int64 {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	defer c.open(t)
	e, err := engine.Open(engine.Config{Path: c.file, Catalog: c.cat, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	plan, err := query.CompileListed(c.cat, "SELECT icd9, COUNT(DISTINCT person_id) FROM inpatient_diagnosis GROUP BY icd9", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.Run(t.Context(), plan, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	params, err := cohort.ParamsByID("ecq1-a")
	if err != nil {
		t.Fatal(err)
	}
	places := make([]int, len(plan.Domains[0].Labels))
	for i := range places {
		places[i] = i
	}
	if !slices.Equal(plan.Domains[0].Labels, list) {
		t.Fatal("the plan's domain is not the list")
	}
	spec := protect.BlindSpec{Params: params, Select: []protect.Axis{{Places: places, Size: len(list)}}, Bounds: []int64{1 << 20}}
	vectors, err := protect.PrepareBlind(raw, spec)
	if err != nil {
		t.Fatal(err)
	}
	key, body, err := cohort.GenerateKey(params, [32]byte{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	registration, err := cohort.ParseRegistration(params, [32]byte{1}, body, false)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := cohort.NewLayout(params, len(list))
	if err != nil {
		t.Fatal(err)
	}
	selector, err := cohort.NewSelector(len(list))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range selected {
		if err := selector.Select(i); err != nil {
			t.Fatal(err)
		}
	}
	q := cohort.Query{Layout: layout, Nonce: [32]byte{2}}
	enc, err := key.Encrypt(q, selector, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := enc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	upload, err := cohort.ReadUpload(&b, layout, false)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := protect.EvaluateBlind(t.Context(), vectors, spec, []protect.Item{{Name: "persons", Sigma2: noise.Variance{Num: big.NewInt(1), Den: big.NewInt(1_000_000)}}},
		protect.BlindQuestion{Key: registration, Query: q, Upload: upload})
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Decrypt(reply, []int64{1 << 21})
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}
