package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jali/gateway"
	"jali/sdk/analysis"
)

// TestReferenceAnalyses asks the statistics among the reference questions end to end, each under many agreements. For each figure
// of R exact_lower95 to exact_upper95, which holds the bound of what bins do, must cover at 95 %: a correct gateway fails
// one of about 100 figures less than once in 1e5 runs (falseReject each). Where R gives an interval for the population, ours, which
// holds the noise too, must not be narrower. JALI_LONG=1 adds the large sets and asks twenty times as often.
func TestReferenceAnalyses(t *testing.T) {
	items := referenceItems(t)
	draws := 20
	if testing.Short() {
		draws = 4
	}
	if long() {
		draws *= 10
	}
	s := newReference(t, draws)
	asked := 0
	for _, it := range items {
		q, ok := analyses[it.ID]
		if !ok || !it.here() {
			if it.SQL == "" && !ok {
				t.Errorf("%s: no SQL and no table function", it.ID)
			}
			continue
		}
		asked++
		t.Run(it.ID, func(t *testing.T) {
			if q.refused != "" {
				s.wantRefused(t, it, q)
				return
			}
			s.wantDerived(t, it, q)
		})
	}
	if asked < 30 {
		t.Errorf("%d questions asked", asked)
	}
}

func (s *reference) wantRefused(t *testing.T, it item, q analysed) {
	t.Helper()
	_, err := s.g.Answer(t.Context(), s.who, s.request(0, it, q.sql))
	var r *gateway.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("answered or failed (%v), want a refusal", err)
	}
	if !strings.Contains(r.Message+r.Hint, q.refused) || r.Hint == "" || r.Decision == 0 {
		t.Errorf("refusal %s: %s (hint %q, entry %d), want %q with a hint, on record", r.Code, r.Message, r.Hint, r.Decision, q.refused)
	}
	t.Logf("refused: %v; hint: %s", r, r.Hint)
}

func (s *reference) wantDerived(t *testing.T, it item, q analysed) {
	t.Helper()
	answers := s.ask(t, it, q.sql)
	all := make([][]figure, len(answers))
	for i, a := range answers {
		if len(a.Receipt) == 0 || a.Derived == nil { // two statistics of one histogram are one purchase
			t.Fatal("a draw came without receipt or was not derived")
		}
		all[i] = it.figures(t, q, *a.Derived)
	}
	var summary []string
	for k, first := range all[0] {
		var c tally
		hidden := 0
		var wider []float64
		for _, draw := range all {
			f := draw[k]
			if math.IsNaN(f.value) {
				hidden++
				if !tooNoisy.MatchString(f.note) {
					t.Errorf("%s is hidden with the note %q", f.name, f.note)
				}
				continue
			}
			c.seeWithin(f.exactLo, f.exactHi, f.r)
			if first.rLo < first.rHi {
				wider = append(wider, (f.hi-f.lo)/(f.rHi-f.rLo))
			}
		}
		text := fmt.Sprintf("%s R %.5g, exact %.5g to %.5g (±%.3g), covers %v, %d hidden", first.name, first.r, first.exactLo, first.exactHi, c.width, c, hidden)
		switch {
		case q.hidden == "^":
			if hidden < len(answers)/2 {
				t.Errorf("%s: %d of %d hidden, expected to be too noisy", first.name, hidden, len(answers))
			}
		case q.mayHide(first.name):
			if c.n > 0 {
				c.check(t, first.name)
			}
		case hidden > len(answers)/2:
			t.Errorf("%s: %d of %d hidden", first.name, hidden, len(answers))
		default:
			c.check(t, first.name)
		}
		if len(wider) > 0 {
			slices.Sort(wider)
			m := wider[len(wider)/2]
			if m < 0.9 && q.hidden == "" {
				t.Errorf("%s: the interval for the population is %.2f as wide as R's", first.name, m)
			}
			text += fmt.Sprintf(", population's %.2f times R's", m)
		}
		summary = append(summary, text)
	}
	t.Logf("price %d PU, %d cells\n\t%s", answers[0].Price.Rho.PU(), len(answers[0].Released.Rows), strings.Join(summary, "\n\t"))
}

func (c *tally) seeWithin(lo, hi, truth float64) {
	c.n++
	c.width = (hi - lo) / 2
	if slack := 1e-9 * math.Abs(truth); lo-slack <= truth && truth <= hi+slack {
		c.in++
	}
}

func (q analysed) mayHide(name string) bool {
	return q.hidden != "" && regexp.MustCompile(q.hidden).MatchString(name)
}

// tooNoisy is what a hidden figure says of itself.
var tooNoisy = regexp.MustCompile(`too noisy|below noise|noise is above 2 %|as far as it can be read`)

// figure is one number of R beside ours. NaN: there is none; a hidden value says why in note.
type figure struct {
	name                            string
	r, rLo, rHi                     float64
	value, lo, hi, exactLo, exactHi float64
	note                            string
}

