package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"jali/audit"
	"jali/examples"
	"jali/gateway"
)

func refusal(t *testing.T, err error) *gateway.Refusal {
	t.Helper()
	var r *gateway.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("error %v is no refusal", err)
	}
	return r
}

func TestAnswer(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	a, err := s.Answer(t.Context(), alice, question("SELECT sex, COUNT(*) AS n, AVG(age) AS years FROM nhefs GROUP BY sex ORDER BY n DESC", "30"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Released.Rows) != 2 || len(a.View.Rows) != 2 || len(a.View.Columns) != 3 || a.Replayed {
		t.Fatalf("unexpected shape: %s", a.Result)
	}
	// 1,629 persons: each count lies within ten half-widths of its true value, or the noise is not what was bought.
	for i, row := range a.Released.Rows {
		n, _ := row.Values[a.View.Columns[1].Index].Fixed.Float64()
		if true := []float64{799, 830}[i]; math.Abs(n-true) > 10*30 {
			t.Errorf("sex %d: %v is far from %v", i, n, true)
		}
	}
	rep, err := audit.VerifyReceipt(a.Receipt, a.Result, vkeys(t, s), "test.example/jali/1")
	if err != nil {
		t.Fatalf("receipt: %v", err)
	}
	_ = rep
	if _, err := audit.VerifyReceipt(a.Receipt, append([]byte(" "), a.Result...), vkeys(t, s), "test.example/jali/1"); err == nil {
		t.Error("a receipt verifies for other result bytes")
	}
}

func vkeys(t *testing.T, s *office) []string {
	t.Helper()
	_, _, keys, err := s.Checkpoint(clerk)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Questions that run at the same time are each on record before they are answered: the entry that an answer names is its own RELEASE, and its
// receipt verifies.
func TestAnswersTogether(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	keys := vkeys(t, s)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			a, err := s.Answer(t.Context(), alice, question(fmt.Sprintf("SELECT COUNT(*) AS n FROM nhefs WHERE age >= %d", 30+i), "30"))
			if err != nil {
				t.Errorf("question %d: %v", i, err)
				return
			}
			if _, err := audit.VerifyReceipt(a.Receipt, a.Result, keys, "test.example/jali/1"); err != nil {
				t.Errorf("question %d: receipt: %v", i, err)
			}
		})
	}
	group.Wait()
}

// The same question costs once, however it is spelt; a different question, or more accuracy, is charged.
func TestReplay(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	ask := func(sql, e string) gateway.Answer {
		t.Helper()
		a, err := s.Answer(t.Context(), alice, question(sql, e))
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return a
	}
	first := ask("SELECT sex, COUNT(*) AS n FROM nhefs WHERE age >= 40 AND qsmk = 1 GROUP BY sex", "30")
	for _, sql := range []string{
		"SELECT sex, COUNT(*) AS n FROM nhefs WHERE age >= 40 AND qsmk = 1 GROUP BY sex",
		"select SEX, count(*) persons from nhefs where QSMK=1 and AGE>=40 group by sex",
		"SELECT COUNT(*), sex FROM nhefs t WHERE t.qsmk IN (1) AND NOT (t.age < 40) AND 1=1 GROUP BY t.sex ORDER BY 1 LIMIT 1",
		"SELECT sex, COUNT(*) AS n FROM nhefs WHERE (qsmk = 1 OR qsmk = 1) AND age >= 40 GROUP BY sex HAVING COUNT(*) > 10 -- again",
	} {
		a := ask(sql, "30")
		if !a.Replayed || a.Decision != first.Decision || string(a.Result) != string(first.Result) || a.Price.Rho != 0 {
			t.Errorf("%s: not the stored answer (replayed %v, decision %d)", sql, a.Replayed, a.Decision)
		}
		if a.Budget != first.Budget {
			t.Errorf("%s: a replay changed the budget from %v to %v", sql, first.Budget, a.Budget)
		}
	}
	s.reopen(t)
	if a := ask("SELECT sex, COUNT(*) FROM nhefs WHERE qsmk = 1 AND age >= 40 GROUP BY sex", "30"); !a.Replayed {
		t.Error("a restart forgot the answer")
	}
	if a := ask("SELECT sex, COUNT(*) FROM nhefs WHERE qsmk = 1 AND age >= 41 GROUP BY sex", "30"); a.Replayed {
		t.Error("another question replayed")
	}
	if a := ask("SELECT sex, COUNT(*) FROM nhefs WHERE qsmk = 1 AND age >= 40 GROUP BY sex", "25"); a.Replayed {
		t.Error("more accuracy replayed")
	}
}

