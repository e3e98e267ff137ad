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

// attachment is what attach is asked for.
type attachment struct {
	dir, dataset, from string
	reader, owner      engine.Secret
	files              []string
}

func attachCommand() *cobra.Command {
	var a attachment
	cmd := &cobra.Command{
		Use:   "attach --dir D --dataset ID --dsn-file F --owner-dsn-file O (--from SCHEMA | FILE...)",
		Short: "Check rows against the catalogue, put them into PostgreSQL as a new data version, and activate it",
		Long: `Check the tables of a schema of PostgreSQL, or CSV and Parquet files, against the catalogue D/catalog/ID.yaml as import does, put
the rows into a new schema jali_... of the database, sealed against changes, and activate that data version. The gateway answers
from there, as the role of --dsn-file, which it keeps reading: it can read that schema's columns and nothing else. The role of
--owner-dsn-file makes the schema and reads SCHEMA, and is used by this command only. A connection string never stands in an
argument. Rows that break the catalogue are reported by place and rule, never by value, and then nothing is loaded.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			a.files = files
			if (a.from == "") == (len(files) == 0) {
				return usage("name tables to read with --from SCHEMA, or files", "give either --from or files")
			}
			if a.reader.IsZero() || a.owner.IsZero() {
				return usage("docs/operations.md, PostgreSQL: the two roles and how to make them", "give the connection strings of both roles: --dsn-file and --owner-dsn-file (or --dsn-env, --owner-dsn-env)")
			}
			act, rows, err := a.run(cmd.Context(), progress(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rows in all tables, checked and attached\nversion %s is active (entry %d of the audit log)\n", a.dataset, rows, act.Digest, act.Seq)
			return nil
		},
	}
	dirFlag(cmd, &a.dir)
	flags := cmd.Flags()
	flags.StringVar(&a.dataset, "dataset", "", "dataset id: D/catalog/ID.yaml")
	cmd.MarkFlagRequired("dataset")
	flags.StringVar(&a.from, "from", "", "schema with the tables or views of the catalogue")
	flags.StringVar(&a.reader.File, "dsn-file", "", "file with the connection string of the role that answers")
	flags.StringVar(&a.reader.Env, "dsn-env", "", "or the environment variable that holds it, also for serve")
	flags.StringVar(&a.owner.File, "owner-dsn-file", "", "file with the connection string of the role that owns data versions")
	flags.StringVar(&a.owner.Env, "owner-dsn-env", "", "or the environment variable that holds it")
	return cmd
}

// run makes the data version and activates it.
func (a attachment) run(ctx context.Context, report func(string, int64)) (*jaliv1.Activated, int64, error) {
	config, err := loadConfig(a.dir)
	if err != nil {
		return nil, 0, err
	}
	layout := gateway.Layout(a.dir)
	cat, err := catalog.Load(layout.Catalog(a.dataset))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, usage("put the dataset's catalogue there first (docs/catalog.md)", "no catalogue %s", layout.Catalog(a.dataset))
	}
	if err != nil {
		return nil, 0, &coded{code: exitUsage, err: err, hint: "jali-gateway catalog check " + layout.Catalog(a.dataset)}
	}
	if cat.ID != a.dataset {
		return nil, 0, usage("name the file after the dataset", "%s describes dataset %q", layout.Catalog(a.dataset), cat.ID)
	}
	cfg := engine.AttachConfig{
		ImportConfig: engine.ImportConfig{
			Catalog: cat, Dir: layout.Data(a.dataset), Threads: config.Engine.Threads, MemoryLimit: config.Engine.Memory, Progress: report,
		},
		Reader: a.reader, Owner: a.owner, From: a.from,
	}
	for _, f := range a.files {
		if _, err := os.Stat(f); err != nil {
			return nil, 0, usage("name CSV (.csv, .csv.gz) or Parquet files", "%w", err)
		}
		cfg.Files = append(cfg.Files, engine.File{Path: f})
	}
	var act *jaliv1.Activated
	var rows int64
	err = withAdmin(ctx, a.dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
		manifest, err := engine.Attach(ctx, cfg)
		report("", 0)
		switch {
		case errors.Is(err, engine.ErrDSN), errors.Is(err, engine.ErrFence):
			return &coded{code: exitUsage, err: err, hint: "docs/operations.md, PostgreSQL: the two roles and how to make them"}
		case err != nil:
			return importError(err)
		}
		for _, t := range manifest.Tables {
			rows += t.Rows
		}
		act, err = admin.ActivateDataset(ctx, &jaliv1.ActivateDatasetRequest{Dataset: a.dataset, Manifest: manifest.Encode(), Approver: approver()})
		return err
	})
	return act, rows, err
}
