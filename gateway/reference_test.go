package gateway_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"jali/gateway"
	"jali/gateway/protect"
	"jali/sdk/stat"
)

// accuracy is the error asked for each reference question: in rows or persons, for sums in their unit. Means ask for a count so
// exact that none of their groups is ever hidden (n >= 4 sigma): hiding would select draws, and the coverage of what is left is
// not what the intervals state. The default is 20.
var accuracy = map[string]string{
	"o-colon-09":    "10",
	"o-lung-01":     "10",
	"o-lung-09":     "10",
	"o-pbc-01":      "10",
	"o-pbc-02":      "5",
	"o-pbc-05":      "5",
	"o-flchain-02":  "50",
	"o-birthwt-01":  "5",
	"o-birthwt-04":  "5",
	"o-nmes1988-02": "50",
	"o-nmes1988-03": "50",
	"o-cms10k-02":   "50",
	"o-cms10k-03":   "1250000",
	"o-cms10k-04":   "50",
	"o-cms10k-05":   "100",
	"o-cms10k-06":   "14,n=150", // persons, who decide which keys are shown, and rows
	"o-omop1k-02":   "50",
	"o-omop1k-04":   "50",
	"o-omop1k-05":   "5",

	"o-cdiscpilot-02": "5",
	"o-cdiscpilot-03": "150",
	"o-cdiscpilot-04": "5",
	"o-cms180k-02":    "1500000",

	"o-eu_health_insurance-02":     "20000,num=1000",
	"o-eu_health_insurance-03":     "50",
	"o-eu_health_insurance-05":     "600,years=100",
	"o-fr_temporary_disability-02": "10",
}

// affordable is the whole budget of an agreement with epsilon 3 at delta 1e-7, in PU.
const affordable = 15_727

// outside are the questions with SQL that the subset does not hold, and where the refusal must point: the first text that
// cannot be accepted.
var outside = map[string]string{
	"o-colon-04":      "PERCENTILE_CONT",
	"o-cms10k-09":     "CAST",
	"o-cdiscpilot-02": "CAST",

	"o-eu_health_insurance-05":     "1.0*SUM",
	"o-fr_temporary_disability-02": "julianday",
}

// instead is the same question in the subset.
var instead = map[string]string{
	"o-cms10k-09": "SELECT death_year AS y, COUNT(*) AS n FROM beneficiary WHERE death_date IS NOT NULL GROUP BY death_year ORDER BY y",

	"o-cdiscpilot-02": "SELECT arm, AVG(age) AS m FROM adsl WHERE arm <> 'Screen Failure' GROUP BY arm ORDER BY arm",
	"o-cms180k-01":    "SELECT year, COUNT(*) AS n FROM beneficiary_year GROUP BY year ORDER BY year",
	"o-cms180k-02":    "SELECT year, SUM(medreimb_ip) AS s FROM beneficiary_year GROUP BY year ORDER BY year",

	"o-eu_health_insurance-05":     "SELECT gender, SUM(num_hospitalizations) AS events, SUM(policy_years) AS years FROM eu_health_insurance GROUP BY gender ORDER BY gender",
	"o-fr_temporary_disability-02": "SELECT jobstoptype, AVG(CLIP(exitdate - entrydate, 0, 1095)) AS m FROM fr_temporary_disability GROUP BY jobstoptype ORDER BY jobstoptype",
}

// False-reject rates. One interval covers with probability at least 0.95 by design, and intervals of different cells and draws
// are independent, so their number is at least binomial. Each of about 50 measures is tested at 1e-7 against 0.95, the pools of
// counts and of means at 1e-7 each, and the pool of counts from above against 0.98 at 1e-7 (integer intervals at these errors
// cover with 0.950 to 0.975: wider ones would be sold too dear). Together a correct gateway fails less than once in 1e5 runs.
const (
	nominal     = 0.95
	notWider    = 0.98
	falseReject = 1e-7
)

// TestReference asks the reference questions end to end, each under many agreements, so that each time fresh noise is bought.
// JALI_LONG=1 asks twenty times as often.
func TestReference(t *testing.T) {
	items := referenceItems(t)
	draws := 20
	if testing.Short() {
		draws = 4
	}
	if os.Getenv("JALI_LONG") != "" {
		draws *= 20
	}
	s := newReference(t, draws)
	var counts, means tally
	for _, it := range items {
		if it.SQL == "" || !it.here() {
			continue // survival, regression, quantiles: no SQL is given for them
		}
		t.Run(it.ID, func(t *testing.T) {
			sql := it.SQL
			if at, ok := outside[it.ID]; ok {
				s.wantRefusal(t, it, at)
			}
			sql = cmp.Or(instead[it.ID], sql)
			if analyses[it.ID].sql != "" {
				return // TestReferenceAnalyses
			}
			if it.Kind == "rate" {
				s.wantRates(t, it, sql)
				return
			}
			s.wantCovered(t, it, sql, &counts, &means)
		})
	}
	t.Logf("all counts and sums: %v; all means: %v", counts, means)
	counts.check(t, "all counts and sums")
	means.check(t, "all means")
	if over := 1 - binomialCDF(counts.in-1, counts.n, notWider); over < falseReject {
		t.Errorf("counts and sums: %v is more than the intervals state: the noise is smaller than what was priced, or they are wider", counts)
	}
}

