package analysis

import (
	"crypto/sha256"
	"fmt"
	"math"

	"jali/sdk/stat"
)

// Derived is the table that the asker reads.
type Derived struct {
	Columns []Column
	Rows    [][]any // string, float64, or nil where there is no figure
	// Notes say, in words, what the figures do not.
	Notes []string
}

// Column of a derived table. Labels are text, all else is a number.
type Column struct {
	Name  string
	Label bool
	Unit  string
}

// Intervals are two: lower95 and upper95 are for the population that the persons are a sample of; exact_lower95 and exact_upper95
// cover the figure that the exact, ungrouped data would have given.
var intervals = []string{"lower95", "upper95", "exact_lower95", "exact_upper95"}

// Derive computes the statistic from the recorded result. It is deterministic: bootstraps are seeded by the result's digest.
func Derive(s Spec, result []byte) (Derived, error) {
	t, err := s.table(result, s.Statistic == Crosstab || s.Statistic == Histogram)
	if err != nil {
		return Derived{}, err
	}
	d := deriver{spec: s, table: t, seed: stat.Seed(sha256.Sum256(result))}
	for _, l := range s.Levels {
		level, err := s.level(result, l)
		if err != nil {
			return Derived{}, err
		}
		d.levels = append(d.levels, level)
	}
	if err := d.run(); err != nil {
		return Derived{}, fmt.Errorf("derive %s: %w", s.Statistic, err)
	}
	for i, row := range d.out.Rows {
		for j, v := range row {
			if x, ok := v.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
				d.out.Rows[i][j] = nil
			}
		}
	}
	return d.out, nil
}

// deriver builds one derived table.
type deriver struct {
	spec  Spec
	table stat.Table
	// levels are the tables of spec.Levels: the number of each block in its first cell.
	levels []stat.Table
	seed   stat.Seed
	out    Derived
	// behind has the noisy numbers behind the groups, by how many columns of by they have.
	behind map[int]totals
}

func (d *deriver) run() error {
	s, t := d.spec, d.table
	two := stat.TwoByTwo{Exposure: s.Exposure.stat(), Outcome: s.Outcome.stat()}
	life := stat.Survival{Time: s.Time, Status: s.Event.stat(), By: s.By}
	switch s.Statistic {
	case Prevalence:
		return d.estimates(stat.Prevalence(t, s.Outcome.stat(), s.By...))
	case RiskDifference:
		return d.estimates(stat.RiskDifference(t, two, s.By...))
	case RiskRatio:
		return d.estimates(stat.RiskRatio(t, two, s.By...))
	case OddsRatio:
		return d.estimates(stat.OddsRatio(t, two, s.By...))
	case IncidenceRate:
		return d.estimates(stat.Incidence(t, life))
	case RateRatio:
		return d.estimates(stat.RateRatio(t, life, d.reference()))
	case MedianSurvival:
		return d.estimates(stat.MedianSurvival(t, life))
	case MeanSurvival:
		if len(s.At) != 1 {
			return fmt.Errorf("%w: the restricted mean needs one time", ErrSpec)
		}
		return d.estimates(stat.RMST(t, life, s.At[0]))
	case KaplanMeier:
		return d.curve(stat.KaplanMeier(t, life))
	case LogRank:
		return d.logRank(stat.LogRank(t, life, d.seed))
	case ChiSquare:
		return d.tests(stat.ChiSquare(t, s.Exposure.Dim, s.Outcome.Dim, d.seed, s.By...))
	case MantelHaenszel:
		e, err := stat.MantelHaenszel(t, two, s.Strata...)
		return d.estimates([]stat.Estimate{e}, err)
	case Crosstab:
		return d.crosstab()
	case HazardRatio:
		return d.fit(stat.HazardRatio(t, life, s.model(), 0))
	case Histogram:
		return d.histogram()
	case Quantile:
		return d.quantiles()
	case Moments:
		return d.moments(stat.Moments(t, s.Value, s.By...))
	case Correlation:
		return d.estimates(stat.Correlation(t, s.X, s.Value, s.By...))
	case LinearRegression:
		return d.fit(stat.Linear(t, s.Value, s.model()))
	case LogisticRegression:
		return d.fit(stat.Logistic(t, s.Outcome.stat(), s.model()))
	case PoissonRegression:
		return d.fit(stat.Poisson(t, s.Value, s.model()))
	case WeightedDifference:
		e, err := stat.WeightedDifference(t, s.Exposure.stat(), s.Value, s.model())
		return d.estimates([]stat.Estimate{e}, err)
	}
	return fmt.Errorf("%w: the statistic is not known", ErrSpec)
}

