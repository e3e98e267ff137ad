package sdktest

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// schemeAgreement opens the generated scheme for encrypted questions too.
const schemeAgreement = `id: agr-cohort
version: 1
title: Encrypted questions on the generated scheme
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006"]
datasets:
  - id: scheme
    columns: [person.*, enrolment.*, medical_claim.*, death.*]
    sensitivity: [low, normal, high]
kinds: [aggregate, encrypted]
mode: dp
budget:
  - population: scheme-insured
    pu: 100000
    delta: 1e-7
min_error: 5
max_price_pu: 15727
per_hour: 1000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`

func (g *Gateway) secret(by string, codes ...string) sdk.CohortQuery {
	return sdk.CohortQuery{Agreement: g.Agreement, Purpose: g.Purpose, By: by, Codes: codes}
}

// An encrypted answer is that of the plaintext twin. Two noisy numbers differ by more than three times the sum of their half-widths
// (more than 8 sigma) with probability below 10^-15.
func TestCohort(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}})
	t.Setenv(sdk.KeysEnv, filepath.Join(t.TempDir(), "keys"))
	alice, ctx := g.Researcher(), t.Context()
	twin := func(sql, e string, r *sdk.CohortResult) {
		t.Helper()
		plain, err := alice.Query(ctx, sdk.Query{SQL: sql, Error: e})
		if err != nil {
			t.Fatal(err)
		}
		got, ok1 := r.Rows[0][0].Float()
		want, ok2 := plain.Rows[0][0].Float()
		h1, ok3 := r.Error95[0][0].Float()
		h2, ok4 := plain.Error95[0][0].Float()
		if !ok1 || !ok2 || !ok3 || !ok4 || math.Abs(got-want) > 3*(h1+h2) {
			t.Errorf("%s: encrypted %v (half-width %v), in SQL %v (%v)", sql, got, h1, want, h2)
		}
		if r.Receipt.Release == 0 || r.DownloadedBytes == 0 || r.UploadedBytes == 0 || r.PricePU == 0 {
			t.Errorf("incomplete: %+v", r)
		}
	}

	q := g.secret("person.region", codes(t, alice, "person", "region", 3)...)
	q.Error = "20"
	var steps []string
	q.Progress = func(p sdk.CohortProgress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			steps = append(steps, p.Step)
		}
	}
	first, err := alice.CohortCount(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	twin("SELECT COUNT(*) AS n FROM person WHERE region IN ('"+strings.Join(q.Codes, "','")+"')", "20", first)
	if strings.Join(steps, " ") != "list key upload evaluate" {
		t.Errorf("progress: %v", steps)
	}
	if first.UploadedBytes != 1_044_480+208_928 || first.DownloadedBytes != 104_461 {
		t.Errorf("%d bytes up, %d down", first.UploadedBytes, first.DownloadedBytes)
	}

	// Another column and a condition; the key is there already.
	claims := g.secret("medical_claim.setting", "inpatient")
	claims.Error, claims.Where, claims.Size = "30", "day >= DATE '2000-01-01'", 1
	count, err := alice.CohortCount(ctx, claims)
	if err != nil {
		t.Fatal(err)
	}
	twin("SELECT COUNT(DISTINCT person_id) AS n FROM medical_claim WHERE day >= DATE '2000-01-01' AND setting = 'inpatient'", "30", count)
	if count.UploadedBytes > 300_000 {
		t.Error("the key was registered twice")
	}
	// A list of codes of which one person may have more than the catalogue counts: the answer can only be lower.
	claims = g.secret("medical_claim.icd", "I10")
	claims.Error, claims.Where = "30", "setting = 'outpatient'"
	if count, err = alice.CohortCount(ctx, claims); err != nil {
		t.Fatal(err)
	}
	all, err := alice.Query(ctx, sdk.Query{SQL: "SELECT COUNT(DISTINCT person_id) AS n FROM medical_claim WHERE setting = 'outpatient' AND icd = 'I10'", Error: "30"})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := count.Rows[0][0].Float()
	if most, ok := all.Float(0, "n"); !ok || got > most+3*60 || got < most/2 {
		t.Errorf("persons with I10: %v, in SQL %v", got, most)
	}

	years := codes(t, alice, "enrolment", "year", 2)
	// Money in cents; the gateway restarts between, and a new key is registered without being asked for.
	g.Restart()
	money := g.secret("enrolment.year", years...)
	money.Error, money.Measure, money.MinSize = "500000", "contribution", 2
	sum, err := alice.CohortSum(ctx, money)
	if err != nil {
		t.Fatal(err)
	}
	twin("SELECT SUM(contribution) AS n FROM enrolment WHERE year IN ("+strings.Join(years, ",")+")", "500000", sum)
	money.Error, money.MinSize = "100", 0
	mean, err := alice.CohortMean(ctx, money)
	if err != nil {
		t.Fatal(err)
	}
	twin("SELECT AVG(contribution) AS n FROM enrolment WHERE year IN ("+strings.Join(years, ",")+")", "100", mean)

	// What the selection is appears nowhere in the gateway's state or log: the record holds the digest of the upload.
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if n := log.Count(audit.Key); n < 2 {
		t.Errorf("%d keys on record", n)
	}
}

