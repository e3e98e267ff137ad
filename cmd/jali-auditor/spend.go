package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/audit/store"
)

func (a *app) spendCommand() *cobra.Command {
	var form format
	cmd := &cobra.Command{
		Use:   "spend",
		Short: "Recompute every budget from the log and compare with the gateway's claim",
		Long: `Recompute every budget from the log and compare with the gateway's claim.

Prices and caps on record are added up, entry by entry; what entries say was spent before and after, and what the gateway (or
its stopped files) holds every ledger to be, must be exactly the same. Any difference, of one nano-rho, is exit status 6.
An export holds no claim of the gateway: then the log is compared with itself only.`,
		Example: `  jali-auditor spend --profile regulator
  jali-auditor spend --dir /var/lib/jali --vkeys vkeys --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.check(formatTable, formatJSON); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), a.from.timeout)
			defer cancel()
			rec, err := a.openRecord(ctx, false)
			if err != nil {
				return err
			}
			defer rec.close()
			s, err := spend(ctx, rec)
			if err != nil {
				return err
			}
			if err := a.printSpend(s, form); err != nil {
				return err
			}
			if n := len(s.Differences); n > 0 {
				return failedError{fmt.Errorf("%w: %d differences", audit.ErrSpend, n)}
			}
			return nil
		},
	}
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

// spending is what spend found.
type spending struct {
	OK          bool          `json:"ok"`
	Source      string        `json:"source"`
	Size        uint64        `json:"size"`
	Charges     uint64        `json:"charges"`
	Ledgers     []spentLedger `json:"ledgers"`
	Differences []difference  `json:"differences"`
	Checked     []string      `json:"checked"`
	NotChecked  []string      `json:"not_checked"`
	CheckedAt   time.Time     `json:"checked_at"`
}

type spentLedger struct {
	Agreement  string `json:"agreement,omitempty"`
	Population string `json:"population"`
	Spent      int64  `json:"spent_nano_rho"`
	Cap        int64  `json:"cap_nano_rho"`
	SpentDelta int64  `json:"spent_delta_e18"`
	CapDelta   int64  `json:"cap_delta_e18"`
	Seq        uint64 `json:"last_change"`
	// Unit is what the amounts are in: nrho, or cells (10,000 to a cell) of a population in mode sdc.
	Unit string `json:"unit"`
}

// spend adds up a record. The claim is read first: the log then holds every entry it rests on.
func spend(ctx context.Context, rec *record) (*spending, error) {
	t := newTally()
	out := &spending{Source: rec.name, Differences: []difference{}, CheckedAt: time.Now().UTC()}
	var claims []store.Claim
	var at uint64
	if rec.claims != nil {
		var err error
		if claims, at, err = rec.claims(ctx); err != nil {
			return nil, err
		}
	}
	compared := false
	compare := func() {
		if rec.claims != nil && out.Size == at && !compared {
			t.against(claims)
			compared = true
		}
	}
	compare() // an empty log
	err := rec.walk(ctx, at, func(e audit.Entry, _ []string) error {
		t.add(e)
		out.Size = e.Seq + 1
		compare()
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Charges = t.charges
	for _, k := range t.keys() {
		l := t.ledgers[k]
		out.Ledgers = append(out.Ledgers, spentLedger{k.Agreement, k.Population, l.spent.Rho, l.cap.Rho, l.spent.Delta, l.cap.Delta, l.seq, l.unit})
	}
	out.Differences = append(out.Differences, t.found...)
	out.OK = len(out.Differences) == 0
	out.Checked = []string{
		rec.signature(),
		fmt.Sprintf("%d charges in %d entries added up: what each says was spent before and after is compared with the sum, and the sum with the cap", t.charges, out.Size),
	}
	if compared {
		out.Checked = append(out.Checked, fmt.Sprintf("%d ledgers as the gateway claims them at %d entries compared with the log", len(claims), at))
	} else {
		out.NotChecked = append(out.NotChecked, "what the gateway claims: an export does not say (--profile or --dir)")
	}
	out.NotChecked = append(out.NotChecked, "whether anything was answered outside the log: no log can show that")
	return out, nil
}

func (a *app) printSpend(s *spending, form format) error {
	if form.value == formatJSON {
		return a.printJSON(s)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join([]string{"population", "agreement", "spent", "cap", "spent nano-rho", "last change"}, "\t"))
	for _, l := range s.Ledgers {
		who := l.Agreement
		if who == "" {
			who = "(all)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", printable(l.Population), printable(who), amount(l.Spent, l.Unit), amount(l.Cap, l.Unit), l.Spent, l.Seq)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.printChecks(s.Checked, s.NotChecked, s.CheckedAt)
	for _, d := range s.Differences {
		fmt.Fprintf(a.stdout, "DIFFERENCE   %s\n", printable(d.String()))
	}
	return nil
}

// printChecks says what was checked, what not, and when.
func (a *app) printChecks(checked, not []string, at time.Time) {
	for _, c := range checked {
		fmt.Fprintf(a.stdout, "checked      %s\n", printable(c))
	}
	for _, c := range not {
		fmt.Fprintf(a.stdout, "not checked  %s\n", printable(c))
	}
	fmt.Fprintf(a.stdout, "checked at   %s\n", at.Format(time.RFC3339))
}
