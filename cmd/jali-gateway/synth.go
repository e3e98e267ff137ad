package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"jali/gateway/synth"
	jaliv1 "jali/proto/jali/v1"
)

func synthCommand() *cobra.Command {
	var out string
	cfg := synth.Config{Persons: 10_000, Seed: 1}
	cmd := &cobra.Command{
		Use:   "synth --persons N --out DIR",
		Short: "Generate a national social-insurance scheme: same bytes on every machine",
		Long: `Generate persons, enrolment, pensions, medical claims, drug claims and deaths as CSV files with the catalogue
(catalog.yaml) and an agreement (agreement.yaml) for them. The data are made up: docs/generator.md states every assumption.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := writeSynth(cmd.Context(), out, cfg, progress(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "directory, made if absent")
	cmd.Flags().IntVar(&cfg.Persons, "persons", cfg.Persons, "number of persons")
	cmd.Flags().Uint64Var(&cfg.Seed, "seed", cfg.Seed, "seed")
	cmd.MarkFlagRequired("out")
	return cmd
}

// writeSynth writes the tables, the catalogue and an agreement, and returns the table files.
func writeSynth(ctx context.Context, out string, cfg synth.Config, report func(string, int64)) ([]string, error) {
	if cfg.Persons < 1 {
		return nil, usage("e.g. --persons 10000", "--persons must be at least 1")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	cfg.Progress = func(persons int) { report("persons generated", int64(persons)) }
	files, err := synth.Write(ctx, out, cfg)
	report("", 0)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(out, "catalog.yaml"), synth.Catalog(), 0o644); err != nil {
		return nil, err
	}
	return files, os.WriteFile(filepath.Join(out, "agreement.yaml"), synth.Agreement(), 0o644)
}

func exportCommand() *cobra.Command {
	var dir, out, audience string
	cmd := &cobra.Command{
		Use:   "export --dir D --out DIR",
		Short: "Write the audit log for an audience: tiles, entries, keys and a verifier",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := filepath.Abs(out)
			if err != nil {
				return err
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.Export(ctx, &jaliv1.ExportRequest{Dir: out, Audience: audience})
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "exported to %s (entry %d of the audit log)\n", out, act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&out, "out", "", "new directory")
	cmd.Flags().StringVar(&audience, "audience", "public", "public, citizen, researcher:KEY or regulator")
	cmd.MarkFlagRequired("out")
	return cmd
}

// version is set by release builds: -ldflags "-X main.version=...".
var version = "devel"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			info, _ := debug.ReadBuildInfo()
			fmt.Fprintf(cmd.OutOrStdout(), "jali-gateway %s %s %s\n", version, info.Main.Version, info.GoVersion)
		},
	}
}
