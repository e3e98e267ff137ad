package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
	"jali/sdk/analysis"
)

// statistic is one subcommand of analyze: a table function under a short name.
type statistic struct {
	name  string
	fn    analysis.Statistic
	short string
	need  []string // arguments the function needs
	may   []string
	of    string // an example
}

var statistics = []statistic{
	{"rate", analysis.IncidenceRate, "Events per unit of person-time", []string{"time", "event"}, []string{"by", "until", "width"}, `--time time --event "status = 1" --by rx`},
	{"rate-ratio", analysis.RateRatio, "Rates of groups against one of them", []string{"time", "event", "by"}, []string{"until", "width"}, `--time time --event "status = 1" --by "ref(rx, 'Obs')"`},
	{"prevalence", analysis.Prevalence, "Share of persons with an outcome", []string{"outcome"}, []string{"by"}, `--outcome "status = 1" --by rx`},
	{"rd", analysis.RiskDifference, "Risk difference", []string{"exposure", "outcome"}, []string{"by"}, `--exposure obstruct --outcome "status = 1"`},
	{"rr", analysis.RiskRatio, "Risk ratio", []string{"exposure", "outcome"}, []string{"by"}, `--exposure obstruct --outcome "status = 1"`},
	{"or", analysis.OddsRatio, "Odds ratio", []string{"exposure", "outcome"}, []string{"by"}, `--exposure obstruct --outcome "status = 1"`},
	{"mh", analysis.MantelHaenszel, "Mantel-Haenszel odds ratio over strata", []string{"exposure", "outcome", "strata"}, nil, `--exposure obstruct --outcome "status = 1" --strata sex,rx`},
	{"chisq", analysis.ChiSquare, "Chi-square test of two groupings", []string{"row_group", "column_group"}, []string{"by"}, `--rows obstruct --columns perfor`},
	{"crosstab", analysis.Crosstab, "Two-way table with margins", []string{"row_group", "column_group"}, []string{"by"}, `--rows obstruct --columns perfor`},
	{"km", analysis.KaplanMeier, "Kaplan-Meier survival curve", []string{"time", "event"}, []string{"by", "until", "width", "at"}, `--time time --event "status = 1" --by rx --until 1825 --width 73`},
	{"median", analysis.MedianSurvival, "Median survival", []string{"time", "event"}, []string{"by", "until", "width"}, `--time time --event "status = 1" --by rx`},
	{"rmst", analysis.MeanSurvival, "Restricted mean survival time", []string{"time", "event", "until"}, []string{"by", "width"}, `--time time --event "status = 1" --until 1825`},
	{"logrank", analysis.LogRank, "Log-rank test", []string{"time", "event", "by"}, []string{"until", "width"}, `--time time --event "status = 1" --by rx`},
	{"hr", analysis.HazardRatio, "Hazard ratios, piecewise-exponential", []string{"time", "event", "terms"}, []string{"until", "width", "bins"}, `--time time --event "status = 1" --terms "ref(rx, 'Obs')" --until 1825 --width 365`},
	{"hist", analysis.Histogram, "Histogram and cumulative shares", []string{"value"}, []string{"by", "width", "bins"}, `--value age --width 5`},
	{"quantile", analysis.Quantile, "Quantiles", []string{"value", "at"}, []string{"by", "width", "bins"}, `--value age --width 1 --at 0.25,0.5,0.75`},
	{"moments", analysis.Moments, "Mean, variance, standard deviation", []string{"value"}, []string{"by", "width", "bins"}, `--value age --width 1`},
	{"correlation", analysis.Correlation, "Correlation of two numbers", []string{"x", "y"}, []string{"by", "bins"}, `--x age --y nodes`},
	{"linear", analysis.LinearRegression, "Linear regression", []string{"value", "terms"}, []string{"width", "bins"}, `--value nodes --terms "sex,age"`},
	{"logistic", analysis.LogisticRegression, "Logistic regression", []string{"outcome", "terms"}, []string{"bins"}, `--outcome "status = 1" --terms "sex,age"`},
	{"poisson", analysis.PoissonRegression, "Poisson regression of a count", []string{"value", "terms"}, []string{"width", "bins"}, `--value nodes --terms "sex,age"`},
	{"weighted", analysis.WeightedDifference, "Difference of means weighted by the inverse probability of exposure", []string{"exposure", "value", "terms"}, []string{"width", "bins"}, `--exposure obstruct --value nodes --terms "sex,extent"`},
}

// argument is a flag of analyze. Those that take several are written in parentheses in SQL.
type argument struct{ flag, usage string }

var arguments = map[string]argument{
	"time":         {"time", "`expression`: each person's time from start to event or end of observation"},
	"event":        {"event", "`condition`, or a column of 0 and 1: the event was seen at that time"},
	"exposure":     {"exposure", "`condition`, or a column of 0 and 1"},
	"outcome":      {"outcome", "`condition`, or a column of 0 and 1"},
	"by":           {"by", "group `columns`, separated by commas"},
	"strata":       {"strata", "`columns` to stratify by, separated by commas"},
	"row_group":    {"rows", "group `column` of the rows"},
	"column_group": {"columns", "group `column` of the columns"},
	"value":        {"value", "`expression` with a number"},
	"x":            {"x", "`expression` with a number"},
	"y":            {"y", "`expression` with a number"},
	"terms":        {"terms", "covariates, separated by commas: `columns`, BIN(...), ref(column, 'label'), square(column), log(column)"},
	"until":        {"until", "last `time` of the curve; later ones count as not seen any longer"},
	"width":        {"width", "`width` of the bins of time or value"},
	"bins":         {"bins", "`number` of bins of each number"},
	"at":           {"at", "`times`, or shares such as 0.25,0.5,0.75"},
}

