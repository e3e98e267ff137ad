package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// codesShown is how many codes one command prints; --codes narrows them down.
const codesShown = 1000

func (a *app) catalogCommand() *cobra.Command {
	var (
		form   format
		filter string
	)
	cmd := &cobra.Command{
		Use:   "catalog [DATASET [TABLE [COLUMN]]]",
		Short: "Show what data exists and what may be asked of it",
		Example: `  jali catalog
  jali catalog cms10k
  jali catalog cms10k beneficiary
  jali catalog cms10k claim dx1 --codes diabet`,
		Args:              cobra.MaximumNArgs(3),
		ValidArgsFunction: a.completeCatalog,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("codes") && len(args) < 3 {
				return usagef("jali catalog DATASET TABLE COLUMN --codes FILTER", "--codes needs a column")
			}
			ctx, stop, client, _, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			done := a.waiting("reading the catalogue")
			shown, err := lookUp(ctx, client, args, filter)
			done()
			if err != nil {
				return err
			}
			switch form.value {
			case formatJSON:
				return a.printJSON(shown.value)
			case formatCSV:
				return shown.sheet.csv(a.stdout)
			}
			return a.drawEntry(shown)
		},
	}
	form.register(cmd, formatTable, formatCSV, formatJSON)
	cmd.Flags().StringVar(&filter, "codes", "", "only codes whose code or label contains this `text`")
	return cmd
}

// entry is a part of the catalogue, ready to print.
type entry struct {
	value any // what --format json prints
	facts [][2]string
	sheet *sheet
	note  string
}

func lookUp(ctx context.Context, client *sdk.Client, args []string, filter string) (entry, error) {
	if len(args) == 0 {
		list, err := client.Datasets(ctx)
		if err != nil {
			return entry{}, err
		}
		return listEntry(list), nil
	}
	d, err := client.Dataset(ctx, args[0])
	if err != nil {
		return entry{}, err
	}
	if len(args) == 1 {
		return datasetEntry(d), nil
	}
	table := d.Table(args[1])
	if table == nil {
		return entry{}, &sdk.QueryError{Code: "UNKNOWN_NAME", Message: fmt.Sprintf("data set %s has no table %q", d.ID, args[1]), Hint: "jali catalog " + d.ID + " lists its tables"}
	}
	if len(args) == 2 {
		return tableEntry(table), nil
	}
	column := table.Column(args[2])
	if column == nil {
		return entry{}, &sdk.QueryError{Code: "UNKNOWN_NAME", Message: fmt.Sprintf("table %s has no column %q", table.Name, args[2]), Hint: "jali catalog " + d.ID + " " + table.Name + " lists its columns"}
	}
	var codes []sdk.Code
	var total int64
	if column.CodeCount > 0 {
		if codes, total, err = client.Codes(ctx, sdk.CodesQuery{Dataset: d.ID, Table: table.Name, Column: column.Name, Filter: filter, Limit: codesShown}); err != nil {
			return entry{}, err
		}
	}
	return columnEntry(column, codes, total), nil
}

func listEntry(list []sdk.Dataset) entry {
	s := newSheet("dataset", "title", "tables", "population", "version").numbers(2)
	for _, d := range list {
		s.add(d.ID, d.Title, strconv.Itoa(len(d.Tables)), d.Population, first(short(d.Version), "not loaded"))
	}
	e := entry{value: map[string]any{"datasets": list}, sheet: s}
	if len(list) == 0 {
		e.note = "no data set is open to this certificate"
	}
	return e
}

func datasetEntry(d *sdk.Dataset) entry {
	s := newSheet("table", "columns", "person key", "rows/person", "groups/person", "description").numbers(1, 3, 4)
	for _, t := range d.Tables {
		s.add(t.Name, strconv.Itoa(len(t.Columns)), tableKey(&t), count(t.RowsPerPerson), count(t.GroupsPerPerson), t.Description)
	}
	facts := [][2]string{
		{"dataset", d.ID},
		{"title", d.Title},
		{"description", d.Description},
		{"source", d.Source},
		{"population", d.Population},
		{"protection", d.Mode},
		{"class", d.Class},
		{"version", first(d.Version, "not loaded")},
	}
	for _, j := range d.Joins {
		facts = append(facts, [2]string{"join", j.Left + " = " + j.Right})
	}
	return entry{value: d, facts: facts, sheet: s}
}