// 200 callers with different questions on a budget for ten: at most ten answers, and the ledger agrees.
func TestBudgetRace(t *testing.T) {
	s := newOffice(t, terms("per_hour: 1000", "per_hour: 100000"), 50_000)
	quote, err := s.Quote(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 30", "100"))
	if err != nil {
		t.Fatal(err)
	}
	each := quote.Price.Rho
	yaml := terms("version: 1", "version: 2", "pu: 15727", fmt.Sprintf("pu: %d", int64(each)*10/10_000+1), "per_hour: 1000", "per_hour: 100000")
	if _, err := s.AddAgreement(t.Context(), []byte(yaml), "test"); err != nil {
		t.Fatal(err)
	}
	var answered, refused atomic.Int64
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			_, err := s.Answer(t.Context(), alice, question(fmt.Sprintf("SELECT COUNT(*) FROM nhefs WHERE wt71 > %d", 40+i%100), fmt.Sprint(100+i/100)))
			var r *gateway.Refusal
			switch {
			case err == nil:
				answered.Add(1)
			case errors.As(err, &r) && r.Code == gateway.BudgetAgreement:
				refused.Add(1)
			default:
				t.Errorf("question %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if n := answered.Load(); n > 10 || n < 9 || n+refused.Load() != 200 {
		t.Errorf("%d answers and %d refusals on a budget for 10", n, refused.Load())
	}
}

// A hundred callers with one question: one debit, one answer.
func TestSimultaneousReplay(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	var decisions sync.Map
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			a, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 50", "40"))
			if err != nil {
				t.Error(err)
				return
			}
			decisions.Store(a.Decision, string(a.Result))
		})
	}
	group.Wait()
	n := 0
	decisions.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d different decisions answered one question", n)
	}
}

func TestRefusals(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	count := "SELECT COUNT(*) FROM nhefs"
	for name, c := range map[string]struct {
		edit func(*gateway.Request)
		code gateway.Code
	}{
		"syntax":             {func(r *gateway.Request) { r.SQL = "SELECT COUNT(*) FROM WHERE" }, gateway.Syntax},
		"minimum":            {func(r *gateway.Request) { r.SQL = "SELECT MIN(age) FROM nhefs" }, gateway.NotSupported},
		"two statements":     {func(r *gateway.Request) { r.SQL = count + "; " + count }, gateway.NotSupported},
		"unknown column":     {func(r *gateway.Request) { r.SQL = "SELECT AVG(agee) FROM nhefs" }, gateway.UnknownName},
		"one person":         {func(r *gateway.Request) { r.SQL = count + " WHERE seqn = 233" }, gateway.NotSupported},
		"unknown agreement":  {func(r *gateway.Request) { r.Agreement = "agr-other" }, gateway.PolicyDenied},
		"unknown dataset":    {func(r *gateway.Request) { r.Dataset = "cms10k" }, gateway.PolicyDenied},
		"other purpose":      {func(r *gateway.Request) { r.Purpose = "DUO:0000011" }, gateway.PolicyDenied},
		"no accuracy":        {func(r *gateway.Request) { r.Error = "" }, gateway.PrecisionRange},
		"negative accuracy":  {func(r *gateway.Request) { r.Error = "-5" }, gateway.PrecisionRange},
		"accuracy NaN":       {func(r *gateway.Request) { r.Error = "NaN" }, gateway.PrecisionRange},
		"accuracy subnormal": {func(r *gateway.Request) { r.Error = "1e-320" }, gateway.PrecisionRange},
		"too accurate":       {func(r *gateway.Request) { r.Error = "1" }, gateway.PolicyDenied},
		"error of a ghost":   {func(r *gateway.Request) { r.ErrorFor = map[string]string{"total": "5"} }, gateway.UnknownName},
		"foreign quote":      {func(r *gateway.Request) { r.QuoteID = "nobody's" }, gateway.QuoteStale},
	} {
		t.Run(name, func(t *testing.T) {
			req := question(count, "20")
			c.edit(&req)
			before := s.Status().Size
			_, err := s.Answer(t.Context(), alice, req)
			r := refusal(t, err)
			if r.Code != c.code {
				t.Errorf("code %s, want %s: %s", r.Code, c.code, r.Message)
			}
			if r.Hint == "" {
				t.Errorf("no hint: %s", r.Message)
			}
			if s.Status().Size != before+1 || r.Decision != before {
				t.Errorf("the refusal is not on record: log %d -> %d, decision %d", before, s.Status().Size, r.Decision)
			}
		})
	}
	t.Run("another organisation", func(t *testing.T) {
		_, err := s.Answer(t.Context(), bob, question(count, "20"))
		if r := refusal(t, err); r.Code != gateway.PolicyDenied {
			t.Errorf("code %s", r.Code)
		}
	})
	t.Run("a regulator does not ask", func(t *testing.T) {
		_, err := s.Answer(t.Context(), clerk, question(count, "20"))
		if r := refusal(t, err); r.Code != gateway.PolicyDenied {
			t.Errorf("code %s", r.Code)
		}
	})
}

