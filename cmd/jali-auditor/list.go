package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
)

// row is one entry as shown: what its header says, and what later entries say of it.
type row struct {
	e         audit.Entry
	agreement string // its own, or that of the intent it belongs to
	dataset   string
	purpose   string
	actor     actor  // who asked, where the details say so
	price     int64  // nano-rho charged for the question this belongs to; -1: not a question
	outcome   string // of an INTENT: release, failure, interrupted, open; REFUSED: refused
	details   []audit.Detail
}

// actor is the detail of that name: who did what an entry records.
type actor struct {
	Name string `json:"name"`
	Org  string `json:"org"`
	Role string `json:"role"`
	Key  string `json:"key"`
}

// readActor reads the detail. One that is no JSON is a name.
func readActor(value string) actor {
	var a actor
	if err := json.Unmarshal([]byte(value), &a); err != nil {
		return actor{Name: value}
	}
	return a
}

func (a actor) is(who string) bool { return who == a.Name || who == a.Org || who == a.Key }

// filter says which entries to show.
type filter struct {
	kinds              []string
	agreement, dataset string
	who, purpose       string
	minPU, maxPU       float64
	outcome            string
	since, until       string
	from, to           int64 // microseconds
	last               int
}

func (f *filter) register(cmd *cobra.Command) {
	s := cmd.Flags()
	s.StringSliceVar(&f.kinds, "kind", nil, "only entries of these `kinds`, e.g. INTENT,REFUSED")
	s.StringVar(&f.agreement, "agreement", "", "only entries of this agreement `id`")
	s.StringVar(&f.dataset, "dataset", "", "only entries of this data set `id`")
	s.StringVar(&f.who, "who", "", "only entries of this person, organisation or key: a `name` as in the detail actor")
	s.StringVar(&f.purpose, "purpose", "", "only entries for this purpose `code`")
	s.Float64Var(&f.minPU, "min-price", 0, "only questions charged at least so many privacy `units`")
	s.Float64Var(&f.maxPU, "max-price", 0, "only questions charged at most so many privacy `units`")
	s.StringVar(&f.since, "since", "", "only entries from this `time` on (2027-01-31 or RFC 3339)")
	s.StringVar(&f.until, "until", "", "only entries before this `time`")
}

// outcomes are what --outcome takes.
var outcomes = []string{"release", "failure", "interrupted", "open", "refused"}

func (f *filter) check() error {
	for i, k := range f.kinds {
		f.kinds[i] = strings.ToUpper(k)
		if !audit.Kind(f.kinds[i]).Known() {
			return usagef("e.g. --kind INTENT,RELEASE,REFUSED", "unknown kind of entry")
		}
	}
	if f.outcome != "" && !slices.Contains(outcomes, f.outcome) {
		return usagef("one of release, failure, interrupted, open, refused", "unknown --outcome")
	}
	if f.minPU < 0 || f.maxPU < 0 || f.maxPU > 0 && f.maxPU < f.minPU || max(f.minPU, f.maxPU) > 1e9 {
		return usagef("e.g. --min-price 10 --max-price 500", "--min-price and --max-price are no range of privacy units")
	}
	var err error
	if f.from, err = moment(f.since); err != nil {
		return err
	}
	f.to, err = moment(f.until)
	return err
}

// moment reads a date or time as microseconds; 0 if empty.
func moment(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, usagef("write 2027-01-31 or 2027-01-31T15:04:05Z", "--since or --until is not a time")
}

// match reports whether an entry is to be shown, as far as that is known when it is read: outcomes come later.
func (f *filter) match(r *row) bool {
	switch {
	case len(f.kinds) > 0 && !slices.Contains(f.kinds, string(r.e.Kind)),
		f.agreement != "" && r.agreement != f.agreement,
		f.dataset != "" && r.dataset != f.dataset,
		f.who != "" && !r.actor.is(f.who),
		f.purpose != "" && !slices.Contains(strings.Split(r.purpose, "+"), f.purpose),
		f.minPU > 0 && float64(r.price) < f.minPU*nanoPerPU,
		f.maxPU > 0 && (r.price < 0 || float64(r.price) > f.maxPU*nanoPerPU),
		f.from > 0 && r.e.Time < f.from,
		f.to > 0 && r.e.Time >= f.to:
		return false
	}
	return true
}

// nanoPerPU: privacy units are what people see.
const nanoPerPU = 10_000

// needsDetails reports whether the filter looks at what headers do not say.
func (f *filter) needsDetails() bool { return f.who != "" }

// reader turns headers into rows. It remembers, for intents, whose they are.
type reader struct {
	details bool
	intents map[uint64]owner
	waiting map[uint64]*row // intents shown and without outcome so far
}

// owner is what the entries of a case take from their intent.
type owner struct {
	agreement, dataset, purpose string
	actor                       actor
	price                       int64
}

func newReader(details bool) *reader {
	return &reader{details, map[uint64]owner{}, map[uint64]*row{}}
}

// read parses an entry. Details are checked against the header that commits to them before they are shown.
func (rd *reader) read(in entry) (*row, error) {
	e, err := audit.ParseEntry(in.line)
	if err != nil {
		return nil, failedError{&audit.EntryError{Seq: in.seq, Err: err}}
	}
	if e.Seq != in.seq {
		return nil, failedError{&audit.EntryError{Seq: in.seq, Field: "seq", Err: audit.ErrSeq}}
	}
	r := &row{e: e, agreement: e.Text("ag"), dataset: e.Text("ds"), purpose: e.Text("pu"), price: -1}
	if e.Ref != nil {
		if of, ok := rd.intents[*e.Ref]; ok {
			r.agreement, r.dataset, r.purpose, r.actor, r.price = of.agreement, of.dataset, of.purpose, of.actor, of.price
		}
	}
	if rd.details {
		if err := r.open(in.details); err != nil {
			return nil, err
		}
	}
	switch {
	case e.Kind == audit.Intent:
		r.price = e.Part("cost", "r")
		rd.intents[e.Seq] = owner{r.agreement, r.dataset, r.purpose, r.actor, r.price}
		rd.waiting[e.Seq] = r
		r.outcome = "open"
	case e.Kind.Outcome() && e.Ref != nil:
		if i := rd.waiting[*e.Ref]; i != nil {
			i.outcome = strings.ToLower(string(e.Kind))
			delete(rd.waiting, *e.Ref)
		}
	case e.Kind == audit.Refused:
		r.outcome = "refused"
	}
	return r, nil
}

