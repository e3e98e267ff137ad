package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jali/audit/export"
	"jali/audit/store"
)

func (a *app) exportCommand() *cobra.Command {
	var out, audience, form string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a record as plain files that anyone can check",
		Long: `Write a record as plain files that anyone can check: tiles, entries.jsonl, checkpoint, keys and, for regulators, details.

The record is verified while it is written; what does not verify is not exported. VERIFY.md in the directory explains how to
check it with nothing but Python. An export made here is a reader's copy: unlike one made by the gateway it is not on record.

--format jsonl and fhir write one file for other programs instead: entries with their details, one per line; or the questions on record as a
FHIR R4 bundle of AuditEvents (IHE BALP). Both are checked against the signed checkpoint while they are written, and prove nothing afterwards.`,
		Example: `  jali-auditor export --profile regulator --out ./export --audience regulator
  jali-auditor export --profile regulator --out events.json --audience regulator --format fhir
  jali-auditor export --dir /var/lib/jali --out ./export`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("--out DIR, a directory that does not exist yet", "no place to write to")
			}
			if !slices.Contains(exportFormats, form) {
				return usagef("one of "+strings.Join(exportFormats, ", "), "unknown --format")
			}
			if err := export.CheckAudience(audience); err != nil {
				return err
			}
			if form != exportTiles {
				return a.exportFile(cmd.Context(), out, audience, form)
			}
			rep, err := a.export(cmd.Context(), out, audience)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s: %d entries, %d details for the audience %s, signed by the log with %v\n", out, rep.Size, rep.Details, rep.Audience, rep.SignedBy)
			if len(rep.SignedBy) < 2 {
				fmt.Fprintln(a.stderr, "note: its checkpoint carries no ML-DSA-44 signature; export from the serving gateway, or from one that was stopped in order")
			}
			return nil
		},
	}
	s := cmd.Flags()
	s.StringVar(&out, "out", "", "`directory` to write, which must not exist")
	s.StringVar(&form, "format", exportTiles, strings.Join(exportFormats, ", "))
	s.StringVar(&audience, "audience", export.Public, "for whom: public (headers), citizen (and parties), researcher:KEY (own entries), regulator (all details)")
	_ = cmd.RegisterFlagCompletionFunc("audience", cobra.FixedCompletions(export.Audiences, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) export(ctx context.Context, out, audience string) (export.Report, error) {
	kind, err := a.from.kind()
	if err != nil {
		return export.Report{}, err
	}
	switch kind {
	case fromExport:
		return export.Report{}, usagef("copy the directory", "an export is an export already")
	case fromDir:
		r, err := store.OpenReader(a.from.state())
		if err != nil {
			return export.Report{}, err
		}
		defer r.Close()
		if audience != export.Public && !r.CanOpenDetails() {
			return export.Report{}, usagef("export for the public, or have keys.db beside audit.db", "details cannot be opened here: there is no keys.db")
		}
		if len(r.Checkpoint()) == 0 {
			return export.Report{}, hintedError{fmt.Errorf("these files hold no signed checkpoint"), "start and stop the gateway once"}
		}
		return r.Export(out, audience)
	}
	return a.exportLive(ctx, out, audience)
}

// exportLive writes what a serving gateway shows. Pages carry headers and details together.
func (a *app) exportLive(ctx context.Context, out, audience string) (export.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.from.timeout)
	defer cancel()
	s, err := a.from.dial(ctx, audience != export.Public)
	if err != nil {
		return export.Report{}, err
	}
	defer s.close()
	keys, cp, err := s.keysAndCheckpoint(ctx)
	if err != nil {
		return export.Report{}, err
	}
	if err := checkEntitled(audience, s.audience); err != nil {
		return export.Report{}, err
	}
	details := map[uint64][]string{}
	return export.Write(out, export.Source{
		Keys: keys, Checkpoint: cp.Note, Final: s.final, Cosigned: s.cosignedNote(), Policy: s.policy,
		Entries: func(from uint64) ([][]byte, error) {
			page, err := s.page(ctx, from)
			if err != nil {
				return nil, err
			}
			clear(details)
			lines := make([][]byte, len(page))
			for i, e := range page {
				lines[i] = e.line
				details[e.seq] = e.details
			}
			return lines, nil
		},
		Details: func(seq uint64) ([]string, error) { return details[seq], nil },
	}, audience)
}
