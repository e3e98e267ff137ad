package main

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// maxCodes is what is read of a list of codes.
const maxCodes = 16 << 20

func (a *app) cohortCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cohort",
		Short: "Ask an encrypted question: the gateway does not learn which categories or participants",
		Long: `Ask a question whose selection of categories, or of participants of a registered study, stays secret.

The codes are encrypted here, under a key that never leaves this machine; the gateway computes on them without reading
them. Data set, column, condition, measure, size rule and accuracy are not secret. The agreement must open the kind "encrypted".
Keys are kept in ~/.config/jali/keys ($JALI_KEYS), sealed with $JALI_PASSPHRASE if it is set.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("jali cohort count --by COLUMN --codes FILE --error E", "cohort needs a command: count, sum, mean or slots")
		},
	}
	cmd.AddCommand(
		a.cohortAsk("count", "Count persons per category, added up over the selected ones", (*sdk.Client).CohortCount),
		a.cohortAsk("sum", "Add up a measure over the selected categories", (*sdk.Client).CohortSum),
		a.cohortAsk("mean", "Average a measure over the selected categories", (*sdk.Client).CohortMean),
		a.cohortSlots(),
	)
	return cmd
}

type cohortCall func(*sdk.Client, context.Context, sdk.CohortQuery) (*sdk.CohortResult, error)

func (a *app) cohortAsk(name, short string, call cohortCall) *cobra.Command {
	var (
		ask                     askFlags
		form                    format
		q                       sdk.CohortQuery
		codes                   string
		subjects                subjectFlags
		auditor                 string
		receiptFile, resultFile string
	)
	example := "  jali cohort " + name + " --dataset scheme --by medical_claim.icd --codes codes.txt --error 50"
	if name != "count" {
		example = strings.Replace(example, "--by", "--measure amount --by", 1)
	}
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long: short + `.

It is charged to the agreement's privacy budget, and never refunded. The answer is decrypted and printed only after its receipt has
verified. --codes takes a file with one code per line, - for standard input, or a list with commas. With two columns in --by each
line has a pair of codes as CSV, and a list has pairs with semicolons: E10,2019;E11,2020. --group-by asks for one number per group.

