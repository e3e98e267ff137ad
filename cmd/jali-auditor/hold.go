package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

func (a *app) holdCommand() *cobra.Command {
	var entries, until string
	in := &jaliv1.HoldRequest{}
	cmd := &cobra.Command{
		Use:   "hold --entries A-B --until DAY --order TEXT --judge NAME",
		Short: "Have a gateway delay the disclosure of details",
		Long: `Have a gateway show the details of a range of entries, and of entries that belong to them, to nobody until a day: by order of a
court or the like. The entries, and that a hold stands, stay public. The gateway records who asked for it.`,
		Example: `  jali-auditor hold --profile regulator --entries 120-121 --until 2028-06-30 --order "7 Js 12/27" --judge "District Court"`,
		Args:    cobra.NoArgs,
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
				return usagef("e.g. --entries 12-90", "--entries %q is no range of entries", entries)
			}
			day, err := time.Parse(time.DateOnly, until)
			if err != nil {
				return usagef("e.g. --until 2028-06-30; the details open at the end of that day, UTC", "--until: %w", err)
			}
			in.Until = day.AddDate(0, 0, 1).UnixMicro()
			return a.onGateway(cmd.Context(), func(ctx context.Context, s *liveSource) error {
				done, err := s.audits.Hold(ctx, in)
				if err != nil {
					return sdk.FromStatus(err)
				}
				_, err = fmt.Fprintf(a.stdout, "details of entries %d to %d are held through %s (entry %d)\n", in.GetA(), in.GetB(), until, done.GetSeq())
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&entries, "entries", "", "first and last `entry`, e.g. 12-90")
	f.StringVar(&until, "until", "", "last `day` of the hold, e.g. 2028-06-30")
	f.StringVar(&in.Order, "order", "", "the `order` that this carries out, for the record")
	f.StringVar(&in.Judge, "judge", "", "`who` gave it, for the record")
	return required(cmd, "entries", "until", "order", "judge")
}

func (a *app) unholdCommand() *cobra.Command {
	in := &jaliv1.UnholdRequest{}
	cmd := &cobra.Command{
		Use:     "unhold --hold SEQ --order TEXT --judge NAME",
		Short:   "Have a gateway end a hold before its time",
		Example: `  jali-auditor unhold --profile regulator --hold 133 --order "7 Js 12/27 lifted" --judge "District Court"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onGateway(cmd.Context(), func(ctx context.Context, s *liveSource) error {
				done, err := s.audits.Unhold(ctx, in)
				if err != nil {
					return sdk.FromStatus(err)
				}
				_, err = fmt.Fprintf(a.stdout, "the hold of entry %d is over (entry %d)\n", in.GetHold(), done.GetSeq())
				return err
			})
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&in.Hold, "hold", 0, "the HOLD `entry`")
	f.StringVar(&in.Order, "order", "", "the `order` that this carries out, for the record")
	f.StringVar(&in.Judge, "judge", "", "`who` gave it, for the record")
	return required(cmd, "hold", "order", "judge")
}

func required(cmd *cobra.Command, flags ...string) *cobra.Command {
	for _, name := range flags {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// onGateway does something at a serving gateway.
func (a *app) onGateway(ctx context.Context, f func(context.Context, *liveSource) error) error {
	if kind, err := a.from.kind(); err != nil {
		return err
	} else if kind != fromLive {
		return usagef("name a gateway: --profile or --endpoint", "only a serving gateway can do this")
	}
	ctx, cancel := context.WithTimeout(ctx, a.from.timeout)
	defer cancel()
	s, err := a.from.dial(ctx, false)
	if err != nil {
		return err
	}
	defer s.close()
	return f(ctx, s)
}

// holdsNow says which holds of a record stand at a time; their number is always said.
func holdsNow(holds []audit.Held, now time.Time) (standing []audit.Held, said []string) {
	standing = slices.DeleteFunc(slices.Clone(holds), func(h audit.Held) bool { return h.Until <= now.UnixMicro() })
	slices.SortFunc(standing, func(a, b audit.Held) int { return int(a.Seq) - int(b.Seq) })
	for _, h := range standing {
		said = append(said, fmt.Sprintf("details of entries %d to %d: held until %s, by entry %d", h.A, h.B, time.UnixMicro(h.Until).UTC().Format(time.RFC3339), h.Seq))
	}
	return standing, said
}

// holdsOf follows the headers of a record: which holds stand after them.
type holdsOf map[string]audit.Held

func (hs holdsOf) add(e audit.Entry) {
	if e.Kind != audit.Hold && e.Kind != audit.Unhold {
		return
	}
	name, _, _ := audit.Activates(e.Kind, e.Text, e.Int)
	if h, ok := audit.ParseHeld(name, e.Seq); ok && e.Kind == audit.Hold {
		hs[name] = h
	} else {
		delete(hs, name)
	}
}

func (hs holdsOf) list() (out []audit.Held) {
	for _, h := range hs {
		out = append(out, h)
	}
	return out
}

// why tells why a detail is not shown, as far as the record says.
func (hs holdsOf) why(e audit.Entry, now time.Time) string {
	if h, held := audit.HeldBy(hs.list(), e, now.UnixMicro()); held {
		return fmt.Sprintf("(held until %s, by entry %d)", time.UnixMicro(h.Until).UTC().Format(time.RFC3339), h.Seq)
	}
	return "(withheld or erased)"
}