// open checks disclosures against the header and keeps what they disclose.
func (r *row) open(disclosed []string) error {
	for _, d := range disclosed {
		det, err := audit.VerifyDetail(r.e, d)
		if err != nil {
			return err
		}
		r.details = append(r.details, det)
		if det.Name == "actor" {
			r.actor = readActor(det.Value)
		}
	}
	return nil
}

func (a *app) listCommand() *cobra.Command {
	var form format
	var f filter
	var details bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries of a record",
		Long: `List entries of a record, oldest first.

list reads; verify checks. Only details are checked here, against the headers that commit to them.`,
		Example: `  jali-auditor list --profile regulator --kind INTENT --outcome failure --since 2027-01-01
  jali-auditor list --dir /var/lib/jali --agreement agr-7f3c --details --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.check(formatTable, formatJSON, formatCSV); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			rows, err := a.read(cmd.Context(), &f, details)
			if err != nil {
				return err
			}
			return a.printRows(rows, form, details)
		},
	}
	f.register(cmd)
	s := cmd.Flags()
	s.StringVar(&f.outcome, "outcome", "", "only requests that ended so: release, failure, interrupted, open, refused")
	s.IntVar(&f.last, "last", 0, "only the last `n` that match")
	s.BoolVar(&details, "details", false, "also show the details that can be read")
	form.register(cmd, formatTable, formatJSON, formatCSV)
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(outcomes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// read collects the rows that match. An outcome is known only from a later entry, so nothing is shown before the end.
func (a *app) read(ctx context.Context, f *filter, details bool) ([]*row, error) {
	ctx, cancel := context.WithTimeout(ctx, a.from.timeout)
	defer cancel()
	details = details || f.needsDetails()
	src, err := a.from.open(ctx, details)
	if err != nil {
		return nil, err
	}
	defer src.close()
	rd := newReader(details)
	var rows []*row
	for from := uint64(0); ; {
		page, err := src.page(ctx, from)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, in := range page {
			r, err := rd.read(in)
			if err != nil {
				return nil, err
			}
			if f.match(r) {
				rows = append(rows, r)
			}
		}
		from += uint64(len(page))
	}
	if f.outcome != "" {
		kept := rows[:0]
		for _, r := range rows {
			if r.outcome == f.outcome {
				kept = append(kept, r)
			}
		}
		rows = kept
	}
	if f.last > 0 && len(rows) > f.last {
		rows = rows[len(rows)-f.last:]
	}
	return rows, nil
}

// what sums an entry up in a few words, from its header alone.
func (r *row) what() string {
	e := r.e
	switch e.Kind {
	case audit.Intent:
		return fmt.Sprintf("%s, cost %s", e.Text("pu"), amount(e.Part("cost", "r"), e.Text("acct")))
	case audit.Refused:
		return "why " + e.Text("why")
	case audit.Release, audit.Failure, audit.Interrupted, audit.Replay:
		if e.Ref != nil {
			return fmt.Sprintf("of entry %d", *e.Ref)
		}
	case audit.Budget:
		return fmt.Sprintf("%s: cap %s, was %s", e.Text("pop"), amount(e.Part("cap", "r"), e.Text("acct")), amount(e.Part("cap0", "r"), e.Text("acct")))
	case audit.Agreement:
		return fmt.Sprintf("version %d %s", e.Int("agv"), e.Text("st"))
	case audit.Dataset:
		return fmt.Sprintf("version %s %s", e.Text("dsv"), e.Text("st"))
	case audit.Policy:
		return "bundle " + e.Text("pol")
	case audit.Admin:
		return e.Text("act")
	case audit.Heartbeat:
		return fmt.Sprintf("%d open", e.Int("open"))
	case audit.Export:
		return fmt.Sprintf("entries %d to %d for %s", e.Int("a"), e.Int("b"), e.Text("aud"))
	case audit.Clock:
		return fmt.Sprintf("back by %s", time.Duration(e.Int("back"))*time.Microsecond)
	case audit.Login:
		return fmt.Sprintf("%s, %d times", e.Text("why"), e.Int("cnt"))
	case audit.Review:
		return fmt.Sprintf("%s, entries %d to %d", e.Text("act"), e.Int("a"), e.Int("b"))
	case audit.Genesis:
		return e.Text("why")
	case audit.Hold, audit.Unhold, audit.Erase:
		return fmt.Sprintf("entries %d to %d", e.Int("a"), e.Int("b"))
	case audit.Witness:
		return e.Text("ev") + " " + e.Text("w")
	case audit.ShardClose:
		return "goes on as " + e.Text("next")
	}
	return ""
}

// amount shows privacy loss in the unit people see: 1 PU = 10,000 nano-rho.
func amount(n int64, acct string) string {
	unit := "PU"
	switch acct {
	case "nrho":
	case "cells": // of data in mode sdc: 10,000 to a cell
		unit = "cells"
	default:
		return fmt.Sprintf("%d %s", n, acct)
	}
	return fmt.Sprintf("%d.%04d %s", n/10_000, n%10_000, unit)
}