// figures pairs the numbers of the reference with those of a derived table.
func (it item) figures(t *testing.T, q analysed, d analysis.Derived) []figure {
	t.Helper()
	var out []figure
	switch it.Kind {
	case "quantile":
		for j, name := range it.columns {
			text := strings.TrimPrefix(name, "p")
			if name == "" {
				name, text = "median", "50"
			}
			p, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			row := find(t, d, map[string]any{"q": p / 100})
			out = append(out, figureOf(d, row, name, "quantile", "", it.number(0, j)))
		}
	case "km":
		for i := range it.rows {
			_, group, _ := strings.Cut(it.text(i, "group"), "=")
			time := it.number(i, slices.Index(it.columns, "time"))
			row := find(t, d, map[string]any{d.Columns[0].Name: group, "time": math.Floor(time)})
			f := figureOf(d, row, fmt.Sprintf("S(%g), %s", time, group), "survival", "", it.named(i, "survival"))
			f.rLo, f.rHi = it.named(i, "lower95"), it.named(i, "upper95")
			out = append(out, f)
		}
	case "median_survival":
		for i := range it.rows {
			row := 0
			name, group, grouped := strings.Cut(it.text(i, "group"), "=")
			if grouped {
				row = find(t, d, map[string]any{name: group})
			}
			f := figureOf(d, row, it.text(i, "group"), "median_survival", "", it.named(i, "median"))
			f.rLo, f.rHi = math.NaN(), math.NaN() // R's reads the step of one log-transformed band, ours inverts a test
			out = append(out, f)
		}
	case "logrank", "chisq":
		if slices.Contains(it.columns, "observed") {
			for i := range it.rows {
				_, group, _ := strings.Cut(it.text(i, "group"), "=")
				row := find(t, d, map[string]any{d.Columns[0].Name: group})
				for _, name := range []string{"observed", "expected"} {
					out = append(out, figureOf(d, row, name+", "+group, name, name+"_", it.named(i, name)))
				}
			}
			break
		}
		out = append(out, figureOf(d, 0, "chi-square", "chi_square", "", it.named(0, "chisq")))
	case "oddsratio":
		f := figureOf(d, 0, "odds ratio", "odds_ratio", "", it.named(0, "or"))
		f.rLo, f.rHi = it.named(0, "lower95"), it.named(0, "upper95")
		out = append(out, f)
	case "cox", "logistic", "linreg", "poisson":
		for i := range it.rows {
			at, name, r := i, "coefficient", it.number(0, 0)
			if len(it.columns) > 1 {
				name = it.text(i, "term")
				r = it.number(i, 1)
			}
			if q.order != nil {
				at = q.order[i]
			}
			if len(d.Rows) == 0 { // no fit
				out = append(out, figure{name: name, r: r, value: math.NaN(), note: strings.Join(d.Notes, " ")})
				continue
			}
			f := figureOf(d, at, name, "estimate", "", r)
			if se := slices.Index(it.columns, "se"); se >= 0 {
				const z = 1.959963984540054
				f.rLo, f.rHi = r-z*it.number(i, se), r+z*it.number(i, se)
			}
			out = append(out, f)
		}
	default:
		t.Fatalf("no way to compare a question of kind %s", it.Kind)
	}
	return out
}

func figureOf(d analysis.Derived, row int, name, column, prefix string, r float64) figure {
	get := func(column string) float64 {
		at := slices.IndexFunc(d.Columns, func(c analysis.Column) bool { return c.Name == column })
		if at < 0 {
			return math.NaN()
		}
		if x, ok := d.Rows[row][at].(float64); ok {
			return x
		}
		return math.NaN()
	}
	f := figure{name: name, r: r, rLo: math.NaN(), rHi: math.NaN()}
	f.value, f.lo, f.hi = get(column), get(prefix+"lower95"), get(prefix+"upper95")
	f.exactLo, f.exactHi = get(prefix+"exact_lower95"), get(prefix+"exact_upper95")
	if math.IsNaN(f.exactLo) {
		f.exactLo = math.Inf(-1) // an open end
	}
	if math.IsNaN(f.exactHi) {
		f.exactHi = math.Inf(1)
	}
	at := slices.IndexFunc(d.Columns, func(c analysis.Column) bool { return c.Name == "note" })
	f.note, _ = d.Rows[row][at].(string)
	return f
}

// find is the row with the given values.
func find(t *testing.T, d analysis.Derived, want map[string]any) int {
	t.Helper()
	at := slices.IndexFunc(d.Rows, func(row []any) bool {
		for i, c := range d.Columns {
			if w, ok := want[c.Name]; ok && fmt.Sprint(row[i]) != fmt.Sprint(w) {
				return false
			}
		}
		return true
	})
	if at < 0 {
		t.Fatalf("no row %v in %v", want, d.Rows)
	}
	return at
}

func (it item) number(row, column int) float64 {
	var x float64
	if json.Unmarshal(it.rows[row][column], &x) != nil {
		return math.NaN()
	}
	return x
}

func (it item) named(row int, column string) float64 {
	return it.number(row, slices.Index(it.columns, column))
}

func (it item) text(row int, column string) string {
	var s string
	if json.Unmarshal(it.rows[row][slices.Index(it.columns, column)], &s) != nil {
		return ""
	}
	return s
}
