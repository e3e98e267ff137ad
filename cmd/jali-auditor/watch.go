package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"jali/audit"
)

func (a *app) watchCommand() *cobra.Command {
	var form format
	var f filter
	var details bool
	var start int64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow a live record",
		Long: `Follow a live record: entries are shown as they become durable, until interrupted.

Each entry must continue the one before it: number, hash, time, spends. If one does not, watch stops with exit status 6.`,
		Example: `  jali-auditor watch --profile regulator
  jali-auditor watch --profile regulator --kind INTENT,REFUSED --from 0 --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.check(formatTable, formatJSON, formatCSV); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			if kind, err := a.from.kind(); err != nil {
				return err
			} else if kind != fromLive {
				return usagef("name a gateway: --profile or --endpoint", "only a live gateway can be watched")
			}
			return a.watch(cmd.Context(), &f, form, details, start)
		},
	}
	f.register(cmd)
	s := cmd.Flags()
	s.Int64Var(&start, "from", -1, "begin with this entry `number`; default: the next one")
	s.BoolVar(&details, "details", false, "also show the details that may be seen")
	form.register(cmd, formatTable, formatJSON, formatCSV)
	return cmd
}

func (a *app) watch(ctx context.Context, f *filter, form format, details bool, start int64) error {
	opened := details || f.needsDetails()
	s, err := a.from.dial(ctx, opened)
	if err != nil {
		return err
	}
	defer s.close()
	keys, cp, err := s.keysAndCheckpoint(ctx)
	if err != nil {
		return err
	}
	from := cp.Size
	if start >= 0 {
		from = uint64(start)
	}
	chain, err := chainFrom(ctx, s, keys, from)
	if err != nil {
		return err
	}
	show, err := a.shower(form, details)
	if err != nil {
		return err
	}
	rd := newReader(opened)
	return s.follow(ctx, from, func(in entry) error {
		if err := chain.Next(in.line); err != nil {
			return err
		}
		r, err := rd.read(in)
		if err != nil {
			return err
		}
		if !f.match(r) {
			return nil
		}
		return show(r)
	})
}

// chainFrom is a chain that goes on at entry from: after the entry before it, which is taken on trust.
func chainFrom(ctx context.Context, s *liveSource, keys *audit.Keys, from uint64) (*audit.Chain, error) {
	if from == 0 {
		return audit.NewChain(keys.Origin, keys.VKeys, s.final), nil
	}
	page, err := s.page(ctx, from-1)
	if err != nil {
		return nil, err
	}
	if len(page) == 0 {
		return nil, usagef("the record is shorter than that; leave --from out to begin at its end", "there is no entry before --from")
	}
	e, err := audit.ParseEntry(page[0].line)
	if err != nil {
		return nil, failedError{&audit.EntryError{Seq: from - 1, Err: err}}
	}
	return audit.ResumeChain(keys.Origin, from, audit.LeafHash(page[0].line), e.Time), nil
}

// shower prints rows one by one as they come.
func (a *app) shower(form format, details bool) (func(*row) error, error) {
	switch form.value {
	case formatJSON: // one object per line
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		return func(r *row) error { return enc.Encode(r.json()) }, nil
	case formatCSV:
		w := csv.NewWriter(a.stdout)
		show := func(cells []string) error {
			if err := w.Write(cells); err != nil {
				return err
			}
			w.Flush()
			return w.Error()
		}
		return func(r *row) error { return show(r.csv(details)) }, show(csvColumns(details))
	}
	return func(r *row) error {
		c := r.cells()
		_, err := fmt.Fprintf(a.stdout, "%8s  %s  %-11s  %-16s  %-12s  %s\n", c[0], c[1], printable(c[2]), printable(c[3]), printable(c[4]), printable(c[6]))
		r.indented(a.stdout, details)
		return err
	}, nil
}