func tableEntry(t *sdk.Table) entry {
	s := newSheet("column", "type", "use", "unit", "values", "sensitivity", "description")
	for i := range t.Columns {
		c := &t.Columns[i]
		s.add(c.Name, c.Type, strings.Join(c.Roles, ","), c.Unit, values(c), c.Sensitivity, c.Description)
		for _, b := range c.Bands {
			s.add("  "+b.Name, "band", "group", "", sample(b.Labels, int64(len(b.Labels))), "", "of "+c.Name)
		}
	}
	return entry{value: t, sheet: s, facts: [][2]string{
		{"table", t.Name},
		{"description", t.Description},
		{"person key", tableKey(t)},
		{"rows/person", count(t.RowsPerPerson)},
		{"groups/person", count(t.GroupsPerPerson)},
		{"rows/group", count(t.RowsPerGroup)},
	}}
}

func columnEntry(c *sdk.Field, codes []sdk.Code, total int64) entry {
	s := newSheet("code", "label")
	for _, code := range codes {
		s.add(code.Code, code.Label)
	}
	e := entry{
		value: struct {
			*sdk.Field
			Codes []sdk.Code `json:"codes"`
			Total int64      `json:"codes_matching"`
		}{c, codes, total},
		sheet: s,
		facts: [][2]string{
			{"column", c.Name},
			{"description", c.Description},
			{"type", c.Type},
			{"unit", c.Unit},
			{"use", strings.Join(c.Roles, ", ")},
			{"values", values(c)},
			{"may be absent", yes(c.Nullable)},
			{"sensitivity", c.Sensitivity},
		},
	}
	for _, b := range c.Bands {
		e.facts = append(e.facts, [2]string{"band " + b.Name, strings.Join(b.Labels, ", ")})
	}
	switch {
	case c.CodeCount == 0:
		e.sheet = nil
	case total > int64(len(codes)):
		e.note = fmt.Sprintf("%d of %d codes shown; narrow them down with --codes FILTER", len(codes), total)
	case total == 0:
		e.note = "no code matches"
	}
	return e
}

func (a *app) drawEntry(e entry) error {
	width := 0
	for _, f := range e.facts {
		width = max(width, len(f[0]))
	}
	for _, f := range e.facts {
		if f[1] != "" {
			fmt.Fprintf(a.stdout, "%s  %s\n", a.screen.out.bold(fmt.Sprintf("%-*s", width, f[0])), cell(f[1]))
		}
	}
	if e.sheet != nil && len(e.sheet.rows) > 0 {
		if len(e.facts) > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := e.sheet.draw(a.stdout, a.screen.out); err != nil {
			return err
		}
	}
	if e.note != "" {
		fmt.Fprintln(a.stdout, e.note)
	}
	return nil
}

func tableKey(t *sdk.Table) string {
	if t.Public {
		return "(public table)"
	}
	return t.PersonKey
}

// values describes what a column can hold, in a few words.
func values(c *sdk.Field) string {
	switch {
	case c.CodeCount > 0:
		texts := make([]string, 0, len(c.Sample))
		for _, code := range c.Sample {
			texts = append(texts, code.Code)
		}
		return sample(texts, c.CodeCount)
	case c.PrivateKeys:
		return "keys from the data, behind a threshold"
	case c.Lo != "" || c.Hi != "":
		return c.Lo + " to " + c.Hi
	}
	return ""
}

// sample lists a few of total labels.
func sample(labels []string, total int64) string {
	const most = 6
	if total <= most && int64(len(labels)) == total {
		return strings.Join(labels, ", ")
	}
	shown := labels[:min(len(labels), 3)]
	return fmt.Sprintf("%d codes: %s, ...", total, strings.Join(shown, ", "))
}

func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// short is enough of a digest to tell versions apart.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