// model is the right-hand side of a regression.
func (s Spec) model() stat.Model {
	var m stat.Model
	for _, t := range s.Terms {
		m.Terms = append(m.Terms, stat.Term{Dim: t.Dim, Form: forms[t.Form], Ref: t.Ref})
	}
	return m
}

var forms = map[string]stat.Form{"category": stat.Category, "number": stat.Number, "square": stat.Square, "log": stat.Log}

// reference is the label that groups are compared with: the one asked for, or the first.
func (d *deriver) reference() string {
	for _, x := range d.table.Dims {
		if d.spec.Ref == "" && len(d.spec.By) > 0 && x.Name == d.spec.By[0] {
			return x.Labels[0]
		}
	}
	return d.spec.Ref
}

// head begins the derived table: one column per dimension of by, then the named figures, then the note.
func (d *deriver) head(by []string, figures ...string) {
	for _, name := range by {
		d.out.Columns = append(d.out.Columns, Column{Name: name, Label: true, Unit: d.unit(name)})
	}
	for _, name := range figures {
		d.out.Columns = append(d.out.Columns, Column{Name: name})
	}
	d.out.Columns = append(d.out.Columns, Column{Name: "note", Label: true})
}

func (d *deriver) unit(dim string) string {
	for _, x := range d.spec.Dims {
		if x.Name == dim {
			return x.Unit
		}
	}
	return ""
}

// row adds a row: labels, figures, note. A hidden one keeps its labels and says why.
func (d *deriver) row(group []string, hidden bool, note string, figures ...float64) {
	var row []any
	for _, g := range group {
		row = append(row, g)
	}
	if why := d.small(group); why != "" && !hidden {
		hidden, note = true, why
	}
	for _, x := range figures {
		if hidden {
			row = append(row, nil)
		} else {
			row = append(row, x)
		}
	}
	d.out.Rows = append(d.out.Rows, append(row, note))
}

func (d *deriver) estimates(list []stat.Estimate, err error) error {
	if err != nil {
		return err
	}
	name := string(d.spec.Statistic)
	d.head(d.spec.By, append([]string{name}, intervals...)...)
	for _, e := range list {
		lo, hi := e.Reference()
		if d.spec.Statistic == Prevalence {
			e.Lo, e.Hi, lo, hi = share(e.Lo), share(e.Hi), share(lo), share(hi)
		}
		d.row(e.Group, e.Hidden, e.Warning, e.Value, e.Lo, e.Hi, lo, hi)
	}
	return nil
}

// share keeps an end of an interval where a share can be.
func share(x float64) float64 { return min(1, max(0, x)) }

func (d *deriver) tests(list []stat.Test, err error) error {
	if err != nil {
		return err
	}
	d.head(d.spec.By, "chi_square", "df", "p", "exact_lower95", "exact_upper95", "wald", "wald_p")
	for _, e := range list {
		d.row(e.Group, e.Hidden, e.Warning, e.Statistic, float64(e.DF), e.P, e.NoiseLo, e.NoiseHi, e.Wald, e.WaldP)
	}
	return nil
}

