package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"jali/audit"
	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/policy"
)

// person is what a test knows of one person of NHEFS.
type person struct {
	id                  string
	quit, school, weigh int64 // weigh in hundredths of a kilogramme
	age                 int64
}

func nhefsPersons(t *testing.T) []person {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(examples.NHEFS))
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
	var out []person
	for _, row := range rows[1:] {
		number := func(name string, scale float64) int64 {
			f, err := strconv.ParseFloat(row[at[name]], 64)
			if err != nil {
				t.Fatal(err)
			}
			return int64(math.Round(f * scale))
		}
		out = append(out, person{id: row[at["seqn"]], quit: number("qsmk", 1), school: number("school", 1), weigh: number("wt71", 100), age: number("age", 1)})
	}
	return out
}

// population lists persons for registration: every second person, and as many ids that nobody has.
func nhefsStudy(t *testing.T) (list []string, byID map[string]person) {
	t.Helper()
	byID = map[string]person{}
	for i, p := range nhefsPersons(t) {
		if i%2 == 0 {
			list, byID[p.id] = append(list, p.id, fmt.Sprint(10_000_000+i)), p
		}
	}
	return list, byID
}

func register(t *testing.T, s *office, id string, list []string) gateway.Activated {
	t.Helper()
	act, err := s.RegisterStudy(t.Context(), gateway.StudyOrder{Agreement: examples.NHEFSAgreementID, ID: id, Persons: []byte(strings.Join(list, "\n") + "\n"), Approver: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return act
}

func (a *asker) subjects(study, aggregate, measure, e string) gateway.CohortRequest {
	req := a.request(aggregate, measure, e)
	req.Study, req.By = study, "nhefs"
	return req
}

// Without noise the answer is the plaintext twin's to the last digit, and in the running gateway it lies within three half-widths of it
// (5.8 sigma: false-reject rate 10^-8 for each number).
func TestSubjects(t *testing.T) {
	a := newAsker(t, encrypted())
	list, byID := nhefsStudy(t)
	register(t, a.office, "arm", list)
	var selected []int
	var count, old, school, weigh int64
	for i, id := range list {
		if i%7 > 3 || i > 1400 {
			continue
		}
		selected = append(selected, i)
		p, known := byID[id]
		if !known {
			continue // nobody: 0
		}
		count, school, weigh = count+1, school+p.school, weigh+p.weigh
		if p.age >= 50 {
			old++
		}
	}
	where := func(r gateway.CohortRequest) gateway.CohortRequest { r.Where = "age >= 50"; return r }
	for name, test := range map[string]struct {
		req  gateway.CohortRequest
		want []int64
	}{
		"count":           {a.subjects("arm", "count", "", "20"), []int64{count}},
		"count of some":   {where(a.subjects("arm", "count", "", "20")), []int64{old}},
		"sum":             {a.subjects("arm", "sum", "school", "300"), []int64{school}},
		"sum in decimals": {a.subjects("arm", "sum", "wt71", "3000"), []int64{weigh}},
		"mean":            {a.subjects("arm", "mean", "school", "30"), []int64{count, school}},
	} {
		t.Run(name, func(t *testing.T) {
			m := a.make(t, test.req, nil, selected...)
			if m.offer.Entries != len(list) {
				t.Fatalf("%d slots", m.offer.Entries)
			}
			quiet, err := a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes)
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			for i, g := range m.offer.Aggregates {
				want[i] -= g.Center * count
			}
			if got := a.decrypt(t, m, quiet); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("without noise %v, the twin has %v", got, want)
			}
			a.upload(t, m)
			answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range a.decrypt(t, m, answer.Reply) {
				if h := m.offer.Aggregates[i].HalfWidth; got < want[i]-3*h-3 || got > want[i]+3*h+3 {
					t.Errorf("number %d: %d, the twin has %d (half-width %d)", i, got, want[i], h)
				}
			}
			if _, err := audit.VerifyReceipt(answer.Receipt, answer.Reply, vkeys(t, a.office), "test.example/jali/1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Policy sees the form, which study and how many slots; the record has the same.
func TestSubjectsInput(t *testing.T) {
	a := newAsker(t, encrypted())
	list, _ := nhefsStudy(t)
	register(t, a.office, "arm", list)
	m := a.make(t, a.subjects("arm", "count", "", "20"), nil, 1)
	a.upload(t, m)
	answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := a.Entries(t.Context(), clerk, answer.Decision, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	var input struct {
		Query struct{ Encrypted policy.InputEncrypted }
	}
	for _, d := range entries[0].Details {
		_, name, value, err := audit.OpenDetail(d)
		if err != nil {
			t.Fatal(err)
		}
		if name == "input" {
			if err := json.Unmarshal([]byte(value), &input); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range list {
			if strings.Contains(value, `"`+id+`"`) {
				t.Errorf("detail %s holds a participant", name)
			}
		}
	}
	if got := input.Query.Encrypted; got.Form != "subject" || got.Study != "arm" || got.Entries != int64(len(list)) || got.Groups != 1 {
		t.Errorf("%+v", got)
	}
}

// A question about a study costs what it would cost in SQL, whatever the list holds: one person is in one slot.
func TestSubjectsPrice(t *testing.T) {
	a := newAsker(t, encrypted())
	list, _ := nhefsStudy(t)
	register(t, a.office, "known", list)
	var none []string
	for i := range list {
		none = append(none, fmt.Sprint(20_000_000+i))
	}
	register(t, a.office, "nobody", none)
	known, err := a.QuoteCohort(t.Context(), a.who, a.subjects("known", "sum", "school", "300"))
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := a.QuoteCohort(t.Context(), a.who, a.subjects("nobody", "sum", "school", "300"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := a.Quote(t.Context(), a.who, question("SELECT SUM(school) FROM nhefs", "300"))
	if err != nil {
		t.Fatal(err)
	}
	if known.Price.Rho != plain.Price.Rho || nobody.Price.Rho != plain.Price.Rho || known.UploadBytes != nobody.UploadBytes || known.Aggregates[0].Bound != nobody.Aggregates[0].Bound {
		t.Errorf("prices %d, %d, in SQL %d", known.Price.Rho, nobody.Price.Rho, plain.Price.Rho)
	}
}

// Every refusal about a study is on record with its reason, names no person, and costs nothing.
func TestSubjectsRefused(t *testing.T) {
	a := newAsker(t, encrypted())
	list, _ := nhefsStudy(t)
	register(t, a.office, "arm", list)
	register(t, a.office, "over", list)
	if _, err := a.EndStudy(t.Context(), examples.NHEFSAgreementID, "over", "test"); err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(encrypted(), "id: "+examples.NHEFSAgreementID, "id: agr-other", 1)
	if _, err := a.AddAgreement(t.Context(), []byte(other), "test"); err != nil {
		t.Fatal(err)
	}
	before := a.spent(t)
	for name, test := range map[string]struct {
		change func(*gateway.CohortRequest)
		code   gateway.Code
		reason string
	}{
		"not registered":      {func(r *gateway.CohortRequest) { r.Study = "none" }, gateway.PolicyDenied, "study.unknown"},
		"of another":          {func(r *gateway.CohortRequest) { r.Agreement = "agr-other" }, gateway.PolicyDenied, "study.unknown"},
		"ended":               {func(r *gateway.CohortRequest) { r.Study = "over" }, gateway.PolicyDenied, "study.ended"},
		"path as id":          {func(r *gateway.CohortRequest) { r.Study = "../arm" }, gateway.PolicyDenied, "study.unknown"},
		"no table":            {func(r *gateway.CohortRequest) { r.By = "nothing" }, gateway.UnknownName, ""},
		"column for a table":  {func(r *gateway.CohortRequest) { r.By = "nhefs.education" }, gateway.UnknownName, ""},
		"groups":              {func(r *gateway.CohortRequest) { r.Group = "nhefs.education" }, gateway.NotSupported, ""},
		"more than all":       {func(r *gateway.CohortRequest) { r.Rule.Exact = int64(len(list) + 1) }, gateway.Invalid, ""},
		"another group by":    {func(r *gateway.CohortRequest) { r.Where = "sex = 1) GROUP BY (sex" }, gateway.NotSupported, ""},
		"a stranger's":        {func(r *gateway.CohortRequest) { r.Agreement = "agr-none" }, gateway.PolicyDenied, "agreement"},
		"key of another form": {func(r *gateway.CohortRequest) { r.Key = make([]byte, 32) }, gateway.KeyUnknown, ""},
	} {
		req := a.subjects("arm", "count", "", "20")
		test.change(&req)
		_, err := a.QuoteCohort(t.Context(), a.who, req)
		r := refusal(t, err)
		if r.Code != test.code || r.Hint == "" || test.reason != "" && (len(r.Reasons) != 1 || r.Reasons[0].Code != test.reason) {
			t.Errorf("%s: %s %v, hint %q", name, r.Code, r.Reasons, r.Hint)
		}
		if test.reason != "" && r.Decision == 0 {
			t.Errorf("%s: not on record", name)
		}
	}
	if _, err := a.Study(t.Context(), bob, examples.NHEFSAgreementID, "arm"); refusal(t, err).Reasons[0].Code != "agreement.unknown" {
		t.Errorf("a stranger: %v", err)
	}

	// Registered anew between quote and evaluation: stale, before the charge.
	m := a.make(t, a.subjects("arm", "count", "", "20"), nil, 1, 2, 3)
	a.upload(t, m)
	register(t, a.office, "arm", list)
	_, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
	if r := refusal(t, err); r.Code != gateway.QuoteStale || r.Decision == 0 {
		t.Errorf("an earlier version: %v", err)
	}
	// Encrypted for another number of slots.
	m = a.make(t, a.subjects("arm", "count", "", "20"), nil, 1, 2, 3)
	err = a.send(t, m, m.bytes[:len(m.bytes)-100], false)
	if r := refusal(t, err); r.Code != gateway.UploadTruncated || r.Decision == 0 {
		t.Errorf("too few slots: %v", err)
	}
	m = a.make(t, a.subjects("arm", "count", "", "20"), nil, 1, 2, 3)
	a.upload(t, m)
	if _, err := a.EndStudy(t.Context(), examples.NHEFSAgreementID, "arm", "test"); err != nil {
		t.Fatal(err)
	}
	if r := refusal(t, a.evaluate(t, m)); r.Code != gateway.PolicyDenied || r.Decision == 0 {
		t.Errorf("ended meanwhile: %v", r)
	}
	if now := a.spent(t); now != before {
		t.Errorf("refusals cost %v, now %v", before, now)
	}
}

func (a *asker) evaluate(t *testing.T, m made) error {
	t.Helper()
	_, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
	return err
}

// A size rule counts participants, with and without rows.
func TestSubjectsSize(t *testing.T) {
	a := newAsker(t, encrypted())
	list, byID := nhefsStudy(t)
	register(t, a.office, "arm", list)
	var count int64
	var selected []int
	for i := range 64 {
		selected = append(selected, i)
		if _, ok := byID[list[i]]; ok {
			count++
		}
	}
	for name, test := range map[string]struct {
		rule  gateway.SizeRule
		rules []cohort.Rule
	}{
		"exact":  {gateway.SizeRule{Exact: 64}, []cohort.Rule{cohort.ExactSize(64)}},
		"hidden": {gateway.SizeRule{Range: true, Min: 50, Max: 177}, []cohort.Rule{cohort.SizeBetween(50, 7)}},
		"least":  {gateway.SizeRule{Range: true, Min: 50}, []cohort.Rule{cohort.AtLeast(50, len(list))}},
	} {
		req := a.subjects("arm", "count", "", "20")
		req.Rule = test.rule
		m := a.make(t, req, test.rules, selected...)
		quiet, err := a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.decrypt(t, m, quiet); got[0] != count {
			t.Errorf("%s: %d, want %d", name, got[0], count)
		}
	}
}

// Sums of cents at the very edge of their bounds are exact: whatever the rows hold, no set of slots leaves the range of the cipher.
func TestSubjectMoneyNeverWraps(t *testing.T) {
	const catalogue = `catalogue: 1
dataset: nhefs
population: nhefs
class: health
slots: off
tables:
  payment:
    rows_per_person: 3
    columns:
      person_id: {type: text, role: person, sensitivity: low}
      amount: {type: decimal, decimals: 2, role: measure, sensitivity: normal, bounds: [-10000000, 10000000]}
      huge: {type: integer, role: measure, sensitivity: normal, bounds: [0, 1099511627775]}
`
	const persons = 40
	a := newAsker(t, strings.Replace(encrypted(), "nhefs.*", "payment.*", 1))
	layout, file := gateway.Layout(a.dir), t.TempDir()+"/payment.csv"
	write(t, layout.Catalog("nhefs"), []byte(catalogue))
	cat, err := catalog.Load(layout.Catalog("nhefs"))
	if err != nil {
		t.Fatal(err)
	}
	rows := "person_id,amount,huge\n"
	var list []string
	for i := range persons {
		id := fmt.Sprintf("p%d", i)
		list = append(list, id)
		for range 3 {
			rows += id + map[bool]string{true: ",10000000.00,1\n", false: ",-10000000.00,1\n"}[i < persons/2]
		}
	}
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	// The dataset's directory as if it had been imported under this catalogue from the start.
	if err := os.RemoveAll(layout.Data("nhefs")); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Import(t.Context(), engine.ImportConfig{Catalog: cat, Dir: layout.Data("nhefs"), Files: []engine.File{{Path: file}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ActivateDataset(t.Context(), "nhefs", m.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	register(t, a.office, "payers", list)
	const each = 3 * 10_000_000 * 100
	req := a.subjects("payers", "sum", "amount", "200000000")
	req.By = "payment"
	all := make([]int, persons)
	for i := range all {
		all[i] = i
	}
	for name, test := range map[string]struct {
		selected []int
		want     int64
	}{
		"all paid":     {all[:persons/2], persons / 2 * each},
		"all received": {all[persons/2:], -persons / 2 * each},
		"everybody":    {all, 0},
	} {
		q := a.make(t, req, nil, test.selected...)
		if b := q.offer.Aggregates[0].Bound; b < persons*each {
			t.Fatalf("bound %d is below what all slots may hold, %d", b, int64(persons*each))
		}
		quiet, err := a.EvaluateQuiet(t.Context(), a.who, q.nonce, q.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.decrypt(t, q, quiet); got[0] != test.want {
			t.Errorf("%s: %d cents, want %d", name, got[0], test.want)
		}
	}
	req.Measure = "huge"
	if _, err := a.QuoteCohort(t.Context(), a.who, req); refusal(t, err).Code != gateway.BoundMissing {
		t.Errorf("a measure that could wrap: %v", err)
	}
}
