package attacks

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/sdk"
	"jali/sdk/sdktest"
)

// long says whether counts are full: JALI_ATTACKS=long, set by make attacks.
var long = os.Getenv("JALI_ATTACKS") == "long"

// pick is a count for the fast set and for the long one.
func pick(fast, full int) int {
	if long {
		return full
	}
	return fast
}

// budget is what an attack may spend: eps = 3 at delta = 1e-7.
const budget = 15_727

// rich is for audits of many draws, where the budget is not what is attacked.
const rich = 500_000_000

// TestAttacks runs the attacks on the path, one after another, against one gateway. Each has agreements of its own.
func TestAttacks(t *testing.T) {
	x := newArena(t)
	for _, a := range []struct {
		name string
		run  func(*testing.T, *arena)
	}{
		{"1 differencing", differencing},
		{"2 repeats", repeats},
		{"3 rewrites", rewrites},
		{"4 partitions", partitions},
		{"5 trackers", trackers},
		{"6 least squares", leastSquares},
		{"7 hash predicates", hashPredicates},
		{"8 dummy conditions", dummyConditions},
		{"9 isolation", isolation},
		{"11 membership", membership},
		{"12 support", support},
		{"13 precision", precision},
		{"15 empirical epsilon", empiricalEpsilon},
		{"16 person in many groups", manyGroups},
		{"17 outlier", outlierSum},
		{"18 around the clamp", aroundClamp},
		{"19 key existence", keyExistence},
		{"20 empty cohort", emptyCohort},
		{"21 error oracle", errorOracle},
		{"22 timing", timing},
		{"23 sampler timing", samplerTiming},
		{"24 size", responseSize},
		{"25 budget race", budgetRace},
		{"27 price oracle", priceOracle},
		{"28 arithmetic", arithmetic},
		{"30 collusion", collusion},
		{"31 alias", alias},
		{"34 smuggling", smuggling},
		{"37 replay", replayed},
		{"38 cache probing", cacheProbing},
		{"39 small cells from margins", margins},
		{"40 rounding order", roundedFirst},
		{"41 overlap", overlap},
		{"42 refusals", refusals},
		{"45 encrypted epsilon", encryptedEpsilon},
		{"46 certificate expiry", expiry},
	} {
		t.Run(a.name, func(t *testing.T) { a.run(t, x) })
	}
}

// newArena starts the gateway on a new population.
func newArena(t *testing.T) *arena {
	t.Helper()
	t.Setenv(sdk.KeysEnv, filepath.Join(t.TempDir(), "keys"))
	w, datasets := newWorld(t)
	x := &arena{world: w, said: &hears{}}
	x.Gateway = sdktest.Start(t, sdktest.Config{
		Datasets: datasets, PopulationPU: rich, PopulationDelta: "1e-4", Agreements: []string{x.terms("agr-first", budget, "left")},
		ServerConfig: map[string]string{"per_second: 50": "per_second: 100000", "burst: 200": "burst: 10000", `listen_pg: ""`: "listen_pg: 127.0.0.1:0"},
		Output:       x.said,
	})
	x.mallory = x.Client("mallory", "Acme", sdktest.Researcher)
	return x
}

// arena is where the attacks take place.
type arena struct {
	*sdktest.Gateway
	*world
	mallory *sdktest.Client
	said    *hears // what the gateway says
	n       int    // agreements made
	salt    int    // conditions made
	asked   int    // questions, and how many of them were charged and had no answer
	missed  int
}