With --study the secret is which participants of a registered study count (--subjects), each for the rows in --from; the study's list
(--population) is your own copy, compared with the registered one and not sent.`,
		Example: example + "\n  jali cohort " + name + " --by medical_claim.icd --codes E10,E11 --where \"setting = 'inpatient'\" --min-size 2 --error 50 --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if subjects.used() {
				err = subjects.read(a, codes, &q)
			} else if strings.Contains(q.By, ",") {
				q.Tuples, err = a.readTuples(codes)
			} else {
				q.Codes, err = a.readCodes(codes)
			}
			if err != nil {
				return err
			}
			if q.Auditor, err = readAuditor(auditor); err != nil {
				return err
			}
			for _, path := range []string{receiptFile, resultFile} {
				if err := writable(path); err != nil {
					return err
				}
			}
			if strings.TrimSpace(ask.accuracy) == "" {
				_, _, err := parseAccuracy("")
				return err
			}
			ctx, stop, client, p, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			q.Agreement, q.Purpose, q.Dataset = first(ask.agreement, p.Agreement), first(ask.purpose, p.Purpose), first(ask.dataset, p.Dataset)
			q.Error, a.sql = ask.accuracy, q.Where
			var at atomic.Pointer[sdk.CohortProgress]
			q.Progress = func(p sdk.CohortProgress) { at.Store(&p) }
			done := a.waitingFor(func() string { return "asking, encrypted" + cohortStep(at.Load()) })
			result, err := call(client, ctx, q)
			done()
			if err != nil {
				return errors.Join(err, a.keepEvidence(err, receiptFile, resultFile))
			}
			kept := errors.Join(writeFile(receiptFile, result.Receipt.Raw), writeFile(resultFile, result.Raw))
			return errors.Join(kept, a.showCohort(form.value, result))
		},
	}
	ask.registerTerms(cmd, a)
	form.register(cmd, formatTable, formatCSV, formatJSON)
	subjects.register(cmd)
	f := cmd.Flags()
	f.StringVar(&q.By, "by", "", "`table.column` whose codes are selected; two with a comma select pairs")
	f.StringVar(&q.Group, "group-by", "", "`table.column` to report by; it is not encrypted")
	f.StringVar(&codes, "codes", "", "the secret codes: a `FILE`, - or a list C,C,...")
	f.StringVar(&q.Where, "where", "", "SQL `condition` over the table; it is not encrypted")
	f.Int64Var(&q.PerPerson, "per-person", 0, "one person counts in at most `K` categories; fewer are cheaper (default: the catalogue's cap)")
	if name != "count" {
		f.StringVar(&q.Measure, "measure", "", "`column` to add up")
	}
	f.Int64Var(&q.Size, "size", 0, "declare that exactly `K` codes, or subjects, are selected")
	f.Int64Var(&q.MinSize, "min-size", 0, "declare that at least `K` codes, or subjects, are selected; how many stays secret")
	f.Int64Var(&q.MaxSize, "max-size", 0, "declare that at most `K` codes, or subjects, are selected; K - min + 1 is a power of two")
	f.StringVar(&auditor, "auditor", "", "`file` with the public key of the auditor who may open the question, from the auditor")
	f.StringVar(&receiptFile, "receipt", "", "write the receipt to a `file`")
	f.StringVar(&resultFile, "result", "", "write the recorded reply bytes to a `file`, for receipt verify --result")
	return cmd
}

// cohortStep says how far a question has come.
func cohortStep(p *sdk.CohortProgress) string {
	switch {
	case p == nil:
		return ""
	case p.Step == "queue":
		return fmt.Sprintf(": waiting for %d other uploads", p.Ahead)
	case p.Step == "upload" && p.Total > 0:
		return fmt.Sprintf(": uploading, %d %%", 100*p.Done/p.Total)
	}
	return ": " + p.Step
}

// readAuditor reads a public key as jali-auditor open keygen writes it; no path is no auditor.
func readAuditor(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	const hint = "--auditor FILE with the public key that the auditor gave you"
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef(hint, "read auditor's key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) == 0 {
		return nil, usagef(hint, "%s holds no auditor's key", path)
	}
	return key, nil
}

const codesHint = "--codes FILE with one code per line, or --codes E10,E11; with two columns pairs such as E10,2019 per line, or E10,2019;E11,2020"

// readCodes takes a list, or a file with one code per line.
func (a *app) readCodes(s string) ([]string, error) {
	text, file, err := a.codesText(s)
	if err != nil {
		return nil, err
	}
	sep := ","
	if file {
		sep = "\n"
	}
	var codes []string
	seen := map[string]bool{}
	for code := range strings.SplitSeq(text, sep) {
		if code = strings.TrimSpace(code); code != "" && !seen[code] {
			seen[code], codes = true, append(codes, code)
		}
	}
	if len(codes) == 0 {
		return nil, usagef(codesHint, "the list of codes is empty")
	}
	return codes, nil
}

// readTuples takes pairs: as CSV one per line of a file, or with semicolons between them.
func (a *app) readTuples(s string) ([][]string, error) {
	text, file, err := a.codesText(s)
	if err != nil {
		return nil, err
	}
	if !file {
		text = strings.ReplaceAll(text, ";", "\n")
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace = 2, true
	tuples, err := r.ReadAll()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad): // without its cause, which may quote a code
		return nil, usagef(codesHint, "line %d of the codes is no pair", bad.Line)
	case err != nil:
		return nil, usagef(codesHint, "the codes are no pairs")
	case len(tuples) == 0:
		return nil, usagef(codesHint, "the list of codes is empty")
	}
	for _, t := range tuples {
		for i := range t {
			t[i] = strings.TrimSpace(t[i])
		}
	}
	return tuples, nil
}

// codesText is what --codes names. A word without comma that names a file is the file.
func (a *app) codesText(s string) (text string, file bool, err error) {
	if strings.TrimSpace(s) == "" {
		return "", false, usagef(codesHint, "no --codes given")
	}
	var in io.Reader
	if s == "-" {
		in = a.stdin
	} else if info, err := os.Stat(s); err == nil && !info.IsDir() {
		file, err := os.Open(s)
		if err != nil {
			return "", false, usagef(codesHint, "read codes: %w", err)
		}
		defer file.Close()
		in = file
	} else if strings.ContainsAny(s, `/\`) {
		return "", false, usagef(codesHint, "%s: there is no such file", s)
	}
	if in == nil {
		return s, false, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, maxCodes+1))
	if err != nil {
		return "", false, usagef(codesHint, "read codes: %w", err)
	}
	if len(b) > maxCodes {
		return "", false, usagef(codesHint, "the list of codes is longer than %d bytes", maxCodes)
	}
	return string(withoutBOM(b)), true, nil
}

func (a *app) showCohort(form string, r *sdk.CohortResult) error {
	if form == formatJSON {
		return a.printJSON(r)
	}
	if err := a.showAnswer(form, &r.Result); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stderr, "%s\n", a.screen.err.faint(fmt.Sprintf("%d bytes up, %d bytes down", r.UploadedBytes, r.DownloadedBytes)))
	return err
}
