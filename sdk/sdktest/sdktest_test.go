package sdktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"jali/audit"
	"jali/sdk"
)

// start needs a built gateway: building one takes longer than a default test run may.
func start(t *testing.T, config Config) *Gateway {
	t.Helper()
	if _, ok := Built(); !ok {
		t.Skip("no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	return Start(t, config)
}

// nhefs is the small public data set of the examples: it imports in a moment.
func nhefs(t *testing.T, config Config) Config {
	t.Helper()
	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config.Datasets = []Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}}
	config.Agreements = []string{string(text)}
	return config
}

// countAll counts the rows of a private table with one row per person.
func countAll(t *testing.T, c *Client) string {
	t.Helper()
	d, err := c.Dataset(t.Context(), c.gateway.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range d.Tables {
		if !table.Public && table.RowsPerPerson == 1 {
			return "SELECT COUNT(*) AS n FROM " + table.Name
		}
	}
	t.Fatal("no private table with one row per person")
	return ""
}

func TestQuoteAnswerReplay(t *testing.T) {
	g := start(t, nhefs(t, Config{}))
	alice := g.Researcher()
	q := sdk.Query{SQL: countAll(t, alice), Error: "20"}
	offer, err := alice.Quote(t.Context(), q)
	if err != nil || !offer.Allowed {
		t.Fatalf("quote: %+v, %v", offer, err)
	}
	q.QuoteID = offer.ID
	first, err := alice.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if first.PricePU != offer.PricePU || first.Replayed {
		t.Errorf("price %d, quoted %d, replayed %v", first.PricePU, offer.PricePU, first.Replayed)
	}
	q.QuoteID = ""
	again, err := alice.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Replayed || again.PricePU != 0 || string(again.Raw) != string(first.Raw) || again.Receipt.Release != first.Receipt.Release {
		t.Error("asking again is not a free replay of the same bytes")
	}
	g.Restart()
	later, err := alice.Query(t.Context(), q)
	if err != nil || !later.Replayed {
		t.Errorf("after a restart: %v", err)
	}
	budget, err := alice.Budget(t.Context(), g.Agreement)
	if err != nil || len(budget.Ledgers) == 0 || budget.Ledgers[0].SpentPU != first.PricePU {
		t.Errorf("budget: %+v, %v", budget, err)
	}
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if log.Count(audit.Intent) != 1 || log.Count(audit.Release) != 1 || log.Count(audit.Replay) != 2 {
		t.Errorf("%d intents, %d releases, %d replays", log.Count(audit.Intent), log.Count(audit.Release), log.Count(audit.Replay))
	}
}

func TestTypedRefusals(t *testing.T) {
	g := start(t, nhefs(t, Config{AgreementPU: 1}))
	alice := g.Researcher()
	good := sdk.Query{SQL: countAll(t, alice), Error: "20"}
	for name, c := range map[string]struct {
		change func(*sdk.Query)
		want   any
	}{
		"syntax":  {func(q *sdk.Query) { q.SQL = "SELEC 1" }, new(*sdk.QueryError)},
		"purpose": {func(q *sdk.Query) { q.Purpose = "DUO:9999999" }, new(*sdk.PolicyDenied)},
		"budget":  {func(q *sdk.Query) {}, new(*sdk.BudgetExhausted)},
	} {
		q := good
		c.change(&q)
		if result, err := alice.Query(t.Context(), q); !errors.As(err, c.want) || sdk.Hint(err) == "" {
			t.Errorf("%s: got %v, %T %v (hint %q)", name, result, err, err, sdk.Hint(err))
		}
	}
}

// Many callers with one budget: what is answered never costs more than the budget, and the rest hear that it is exhausted.
func TestParallelQuestionsStayWithinTheBudget(t *testing.T) {
	const each = 481 // PU for a count at ± 20: disclosure-control.md, section 5.1
	const total = 10 * each
	g := start(t, nhefs(t, Config{AgreementPU: total}))
	bob := g.Researcher()
	sql := countAll(t, bob)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var answered, lost, refused int
	for i := range 200 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			// Each question differs a little, so that none is a replay.
			result, err := bob.Query(context.Background(), sdk.Query{SQL: fmt.Sprintf("%s WHERE wt71 >= %d.%02d", sql, 30+i/100, i%100), Error: "20"})
			mu.Lock()
			defer mu.Unlock()
			var out *sdk.BudgetExhausted
			switch {
			case err == nil:
				answered++
				if result.PricePU != each {
					t.Errorf("question %d cost %d PU, want %d", i, result.PricePU, each)
				}
			case errors.Is(err, sdk.ErrNoAnswer): // a busy machine missed the slot: charged
				lost++
			case errors.As(err, &out):
				refused++
			default:
				t.Errorf("question %d: %v", i, err)
			}
		}()
	}
	wg.Wait()
	if answered+lost != 10 || refused != 190 {
		t.Errorf("%d answered, %d charged without answer, %d refused: want 10 charged and 190 refused", answered, lost, refused)
	}
	if log, err := g.Check(); err != nil || log.Count(audit.Intent) != 10 {
		t.Errorf("%d charges on record, want 10 (%v)", log.Count(audit.Intent), err)
	}
}

// The generated scheme, as integrators start it.
func TestGeneratedScheme(t *testing.T) {
	g := start(t, Config{Persons: 300})
	alice := g.Researcher()
	result, err := alice.Query(t.Context(), sdk.Query{SQL: countAll(t, alice), Error: "20"})
	if err != nil {
		t.Fatal(err)
	}
	// At +-20 the noise has sigma near 10: more than +-150 away happens less than once in 10^40 runs.
	if n, ok := result.Float(0, "n"); !ok || n < 150 || n > 450 {
		t.Errorf("n = %v of 300 persons", n)
	}
}

func TestWithBudget(t *testing.T) {
	const text = "id: agr-1\nparties: [a]\nbudget:\n  - population: p\n    pu: 100\n  - {population: q, pu: 5}\n"
	got, err := withBudget(text, 7)
	if err != nil {
		t.Fatal(err)
	}
	if want := "id: agr-1\nparties:\n- a\nbudget:\n- population: p\n  pu: 7\n- population: q\n  pu: 7\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
	if same, err := withBudget(text, 0); err != nil || same != text {
		t.Error("no budget given, but the text changed")
	}
	if _, err := withBudget("id: agr-1\n", 7); err == nil {
		t.Error("a missing budget was accepted")
	}
}
