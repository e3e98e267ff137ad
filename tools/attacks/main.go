// Command attacks runs the attack suite and prints its table: number, name, criterion, measured figure, verdict, time.
//
//	go run ./tools/attacks -long -out build/attacks
//
// It writes the table as build/attacks.md and build/attacks.json too, and ends with status 1 unless every attack passed. A test that did not
// run or was skipped is no pass.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"jali/attacks"
)

func main() {
	long := flag.Bool("long", false, "full counts")
	only := flag.String("only", ".", "regular expression of attack numbers, whole")
	out := flag.String("out", "build/attacks", "report files, without extension")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *long, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// row is an attack with what was measured.
type row struct {
	attacks.Attack
	Verdict string   // passed, FAILED, SKIPPED, NOT RUN
	Figures []string // what the tests said
	Seconds float64
}

func run(ctx context.Context, long bool, only, out string) error {
	want, err := regexp.Compile("^(?:" + only + ")$")
	if only == "." {
		want, err = regexp.Compile("")
	}
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	var rows []row
	tests := map[string][]string{}
	for _, a := range attacks.Table {
		if !want.MatchString(a.Number) {
			continue
		}
		rows = append(rows, row{Attack: a})
		for _, ref := range a.Tests {
			pkg, name, _ := strings.Cut(ref, " ")
			if !slices.Contains(tests[pkg], name) {
				tests[pkg] = append(tests[pkg], name)
			}
		}
	}
	seen := map[string]*outcome{}
	for _, pkg := range slices.Sorted(mapKeys(tests)) {
		fmt.Fprintf(os.Stderr, "%s: %d tests\n", pkg, len(tests[pkg]))
		for _, pattern := range patterns(pkg, tests[pkg], rows) {
			if err := test(ctx, long, pkg, pattern, seen); err != nil {
				return err
			}
		}
	}
	failed := judge(rows, seen)
	if err := write(rows, out); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d attacks did not pass", failed, len(rows))
	}
	fmt.Printf("%d of %d attacks passed\n", len(rows), len(rows))
	return nil
}

func mapKeys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// patterns are what go test -run takes for the tests of a package. Of the attacks on the path, which are subtests of one test, only those that rows
// names run; a pattern for subtests would choose among those of other tests too, so that they go by themselves.
func patterns(pkg string, names []string, rows []row) []string {
	var out, others, numbers []string
	for _, name := range names {
		if pkg+" "+name != attacks.Path {
			others = append(others, name)
		}
	}
	for _, r := range rows {
		if slices.Contains(r.Tests, attacks.Path) {
			numbers = append(numbers, r.Number)
		}
	}
	if len(others) > 0 {
		out = append(out, "^("+strings.Join(others, "|")+")$")
	}
	if home, test, _ := strings.Cut(attacks.Path, " "); pkg == home && slices.Contains(names, test) {
		out = append(out, "^"+test+"$/^("+strings.Join(numbers, "|")+")_")
	}
	return out
}

// outcome of one test or subtest, by "package TestName/sub".
type outcome struct {
	action  string
	seconds float64
	output  []string
}

// test runs tests of one package. Failing tests are outcomes, not errors.
func test(ctx context.Context, long bool, pkg, pattern string, seen map[string]*outcome) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-p", "1", "-count=1", "-timeout", "4h", "-run", pattern, "./"+pkg)
	cmd.Stderr = os.Stderr
	if long {
		cmd.Env = append(os.Environ(), "JALI_ATTACKS=long")
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run tests of %s: %w", pkg, err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Action, Test, Output string
			Elapsed              float64
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue
		}
		key := pkg + " " + e.Test
		if seen[key] == nil {
			seen[key] = &outcome{}
		}
		switch e.Action {
		case "output":
			seen[key].output = append(seen[key].output, e.Output)
		case "pass", "fail", "skip":
			seen[key].action, seen[key].seconds = e.Action, e.Elapsed
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read tests of %s: %w", pkg, err)
	}
	// Failures are found in the outcomes; a package that does not build has none, and its tests did not run.
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("run tests of %s: %w", pkg, err)
	}
	return nil
}

var figure = regexp.MustCompile(`attack ([A-Z]?[0-9]+): (.*)`)

// judge fills the rows and counts those that did not pass.
func judge(rows []row, seen map[string]*outcome) (failed int) {
	for i := range rows {
		r := &rows[i]
		r.Verdict = "passed"
		for _, ref := range r.Tests {
			name := ref
			if ref == attacks.Path { // the subtest with this number
				name = ""
				for key := range seen {
					if strings.HasPrefix(key, ref+"/"+r.Number+"_") {
						name = key
					}
				}
			}
			o := seen[name]
			switch {
			case o == nil || o.action == "":
				r.Verdict = "NOT RUN"
			case o.action == "fail":
				r.Verdict = "FAILED"
			case o.action == "skip" && r.Verdict == "passed":
				r.Verdict = "SKIPPED"
			}
			if o == nil {
				continue
			}
			r.Seconds += o.seconds
			for _, line := range o.output {
				if m := figure.FindStringSubmatch(line); m != nil && m[1] == r.Number {
					r.Figures = append(r.Figures, strings.TrimSpace(m[2]))
				}
			}
			if r.Verdict != "passed" {
				r.Figures = append(r.Figures, ref)
				fmt.Fprint(os.Stderr, strings.Join(o.output, ""))
			}
		}
		if len(r.Figures) == 0 {
			r.Figures = []string{fmt.Sprintf("%d test(s) of parts", len(r.Tests))}
		}
		if r.Verdict != "passed" {
			failed++
		}
	}
	return failed
}

// write prints the table and writes the reports.
func write(rows []row, out string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(out+".json", b, 0o644); err != nil {
		return err
	}
	md := strings.Builder{}
	fmt.Fprintf(&md, "%s\n\n| # | attack | criterion | measured | verdict | s |\n|---|---|---|---|---|---|\n", time.Now().UTC().Format(time.DateOnly))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(&md, "| %s | %s | %s | %s | %s | %.1f |\n", r.Number, r.Name, r.Criterion, strings.Join(r.Figures, "; "), r.Verdict, r.Seconds)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.1f s\n", r.Number, r.Name, r.Criterion, clip(r.Figures[0]), r.Verdict, r.Seconds)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return os.WriteFile(out+".md", []byte(md.String()), 0o644)
}

func clip(s string) string {
	if len(s) > 90 {
		return s[:87] + "..."
	}
	return s
}
