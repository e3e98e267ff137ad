package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"

	"jali/crypto/noise"
	"jali/gateway/protect"
	"jali/sdk/analysis"
	"jali/sdk/stat"
)

// analysis says what the released histogram of a table function means: the plan's roles, the noise that was bought, and the size
// below which policy shows no figure. It is nil for other questions. Nothing in it comes from data.
func (a *ask) analysis() *analysis.Spec {
	if a.plan == nil || a.plan.Analysis == nil {
		return nil
	}
	s := *a.plan.Analysis
	s.Levels = nil
	for _, o := range a.spec.Outputs {
		if o.Kind != protect.OutCount {
			continue
		}
		if it := a.spec.Items[o.N]; it.Block > 1 && sameNoise(it.Sigma2, a.cost.Lines[0].Sigma2) {
			s.Levels = append(s.Levels, analysis.Level{Count: o.Name, Block: it.Block})
		} else if it.Block <= 1 {
			s.Count, s.Sigma2 = o.Name, it.Sigma2.Num.String()+"/"+it.Sigma2.Den.String()
		}
	}
	slices.SortFunc(s.Levels, func(x, y analysis.Level) int { return y.Block - x.Block })
	if obligations := a.grant.Obligations(); obligations.MinCohort > 0 {
		s.MinGroup = obligations.MinCohort
	}
	return &s
}

// sameNoise reports equal variances: a hierarchy whose levels were bought at different errors is read from its leaves.
func sameNoise(a, b noise.Variance) bool {
	return new(big.Int).Mul(a.Num, b.Den).Cmp(new(big.Int).Mul(b.Num, a.Den)) == 0
}

// derive turns the recorded histogram of a table function into the table that was asked for. It reads released values only, and
// so may take as long as they make it take.
func (a *ask) derive(answer *Answer) error {
	s := a.analysis()
	if s == nil {
		return nil
	}
	d, err := analysis.Derive(*s, answer.Result)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if answer.Analysis, err = json.Marshal(s); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	answer.Derived, answer.Extent = &d, extent(*s, d, answer.Released)
	return nil
}

// planned sizes for what a quote says of an analysis: persons in each of two groups, as a planner would declare them.
var plannedSizes = []int64{1_000, 10_000, 100_000}

// plannedRisk is the share with the outcome that detectable ratios are computed for.
const plannedRisk = 0.1

// detectable is the quote's answer to "what could be found": the smallest ratio that two groups of the given sizes would show with
// 80 % power at 5 %, when a tenth of the comparison group has the outcome.
func (a *ask) detectable() []OfferError {
	s := a.analysis()
	if s == nil {
		return nil
	}
	sigma := a.cost.Lines[0].Sigma2.Sigma()
	out := OfferError{}
	for _, n := range plannedSizes {
		var se float64
		switch d := (stat.Declared{Exposed: float64(n), Unexposed: float64(n), RiskExposed: plannedRisk, RiskUnexposed: plannedRisk, Sigma: sigma}); s.Statistic {
		case analysis.OddsRatio, analysis.MantelHaenszel, analysis.ChiSquare, analysis.LogisticRegression:
			out.Name, se = "detectable odds ratio", d.LogOddsRatioSE()
		case analysis.RiskRatio, analysis.RiskDifference, analysis.Prevalence:
			out.Name, se = "detectable risk ratio", d.LogRiskRatioSE()
		case analysis.KaplanMeier, analysis.LogRank, analysis.HazardRatio, analysis.RateRatio, analysis.IncidenceRate, analysis.MedianSurvival, analysis.MeanSurvival:
			bins := a.timeBins()
			arm := stat.Followed{Persons: float64(n), Event: plannedRisk / float64(bins), Censor: 0, Sigma: sigma, Bins: bins}
			out.Name, se = "detectable hazard ratio", math.Sqrt(2*arm.LogRateVariance())
		default:
			return nil
		}
		if r := stat.MinimumRatio(se); !math.IsInf(r, 0) && r < 100 {
			out.Sizes = append(out.Sizes, SizeError{N: n, Value: r})
		}
	}
	return []OfferError{out}
}

// timeBins is how many bins the time of a survival analysis has.
func (a *ask) timeBins() int {
	for _, d := range a.plan.Analysis.Dims {
		if d.Name == a.plan.Analysis.Time {
			return len(d.Lo)
		}
	}
	return 1
}

// curveLimit is the noise of a survival curve above which it cannot be read (disclosure-control.md section 9.5).
const curveLimit = 0.02

// analysisWarnings says, from sizes a planner would declare, when the figures would drown in noise.
func (a *ask) analysisWarnings() []string {
	s := a.analysis()
	if s == nil {
		return nil
	}
	sigma := a.cost.Lines[0].Sigma2.Sigma()
	w := []string{"the interval lower95 to upper95 is for the population behind the data, exact_lower95 to exact_upper95 for the figure that the exact data would give"}
	if s.Time != "" {
		n := stat.CurveNoise(1, sigma, a.timeBins()) / curveLimit
		w = append(w, fmt.Sprintf("a curve over fewer than about %.0f persons per group is too noisy to be read; wider bins or a smaller error help", math.Ceil(n)))
	}
	if !a.plan.Bounds.Proved || a.plan.Bounds.Rows != 1 {
		w = append(w, "a person may have several rows here, and each is counted as if it were another person; give each person one row with of => (SELECT person_id, ... GROUP BY person_id) to avoid it")
	}
	return w
}
