package stat

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The reference answers were computed by R from public data that are not part of the repository.
const shared = "../../../shared/data"

type record map[string]string

func (r record) number(column string) float64 {
	v, err := strconv.ParseFloat(r[column], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func readCSV(t *testing.T, name string) []record {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	var in io.Reader = bytes.NewReader(b)
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for _, l := range lines[1:] {
		r := record{}
		for i, h := range lines[0] {
			r[h] = l[i]
		}
		out = append(out, r)
	}
	return out
}

func reference(t *testing.T, id string) json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, "reference-open.json"))
	if err != nil {
		t.Skip("the reference data are not part of the repository; lay them at ../shared/data from its root to run this test")
	}
	var all struct {
		Items []struct {
			ID     string
			Answer json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, i := range all.Items {
		if i.ID == id {
			return i.Answer
		}
	}
	t.Fatalf("no reference answer %s", id)
	return nil
}

func named(t *testing.T, id string) map[string]float64 {
	t.Helper()
	var m map[string]float64
	if err := json.Unmarshal(reference(t, id), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func rows(t *testing.T, id string) [][]any {
	t.Helper()
	var m struct{ Rows [][]any }
	if err := json.Unmarshal(reference(t, id), &m); err != nil {
		t.Fatal(err)
	}
	return m.Rows
}

// by is one dimension of a test's table: text labels as they are, numbers in bins of a width (0: single values).
type by struct {
	name  string
	text  func(record) string
	value func(record) float64
	width float64
	from  float64
}

func label(column string) by {
	return by{name: column, text: func(r record) string { return r[column] }}
}

func number(column string, width float64) by {
	return by{name: column, value: func(r record) float64 { return r.number(column) }, width: width}
}

// tabulate counts exactly. Records with a missing value are left out, as R does with complete cases.
func tabulate(rs []record, dims ...by) Table {
	var t Table
	at := make([][]int, len(dims))
	keep := make([]bool, len(rs))
	for i := range keep {
		keep[i] = true
	}
	for k, d := range dims {
		dim := Dim{Name: d.name}
		at[k] = make([]int, len(rs))
		if d.text != nil {
			for _, r := range rs {
				if s := d.text(r); s != "" && !slices.Contains(dim.Labels, s) {
					dim.Labels = append(dim.Labels, s)
				}
			}
			slices.Sort(dim.Labels)
			for i, r := range rs {
				at[k][i] = slices.Index(dim.Labels, d.text(r))
				keep[i] = keep[i] && at[k][i] >= 0
			}
		} else {
			var lows []float64
			low := func(r record) float64 {
				if v := d.value(r); d.width > 0 {
					return d.from + math.Floor((v-d.from)/d.width)*d.width
				} else {
					return v
				}
			}
			for _, r := range rs {
				if v := low(r); !math.IsNaN(v) {
					lows = append(lows, v)
				}
			}
			slices.Sort(lows)
			lows = slices.Compact(lows)
			for _, l := range lows {
				dim.Labels = append(dim.Labels, strconv.FormatFloat(l, 'g', -1, 64))
				dim.Lo, dim.Hi = append(dim.Lo, l), append(dim.Hi, l+d.width)
			}
			for i, r := range rs {
				j, found := slices.BinarySearch(lows, low(r))
				at[k][i] = j
				keep[i] = keep[i] && found
			}
		}
		t.Dims = append(t.Dims, dim)
	}
	size := 1
	for _, d := range t.Dims {
		size *= len(d.Labels)
	}
	t.Cells = make([]float64, size)
	for i := range rs {
		if keep[i] {
			k := 0
			for j, d := range t.Dims {
				k = k*len(d.Labels) + at[j][i]
			}
			t.Cells[k]++
		}
	}
	return t
}

func where(rs []record, f func(record) bool) []record {
	return slices.DeleteFunc(slices.Clone(rs), func(r record) bool { return !f(r) })
}

func within(t *testing.T, what string, got, want, bound float64) {
	t.Helper()
	if !(math.Abs(got-want) <= bound+1e-6*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.8g, R says %.8g, bound on the difference %.3g", what, got, want, bound)
	}
}

func TestReferenceFourfold(t *testing.T) {
	birth := readCSV(t, "classic/birthwt.csv")
	tab := tabulate(birth, label("smoke"), label("low"))
	want := named(t, "o-birthwt-02")
	es, err := OddsRatio(tab, TwoByTwo{Pair{Dim: "smoke"}, Pair{Dim: "low"}})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "odds ratio", es[0].Value, want["or"], 0)
	within(t, "lower", es[0].Lo, want["lower95"], 0)
	within(t, "upper", es[0].Hi, want["upper95"], 0)
	colon := where(readCSV(t, "classic/colon.csv"), func(r record) bool { return r["etype"] == "2" })
	for id, c := range map[string]Table{
		"o-birthwt-03": tab,
		"o-colon-10":   tabulate(colon, label("obstruct"), label("status")),
		"o-pbc-06":     tabulate(readCSV(t, "classic/pbc.csv"), label("hepato"), label("spiders")),
	} {
		want := named(t, id)
		ts, err := ChiSquare(c, c.Dims[0].Name, c.Dims[1].Name, Seed{7})
		if err != nil {
			t.Fatal(err)
		}
		within(t, id, ts[0].Statistic, want["chisq"], 0)
		within(t, id+" quadratic form", ts[0].Wald, want["chisq"], 0)
		within(t, id+" p", ts[0].NaiveP, want["p"], 0)
		within(t, id+" bootstrap p", ts[0].P, want["p"], 0.025)
	}
}

func TestReferenceSurvival(t *testing.T) {
	colon := where(readCSV(t, "classic/colon.csv"), func(r record) bool { return r["etype"] == "2" })
	lung := readCSV(t, "classic/lung.csv")
	pbc := readCSV(t, "classic/pbc.csv")
	for _, r := range pbc { // transplants are censored
		if r["status"] == "1" {
			r["status"] = "0"
		}
	}
	flchain := readCSV(t, "classic/flchain.csv.gz")
	for _, c := range []struct {
		id, time, status, by string
		rs                   []record
	}{
		{"o-colon-06", "time", "status", "rx", colon},
		{"o-lung-05", "time", "status", "sex", lung},
		{"o-pbc-07", "time", "status", "trt", pbc},
		{"o-flchain-06", "futime", "death", "sex", flchain},
	} {
		s := Survival{Time: c.time, Status: Pair{Dim: c.status}, By: []string{c.by}}
		for _, width := range []float64{0, 30.4375} {
			curve, err := KaplanMeier(tabulate(c.rs, label(c.by), number(c.time, width), label(c.status)), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range rows(t, c.id) {
				arm := strings.SplitN(want[0].(string), "=", 2)[1]
				at := want[1].(float64)
				// The curve at a time lies between the ends of the bins around it.
				var lo, hi CurvePoint
				lo.Value, lo.Lo, lo.Hi = 1, 1, 1
				for _, p := range curve {
					if p.Group[0] == arm && p.Time <= at {
						lo = p
					}
					if p.Group[0] == arm && p.Time >= at && hi.Group == nil {
						hi = p
					}
				}
				if r := want[3].(float64); width == 0 {
					within(t, c.id+" "+arm, lo.Value, r, 0)
					// R's default interval is on the log scale: its standard error is ours.
					se := (math.Log(-math.Log(lo.NaiveLo)) - math.Log(-math.Log(lo.NaiveHi))) / (2 * z) * -math.Log(lo.Value) * lo.Value
					within(t, c.id+" "+arm+" standard error", se, want[4].(float64), 0)
				} else if !(r <= lo.Value+lo.Bias+1e-9 && r >= hi.Value-hi.Bias-1e-9) {
					t.Errorf("%s %s at %v: R says %v, outside [%v, %v] with bounds %v, %v", c.id, arm, at, r, hi.Value, lo.Value, hi.Bias, lo.Bias)
				}
			}
		}
	}
	for _, c := range []struct {
		id, by string
		rs     []record
	}{{"o-colon-07", "rx", colon}, {"o-lung-06", "sex", lung}} {
		want := named(t, c.id)
		s := Survival{Time: "time", Status: Pair{Dim: "status"}, By: []string{c.by}}
		for _, width := range []float64{0, 7, 30.4375} {
			r, err := LogRank(tabulate(c.rs, label(c.by), number("time", width), label("status")), s, Seed{3})
			if err != nil {
				t.Fatal(err)
			}
			// Binned times have no bound; what is promised is that months change little.
			within(t, c.id, r.Statistic, want["chisq"], 0.01*width)
			within(t, c.id+" p", r.NaiveP, want["p"], 1e-4*width)
			t.Logf("%s, bins of %v days: %.4f, R %.4f", c.id, width, r.Statistic, want["chisq"])
		}
	}
	for _, width := range []float64{0, 7, 30.4375} {
		m, err := MedianSurvival(tabulate(lung, label("sex"), number("time", width), label("status")),
			Survival{Time: "time", Status: Pair{Dim: "status"}, By: []string{"sex"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range rows(t, "o-lung-04") {
			within(t, "median "+want[0].(string), m[i].Value, want[1].(float64), m[i].Bias)
		}
	}
}

func TestReferenceRegressions(t *testing.T) {
	birth := readCSV(t, "classic/birthwt.csv")
	pbc := readCSV(t, "classic/pbc.csv")
	nmes := readCSV(t, "classic/nmes1988.csv.gz")
	nhefs := where(readCSV(t, "classic/nhefs.csv.gz"), func(r record) bool { return r["wt82"] != "" })
	cat := func(d, ref string) Term { return Term{Dim: d, Ref: ref} }
	num := func(d string) Term { return Term{Dim: d, Form: Number} }
	for _, c := range []struct {
		id  string
		fit func() (Fit, error)
		se  float64 // relative difference allowed to R's standard error, which glm takes from its last iteration but one
	}{
		{"o-birthwt-05", func() (Fit, error) {
			tab := tabulate(birth, number("age", 0), number("lwt", 0), label("race"), label("smoke"), label("ht"), label("ui"), label("low"))
			return Logistic(tab, Pair{Dim: "low"}, Model{Terms: []Term{num("age"), num("lwt"), cat("race", "1"), cat("smoke", "0"), cat("ht", "0"), cat("ui", "0")}})
		}, 2e-5},
		{"o-birthwt-06", func() (Fit, error) {
			return Linear(tabulate(birth, number("lwt", 0), label("smoke"), number("bwt", 0)), "bwt", Model{Terms: []Term{num("lwt"), cat("smoke", "0")}})
		}, 2e-5},
		{"o-birthwt-06", func() (Fit, error) {
			return Linear(tabulate(birth, number("lwt", 5), label("smoke"), number("bwt", 50)), "bwt", Model{Terms: []Term{num("lwt"), cat("smoke", "0")}})
		}, 0.02},
		{"o-pbc-08", func() (Fit, error) {
			tab := tabulate(pbc, number("albumin", 0), number("age", 0.5), label("ascites"))
			return Logistic(tab, Pair{Dim: "ascites"}, Model{Terms: []Term{num("albumin"), num("age")}})
		}, 0.01},
		{"o-nmes1988-05", func() (Fit, error) {
			tab := tabulate(nmes, number("hospital", 0), label("health"), number("chronic", 0), label("gender"), number("school", 2), label("insurance"), number("visits", 0))
			return Poisson(tab, "visits", Model{Terms: []Term{num("hospital"), cat("health", "average"), num("chronic"), cat("gender", "female"), num("school"), cat("insurance", "no")}})
		}, 0.03},
		{"o-nhefs-04", func() (Fit, error) {
			return Linear(tabulate(nhefs, label("qsmk"), number("wt82_71", 0)), "wt82_71", Model{Terms: []Term{cat("qsmk", "0")}})
		}, 2e-5},
		{"o-nhefs-04", func() (Fit, error) {
			return Linear(tabulate(nhefs, label("qsmk"), number("wt82_71", 1)), "wt82_71", Model{Terms: []Term{cat("qsmk", "0")}})
		}, 0.02},
	} {
		fit, err := c.fit()
		if err != nil || fit.Hidden {
			t.Errorf("%s: %v %s", c.id, err, fit.Warning)
			continue
		}
		want := rows(t, c.id)
		if len(want) != len(fit.Coefficients) {
			t.Fatalf("%s: %d coefficients, R has %d", c.id, len(fit.Coefficients), len(want))
		}
		for i, w := range want {
			got := fit.Coefficients[i]
			within(t, c.id+" "+got.Name, got.Value, w[1].(float64), got.Bias)
			within(t, c.id+" "+got.Name+" standard error", got.SE/w[2].(float64), 1, c.se)
			t.Logf("%s %s: %.5g, R %.5g, bound %.3g", c.id, got.Name, got.Value, w[1], got.Bias)
		}
	}
}

// HazardRatio is not Cox's estimator; on these data it is within a quarter of Cox's standard error.
func TestReferenceCox(t *testing.T) {
	colon := where(readCSV(t, "classic/colon.csv"), func(r record) bool { return r["etype"] == "2" })
	lung := readCSV(t, "classic/lung.csv")
	flchain := where(readCSV(t, "classic/flchain.csv.gz"), func(r record) bool { return r.number("futime") > 0 })
	num := func(d string) Term { return Term{Dim: d, Form: Number} }
	light := by{name: "light", width: 0.1, value: func(r record) float64 { return math.Log(r.number("kappa") + r.number("lambda")) }}
	for _, c := range []struct {
		id  string
		tab Table
		s   Survival
		m   Model
	}{
		{"o-colon-08", tabulate(colon, label("rx"), number("time", 30.4375), label("status")), Survival{Time: "time", Status: Pair{Dim: "status"}}, Model{Terms: []Term{{Dim: "rx", Ref: "Obs"}}}},
		{"o-lung-08", tabulate(lung, number("age", 0), label("sex"), number("wt_loss", 0), number("time", 30.4375), label("status")), Survival{Time: "time", Status: Pair{Dim: "status"}}, Model{Terms: []Term{num("age"), {Dim: "sex"}, num("wt_loss")}}},
		{"o-flchain-05", tabulate(flchain, number("age", 2), label("sex"), light, number("futime", 91.3125), label("death")), Survival{Time: "futime", Status: Pair{Dim: "death"}}, Model{Terms: []Term{num("age"), {Dim: "sex"}, num("light")}}},
	} {
		fit, err := HazardRatio(c.tab, c.s, c.m, 12)
		if err != nil || fit.Hidden {
			t.Errorf("%s: %v %s", c.id, err, fit.Warning)
			continue
		}
		for i, w := range rows(t, c.id) {
			got := fit.Coefficients[i]
			within(t, c.id+" "+got.Name, got.Value, w[1].(float64), 0.25*w[3].(float64))
			within(t, c.id+" "+got.Name+" standard error", got.SE/w[3].(float64), 1, 0.02)
			t.Logf("%s %s: %.5g, Cox %.5g, standard error %.4g, %.4g; bound %.3g", c.id, got.Name, got.Value, w[1], got.SE, w[3], got.Bias)
		}
	}
}

func TestReferenceDistributions(t *testing.T) {
	lung := readCSV(t, "classic/lung.csv")
	want := named(t, "o-lung-02")
	for _, width := range []float64{0, 5} {
		m, err := Moments(tabulate(lung, number("age", width)), "age")
		if err != nil {
			t.Fatal(err)
		}
		within(t, "mean", m[0].Mean.Value, want["mean"], m[0].Mean.Bias)
		within(t, "sd", m[0].SD.Value, want["sd"], m[0].SD.Bias)
	}
	pbc := readCSV(t, "classic/pbc.csv")
	for _, c := range []struct {
		id     string
		rs     []record
		column string
		leaf   float64
		from   float64
		whole  bool
	}{
		{"o-pbc-03", pbc, "albumin", 0.02, 1.9, false},
		{"o-nmes1988-04", readCSV(t, "classic/nmes1988.csv.gz"), "visits", 1, 0, true},
		{"o-flchain-03", readCSV(t, "classic/flchain.csv.gz"), "age", 1, 0, true},
	} {
		tree := grow(c.rs, c.column, c.from, c.leaf, 16, 2)
		tree.Whole = c.whole
		d, err := tree.Consistent()
		if err != nil {
			t.Fatal(err)
		}
		for p, want := range named(t, c.id) {
			q, _ := strconv.ParseFloat(p[1:], 64)
			e, err := d.Quantile(q / 100)
			if err != nil {
				t.Fatal(err)
			}
			within(t, c.id+" "+p, e.Value, want, e.Bias)
		}
	}
}

// grow is the exact tree of a column.
func grow(rs []record, column string, from, leaf float64, fanout, levels int) Tree {
	n := int(math.Pow(float64(fanout), float64(levels)))
	t := Tree{Fanout: fanout, Levels: make([][]float64, levels)}
	leaves := make([]float64, n)
	for _, r := range rs {
		if v := r.number(column); !math.IsNaN(v) {
			leaves[min(n-1, max(0, int(math.Floor((v-from)/leaf))))]++
		}
	}
	for i := range n + 1 {
		t.Edges = append(t.Edges, from+float64(i)*leaf)
	}
	for l := levels - 1; l >= 0; l-- {
		t.Levels[l] = leaves
		up := make([]float64, len(leaves)/fanout)
		for i := range up {
			for _, c := range leaves[i*fanout : (i+1)*fanout] {
				up[i] += c
			}
		}
		leaves = up
	}
	return t
}
