package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

func backupCommand() *cobra.Command {
	var dir, out, keys string
	cmd := &cobra.Command{
		Use:   "backup --dir D --out DIR [--keys DIR]",
		Short: "Copy the state while the gateway serves: the record, and apart from it the keys",
		Long: `Copy the state while the gateway serves: audit log and ledgers as of one moment, catalogues, agreements, policies and
configuration to --out; what signs the log and opens details to --keys, if given. Rows are not copied.

Keep the two apart: who has both reads who asked what. A copy of keys outlives erasure: destroy it with every erasure. Both directories are made by the account
that serves. The backup is on record.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := &jaliv1.BackupRequest{Approver: approver()}
			var err error
			if request.Dir, err = filepath.Abs(out); err != nil {
				return err
			}
			if keys != "" {
				if request.Keys, err = filepath.Abs(keys); err != nil {
					return err
				}
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.Backup(ctx, request)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "backed up to %s (entry %d of the audit log)\n", request.GetDir(), act.GetSeq())
				if keys == "" {
					fmt.Fprintln(cmd.OutOrStdout(), "without keys: a gateway cannot serve from it; --keys DIR copies them, to be kept elsewhere")
				}
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&out, "out", "", "new directory")
	cmd.Flags().StringVar(&keys, "keys", "", "new directory for the keys, elsewhere")
	cmd.MarkFlagRequired("out")
	return cmd
}

// restoreBackup puts a backup in place of a state directory that is lost.
func restoreBackup(cmd *cobra.Command, dir, from, keys string, unwitnessed bool) error {
	cfg, err := loadConfig(from)
	if err != nil {
		return usage("name the directory that backup wrote", "%s is not a backup: %w", from, err)
	}
	got, err := gateway.RestoreBackup(cmd.Context(), gateway.Config{Dir: dir, Now: time.Now, Witness: gateway.WitnessConfig(cfg.Witness), Operator: operatorLog(cfg.LogLevel)}, from, keys, unwitnessed)
	switch {
	case errors.Is(err, gateway.ErrRollback):
		return &coded{code: gateway.ExitRollback, err: err, hint: "it is in place, and does not serve: jali-gateway restore --dir " + dir + " --export DIR --order TEXT brings it up to date"}
	case errors.Is(err, gateway.ErrUnwitnessed):
		return &coded{code: exitFailed, err: err, hint: "ask them to answer; or, if nobody ever witnessed this log, --unwitnessed: what was spent since the backup is then forgotten"}
	case errors.Is(err, gateway.ErrBackup):
		return &coded{code: exitUsage, err: err, hint: "docs/operations.md, backup and restore"}
	case err != nil:
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %d entries of %s to %s; every one verifies\n", got.Size, got.Origin, dir)
	if got.Witnessed > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "witnesses have cosigned %d: nothing is missing that they know of\n", got.Witnessed)
	} else {
		fmt.Fprintln(cmd.OutOrStdout(), "nobody witnesses this log: what came after the backup is forgotten, budgets included. Tell the regulator")
	}
	if !got.Keys {
		fmt.Fprintln(cmd.OutOrStdout(), "no keys: it can be verified, not served")
	}
	fmt.Fprintln(cmd.OutOrStdout(), "first    stop the gateway that the backup is of, for good: opening this directory (serve, doctor, any change) appends to the same log, and two that do end both")
	fmt.Fprintln(cmd.OutOrStdout(), "to do    put the rows back: import the active data versions' files into "+filepath.Join(dir, "data")+", or import anew")
	return nil
}