// curve lists the points that were asked for, or all.
func (d *deriver) curve(points []stat.CurvePoint, err error) error {
	if err != nil {
		return err
	}
	d.head(append(d.spec.By[:len(d.spec.By):len(d.spec.By)], "time"), append([]string{"survival"}, append(append([]string{}, intervals...), "at_risk", "events")...)...)
	d.out.Columns[len(d.spec.By)].Label = false
	d.out.Columns[len(d.spec.By)].Unit = d.unit(d.spec.Time)
	add := func(time float64, p stat.CurvePoint) {
		lo, hi := p.Reference()
		d.row(p.Group, p.Hidden, p.Warning, p.Value, share(p.Lo), share(p.Hi), share(lo), share(hi), p.AtRisk, p.Events)
		row := d.out.Rows[len(d.out.Rows)-1]
		n := len(p.Group)
		d.out.Rows[len(d.out.Rows)-1] = append(append(append([]any{}, row[:n]...), time), row[n:]...)
	}
	if len(d.spec.At) == 0 {
		for _, p := range points {
			if !math.IsInf(p.Time, 0) {
				add(p.Time, p)
			}
		}
		return nil
	}
	for from := 0; from < len(points); {
		to := from
		for to < len(points) && fmt.Sprint(points[to].Group) == fmt.Sprint(points[from].Group) {
			to++
		}
		if len(d.out.Rows)+len(d.spec.At) > maxFigures {
			return fmt.Errorf("%w: %d times for each group are more than %d figures: ask for fewer of either", ErrSpec, len(d.spec.At), maxFigures)
		}
		for _, at := range d.spec.At {
			add(at, pointAt(points[from:to], at))
		}
		from = to
	}
	return nil
}

// pointAt is the curve at a time: its last point by then. Inside a bin the ungrouped curve may have dropped by as much as the bin's
// whole drop, which goes into the bias.
func pointAt(curve []stat.CurvePoint, at float64) stat.CurvePoint {
	i := 0
	for i < len(curve) && curve[i].Time <= at {
		i++
	}
	p := curve[0]
	p.Events, p.AtRisk = 0, curve[0].AtRisk
	if i == 0 {
		p.Estimate.Value, p.Lo, p.Hi, p.NoiseLo, p.NoiseHi, p.Bias = 1, 1, 1, 1, 1, 0
	} else {
		p = curve[i-1]
	}
	if inside := i < len(curve) && (i == 0 || p.Time < at); inside && !p.Hidden {
		if next := curve[i]; next.Hidden {
			p.Hidden, p.Warning = true, next.Warning
		} else {
			p.AtRisk = next.AtRisk
			p.Bias += math.Abs(p.Value - next.Value)
		}
	}
	return p
}

func (d *deriver) logRank(r stat.LogRankResult, err error) error {
	if err != nil {
		return err
	}
	d.head(d.spec.By, "n", "observed", "observed_exact_lower95", "observed_exact_upper95", "expected", "expected_exact_lower95", "expected_exact_upper95",
		"chi_square", "df", "p", "exact_lower95", "exact_upper95")
	if r.Hidden && len(r.Arms) == 0 {
		return d.withoutArms(r.Warning)
	}
	for _, a := range r.Arms {
		olo, ohi := a.Observed.Reference()
		elo, ehi := a.Expected.Reference()
		d.row([]string{a.Label}, r.Hidden, r.Warning, a.N.Value, a.Observed.Value, olo, ohi, a.Expected.Value, elo, ehi, r.Statistic, float64(r.DF), r.P, r.NoiseLo, r.NoiseHi)
	}
	return nil
}

// withoutArms is a test that noise has drowned: a row for each arm all the same, as many as any other answer to the question has, so that
// their number says nothing; each says why it has no figures.
func (d *deriver) withoutArms(why string) error {
	m, err := d.table.Over(d.spec.By...)
	if err != nil {
		return err
	}
	figures := make([]float64, len(d.out.Columns)-len(d.spec.By)-1)
	for _, label := range m.Dims[0].Labels {
		d.row([]string{label}, true, why, figures...)
	}
	return nil
}

func (d *deriver) fit(f stat.Fit, err error) error {
	if err != nil {
		return err
	}
	d.head([]string{"term"}, "estimate", "se", "lower95", "upper95", "exact_lower95", "exact_upper95", "ratio", "ratio_lower95", "ratio_upper95", "p")
	if f.Hidden {
		d.out.Notes = append(d.out.Notes, f.Warning)
	}
	for _, c := range f.Coefficients {
		lo, hi := c.Reference()
		ratio, rlo, rhi := c.Ratio.Value, c.Ratio.Lo, c.Ratio.Hi
		if c.Ratio.Name == "" {
			ratio, rlo, rhi = math.NaN(), math.NaN(), math.NaN()
		}
		d.row([]string{c.Name}, c.Hidden, c.Warning, c.Value, c.SE, c.Lo, c.Hi, lo, hi, ratio, rlo, rhi, c.P)
	}
	return nil
}
