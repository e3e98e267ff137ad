package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

func (a *app) showCommand() *cobra.Command {
	var form format
	cmd := &cobra.Command{
		Use:   "show SEQ",
		Short: "Show an entry with its case: request, decision, price, outcome",
		Long: `Show an entry with its case: request, decision, price and outcome, and every detail that you may read.

Each detail is checked against the header that commits to it, and each header against the checkpoint that the log has signed: by
a Merkle proof from a live gateway, by reading the whole record elsewhere. A gateway records that you have read the details.`,
		Example: `  jali-auditor show 42 --profile regulator
  jali-auditor show 42 --export ./export --vkeys vkeys --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := form.check(formatTable, formatJSON); err != nil {
				return err
			}
			var seq uint64
			if _, err := fmt.Sscanf(args[0], "%d", &seq); err != nil || fmt.Sprint(seq) != args[0] {
				return usagef("jali-auditor show 42", "SEQ is the number of an entry")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), a.from.timeout)
			defer cancel()
			rec, err := a.openRecord(ctx, true)
			if err != nil {
				return err
			}
			defer rec.close()
			c, err := readCase(ctx, rec, seq)
			if err != nil {
				return err
			}
			return a.printCase(c, form)
		},
	}
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

// caseOf is an entry with those it belongs together with: the intent, its outcome, and what refers to it.
type caseOf struct {
	asked   uint64
	rows    []*row
	holds   holdsOf
	read    *reader // one for the case: an outcome tells its intent's
	proof   string
	checked time.Time
}

// readCase finds the entries of a case and checks that they stand in the log.
func readCase(ctx context.Context, rec *record, seq uint64) (*caseOf, error) {
	c := &caseOf{asked: seq, holds: holdsOf{}, read: newReader(true), checked: time.Now().UTC()}
	if rec.signed == nil || seq >= rec.signed.Size {
		return nil, usagef("entries are numbered from 0; list shows them", "there is no signed entry %d in this record", seq)
	}
	live, ok := rec.source.(*liveSource)
	if !ok {
		return c, c.scan(ctx, rec)
	}
	return c, c.fetch(ctx, live, rec)
}

// scan reads a whole record, which proves the place of every entry in it.
func (c *caseOf) scan(ctx context.Context, rec *record) error {
	var all []*row
	head := c.asked
	err := rec.walk(ctx, 0, func(e audit.Entry, disclosed []string) error {
		c.holds.add(e)
		r, err := c.read.read(entry{e.Seq, e.Line, nil})
		if err != nil {
			return err
		}
		if e.Seq == c.asked && e.Ref != nil {
			head = *e.Ref
		}
		if e.Seq == c.asked || e.Ref != nil || e.Kind == audit.Intent || e.Kind == audit.Erase || e.Kind == audit.Hold {
			if err := r.open(disclosed); err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.e.Seq == head || r.e.Seq == c.asked || r.e.Ref != nil && *r.e.Ref == head {
			c.rows = append(c.rows, r)
		}
	}
	c.proof = rec.signature()
	return nil
}

// fetch reads the entries of a case from a gateway, each with a proof that it stands in what the log has signed.
func (c *caseOf) fetch(ctx context.Context, s *liveSource, rec *record) error {
	one, err := c.entry(ctx, s, rec, c.asked)
	if err != nil {
		return err
	}
	head := one
	if one.e.Ref != nil {
		if head, err = c.entry(ctx, s, rec, *one.e.Ref); err != nil {
			return err
		}
		if head.e.Seq > one.e.Seq {
			return failedError{&audit.EntryError{Seq: one.e.Seq, Field: "ref", Err: audit.ErrRef}}
		}
	}
	c.rows = append(c.rows, head)
	// Headers alone, until the outcome of the intent, or the entry asked for, has been found.
	headers := *s
	headers.details = false
	found := head.e.Kind != audit.Intent
	for from := head.e.Seq + 1; from < rec.signed.Size && (!found || from <= c.asked); {
		page, err := headers.page(ctx, from)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return failedError{fmt.Errorf("%w: it ends at entry %d", audit.ErrHistory, from)}
		}
		for _, in := range page {
			e, err := audit.ParseEntry(in.line)
			if err != nil {
				return failedError{&audit.EntryError{Seq: in.seq, Err: err}}
			}
			if e.Ref == nil || *e.Ref != head.e.Seq || e.Seq >= rec.signed.Size {
				continue
			}
			r, err := c.entry(ctx, s, rec, e.Seq)
			if err != nil {
				return err
			}
			c.rows = append(c.rows, r)
			found = found || e.Kind.Outcome()
		}
		from += uint64(len(page))
	}
	if slices.ContainsFunc(c.rows, func(r *row) bool { return len(r.withheld()) > 0 }) {
		if err := c.findHolds(ctx, &headers, rec.signed.Size); err != nil {
			return err
		}
	}
	c.proof = fmt.Sprintf("each entry stands in the log %s, by a Merkle proof that ends in a checkpoint signed with %v, under %s", rec.signed.Origin, rec.signed.SignedBy, rec.whose())
	return nil
}

// findHolds reads the headers after the case, where holds on it are.
func (c *caseOf) findHolds(ctx context.Context, headers *liveSource, size uint64) error {
	for from := c.rows[0].e.Seq; from < size; {
		page, err := headers.page(ctx, from)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return failedError{fmt.Errorf("%w: it ends at entry %d", audit.ErrHistory, from)}
		}
		for _, in := range page {
			e, err := audit.ParseEntry(in.line)
			if err != nil {
				return failedError{&audit.EntryError{Seq: in.seq, Err: err}}
			}
			c.holds.add(e)
		}
		from += uint64(len(page))
	}
	return nil
}

// entry fetches one entry with its details and checks its proof.
func (c *caseOf) entry(ctx context.Context, s *liveSource, rec *record, seq uint64) (*row, error) {
	got, err := s.audits.ListEntries(ctx, &jaliv1.ListEntriesRequest{From: seq, Limit: 1, Details: true})
	if err != nil {
		return nil, sdk.FromStatus(err)
	}
	page, err := entriesOf(got, seq)
	if err != nil {
		return nil, err
	}
	if len(page) != 1 {
		return nil, failedError{fmt.Errorf("%w: entry %d is not there", audit.ErrHistory, seq)}
	}
	r, err := c.read.read(page[0])
	if err != nil {
		return nil, err
	}
	text, err := s.audits.GetProof(ctx, &jaliv1.GetProofRequest{Seq: seq})
	if err != nil {
		return nil, sdk.FromStatus(err)
	}
	p, err := audit.ParseProof([]byte(text.GetProof()))
	if err != nil {
		return nil, err
	}
	cp, err := rec.keys.OpenCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	if p.Index != seq {
		return nil, failedError{&audit.EntryError{Seq: seq, Err: errors.New("the gateway proved the place of another entry")}}
	}
	return r, audit.VerifyInclusion(audit.LeafHash(page[0].line), p.Index, cp.Size, p.Path, cp.Root)
}

func (a *app) printCase(c *caseOf, form format) error {
	if form.value == formatJSON {
		out := struct {
			Seq      uint64    `json:"seq"`
			Entries  []rowJSON `json:"entries"`
			Withheld []string  `json:"withheld"`
			// Held names, by entry, the HOLD that keeps its details closed.
			Held      map[string]uint64 `json:"held,omitempty"`
			Checked   string            `json:"checked"`
			CheckedAt time.Time         `json:"checked_at"`
		}{Seq: c.asked, Withheld: []string{}, Held: map[string]uint64{}, Checked: c.proof, CheckedAt: c.checked}
		for _, r := range c.rows {
			out.Entries = append(out.Entries, r.json())
			for _, name := range r.withheld() {
				out.Withheld = append(out.Withheld, fmt.Sprintf("%d/%s", r.e.Seq, name))
				if by, held := audit.HeldBy(c.holds.list(), r.e, c.checked.UnixMicro()); held {
					out.Held[fmt.Sprint(r.e.Seq)] = by.Seq
				}
			}
		}
		return a.printJSON(out)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	for _, r := range c.rows {
		r.lines(line)
		for _, d := range r.details {
			line("  "+d.Name, "%s", d.Value)
		}
		for _, name := range r.withheld() {
			line("  "+name, "%s", c.holds.why(r.e, c.checked))
		}
	}
	line("checked", "%s", c.proof)
	line("", "the details shown are those that the headers commit to")
	line("checked at", "%s", c.checked.Format(time.RFC3339))
	return w.Flush()
}

// lines tells what an entry says, in the order of a case: request, decision, price, outcome.
func (r *row) lines(line func(name, format string, args ...any)) {
	e := r.e
	line(fmt.Sprintf("entry %d", e.Seq), "%s at %s", e.Kind, stamp(e.Time))
	switch e.Kind {
	case audit.Intent:
		line("  request", "agreement %s version %d, purpose %s, data set %s version %s", e.Text("ag"), e.Int("agv"), e.Text("pu"), e.Text("ds"), e.Text("dsv"))
		line("  decision", "%s under policy bundle %s", e.Text("dec"), e.Text("pol"))
		acct := e.Text("acct")
		line("  price", "%s (%d nano-rho, %d e-18 delta)", amount(e.Part("cost", "r"), acct), e.Part("cost", "r"), e.Part("cost", "d"))
		line("  budget", "agreement %s -> %s, population %s: %s -> %s", amount(e.Part("bud0", "ar"), acct), amount(e.Part("bud1", "ar"), acct), e.Text("pop"), amount(e.Part("bud0", "pr"), acct), amount(e.Part("bud1", "pr"), acct))
	case audit.Refused:
		line("  decision", "%s, why: %s; nothing was charged", e.Text("dec"), e.Text("why"))
	case audit.Release:
		line("  outcome", "released, level L%d, mechanism %s", e.Int("lvl"), e.Text("mech"))
	case audit.Failure, audit.Interrupted:
		line("  outcome", "%s: no answer, the charge stands", strings.ToLower(string(e.Kind)))
	default:
		if what := r.what(); what != "" {
			line("  says", "%s", what)
		}
	}
	if b, err := json.Marshal(e.Dtl); err == nil && len(e.Dtl) > 0 {
		line("  commits to", "%s", b)
	}
}