// codes are the first of a list.
func codes(t *testing.T, c *Client, table, column string, n int) (codes []string) {
	t.Helper()
	page, _, err := c.Codes(t.Context(), sdk.CodesQuery{Dataset: "scheme", Table: table, Column: column, Limit: n})
	if err != nil || len(page) != n {
		t.Fatalf("codes of %s: %v", column, err)
	}
	for _, code := range page {
		codes = append(codes, code.Code)
	}
	return codes
}

func TestCohortRefusals(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}, Persons: 500})
	keys := filepath.Join(t.TempDir(), "keys")
	t.Setenv(sdk.KeysEnv, keys)
	alice, ctx := g.Researcher(), t.Context()
	good := g.secret("person.region", codes(t, alice, "person", "region", 2)...)
	good.Error = "20"
	var query *sdk.QueryError
	var denied *sdk.PolicyDenied
	tests := []struct {
		name   string
		change func(*sdk.CohortQuery)
		as     any
	}{
		{"unknown code", func(q *sdk.CohortQuery) { q.Codes = []string{"nowhere"} }, &query},
		{"other size", func(q *sdk.CohortQuery) { q.Size = 3 }, &query},
		{"condition", func(q *sdk.CohortQuery) { q.Where = "nothing = 1" }, &query},
		{"measure of a count", func(q *sdk.CohortQuery) { q.Measure = "months" }, &query},
		{"purpose", func(q *sdk.CohortQuery) { q.Purpose = "DUO:0000042" }, &denied},
		{"agreement", func(q *sdk.CohortQuery) { q.Agreement = "agr-none" }, &denied},
		{"closed table", func(q *sdk.CohortQuery) { q.By = "drug_claim.atc" }, &denied},
	}
	for _, test := range tests {
		q := good
		test.change(&q)
		if _, err := alice.CohortCount(ctx, q); !errors.As(err, test.as) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := alice.CohortCount(ctx, good); err != nil {
		t.Fatal(err)
	}

	// The key file is its owner's; a store that others may read is not used.
	files, err := filepath.Glob(filepath.Join(keys, "*.key"))
	if err != nil || len(files) != 1 {
		t.Fatalf("key files: %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key: %v", info.Mode())
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.CohortCount(ctx, good); !errors.Is(err, sdk.ErrConfig) {
		t.Errorf("a key others may read: %v", err)
	}
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}

	// A stream that ends early, on the wire: refused and on record, and the gateway goes on.
	stream, err := jaliv1.NewCohortServiceClient(alice.Conn()).Upload(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&jaliv1.UploadRequest{Nonce: make([]byte, 32), Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); !errors.Is(sdk.FromStatus(err), sdk.ErrStale) {
		t.Errorf("an unknown nonce: %v", err)
	}
	if _, err := alice.CohortCount(ctx, good); err != nil {
		t.Error(err)
	}
}

// A key sealed with a passphrase opens with it only.
func TestCohortPassphrase(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}, Persons: 500})
	profile, err := sdk.LoadProfile(g.Researcher().Profile())
	if err != nil {
		t.Fatal(err)
	}
	config := profile.Config()
	config.Keys = t.TempDir()
	ask := func(passphrase string) error {
		t.Helper()
		config.Passphrase = passphrase
		c, err := sdk.Dial(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		q := g.secret("person.sex", "f")
		q.Error = "50"
		_, err = c.CohortCount(t.Context(), q)
		return err
	}
	for _, test := range []struct {
		passphrase string
		ok         bool
	}{{"open sesame", true}, {"open sesame", true}, {"open barley", false}, {"", false}} {
		if err := ask(test.passphrase); (err == nil) != test.ok || !test.ok && !errors.Is(err, sdk.ErrConfig) {
			t.Errorf("passphrase %q: %v", test.passphrase, err)
		}
	}
}
