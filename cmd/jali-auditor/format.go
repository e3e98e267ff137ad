package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
)

// format is the --format flag.
type format struct{ value string }

func (f *format) register(cmd *cobra.Command, allowed ...string) {
	cmd.Flags().StringVar(&f.value, "format", formatTable, strings.Join(allowed, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

func (f *format) check(allowed ...string) error {
	if !slices.Contains(allowed, f.value) {
		return usagef("one of "+strings.Join(allowed, ", "), "unknown --format")
	}
	return nil
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
