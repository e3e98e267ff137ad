package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	jaliv1 "jali/proto/jali/v1"
)

func importCommand() *cobra.Command {
	var dir, dataset, table string
	var empty bool
	cmd := &cobra.Command{
		Use:   "import --dir D --dataset ID [--table T] FILE...",
		Short: "Check files against the catalogue, load them, and activate the new data version",
		Long: `Check CSV (.csv, .csv.gz) or Parquet files against the catalogue D/catalog/ID.yaml, load them into a new data version
and activate it. A file goes to the table of its base name, or to --table. Tables that are not named keep the data they have.
Rows that break the catalogue are reported by line, column and rule, never by value, and then nothing is loaded. Files of a table that have no row at all are refused unless --empty says
that the table is meant to be empty.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			act, rows, err := importFiles(cmd.Context(), dir, dataset, table, files, empty, progress(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rows in all tables, %d files checked and loaded\nversion %s is active (entry %d of the audit log)\n", dataset, rows, len(files), act.Digest, act.Seq)
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&dataset, "dataset", "", "dataset id: D/catalog/ID.yaml")
	cmd.MarkFlagRequired("dataset")
	cmd.Flags().StringVar(&table, "table", "", "table all files go to (default: by base name)")
	cmd.Flags().BoolVar(&empty, "empty", false, "load a table of which the files have no row")
	return cmd
}

// importFiles makes a data version in the state directory and activates it.
func importFiles(ctx context.Context, dir, dataset, table string, files []string, empty bool, report func(string, int64)) (*jaliv1.Activated, int64, error) {
	config, err := loadConfig(dir)
	if err != nil {
		return nil, 0, err
	}
	layout := gateway.Layout(dir)
	cat, err := catalog.Load(layout.Catalog(dataset))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, usage("put the dataset's catalogue there first (docs/catalog.md)", "no catalogue %s", layout.Catalog(dataset))
	}
	if err != nil {
		return nil, 0, &coded{code: exitUsage, err: err, hint: "jali-gateway catalog check " + layout.Catalog(dataset)}
	}
	if cat.ID != dataset {
		return nil, 0, usage("name the file after the dataset", "%s describes dataset %q", layout.Catalog(dataset), cat.ID)
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return nil, 0, usage("name CSV (.csv, .csv.gz) or Parquet files", "%w", err)
		}
	}
	var act *jaliv1.Activated
	var rows int64
	err = withAdmin(ctx, dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
		st, err := admin.Status(ctx, &jaliv1.StatusRequest{})
		if err != nil {
			return err
		}
		cfg := engine.ImportConfig{
			Catalog: cat, Dir: layout.Data(dataset), Threads: config.Engine.Threads, MemoryLimit: config.Engine.Memory, NotEmpty: !empty,
			Progress: func(table string, n int64) { report(table, n) },
		}
		for _, f := range files {
			cfg.Files = append(cfg.Files, engine.File{Path: f, Table: table})
		}
		if text := st.GetManifests()[dataset]; len(text) > 0 {
			active, err := engine.ParseManifest(text)
			if err != nil {
				return err
			}
			cfg.Active = &active
		}
		manifest, err := engine.Import(ctx, cfg)
		report("", 0)
		if err != nil {
			return importError(err)
		}
		for _, t := range manifest.Tables {
			rows += t.Rows
		}
		act, err = admin.ActivateDataset(ctx, &jaliv1.ActivateDatasetRequest{Dataset: dataset, Manifest: manifest.Encode(), Approver: approver()})
		return err
	})
	return act, rows, err
}

func importError(err error) error {
	var rows *engine.DataError
	switch {
	case errors.As(err, &rows):
		return &coded{code: exitUsage, err: err} // its text ends with the hint
	case errors.Is(err, engine.ErrEmpty):
		return &coded{code: exitUsage, err: err, hint: "look whether the file was cut off; --empty if the table is meant to be empty; nothing was loaded"}
	case errors.Is(err, engine.ErrData):
		return &coded{code: exitUsage, err: err, hint: "mend the file, its name or the catalogue (docs/catalog.md) and import again; nothing was loaded"}
	}
	return err
}
