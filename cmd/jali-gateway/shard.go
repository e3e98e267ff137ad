package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"jali/audit/store"
	"jali/gateway"
)

func shardCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "shard", Short: "Go on with the audit log in a new origin, once a year"}
	cmd.AddCommand(shardPrepareCommand(), shardNextCommand())
	return cmd
}

func shardPrepareCommand() *cobra.Command {
	var dir, origin string
	cmd := &cobra.Command{
		Use:   "prepare --dir D --origin ORIGIN",
		Short: "Make the keys of the log's next origin, for its witnesses to register",
		Long: `Make the keys of the log's next origin and print them. Nothing else changes; the gateway may be serving.

Every origin is a new log for witnesses: give them the file 30 days before it begins. Log lines in seal.policy and l2.policy name
one origin's keys: take them out first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := gateway.PrepareShard(gateway.Config{Dir: dir, Now: time.Now, Operator: operatorLog(slog.LevelInfo)}, origin)
			if err != nil {
				return shardError(err)
			}
			fmt.Fprint(cmd.OutOrStdout(), keys.Text())
			fmt.Fprintf(cmd.ErrOrStderr(), "keys of %s, also in %s: register them at every witness, and give them to researchers and regulators\n", origin, gateway.Layout(dir).Next().VKeys())
			return nil
		},
	}
	dirFlag(cmd, &dir)
	originFlag(cmd, &origin)
	return cmd
}

func shardNextCommand() *cobra.Command {
	var dir, origin, order string
	cmd := &cobra.Command{
		Use:   "next --dir D --origin ORIGIN --order TEXT",
		Short: "Close the audit log and go on in a new origin",
		Long: `Close the audit log and go on in a new origin.

The gateway must be stopped. The old log announces the new keys and ends with SHARDCLOSE; witnesses cosign its end; the new log's
genesis commits to that, and it begins with every budget as it was spent. Policy, data versions and agreements in force are registered in
it again. The old log's files lie in D/shards, laid out like a state directory. Stored answers stay there: a question asked again in
the new origin is charged again. If something fails, mend it and run the same command again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(dir)
			if err != nil {
				return err
			}
			left, err := gateway.NextShard(cmd.Context(), gateway.Config{
				Dir: dir, Now: time.Now, Threads: cfg.Engine.Threads, MemoryLimit: cfg.Engine.Memory,
				Witness: gateway.WitnessConfig(cfg.Witness), Operator: operatorLog(cfg.LogLevel),
			}, origin, approver(), order)
			if err != nil {
				return shardError(err)
			}
			for _, l := range left {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: not registered again:", l)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the audit log goes on as %s; the one before is in %s\n", origin, gateway.Layout(dir).Shard(""))
			return nil
		},
	}
	dirFlag(cmd, &dir)
	originFlag(cmd, &origin)
	cmd.Flags().StringVar(&order, "order", "", "the decision this carries out, for the record")
	cmd.MarkFlagRequired("order")
	return cmd
}

func originFlag(cmd *cobra.Command, origin *string) {
	cmd.Flags().StringVar(origin, "origin", "", "name of the new log, e.g. audit.example.gov/gw1/2028; never one that was used before")
	cmd.MarkFlagRequired("origin")
}

// shardError gives an error of a change of origins its exit status and hint.
func shardError(err error) error {
	hint := "docs/operations.md, a new year"
	code := exitFailed
	switch {
	case errors.Is(err, gateway.ErrNoQuorum):
		hint = "the witnesses must know the new log: register its keys (shard prepare) there, then run the command again"
	case errors.Is(err, store.ErrKeyFile):
		code, hint = exitUsage, "shard prepare has made keys already: give the origin that D/next/vkeys names, or move D/next away"
	case errors.Is(err, store.ErrItem), errors.Is(err, gateway.ErrShard):
		code = exitUsage
	}
	if c := gateway.ExitCode(err); c != 0 {
		code = c
	}
	return &coded{code: code, err: err, hint: hint}
}
