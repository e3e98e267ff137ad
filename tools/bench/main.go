// Command bench measures Jali against named baselines in the same run and prints ratios: figures of a machine alone say
// little. It writes a table and a JSON list of {name, value, unit, baseline, ratio, goal, met}; names stay stable.
//
//	go run ./tools/bench -only REGEXP -out build/bench.json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// result is one row. Ratio is value over baseline where both are of one kind; Goal is "<= x" or ">= x" on the ratio, or on the
// value when there is no ratio; Met is null without a goal.
type result struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline string   `json:"baseline"`
	Ratio    *float64 `json:"ratio"`
	Goal     string   `json:"goal"`
	Met      *bool    `json:"met"`
}

// judge fills Met.
func (r *result) judge() {
	op, text, ok := strings.Cut(r.Goal, " ")
	if !ok {
		return
	}
	goal, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return
	}
	v := r.Value
	if r.Ratio != nil {
		v = *r.Ratio
	}
	met := op == "<=" && v <= goal || op == ">=" && v >= goal
	r.Met = &met
}

// suite makes rows. Names says which, so that -only can leave it out.
type suite struct {
	names []string
	run   func(context.Context) ([]result, error)
}

func main() {
	only := flag.String("only", ".", "regular expression of the names to measure")
	out := flag.String("out", "build/bench.json", "file for the results")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process (the path suite) to the file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, out string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	var rows []result
	for _, s := range append(goSuites(), pathSuite(), pythonSuite(), wireSuite()) {
		if !slices.ContainsFunc(s.names, wanted.MatchString) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", strings.Join(s.names, ", "))
		found, err := s.run(ctx)
		if err != nil {
			return err
		}
		for _, r := range found {
			if wanted.MatchString(r.Name) {
				r.judge()
				rows = append(rows, r)
			}
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("-only %q names no benchmark", only)
	}
	print(rows)
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

func print(rows []result) {
	w := tabwriter.NewWriter(os.Stdout, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "name\tvalue\tunit\tbaseline\tratio\tgoal\tmet")
	for _, r := range rows {
		ratio, met := "", ""
		if r.Ratio != nil {
			ratio = fmt.Sprintf("%.3g", *r.Ratio)
		}
		if r.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*r.Met]
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Value, r.Unit, r.Baseline, ratio, r.Goal, met)
	}
	w.Flush()
}