func (x *arena) terms(id string, pu int64, datasets ...string) string {
	b := strings.Builder{}
	fmt.Fprintf(&b, "id: %s\nversion: 1\ntitle: Attack\nstate: active\nparties: [Acme]\npurposes: [\"DUO:0000042\"]\ndatasets:\n", id)
	populations := map[string]bool{}
	budgets := ""
	for _, d := range datasets {
		columns := "[trial.*, multi.*]"
		population := d
		switch d {
		case "cleft", "cright":
			columns = "[crypt.*]"
		case "puzzle":
			columns = "[quiz.*]"
		case "shared", "alias":
			columns, population = "[person.*]", "shared"
		}
		fmt.Fprintf(&b, "  - {id: %s, columns: %s, sensitivity: [low]}\n", d, columns)
		if !populations[population] {
			budgets += fmt.Sprintf("  - {population: %s, pu: %d, delta: 1e-5}\n", population, pu)
		}
		populations[population] = true
	}
	fmt.Fprintf(&b, "kinds: [aggregate, encrypted]\nmode: dp\nbudget:\n%smin_error: 0.01\nmax_price_pu: 10000000000\nper_hour: 1000000\nvalid_from: 2020-01-01\nvalid_until: 2099-12-31\n", budgets)
	return b.String()
}

// agree registers an agreement and returns its id.
func (x *arena) agree(t *testing.T, pu int64, datasets ...string) string {
	t.Helper()
	x.n++
	id := fmt.Sprintf("agr-attack-%d", x.n)
	path := filepath.Join(x.Files, id+".yaml")
	if err := os.WriteFile(path, []byte(x.terms(id, pu, datasets...)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Try("agreement", "add", "--dir", x.Dir, path); err != nil {
		t.Fatal(err)
	}
	return id
}

// fresh is a condition that is true of everybody and was not asked before: a new question about the same persons.
func (x *arena) fresh() string {
	x.salt++
	return fmt.Sprintf("dummy < %d", x.salt)
}

// ask asks until there is an answer. On a machine that is busy otherwise a question misses its slot now and then: it is charged all the same, and an
// attacker asks again, and pays again. Nearly every question must be answered, though, or the attack was none (enough).
func (x *arena) ask(t *testing.T, agreement, dataset, e, sql string) *sdk.Result {
	t.Helper()
	for {
		if r := x.once(t, agreement, dataset, e, sql); r != nil {
			return r
		}
	}
}

// once is ask without asking again: nil is a charge without an answer.
func (x *arena) once(t *testing.T, agreement, dataset, e, sql string) *sdk.Result {
	t.Helper()
	r, err := x.mallory.Query(t.Context(), sdk.Query{Agreement: agreement, Purpose: "DUO:0000042", Dataset: dataset, Error: e, SQL: sql})
	x.asked++
	switch {
	case errors.Is(err, sdk.ErrNoAnswer):
		x.missed++
		x.enough(t)
		return nil
	case err != nil:
		t.Fatalf("%s: %v\n%s", sql, err, sdk.Hint(err))
	}
	return r
}

// enough ends an attack whose questions are not answered: more than ten, and more than one in twenty, had no answer.
func (x *arena) enough(t *testing.T) {
	t.Helper()
	if x.missed > 10 && 20*x.missed > x.asked {
		t.Fatalf("%d of %d questions were charged and had no answer: the machine is too busy for the slots, or the gateway fails", x.missed, x.asked)
	}
}

// column is a column of an answer as numbers; what is hidden is NaN.
func column(r *sdk.Result, name string) []float64 {
	ys := make([]float64, len(r.Rows))
	for i := range ys {
		y, ok := r.Float(i, name)
		if !ok {
			y = math.NaN()
		}
		ys[i] = y
	}
	return ys
}

// each is the accuracy, a whole number of persons, at which n counts together cost the budget, or a little less: sigma^2 = n / (2 rho), and the
// half-width is 1.96 sigma.
func each(n int) string {
	return fmt.Sprint(math.Ceil(1.97*math.Sqrt(float64(n)/(2*budget*1e-5)) + 0.5))
}

// report prints the line that the runner collects.
func report(t *testing.T, number string, format string, args ...any) {
	t.Helper()
	t.Logf("attack %s: %s", number, fmt.Sprintf(format, args...))
}

// debited is what the ledgers of an agreement say is spent.
func (x *arena) debited(t *testing.T, agreement string) int64 {
	t.Helper()
	b, err := x.mallory.Budget(t.Context(), agreement)
	if err != nil {
		t.Fatal(err)
	}
	var spent int64
	for _, l := range b.Ledgers {
		spent += l.SpentPU
	}
	return spent
}
