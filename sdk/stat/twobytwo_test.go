package stat

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fourfoldTable(a, b, c, d, sigma float64) Table {
	return Table{
		Dims:  []Dim{{Name: "exposed", Labels: []string{"no", "yes"}}, {Name: "ill", Labels: []string{"no", "yes"}}},
		Cells: []float64{d, c, b, a}, Sigma: sigma,
	}
}

var expIll = TwoByTwo{Pair{Dim: "exposed"}, Pair{Dim: "ill"}}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.9g, want %.9g", what, got, want)
	}
}

// Without noise the naive and the full interval are those of R: birthwt, low by smoke (epitools::oddsratio.wald).
func TestOddsRatioExact(t *testing.T) {
	es, err := OddsRatio(fourfoldTable(30, 44, 29, 86, 0), expIll)
	if err != nil {
		t.Fatal(err)
	}
	e := es[0]
	near(t, "odds ratio", e.Value, 2.02194357366771, 1e-12)
	near(t, "lower", e.Lo, 1.08065960299884, 1e-12)
	near(t, "upper", e.Hi, 3.78311154016602, 1e-12)
	if e.NoiseLo != e.Value || e.NoiseHi != e.Value || e.NaiveLo != e.Lo || e.NaiveHi != e.Hi {
		t.Errorf("without noise the noise interval is a point and the naive one is the full one: %+v", e)
	}
}

// Newcombe (1998), Statistics in Medicine 17:873-890, table II method 10: 56/70 against 48/80 gives 0.0524 to 0.3339.
func TestRiskDifferencePublished(t *testing.T) {
	es, err := RiskDifference(fourfoldTable(56, 14, 48, 32, 0), expIll)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", es[0].Value, 0.2, 1e-12)
	near(t, "lower", es[0].Lo, 0.0524, 5e-5)
	near(t, "upper", es[0].Hi, 0.3339, 5e-5)
}

// Wilson's interval: 81 of 263 gives 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17:857-872, table I).
func TestPrevalencePublished(t *testing.T) {
	tab := Table{Dims: []Dim{{Name: "ill", Labels: []string{"no", "yes"}}}, Cells: []float64{182, 81}}
	es, err := Prevalence(tab, Pair{Dim: "ill"})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "lower", es[0].Lo, 0.2553, 5e-5)
	near(t, "upper", es[0].Hi, 0.3662, 5e-5)
}

func TestHiddenWhenTooNoisy(t *testing.T) {
	es, _ := OddsRatio(fourfoldTable(30, 0.5, 29, 86, 3), expIll)
	if want := (Estimate{Name: "odds ratio", Group: []string{}, Hidden: true, Warning: CellBelow1}); !cmp.Equal(es[0], want) {
		t.Error(cmp.Diff(want, es[0]))
	}
	es, _ = RiskDifference(fourfoldTable(3, 4, 5, 6, 10), expIll)
	if !es[0].Hidden || es[0].Warning != TooNoisy {
		t.Errorf("denominator below 4 sigma is shown: %+v", es[0])
	}
	if e := Ratio("r", Noisy{5, 1}, Noisy{3.9, 1}); !e.Hidden {
		t.Errorf("ratio with a denominator below 4 sigma is shown: %+v", e)
	}
}

// Fieller by the formula of the design, section 8.
func TestRatioFieller(t *testing.T) {
	x, y, sx, sy := 120.0, 400.0, 9.0, 20.0
	r, vx, vy := x/y, sx*sx, sy*sy
	g := z * z * vy / (y * y)
	half := z / y * math.Sqrt(vx+r*r*vy-g*vx)
	e := Ratio("visits per year", Noisy{x, sx}, Noisy{y, sy})
	near(t, "lower", e.Lo, (r-half)/(1-g), 1e-12)
	near(t, "upper", e.Hi, (r+half)/(1-g), 1e-12)
}

func TestOver(t *testing.T) {
	tab := Table{
		Dims:  []Dim{{Name: "a", Labels: []string{"x", "y"}}, {Name: "b", Labels: []string{"p", "q", "r"}}},
		Cells: []float64{1, 2, 3, 40, 50, 60}, Sigma: 2,
	}
	got, err := tab.Over("b")
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{41, 52, 63}; !cmp.Equal(got.Cells, want) {
		t.Error(cmp.Diff(want, got.Cells))
	}
	near(t, "sigma", got.Sigma, 2*math.Sqrt2, 1e-12)
	got, _ = tab.Over("b", "a")
	if want := []float64{1, 40, 2, 50, 3, 60}; !cmp.Equal(got.Cells, want) {
		t.Error(cmp.Diff(want, got.Cells))
	}
	for _, names := range [][]string{{"c"}, {"a", "a"}} {
		if _, err := tab.Over(names...); err == nil {
			t.Errorf("Over(%q) passes", names)
		}
	}
}