// A quote binds price and accuracy for its owner, and only for the question and state it was made for.
func TestQuote(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	req := question("SELECT sex, COUNT(*) AS n FROM nhefs GROUP BY sex", "30")
	before := s.Status().Size
	q, err := s.Quote(t.Context(), alice, req)
	if err != nil {
		t.Fatal(err)
	}
	if !q.Allowed || q.ID == "" || s.Status().Size != before {
		t.Fatalf("quote %+v, log %d -> %d", q, before, s.Status().Size)
	}
	if len(q.Error95) != 1 || q.Error95[0].Value > 30 || q.Error95[0].Value < 29 {
		t.Errorf("the quote promises %+v for an error of 30", q.Error95)
	}
	bound := req
	bound.QuoteID = q.ID
	other := bound
	other.SQL = "SELECT COUNT(*) FROM nhefs"
	if _, err := s.Answer(t.Context(), alice, other); refusal(t, err).Code != gateway.QuoteStale {
		t.Errorf("a quote served another question: %v", err)
	}
	a, err := s.Answer(t.Context(), alice, bound)
	if err != nil {
		t.Fatal(err)
	}
	if a.Price.Rho != q.Price.Rho {
		t.Errorf("quoted %d, charged %d", q.Price.Rho, a.Price.Rho)
	}
	over := question("SELECT sex, COUNT(*) AS n FROM nhefs WHERE age > 33 GROUP BY sex", "5")
	for range 40 { // spend until the quote says no
		q, err = s.Quote(t.Context(), alice, over)
		if err != nil || !q.Allowed {
			break
		}
		if _, err := s.Answer(t.Context(), alice, over); err != nil {
			t.Fatal(err)
		}
		over.SQL = strings.Replace(over.SQL, "> ", "> 1", 1)
		over = question(fmt.Sprintf("SELECT sex, COUNT(*) AS n FROM nhefs WHERE age > 33 AND wt71 > %d GROUP BY sex", 40+s.Status().Size), "5")
	}
	if err != nil || q.Allowed || q.Fits == "" || len(q.Reasons) == 0 {
		t.Errorf("a spent budget quotes %+v, %v", q, err)
	}
}

// What was decided under a state that changed before the charge is refused, not charged.
func TestAgreementEnds(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAgreement(t.Context(), []byte(terms("version: 1", "version: 2", "state: active", "state: suspended")), "test"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT COUNT(*) FROM nhefs", "SELECT COUNT(*) FROM nhefs WHERE age > 60"} {
		if _, err := s.Answer(t.Context(), alice, question(sql, "30")); refusal(t, err).Code != gateway.PolicyDenied {
			t.Errorf("%s under a suspended agreement: %v", sql, err)
		}
	}
	s.reopen(t)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); refusal(t, err).Code != gateway.PolicyDenied {
		t.Errorf("after a restart: %v", err)
	}
}

// A retry with the same request id is answered once; the same id for another question is refused.
func TestRequestID(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	req := question("SELECT COUNT(*) FROM nhefs WHERE age > 45", "30")
	req.RequestID = "once"
	first, err := s.Answer(t.Context(), alice, req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Answer(t.Context(), alice, req)
	if err != nil || again.Decision != first.Decision || !again.Replayed {
		t.Errorf("retry: %v, decision %d then %d", err, first.Decision, again.Decision)
	}
	req.SQL = "SELECT COUNT(*) FROM nhefs WHERE age > 46"
	if _, err := s.Answer(t.Context(), alice, req); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("one id for two questions: %v", err)
	}
}

