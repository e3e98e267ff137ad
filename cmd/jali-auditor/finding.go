package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"jali/audit"
)

// finding is a verification that succeeded: what was checked, by whose key, when.
type finding struct {
	Source        string
	Origin        string
	Size          uint64
	Root          []byte
	SignedBy      []string
	SignedSize    uint64 // of the checkpoint, where that may be below Size
	Signed        *time.Time
	KeysFrom      string
	First, Last   *time.Time
	Counts        map[audit.Kind]uint64
	Uninterpreted uint64
	OpenIntents   int
	Intent        *uint64
	Release       *uint64
	Checks        []string
	NotChecked    []string
	Checked       time.Time
}

func (f *finding) signed(t time.Time) {
	if !t.IsZero() {
		t = t.UTC()
		f.Signed = &t
	}
}

// held says which holds stand.
func (f *finding) held(holds []audit.Held) {
	_, said := holdsNow(holds, f.Checked)
	f.NotChecked = append(f.NotChecked, said...)
}

type findingJSON struct {
	OK            bool                  `json:"ok"`
	Source        string                `json:"source"`
	Origin        string                `json:"origin"`
	Size          uint64                `json:"size"`
	Root          string                `json:"root"`
	SignedBy      []string              `json:"signed_by"`
	SignedAt      *time.Time            `json:"signed_at,omitempty"`
	Keys          string                `json:"keys"`
	First         *time.Time            `json:"first,omitempty"`
	Last          *time.Time            `json:"last,omitempty"`
	Counts        map[audit.Kind]uint64 `json:"counts,omitempty"`
	Uninterpreted uint64                `json:"uninterpreted"`
	OpenIntents   int                   `json:"open_intents"`
	Intent        *uint64               `json:"intent,omitempty"`
	Release       *uint64               `json:"release,omitempty"`
	Checked       []string              `json:"checked"`
	NotChecked    []string              `json:"not_checked"`
	CheckedAt     time.Time             `json:"checked_at"`
}

// failureJSON is a verification that failed.
type failureJSON struct {
	OK        bool      `json:"ok"`
	Error     string    `json:"error"`
	Entry     *uint64   `json:"entry,omitempty"`
	Field     string    `json:"field,omitempty"`
	CheckedAt time.Time `json:"checked_at"`
}

func failureOf(err error, when time.Time) failureJSON {
	f := failureJSON{Error: err.Error(), CheckedAt: when}
	var at *audit.EntryError
	if errors.As(err, &at) {
		f.Entry, f.Field = &at.Seq, at.Field
	}
	return f
}

func (a *app) printFinding(f finding, form format) error {
	root := base64.StdEncoding.EncodeToString(f.Root)
	if form.value == formatJSON {
		return a.printJSON(findingJSON{
			true, f.Source, f.Origin, f.Size, root, append([]string{}, f.SignedBy...), f.Signed, f.KeysFrom, f.First, f.Last, f.Counts, f.Uninterpreted,
			f.OpenIntents, f.Intent, f.Release, f.Checks, f.NotChecked, f.Checked,
		})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	row("verified", "%s", f.Source)
	row("log", "%s", f.Origin)
	if f.Intent != nil {
		row("receipt", "entries %d (INTENT) and %d (RELEASE)", *f.Intent, *f.Release)
	}
	row("size", "%d entries", f.Size)
	if f.First != nil {
		row("time", "%s to %s, by the gateway's clock", f.First.Format(time.RFC3339), f.Last.Format(time.RFC3339))
	}
	row("root", "%s", root)
	if len(f.SignedBy) > 0 {
		signed := strings.Join(f.SignedBy, " and ")
		if f.SignedSize > 0 && f.SignedSize < f.Size {
			signed += fmt.Sprintf(", up to entry %d", f.SignedSize-1)
		}
		if f.Signed != nil {
			signed += ", " + f.Signed.Format(time.RFC3339) + " by the log's clock"
		}
		row("signed", "%s", signed)
	}
	row("keys", "%s", f.KeysFrom)
	if len(f.Counts) > 0 {
		var kinds []string
		for _, k := range slices.Sorted(maps.Keys(f.Counts)) {
			kinds = append(kinds, fmt.Sprintf("%s %d", k, f.Counts[k]))
		}
		row("entries", "%s", strings.Join(kinds, ", "))
	}
	if f.Uninterpreted > 0 {
		row("", "%d entries of unknown kinds: position checked, content not interpreted", f.Uninterpreted)
	}
	list := func(name string, lines []string) {
		for _, l := range lines {
			row(name, "- %s", l)
			name = ""
		}
	}
	list("checked", f.Checks)
	list("not checked", f.NotChecked)
	row("checked at", "%s", f.Checked.Format(time.RFC3339))
	return w.Flush()
}
