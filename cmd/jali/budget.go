package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
)

func (a *app) budgetCommand() *cobra.Command {
	var (
		agreement string
		form      format
	)
	cmd := &cobra.Command{
		Use:   "budget",
		Short: "Show what an agreement has left and what spent it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop, client, p, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			done := a.waiting("reading the ledgers")
			report, err := client.Budget(ctx, first(agreement, p.Agreement))
			done()
			if err != nil {
				return err
			}
			switch form.value {
			case formatJSON:
				return a.printJSON(report)
			case formatCSV:
				return chargeSheet(report).csv(a.stdout)
			}
			return a.showBudget(report)
		},
	}
	cmd.Flags().StringVar(&agreement, "agreement", "", "`id` of the agreement")
	form.register(cmd, formatTable, formatCSV, formatJSON)
	return cmd
}

func (a *app) showBudget(r *sdk.BudgetReport) error {
	var b bytes.Buffer
	ledgers := newSheet("population", "cap PU", "spent PU", "left PU", "epsilon spent", "of", "population's own").numbers(1, 2, 3, 4, 5)
	for _, l := range r.Ledgers {
		state := l.PopulationState
		if l.PopulationCapPU != nil {
			state = fmt.Sprintf("%s (%d of %d PU spent)", state, *l.PopulationSpentPU, *l.PopulationCapPU)
		}
		ledgers.add(l.Population, strconv.FormatInt(l.CapPU, 10), strconv.FormatInt(l.SpentPU, 10), strconv.FormatInt(l.RemainingPU, 10),
			fmt.Sprintf("%.3f", l.SpentEpsilon), fmt.Sprintf("%.3f", l.CapEpsilon), state)
	}
	fmt.Fprintf(&b, "%s %s\n\n", a.screen.out.bold("agreement"), cell(r.Agreement))
	if err := ledgers.draw(&b, a.screen.out); err != nil {
		return err
	}
	if len(r.Charges) > 0 {
		fmt.Fprintln(&b)
		if err := chargeSheet(r).draw(&b, a.screen.out); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\n1 PU is 1e-5 rho (zCDP); epsilon at delta = 1e-7, rounded up. Charges are never refunded.\n")
	return a.print(b.Bytes())
}

func chargeSheet(r *sdk.BudgetReport) *sheet {
	s := newSheet("entry", "time", "population", "price PU", "outcome", "query").numbers(0, 3)
	for _, c := range r.Charges {
		s.add(strconv.FormatUint(c.Seq, 10), c.Time.Format(time.RFC3339), c.Population, strconv.FormatInt(c.PricePU, 10), c.Outcome, strings.Join(strings.Fields(c.Query), " "))
	}
	return s
}
