package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
)

func (a *app) quoteCommand() *cobra.Command {
	var (
		ask  askFlags
		form format
	)
	cmd := &cobra.Command{
		Use:   "quote [SQL | -f FILE | -]",
		Short: "Tell price and accuracy of a question, free",
		Long: `Tell what a question would cost and how accurate its answer would be, and whether policy and budget allow it.

Free; no data is used. Exit status 3 or 4 when policy or budget would refuse it, after printing the quote.`,
		Example: `  jali quote --error 50 "SELECT COUNT(*) FROM beneficiary"
  jali query --error 50 --quote "$(jali quote --error 50 -f q.sql --format json | jq -r .quote_id)" -f q.sql`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask.readSQL(a, args); err != nil {
				return err
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
			done := a.waiting("asking for a quote")
			offer, err := client.Quote(ctx, q)
			done()
			if err != nil {
				return err
			}
			switch form.value {
			case formatJSON:
				err = a.printJSON(offer)
			default:
				err = a.showQuote(offer, time.Now())
			}
			if err != nil {
				return err
			}
			return offer.Err()
		},
	}
	ask.register(cmd, a)
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

func (a *app) showQuote(q *sdk.Quote, now time.Time) error {
	var b bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%s %s\n", a.screen.out.bold(fmt.Sprintf("%-14s", name)), cell(fmt.Sprintf(format, args...)))
	}
	line("allowed", "%s", yes(q.Allowed))
	line("price", "%d %s", q.PricePU, unitOf(q.Unit))
	name := "error at 95 %"
	for _, e := range q.Error95 {
		if len(e.Sizes) == 0 {
			line(name, "%s: ± %s", e.Name, number(e.Value))
		} else {
			var at []string
			for _, s := range e.Sizes {
				at = append(at, fmt.Sprintf("± %s at n = %d", number(s.Value), s.N))
			}
			line(name, "%s: %s", e.Name, strings.Join(at, ", "))
		}
		name = ""
	}
	for _, e := range q.Detectable {
		var at []string
		for _, s := range e.Sizes {
			at = append(at, fmt.Sprintf("%s at n = %d", number(s.Value), s.N))
		}
		if len(at) == 0 {
			at = []string{"nothing below 100: ask for a smaller error or wider bins"}
		}
		line("detectable", "%s: %s, in each of two groups, a tenth of one with the outcome", strings.TrimPrefix(e.Name, "detectable "), strings.Join(at, ", "))
	}
	if len(q.Hiding) > 0 {
		var at []string
		for _, s := range q.Hiding {
			at = append(at, fmt.Sprintf("%.0f %% at n = %d", 100*s.Value, s.N))
		}
		line("hidden", "chance: %s", strings.Join(at, ", "))
	}
	line("left", "%s", balance(q.Budget, unitOf(q.Unit)))
	if q.Population != "" {
		line("population", "%s for this question", q.Population)
	}
	if q.Fits != "" {
		line("fits", "--error %s is the most accurate the budget can pay for", q.Fits)
	}
	line("plan", "%s %s", q.Plan.Dataset, short(q.Plan.Version))
	line("", "%s", q.Plan.Formulation)
	line("", "%s", q.Plan.Mechanism)
	if q.Plan.Cells > 0 {
		line("", "%d %s", q.Plan.Cells, plural(q.Plan.Cells, "cell", "cells"))
	} else {
		line("", "group keys come from the data, behind a threshold")
	}
	line("", "columns: %s", strings.Join(q.Plan.Columns, ", "))
	if q.Plan.HideBelow > 0 {
		line("", "groups below %d are hidden", q.Plan.HideBelow)
	}
	for _, w := range q.Warnings {
		line("note", "%s", w)
	}
	if q.ID != "" {
		line("quote", "%s", q.ID)
		line("expires", "%s (in %s)", q.ExpiresAt.Format(time.RFC3339), q.ExpiresAt.Sub(now).Round(time.Second))
	}
	return a.print(b.Bytes())
}

// number shows a half-width with three digits.
func number(x float64) string { return fmt.Sprintf("%.3g", x) }
