package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
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
	ledgers := newSheet("population", "cap", "spent", "left", "unit", "epsilon spent", "of", "population's own").numbers(1, 2, 3, 5, 6)
	for _, l := range r.Ledgers {
		state := l.PopulationState
		if l.PopulationCapPU != nil {
			state = fmt.Sprintf("%s (%d of %d %s spent)", state, *l.PopulationSpentPU, *l.PopulationCapPU, unitOf(l.Unit))
		}
		ledgers.add(l.Population, strconv.FormatInt(l.CapPU, 10), strconv.FormatInt(l.SpentPU, 10), strconv.FormatInt(l.RemainingPU, 10),
			unitOf(l.Unit), epsilon(l, l.SpentEpsilon), epsilon(l, l.CapEpsilon), state)
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
	fmt.Fprintln(&b)
	units := map[string]string{}
	for _, l := range r.Ledgers {
		units[l.Population] = unitOf(l.Unit)
	}
	if slices.Contains(slices.Collect(maps.Values(units)), privacyUnits) || len(units) == 0 {
		fmt.Fprintln(&b, "1 PU is 1e-5 rho (zCDP); epsilon at delta = 1e-7, rounded up.")
	}
	if slices.Contains(slices.Collect(maps.Values(units)), "cells") {
		fmt.Fprintln(&b, "In mode sdc each figure of each group is a cell, shown or withheld. There is no epsilon: no formal guarantee stands behind it.")
	}
	fmt.Fprintln(&b, "Charges are never refunded.")
	return a.print(b.Bytes())
}

// privacyUnits is the unit of what names none.
const privacyUnits = "PU"

// unitOf is the word for a unit of the wire.
func unitOf(unit string) string { return cmp.Or(unit, privacyUnits) }

// epsilon is shown where it means something.
func epsilon(l sdk.Ledger, value float64) string {
	if l.Unit != "" {
		return "-"
	}
	return fmt.Sprintf("%.3f", value)
}

func chargeSheet(r *sdk.BudgetReport) *sheet {
	s := newSheet("entry", "time", "population", "price", "unit", "outcome", "query").numbers(0, 3)
	units := map[string]string{}
	for _, l := range r.Ledgers {
		units[l.Population] = l.Unit
	}
	for _, c := range r.Charges {
		s.add(strconv.FormatUint(c.Seq, 10), c.Time.Format(time.RFC3339), c.Population, strconv.FormatInt(c.PricePU, 10), unitOf(units[c.Population]), c.Outcome, strings.Join(strings.Fields(c.Query), " "))
	}
	return s
}