func (a *app) analyzeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "analyze",
		Short: "Derive an epidemiological statistic from one noisy histogram",
		Long: `Derive a statistic: each subcommand writes a table function of SQL (docs/statistics.md) and asks it.

The question buys one noisy histogram at --error persons per cell; the statistic and its intervals are computed from it, here,
after the receipt has verified. Another statistic of the same histogram is free.
lower95 and upper95 are for the population behind the data; exact_lower95 and exact_upper95 cover what the exact data would give.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("jali analyze --help lists them", "analyze needs a statistic, such as km, or, rate")
		},
	}
	for _, s := range statistics {
		cmd.AddCommand(a.statisticCommand(s))
	}
	return cmd
}

func (a *app) statisticCommand(s statistic) *cobra.Command {
	var (
		ask                     askFlags
		form                    format
		of, cohort              string
		onlyQuote, onlySQL      bool
		receiptFile, resultFile string
	)
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use:     s.name,
		Short:   s.short,
		Example: "  jali analyze " + s.name + " " + s.of + " --error 10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var args []string
			for _, name := range append(append([]string{}, s.need...), s.may...) {
				if v := *values[name]; v != "" {
					args = append(args, name+" => "+grouped(name, v))
				}
			}
			if of != "" {
				args = append(args, "of => "+of)
			}
			if cohort != "" {
				args = append(args, "cohort => ("+cohort+")")
			}
			a.sql = "SELECT * FROM " + string(s.fn) + "(" + strings.Join(args, ", ") + ")"
			if onlySQL {
				return a.print([]byte(a.sql + "\n"))
			}
			for _, name := range s.need {
				if *values[name] == "" {
					return usagef("e.g. jali analyze "+s.name+" "+s.of+" --error 10", "--%s is missing", arguments[name].flag)
				}
			}
			for _, path := range []string{receiptFile, resultFile} {
				if err := writable(path); err != nil {
					return err
				}
			}
			ctx, stop, client, p, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			q, err := ask.question(a, p)
			if err != nil {
				return err
			}
			if onlyQuote {
				return a.quoted(ctx, client, q, form.value)
			}
			done := a.waiting("asking")
			result, err := client.Query(ctx, q)
			done()
			if err != nil {
				return errors.Join(err, a.keepEvidence(err, receiptFile, resultFile))
			}
			kept := errors.Join(writeFile(receiptFile, result.Receipt.Raw), writeFile(resultFile, result.Raw))
			if form.value == formatTable {
				if err := a.print([]byte(plot(result))); err != nil {
					return err
				}
			}
			return errors.Join(kept, a.showAnswer(form.value, result))
		},
	}
	ask.registerTerms(cmd, a)
	form.register(cmd, formatTable, formatCSV, formatJSON)
	f := cmd.Flags()
	for _, name := range append(append([]string{}, s.need...), s.may...) {
		values[name] = f.String(arguments[name].flag, "", arguments[name].usage)
	}
	f.StringVar(&of, "of", "", "`table`, or a derived table (SELECT person_id, ... GROUP BY person_id); may be left out when there is only one")
	f.StringVar(&cohort, "cohort", "", "`condition` on rows, e.g. \"age > 60 AND person_id IN (SELECT ...)\"")
	f.BoolVar(&onlyQuote, "quote", false, "tell price and noise, free, and ask nothing")
	f.BoolVar(&onlySQL, "sql", false, "print the question as SQL, and ask nothing")
	f.StringVar(&receiptFile, "receipt", "", "write the receipt to a `file`")
	f.StringVar(&resultFile, "result", "", "write the recorded histogram to a `file`, for receipt verify --result")
	return cmd
}

// grouped puts lists into parentheses.
func grouped(name, text string) string {
	switch name {
	case "by", "strata", "terms", "at":
		if strings.Contains(text, ",") && !single(text) {
			return "(" + text + ")"
		}
	}
	return text
}

// single reports that no comma stands outside parentheses and quotes: one expression.
func single(text string) bool {
	depth, quoted := 0, false
	for _, r := range text {
		switch {
		case r == '\'':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			return false
		}
	}
	return true
}

// quoted shows a quote.
func (a *app) quoted(ctx context.Context, client *sdk.Client, q sdk.Query, form string) error {
	done := a.waiting("asking for a quote")
	offer, err := client.Quote(ctx, q)
	done()
	if err != nil {
		return err
	}
	switch form {
	case formatJSON:
		err = a.printJSON(offer)
	case formatCSV:
		err = usagef("use --format table or json", "a quote is no table")
	default:
		err = a.showQuote(offer, time.Now())
	}
	if err != nil {
		return err
	}
	if err := offer.Err(); err != nil {
		return fmt.Errorf("quote: %w", err)
	}
	return nil
}
