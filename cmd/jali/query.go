package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"jali/sdk"
)

func (a *app) queryCommand() *cobra.Command {
	var (
		ask                     askFlags
		form                    format
		receiptFile, resultFile string
		quoteID, requestID      string
	)
	cmd := &cobra.Command{
		Use:   "query [SQL | -f FILE | -]",
		Short: "Ask a question; it is charged",
		Long: `Ask a question. It is charged to the agreement's privacy budget, and never refunded.

The answer is printed only after its receipt has verified against the log keys of the profile (or --vkeys).
The same question on the same data is answered again from the record, free.`,
		Example: `  jali query --error 50 "SELECT sex_code, COUNT(*) FROM beneficiary GROUP BY sex_code"
  jali query --error 50,total=100000 -f question.sql --format csv > answer.csv
  echo "SELECT COUNT(*) FROM beneficiary" | jali query --error 50 --receipt receipt.json -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask.readSQL(a, args); err != nil {
				return err
			}
			// Before anything is charged: a file that cannot be written later would lose what was paid for.
			for _, path := range []string{receiptFile, resultFile} {
				if err := writable(path); err != nil {
					return err
				}
			}
			ctx, stop, client, p, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			q, err := ask.question(a, p)
			if err != nil {
				return err
			}
			q.QuoteID, q.RequestID = quoteID, requestID
			done := a.waiting("asking")
			result, err := client.Query(ctx, q)
			done()
			if err != nil {
				return errors.Join(err, a.keepEvidence(err, receiptFile, resultFile))
			}
			if err := errors.Join(writeFile(receiptFile, result.Receipt.Raw), writeFile(resultFile, result.Raw)); err != nil {
				// The answer is paid for: show it all the same.
				return errors.Join(err, a.showAnswer(form.value, result))
			}
			return a.showAnswer(form.value, result)
		},
	}
	ask.register(cmd, a)
	form.register(cmd, formatTable, formatCSV, formatJSON)
	f := cmd.Flags()
	f.StringVar(&receiptFile, "receipt", "", "write the receipt to a `file`")
	f.StringVar(&resultFile, "result", "", "write the recorded result bytes to a `file`, for receipt verify --result")
	f.StringVar(&quoteID, "quote", "", "`id` of a quote: binds its price")
	f.StringVar(&requestID, "request-id", "", "idempotency `key`: the same one is answered and charged once")
	return cmd
}

// keepEvidence writes what came with a receipt that did not verify: a dispute needs it.
func (a *app) keepEvidence(err error, receiptFile, resultFile string) error {
	var bad *sdk.ReceiptError
	if !errors.As(err, &bad) {
		return nil
	}
	return errors.Join(writeFile(receiptFile, bad.UnverifiedReceipt), writeFile(resultFile, bad.UnverifiedResult))
}

// showAnswer prints a verified answer.
func (a *app) showAnswer(form string, r *sdk.Result) error {
	switch form {
	case formatJSON:
		return a.printJSON(r)
	case formatCSV:
		if err := csvSheet(r).csv(a.stdout); err != nil {
			return err
		}
		return a.footer(a.stderr, a.screen.err, r, formatCSV, false)
	}
	var b bytes.Buffer
	s, clamped := screenSheet(r)
	if err := s.draw(&b, a.screen.out); err != nil {
		return err
	}
	if len(r.Rows) == 0 {
		fmt.Fprintln(&b, "(no rows)")
	}
	fmt.Fprintln(&b)
	if err := a.footer(&b, a.screen.out, r, formatTable, clamped); err != nil {
		return err
	}
	return a.print(b.Bytes())
}

func (a *app) print(b []byte) error {
	if _, err := a.stdout.Write(b); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// footer tells what the answer cost, what is left, what was hidden, and what exactly was verified.
func (a *app) footer(w io.Writer, on ink, r *sdk.Result, form string, clamped bool) error {
	var lines [][2]string
	line := func(name, format string, args ...any) {
		lines = append(lines, [2]string{name, fmt.Sprintf(format, args...)})
	}
	switch {
	case form == formatTable && r.Analysis != nil:
		line("values", "derived from the recorded histogram; lower95 and upper95 are for the population, exact_lower95 and exact_upper95 for the exact data")
	case form == formatTable && r.Protection != "":
		line("values", "value ± rounding")
	case form == formatTable:
		line("values", "value ± half-width; the true figure lies within with at least 95 %% probability")
	}
	if r.Protection != "" {
		line("protection", "%s", r.Protection)
	}
	for _, note := range r.Notes {
		line("note", "%s", note)
	}
	if form == formatTable {
		said := remarks(r)
		for _, text := range said {
			line("note", "%s %s", remarkNumber(said, text), text)
		}
	}
	if clamped {
		line("", "* the recorded figure is below 0, which is noise; --format csv or json prints it, and sums should use it")
	}
	switch {
	case r.HiddenGroups > 0 && r.Protection != "": // mode sdc never says why
		line("hidden", "%d %s withheld: too few persons, one that dominates, or too close to what your organisation has been told", r.HiddenGroups, plural(r.HiddenGroups, "group is", "groups are"))
	case r.HiddenGroups > 0:
		line("hidden", "%d %s too few persons to show: every figure of theirs is withheld", r.HiddenGroups, plural(r.HiddenGroups, "group has", "groups have"))
	}
	unit := privacyUnits
	if r.Protection != "" {
		unit = "cells"
	}
	if r.Replayed {
		line("price", "0 %s: the stored answer of a question already paid for", unit)
	} else {
		line("price", "%d %s", r.PricePU, unit)
	}
	line("left", "%s", balance(r.Budget, unit))
	line("receipt", "verified: %s", receiptLine(r.Receipt))
	line("", "%s", sealLine(r.Receipt))
	if r.Replayed && r.Receipt.SQL != "" && strings.TrimSpace(r.Receipt.SQL) != strings.TrimSpace(a.sql) {
		line("", "first asked as: %s", r.Receipt.SQL)
	}
	if r.SlotsOff {
		line("timing", "this data set answers as fast as it can; its timing is not protected")
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %s\n", on.faint(fmt.Sprintf("%-8s", l[0])), cell(l[1]))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

func receiptLine(r sdk.Receipt) string {
	return fmt.Sprintf("charge is entry %d, release entry %d of log %s (key %s, %s, %d entries)",
		r.Intent, r.Release, r.Origin, strings.Join(r.KeyIDs, ", "), strings.Join(r.SignedBy, " and "), r.Size)
}

func sealLine(r sdk.Receipt) string {
	if r.Sealed {
		return "sealed: cosigned by " + strings.Join(r.CosignedBy, ", ")
	}
	if r.Policy != "" {
		return "unsealed: too few witnesses of the seal policy given (--seal) have cosigned, or none was given to judge by; asked again, free, a newer receipt comes"
	}
	return "unsealed: no witness has cosigned yet; the operator alone vouches for the log's history"
}

func balance(b sdk.Balance, unit string) string {
	text := fmt.Sprintf("%d %s in the agreement", b.AgreementRemainingPU, unit)
	if b.PopulationRemainingPU != nil {
		text += fmt.Sprintf(", %d %s in the population", *b.PopulationRemainingPU, unit)
	}
	return text
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// writable refuses, early, a path whose directory is not there or that is a directory.
func writable(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return usagef("create it first", "%s: there is no such directory", filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("name a file", "%s is a directory", path)
	}
	return nil
}

func writeFile(path string, b []byte) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("keep receipt: %w", err)
	}
	return nil
}