func (s *reference) wantRefusal(t *testing.T, it item, at string) {
	t.Helper()
	_, err := s.g.Answer(t.Context(), s.who, s.request(0, it, it.SQL))
	var r *gateway.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("answered or failed (%v), want a refusal", err)
	}
	want := strings.Index(it.SQL, at) + 1
	if r.Code != gateway.NotSupported && r.Code != gateway.BoundMissing || r.Line != 1 || r.Column != want || r.Hint == "" || r.Decision == 0 {
		t.Errorf("refusal %s at %d:%d, hint %q, entry %d; want NOT_SUPPORTED or BOUND_MISSING at 1:%d with a hint, on record", r.Code, r.Line, r.Column, r.Hint, r.Decision, want)
	}
	t.Logf("refused: %v (1:%d); hint: %s", r, r.Column, r.Hint)
}

// ask asks under each agreement once.
func (s *reference) ask(t *testing.T, it item, sql string) []gateway.Answer {
	t.Helper()
	draws := s.draws
	if has(large, it.Dataset) {
		draws = min(draws, 40) // up to a second each
	}
	answers := make([]gateway.Answer, draws)
	var group errgroup.Group
	group.SetLimit(4)
	for i := range answers {
		group.Go(func() (err error) {
			answers[i], err = s.g.Answer(t.Context(), s.who, s.request(i, it, sql))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		var r *gateway.Refusal
		if errors.As(err, &r) {
			t.Fatalf("%v (hint: %s)", err, r.Hint)
		}
		t.Fatal(err)
	}
	if pu := answers[0].Price.Rho.PU(); pu > affordable {
		t.Errorf("price %d PU, an agreement has %d", pu, affordable)
	}
	return answers
}

// wantRates divides two released sums, as a researcher would, with sdk/stat.
func (s *reference) wantRates(t *testing.T, it item, sql string) {
	t.Helper()
	tallies := map[string]*tally{}
	answers := s.ask(t, it, sql)
	for _, a := range answers {
		for _, f := range it.rates(t, a) {
			if tallies[f.name] == nil {
				tallies[f.name] = &tally{}
			}
			tallies[f.name].seeWithin(f.exactLo, f.exactHi, f.r)
		}
	}
	for name, c := range tallies {
		c.check(t, name)
		t.Logf("%s: price %d PU, ±%.3g in %v", name, answers[0].Price.Rho.PU(), c.width, c)
	}
}

func (it item) rates(t *testing.T, a gateway.Answer) []figure {
	t.Helper()
	var out []figure
	for _, row := range a.Released.Rows {
		parts := make([]stat.Noisy, 2)
		for i, l := range a.Price.Lines {
			at := slices.IndexFunc(a.Released.Columns, func(c protect.Column) bool { return c.Name == l.Name })
			cell := row.Values[at]
			parts[i] = stat.Noisy{Value: scaled(cell.Fixed, cell.Dec), Sigma: l.Sigma2.Sigma() / math.Pow10(l.Dec)}
		}
		group := row.Values[0].Label.String()
		for i := range it.rows {
			if it.text(i, it.columns[0]) == group {
				e := stat.Ratio("rate", parts[0], parts[1])
				lo, hi := e.Reference()
				out = append(out, figure{name: group, r: it.named(i, "r"), rLo: math.NaN(), rHi: math.NaN(), value: e.Value, exactLo: lo, exactHi: hi, note: e.Warning})
			}
		}
	}
	return out
}

func (s *reference) wantCovered(t *testing.T, it item, sql string, counts, means *tally) {
	t.Helper()
	answers := s.ask(t, it, sql)
	complete := !strings.Contains(sql, "LIMIT")
	var summary []string
	for m, name := range it.measures(answers[0]) {
		var c tally
		for _, a := range answers {
			if a.Replayed || len(a.Receipt) == 0 {
				t.Fatal("a draw was replayed or came without receipt")
			}
			it.compare(t, a, m, complete, &c)
		}
		c.check(t, name)
		kind := answers[0].Released.Columns[answers[0].View.Columns[it.column(answers[0], m)].Index].Kind
		switch {
		case kind == protect.OutCount || kind == protect.OutSum:
			counts.add(c)
		case m == 0 || kind == protect.OutMean && !slices.ContainsFunc(it.kinds(answers[0])[:m], func(k protect.OutputKind) bool { return k == protect.OutMean }):
			means.add(c) // one mean per question: others share its count
		}
		summary = append(summary, fmt.Sprintf("%s ±%.3g in %v", name, c.width, c))
	}
	t.Logf("%s: price %d PU, %s", answers[0].Released.Columns[0].Name, answers[0].Price.Rho.PU(), strings.Join(summary, ", "))
}

// tally counts intervals and those that hold the truth.
type tally struct {
	in, n int
	width float64 // half-width, of the last
}

func (c tally) String() string { return fmt.Sprintf("%d/%d", c.in, c.n) }

func (c *tally) add(o tally) { c.in, c.n = c.in+o.in, c.n+o.n }

func (c *tally) see(value, half, truth float64) {
	c.n++
	c.width = half
	if math.Abs(value-truth) <= half*(1+1e-9) {
		c.in++
	}
}

func (c tally) check(t *testing.T, what string) {
	t.Helper()
	if c.n == 0 {
		t.Errorf("%s: no interval was tested", what)
	} else if p := binomialCDF(c.in, c.n, nominal); p < falseReject {
		t.Errorf("%s: the truth is in %v of the 95 %% intervals (probability %.1g)", what, c, p)
	}
}

// binomialCDF is P[Bin(n, p) <= k].
func binomialCDF(k, n int, p float64) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	var sum float64
	for i := 0; i <= k; i++ {
		sum += math.Exp(lg(n) - lg(i) - lg(n-i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(1, sum)
}

func TestBinomialCDF(t *testing.T) {
	for _, c := range []struct {
		k, n int
		p    float64
		want float64
	}{{-1, 10, 0.5, 0}, {10, 10, 0.5, 1}, {5, 10, 0.5, 0.623046875}, {0, 3, 0.95, 0.000125}} {
		if got := binomialCDF(c.k, c.n, c.p); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("binomialCDF(%d, %d, %v) = %v, want %v", c.k, c.n, c.p, got, c.want)
		}
	}
}

// compare puts one measure of one answer against the truth. Counts and sums are read from the raw noisy integers where they are
// recorded, so that hidden rows count too; each shown one must be what the record says. In a complete reference a group that is
// not listed is empty.
func (it item) compare(t *testing.T, a gateway.Answer, m int, complete bool, c *tally) {
	t.Helper()
	at := a.View.Columns[it.column(a, m)].Index
	col := a.Released.Columns[at]
	plain := col.Kind == protect.OutCount || col.Kind == protect.OutSum
	noisy := slices.IndexFunc(a.Price.Lines, func(l lineOf) bool { return l.Name == col.Name })
	seen := 0
	for i, row := range a.Released.Rows {
		truth, listed := it.truth(a, row, m)
		if listed {
			seen++
		}
		cell := row.Values[at]
		switch {
		case !listed && (!complete || !plain):
			continue
		case plain && noisy < 0:
			t.Fatalf("no price line is named %s", col.Name)
		case plain:
			l := a.Price.Lines[noisy]
			value := scaled(a.Released.Noisy[noisy][i], l.Dec)
			if !cell.Absent && scaled(cell.Fixed, cell.Dec) != value {
				t.Errorf("the shown %s is not the recorded noisy number", col.Name)
			}
			c.see(value, it.half(a, at), truth)
		case cell.Absent:
			t.Errorf("%s is hidden in a group of the reference: ask for a smaller error", col.Name)
		default:
			c.see(cell.Float, row.Error95[at].Float, truth)
		}
	}
	if seen != len(it.rows) {
		t.Errorf("%d of %d groups of the reference are in the answer", seen, len(it.rows))
	}
}

// half is the half-width of a count or sum: the same in every row that shows it.
func (it item) half(a gateway.Answer, at int) float64 {
	for _, row := range a.Released.Rows {
		if e := row.Error95[at]; !e.Absent {
			return cmp.Or(e.Float, scaled(e.Fixed, e.Dec))
		}
	}
	return math.NaN() // nothing shown: every interval misses, and the test says so
}

func scaled(x *big.Int, dec int) float64 {
	if x == nil {
		return 0
	}
	f, _ := new(big.Float).SetInt(x).Float64()
	return f / math.Pow10(dec)
}
