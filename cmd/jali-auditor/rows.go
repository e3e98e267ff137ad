package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"jali/audit"
)

var columns = []string{"seq", "time", "kind", "agreement", "dataset", "outcome", "what"}

func (r *row) cells() []string {
	return []string{strconv.FormatUint(r.e.Seq, 10), stamp(r.e.Time), string(r.e.Kind), r.agreement, r.dataset, r.outcome, r.what()}
}

// stamp is an entry's time to the microsecond, always equally long.
func stamp(t int64) string { return time.UnixMicro(t).UTC().Format("2006-01-02T15:04:05.000000Z") }

// rowJSON is an entry for programs: the header as it was hashed, and what is derived from it.
type rowJSON struct {
	Seq       uint64            `json:"seq"`
	Time      string            `json:"time"`
	Kind      audit.Kind        `json:"kind"`
	Agreement string            `json:"agreement,omitempty"`
	Dataset   string            `json:"dataset,omitempty"`
	Outcome   string            `json:"outcome,omitempty"`
	Header    json.RawMessage   `json:"header"`
	Details   map[string]string `json:"details,omitempty"`
}

func (r *row) json() rowJSON {
	j := rowJSON{r.e.Seq, stamp(r.e.Time), r.e.Kind, r.agreement, r.dataset, r.outcome, r.e.Line, nil}
	if len(r.details) > 0 {
		j.Details = map[string]string{}
		for _, d := range r.details {
			j.Details[d.Name] = d.Value
		}
	}
	return j
}

func (a *app) printRows(rows []*row, form format, details bool) error {
	switch form.value {
	case formatJSON:
		out := make([]rowJSON, len(rows))
		for i, r := range rows {
			out[i] = r.json()
		}
		return a.printJSON(out)
	case formatCSV:
		w := csv.NewWriter(a.stdout)
		if err := w.Write(csvColumns(details)); err != nil {
			return err
		}
		for _, r := range rows {
			if err := w.Write(r.csv(details)); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	// Aligned first, then details between the lines: they would break the columns.
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(columns, "\t"))
	for _, r := range rows {
		r.line(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out := bufio.NewWriter(a.stdout)
	for i, line := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		fmt.Fprintln(out, strings.TrimRight(line, " "))
		if i > 0 {
			rows[i-1].indented(out, details)
		}
	}
	return out.Flush()
}

func csvColumns(details bool) []string {
	if details {
		return append(slices.Clone(columns), "details")
	}
	return columns
}

// csv is a row for a spreadsheet. A cell that a spreadsheet would take for a formula gets an apostrophe.
func (r *row) csv(details bool) []string {
	cells := r.cells()
	if details {
		var text string
		if len(r.details) > 0 {
			b, _ := json.Marshal(r.json().Details)
			text = string(b)
		}
		cells = append(cells, text)
	}
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c
		}
	}
	return cells
}

func (r *row) line(w io.Writer) {
	cells := r.cells()
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// indented shows details below their row.
func (r *row) indented(w io.Writer, details bool) {
	if !details {
		return
	}
	for _, d := range r.details {
		fmt.Fprintf(w, "      %s: %s\n", d.Name, printable(d.Value))
	}
	for _, name := range r.withheld() {
		fmt.Fprintf(w, "      %s: (withheld)\n", name)
	}
}

// withheld lists the details that the header commits to and that could not be had.
func (r *row) withheld() []string {
	var out []string
	for name := range r.e.Dtl {
		if !slices.ContainsFunc(r.details, func(d audit.Detail) bool { return d.Name == name }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
