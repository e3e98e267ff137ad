package analysis

import "slices"

// Statistic is what a table function derives; its text is the function's name in SQL.
type Statistic string

// The statistics, in the order of docs/statistics.md.
const (
	Prevalence         Statistic = "prevalence"
	IncidenceRate      Statistic = "incidence_rate"
	RateRatio          Statistic = "rate_ratio"
	RiskDifference     Statistic = "risk_difference"
	RiskRatio          Statistic = "risk_ratio"
	OddsRatio          Statistic = "odds_ratio"
	MantelHaenszel     Statistic = "mantel_haenszel"
	ChiSquare          Statistic = "chi_square"
	Crosstab           Statistic = "crosstab"
	KaplanMeier        Statistic = "kaplan_meier"
	MedianSurvival     Statistic = "median_survival"
	MeanSurvival       Statistic = "restricted_mean_survival"
	LogRank            Statistic = "log_rank"
	HazardRatio        Statistic = "hazard_ratio"
	Histogram          Statistic = "histogram"
	Quantile           Statistic = "quantile"
	Moments            Statistic = "moments"
	Correlation        Statistic = "correlation"
	LinearRegression   Statistic = "linear_regression"
	LogisticRegression Statistic = "logistic_regression"
	PoissonRegression  Statistic = "poisson_regression"
	WeightedDifference Statistic = "weighted_difference"
)

// Statistics lists all.
func Statistics() []Statistic { return slices.Clone(statistics) }

var statistics = []Statistic{
	Prevalence, IncidenceRate, RateRatio, RiskDifference, RiskRatio, OddsRatio, MantelHaenszel, ChiSquare, Crosstab,
	KaplanMeier, MedianSurvival, MeanSurvival, LogRank, HazardRatio,
	Histogram, Quantile, Moments, Correlation, LinearRegression, LogisticRegression, PoissonRegression, WeightedDifference,
}

// Known reports that this version can derive the statistic.
func (s Statistic) Known() bool { return slices.Contains(statistics, s) }
