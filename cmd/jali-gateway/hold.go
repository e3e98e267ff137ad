package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	jaliv1 "jali/proto/jali/v1"
)

func holdCommand() *cobra.Command {
	var dir, entries, until string
	in := &jaliv1.HoldRequest{}
	cmd := &cobra.Command{
		Use:   "hold --dir D --entries A-B --until DAY --order TEXT --judge NAME",
		Short: "Delay the disclosure of details, by order of a court or the like",
		Long: `Show the details of a range of entries, and of entries that belong to them, to nobody until a day. The entries, and that a hold
stands, stay public. Nothing in the range can be erased until the hold is over. jali-auditor hold is the same for a regulator.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, ranged := strings.Cut(entries, "-")
			if !ranged {
				to = from
			}
			var err error
			if in.A, err = strconv.ParseUint(from, 10, 64); err == nil {
				in.B, err = strconv.ParseUint(to, 10, 64)
			}
			if err != nil {
				return usage("e.g. --entries 12-90", "--entries %q is no range of entries", entries)
			}
			day, err := time.Parse(time.DateOnly, until)
			if err != nil {
				return usage("e.g. --until 2028-06-30; the details open at the end of that day, UTC", "--until: %w", err)
			}
			in.Until = day.AddDate(0, 0, 1).UnixMicro()
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				done, err := admin.Hold(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "details of entries %d to %d are held through %s (entry %d of the audit log)\n", in.GetA(), in.GetB(), until, done.GetSeq())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.StringVar(&entries, "entries", "", "first and last entry, e.g. 12-90")
	f.StringVar(&until, "until", "", "last day of the hold, e.g. 2028-06-30")
	f.StringVar(&in.Order, "order", "", "the order that this carries out, for the record")
	f.StringVar(&in.Judge, "judge", "", "who gave it, for the record")
	for _, name := range []string{"entries", "until", "order", "judge"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func unholdCommand() *cobra.Command {
	var dir string
	in := &jaliv1.UnholdRequest{}
	cmd := &cobra.Command{
		Use:   "unhold --dir D --hold SEQ --order TEXT --judge NAME",
		Short: "End a hold before its time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				done, err := admin.Unhold(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "the hold of entry %d is over (entry %d of the audit log)\n", in.GetHold(), done.GetSeq())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.Uint64Var(&in.Hold, "hold", 0, "the HOLD entry")
	f.StringVar(&in.Order, "order", "", "the order that this carries out, for the record")
	f.StringVar(&in.Judge, "judge", "", "who gave it, for the record")
	for _, name := range []string{"hold", "order", "judge"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}
