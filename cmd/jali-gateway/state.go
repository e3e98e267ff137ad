package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"jali/gateway/catalog"
	jaliv1 "jali/proto/jali/v1"
)

func catalogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "Check catalogue files"}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE...",
		Short: "Check catalogue files and say what they declare",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			for _, f := range files {
				d, err := catalog.Load(f)
				if err != nil {
					return &coded{code: exitUsage, err: err, hint: "docs/catalog.md describes the format"}
				}
				columns := 0
				for _, t := range d.Tables {
					columns += len(t.Columns)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: dataset %s, population %s, %d tables, %d columns, digest %x\n", f, d.ID, d.Population, len(d.Tables), columns, d.Digest)
			}
			return nil
		},
	})
	return cmd
}

func agreementCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agreement", Short: "Register agreements"}
	var dir string
	add := &cobra.Command{
		Use:   "add --dir D FILE",
		Short: "Register an agreement, or a new version of one, and its budgets",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usage("name the agreement's YAML file", "read agreement: %w", err)
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.AddAgreement(ctx, &jaliv1.AddAgreementRequest{Yaml: text, Approver: approver()})
				if err != nil {
					return err
				}
				warn(cmd, act)
				fmt.Fprintf(cmd.OutOrStdout(), "agreement registered, version %s (entry %d of the audit log)\n", act.GetDigest(), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(add, &dir)
	cmd.AddCommand(add)
	return cmd
}

func budgetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "budget", Short: "Set a population's budget"}
	var dir, population, delta, order string
	var pu int64
	set := &cobra.Command{
		Use:   "set --dir D --population P --pu N",
		Short: "Set the cap of a population: one decision of the regulator, one entry",
		Long: `Set the cap of a population in privacy units (1 PU = 1e-5 rho), or, in mode sdc, in cells. 15,727 PU is eps = 3 at delta = 1e-7. The cap is for
the lifetime of the population: nothing refreshes it, and what is spent stays spent. Questions whose group keys come from the
data also spend delta; its cap is the delta at which privacy units are shown as epsilon, unless --delta says otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := deltaE18(delta)
			if err != nil {
				return usage("e.g. --delta 1e-7", "delta %q: %w", delta, err)
			}
			if pu <= 0 {
				return usage("15727 PU is eps = 3 at delta = 1e-7", "--pu must be a positive whole number")
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.SetBudget(ctx, &jaliv1.SetBudgetRequest{Population: population, Pu: pu, DeltaE18: d, Approver: approver(), Order: order})
				if err != nil {
					return err
				}
				warn(cmd, act)
				fmt.Fprintf(cmd.OutOrStdout(), "population %s: cap %d %s (entry %d of the audit log)\n", population, pu, cmp.Or(act.GetUnit(), "PU"), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(set, &dir)
	set.Flags().StringVar(&population, "population", "", "population, as catalogues name it")
	set.Flags().Int64Var(&pu, "pu", 0, "cap in privacy units")
	set.Flags().StringVar(&delta, "delta", "1e-7", "cap in delta, which questions with private group keys spend; 0 answers none of them")
	set.Flags().StringVar(&order, "order", "", "the decision this carries out, for the record")
	set.MarkFlagRequired("population")
	set.MarkFlagRequired("pu")
	cmd.AddCommand(set)
	return cmd
}

// warn prints what looks like a mistake.
func warn(cmd *cobra.Command, act *jaliv1.Activated) {
	for _, w := range act.GetWarnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
}

// deltaE18 reads a delta like 1e-7 or 0 into units of 1e-18.
func deltaE18(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, err
	}
	if !(f >= 0 && f <= 0.01) {
		return 0, fmt.Errorf("must lie in [0, 0.01]")
	}
	return int64(f * 1e18), nil
}
