package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// column picks one metric of one Go benchmark as a row.
type column struct {
	row    string
	bench  string // full name without the processor count
	metric string // unit in the output
	scale  float64
	unit   string
	base   string
	ratio  string // metric that is the ratio, if any
	goal   string
}

// goSuites run the packages' own benchmarks.
func goSuites() []suite {
	const raw = "raw DuckDB GROUP BY on the same claims, same run"
	engine := func(row, bench, goal string) []column {
		return []column{
			{row + "/cpu", bench, "private-cpu-ms", 1, "ms CPU", raw, "cpu-ratio", goal},
			{row + "/wall", bench, "private-wall-ms", 1, "ms wall", raw, "wall-ratio", ""},
		}
	}
	appends := func(n string, goal string) []column {
		bench := "BenchmarkAppend/callers=" + n
		return []column{
			{"audit/append/headers/" + n, bench, "headers/s", 1, "/s", "raw file append with group fsync, same bytes, same run", "headers/raw", goal},
			{"audit/append/intents/" + n, bench, "intents/s", 1, "/s", "raw file append with group fsync, same run", "intents/raw", ""},
		}
	}
	stores := func(n string) []column {
		bench := "BenchmarkDurableAppend/callers=" + n
		return []column{
			{"audit/append/bbolt/" + n, bench, "jali/s", 1, "/s", "bbolt Update per entry, same run", "jali/bbolt", ">= 1"},
			{"audit/append/tessera/" + n, bench, "jali/s", 1, "/s", "Tessera POSIX, better of 1 ms and 100 ms batches, same run", "jali/tessera", ">= 1"},
			{"audit/append/immudb/" + n, bench, "jali/s", 1, "/s", "immudb embedded, better of 1 ms and 20 ms syncs, same run", "jali/immudb", ">= 1"},
		}
	}
	return append(cohortSuites(), []suite{
		goSuite("./gateway/engine", "^BenchmarkF0$", "3x", concat(engine("engine/f0", "BenchmarkF0", "<= 1.2"))),
		goSuite("./gateway/engine", "^BenchmarkF0Clipped$", "3x", concat(engine("engine/f0/clipped", "BenchmarkF0Clipped", "<= 1.2"))),
		goSuite("./gateway/engine", "^BenchmarkF2Filtered$", "3x", concat(engine("engine/f2/filtered", "BenchmarkF2Filtered", "<= 3"))),
		goSuite("./gateway/engine", "^BenchmarkF2$", "3x", concat(
			engine("engine/f2/region", "BenchmarkF2/region", "<= 3"),
			engine("engine/f2/chapter", "BenchmarkF2/chapter", "<= 3"),
			engine("engine/f2/icd", "BenchmarkF2/icd", "<= 3"),
			engine("engine/f2/setting", "BenchmarkF2/setting", "<= 3"),
		)),
		goSuite("./gateway/engine", "^BenchmarkF2Uniform$", "3x", concat(engine("engine/f2/uniform", "BenchmarkF2Uniform", "<= 3"))),
		goSuite("./gateway/engine", "^BenchmarkKaplanMeier$", "100x", []column{
			{"analysis/km/cpu", "BenchmarkKaplanMeier", "private-cpu-ms", 1, "ms CPU", "raw DuckDB GROUP BY on the same million persons, same run", "cpu-ratio", "<= 2"},
			{"analysis/km/wall", "BenchmarkKaplanMeier", "private-wall-ms", 1, "ms wall", "raw DuckDB GROUP BY on the same million persons, same run", "wall-ratio", ""},
		}),
		goSuite("./policy", "^BenchmarkDecide$", "2s", []column{
			{"policy/decide", "BenchmarkDecide", "p50-ns", 1e-3, "us p50", "", "", "<= 150"},
		}),
		goSuite("./crypto/noise", "^BenchmarkDraw$", "1s", []column{
			{"noise/draw/sigma=10.2", "BenchmarkDraw/sigma=10.2", "ns/op", 1e-3, "us", "", "", "<= 2"},
			{"noise/draw/sigma=25.5", "BenchmarkDraw/sigma=25.5", "ns/op", 1e-3, "us", "", "", "<= 2"},
			{"noise/draw/sigma=1e6", "BenchmarkDraw/sigma=1e6", "ns/op", 1e-3, "us", "", "", "<= 2"},
		}),
		goSuite("./audit/store", "^BenchmarkAppend$", "9x", concat(appends("1", ""), appends("16", ""), appends("256", ">= 0.5"))),
		goSuite("./tools/storebench", "^BenchmarkDurableAppend$", "5x", concat(stores("1"), stores("16"), stores("256"))),
		goSuite("./audit/store", "^BenchmarkLarge$", "3x", []column{
			{"audit/open/10M", "BenchmarkLarge", "open-ms", 1, "ms p50", "", "", "<= 1000"},
			{"audit/proof/10M", "BenchmarkLarge", "proof-us", 1, "us p50", "", "", "<= 500"},
		}),
		goSuite("./audit", "^BenchmarkChain256$/^check$", "2s", []column{
			{"audit/chain", "BenchmarkChain256/check", "headers/cpu-s", 1, "/s/core", "", "", ">= 1000000"},
		}),
	}...)
}

func concat(parts ...[]column) (out []column) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func goSuite(pkg, bench, time string, columns []column) suite {
	s := suite{}
	for _, c := range columns {
		s.names = append(s.names, c.row)
	}
	s.run = func(ctx context.Context) ([]result, error) {
		var text bytes.Buffer
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", bench, "-benchtime", time, "-timeout", "30m", pkg)
		if _, err := os.Stat(filepath.Join(pkg, "go.mod")); err == nil { // a module of its own
			cmd.Dir, cmd.Args[len(cmd.Args)-1] = pkg, "."
			cmd.Env = append(os.Environ(), "GOFLAGS=")
		}
		cmd.Stdout, cmd.Stderr = &text, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%s %s: %w\n%s", pkg, bench, err, text.String())
		}
		metrics := parse(text.String())
		var rows []result
		for _, c := range columns {
			m := metrics[c.bench]
			v, ok := m[c.metric]
			if !ok {
				return nil, fmt.Errorf("%s printed no %s:\n%s", c.bench, c.metric, text.String())
			}
			r := result{Name: c.row, Value: v * c.scale, Unit: c.unit, Baseline: c.base, Goal: c.goal}
			if c.ratio != "" {
				ratio, ok := m[c.ratio]
				if !ok {
					return nil, fmt.Errorf("%s printed no %s", c.bench, c.ratio)
				}
				r.Ratio = &ratio
			}
			rows = append(rows, r)
		}
		return rows, nil
	}
	return s
}

// parse reads `go test -bench` lines: name-procs, iterations, then value and unit in turn.
func parse(text string) map[string]map[string]float64 {
	out := map[string]map[string]float64{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := f[0]
		if i := strings.LastIndex(name, "-"); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		m := map[string]float64{}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				m[f[i+1]] = v
			}
		}
		out[name] = m
	}
	return out
}