// The population ledger stops what two agreements together would overspend.
func TestPopulationLedger(t *testing.T) {
	s := newOffice(t, terms(), 200)
	second := terms("id: agr-nhefs-demo", "id: agr-second")
	if _, err := s.AddAgreement(t.Context(), []byte(second), "test"); err != nil {
		t.Fatal(err)
	}
	var last error
	for i := range 40 {
		req := question(fmt.Sprintf("SELECT COUNT(*) FROM nhefs WHERE wt71 > %d", 40+i), "100")
		if i%2 == 1 {
			req.Agreement = "agr-second"
		}
		if _, last = s.Answer(t.Context(), alice, req); last != nil {
			break
		}
	}
	if refusal(t, last).Code != gateway.BudgetPopulation {
		t.Errorf("two agreements on one population ended with %v", last)
	}
	report, err := s.Budget(t.Context(), alice, examples.NHEFSAgreementID)
	if err != nil {
		t.Fatal(err)
	}
	if l := report.Ledgers[0]; l.PopulationCap != -1 || l.PopulationSpent != -1 {
		t.Errorf("a researcher sees the population's figures: %+v", l)
	}
	if _, err := s.Budget(t.Context(), bob, examples.NHEFSAgreementID); refusal(t, err).Code != gateway.NotFound {
		t.Errorf("a stranger sees the budget: %v", err)
	}
}

// Details are for regulators and, of their own questions, for researchers.
func TestWhoReadsWhat(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	a, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 47", "30"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		see  bool
		read func() ([]gateway.LogEntry, uint64, error)
	}{
		{"the asker", true, func() ([]gateway.LogEntry, uint64, error) { return s.Entries(t.Context(), alice, a.Decision, 2, true) }},
		{"a stranger", false, func() ([]gateway.LogEntry, uint64, error) { return s.Entries(t.Context(), bob, a.Decision, 2, true) }},
		{"a regulator", true, func() ([]gateway.LogEntry, uint64, error) { return s.Entries(t.Context(), clerk, a.Decision, 2, true) }},
	} {
		entries, _, err := c.read()
		if err != nil || len(entries) != 2 {
			t.Fatalf("%s: %d entries, %v", c.name, len(entries), err)
		}
		for _, e := range entries {
			if got := len(e.Details) > 0; got != c.see {
				t.Errorf("%s, entry %d: sees details %v, want %v", c.name, e.Seq, got, c.see)
			}
		}
	}
	entries, _, err := s.Entries(t.Context(), alice, 0, 10, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Seq < a.Decision && len(e.Details) > 0 {
			t.Errorf("a researcher reads details of entry %d", e.Seq)
		}
	}
}

// The recorded table says what it is, in fixed width.
func TestResultShape(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	lengths := map[int]bool{}
	for i := range 6 {
		a, err := s.Answer(t.Context(), alice, question(fmt.Sprintf("SELECT sex, COUNT(*) AS n FROM nhefs WHERE wt71 > %d GROUP BY sex", 20+i*25), "30"))
		if err != nil {
			t.Fatal(err)
		}
		var table struct {
			Columns []struct{ Name, Role string } `json:"columns"`
			Rows    [][]any                       `json:"rows"`
			Error95 [][]any                       `json:"error95"`
		}
		if err := json.Unmarshal(a.Result, &table); err != nil {
			t.Fatal(err)
		}
		if len(table.Rows) != 2 || len(table.Error95) != 2 || len(table.Error95[0]) != 1 || len(table.Rows[0]) != 2 {
			t.Errorf("shape: %s", a.Result)
		}
		lengths[len(a.Result)] = true
	}
	if len(lengths) != 1 {
		t.Errorf("the length of the result depends on its values: %v", lengths)
	}
}

// A retry of a request that was charged in vain hears the same, and is not charged again.
func TestRetryAfterNoAnswer(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	req := question("SELECT COUNT(*) FROM nhefs WHERE age > 48", "30")
	req.RequestID = "vain"
	// The data version's file is replaced under the running gateway's feet: the engine fails after the charge.
	versions, err := filepath.Glob(filepath.Join(gateway.Layout(s.dir).Data("nhefs"), s.Version("nhefs")+".duckdb"))
	if err != nil || len(versions) != 1 {
		t.Fatalf("%v, %v", versions, err)
	}
	if err := os.Truncate(versions[0], 8192); err != nil {
		t.Fatal(err)
	}
	_, err = s.Answer(t.Context(), alice, req)
	first := refusal(t, err)
	if first.Code != gateway.NoAnswer {
		t.Fatalf("a broken engine ended with %v", err)
	}
	size := s.Status().Size
	_, err = s.Answer(t.Context(), alice, req)
	if r := refusal(t, err); r.Code != gateway.NoAnswer || r.Decision != first.Decision || s.Status().Size != size {
		t.Errorf("the retry ended with %+v, log %d -> %d", r, size, s.Status().Size)
	}
	if first.Line != 0 || first.Column != 0 || len(first.Reasons) != 0 {
		t.Errorf("the constant outcome carries more: %+v", first)
	}
}
