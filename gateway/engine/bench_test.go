package engine

import (
	"context"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
	"jali/gateway/synth"
)

// The benchmarks compare a protected query with the same GROUP BY written by hand on the same table, in the same process and
// in turns. They report CPU (user and system, by getrusage) and wall time of both and the two ratios; CPU is the steady figure.
//
//	go test -run xxx -bench . -benchtime 10x ./gateway/engine
//
// JALI_BENCH_PERSONS sets the size: 1,030,000 persons have a little over ten million claims. JALI_BENCH_DIR keeps the
// imported version between runs.

const benchPersons = 1_030_000

var claims struct {
	sync.Once
	engine *Engine
	ds     *catalog.Dataset
	rows   int64
	err    error
}

// benchClaims imports the medical claims once per process.
func benchClaims(b *testing.B) (*Engine, *catalog.Dataset) {
	b.Helper()
	claims.Do(func() { claims.err = openClaims() })
	if claims.err != nil {
		b.Fatal(claims.err)
	}
	return claims.engine, claims.ds
}

func openClaims() error {
	persons := benchPersons
	if s := os.Getenv("JALI_BENCH_PERSONS"); s != "" {
		var err error
		if persons, err = strconv.Atoi(s); err != nil {
			return err
		}
	}
	ds, err := catalog.Parse("scheme.yaml", synth.Catalog(), nil)
	if err != nil {
		return err
	}
	dir := os.Getenv("JALI_BENCH_DIR")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "jali-bench-"); err != nil {
			return err
		}
		cleanup = append(cleanup, func() { os.RemoveAll(dir) })
	}
	kept := filepath.Join(dir, "manifest-"+strconv.Itoa(persons)+".json")
	var m Manifest
	if text, err := os.ReadFile(kept); err == nil {
		m, err = ParseManifest(text)
		if err != nil {
			return err
		}
	}
	if m.Catalog != ds.Digest {
		from, err := os.MkdirTemp("", "jali-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(from)
		paths, err := synth.Write(context.Background(), from, synth.Config{Persons: persons, Seed: 1, Tables: []string{"person", "medical_claim"}})
		if err != nil {
			return err
		}
		if m, err = Import(context.Background(), ImportConfig{Catalog: ds, Dir: dir, Files: []File{{Path: paths[0]}, {Path: paths[1]}}}); err != nil {
			return err
		}
		if err := os.WriteFile(kept, m.Encode(), 0o600); err != nil {
			return err
		}
	}
	claims.ds = ds
	claims.rows, _ = m.Rows("medical_claim")
	claims.engine, err = Open(Config{Path: filepath.Join(dir, m.Version()+".duckdb"), Catalog: ds})
	if err == nil {
		cleanup = append(cleanup, func() { claims.engine.Close() })
	}
	return err
}

var cleanup []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(cleanup) - 1; i >= 0; i-- {
		cleanup[i]()
	}
	os.Exit(code)
}

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// compare runs both in turns and reports the sums.
func compare(b *testing.B, raw, private func() error) {
	b.Helper()
	var c, w [2]time.Duration
	for _, f := range []func() error{raw, private} { // warm up
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for i, f := range []func() error{raw, private} {
			c0, w0 := cpu(), time.Now()
			if err := f(); err != nil {
				b.Fatal(err)
			}
			c[i] += cpu() - c0
			w[i] += time.Since(w0)
		}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(b.N) }
	b.ReportMetric(ms(c[0]), "raw-cpu-ms")
	b.ReportMetric(ms(c[1]), "private-cpu-ms")
	b.ReportMetric(ms(w[0]), "raw-wall-ms")
	b.ReportMetric(ms(w[1]), "private-wall-ms")
	b.ReportMetric(float64(c[1])/float64(c[0]), "cpu-ratio")
	b.ReportMetric(float64(w[1])/float64(w[0]), "wall-ratio")
}

func rawQuery(e *Engine, sql string) func() error {
	return func() error {
		return e.plain.session(func(c *connection) error {
			rows, err := c.query(context.Background(), sql)
			if err != nil {
				return err
			}
			defer rows.close()
			for rows.next() {
			}
			return rows.err
		})
	}
}

func runPlan(e *Engine, p *query.Plan) func() error {
	return func() error {
		_, err := e.Run(context.Background(), p, [32]byte{1})
		return err
	}
}

// claimsPlan is SELECT group, COUNT(*), SUM(amount) FROM medical_claim GROUP BY group with the catalogue's bounds.
func claimsPlan(ds *catalog.Dataset, group string, where query.Cond) *query.Plan {
	t := ds.Table("medical_claim")
	ref := query.ColumnRef{Column: t.Column(group)}
	d := protect.Domain{Name: group}
	if ref.Column != nil {
		d.Labels = ref.Column.Codes
	} else {
		ref.Column, ref.Band = t.Band(group)
		d.Labels = ref.Band.Labels
	}
	amount := t.Column("amount")
	return &query.Plan{
		Dataset: ds, Tables: []query.TableRef{{Table: t}}, GroupBy: []query.ColumnRef{ref}, Domains: []protect.Domain{d},
		Where: where, Form: query.F2, Bounds: query.Bounds{Rows: t.RowsPerPerson, Groups: t.GroupsPerPerson, PerCol: t.RowsPerGroup},
		Items: []query.Item{
			{Kind: query.Rows, Lo: big.NewInt(0), Hi: big.NewInt(t.RowsPerGroup)},
			{Kind: query.Sum, Col: &query.ColumnRef{Column: amount}, Lo: big.NewInt(0), Hi: big.NewInt(amount.ClipHi * t.RowsPerGroup)},
		},
	}
}

// BenchmarkF0 is the plain aggregation of a plan whose bounds are proved, with a measure that no value can push beyond its clip.
func BenchmarkF0(b *testing.B) { benchmarkF0(b, "stay") }

// BenchmarkF0Clipped is BenchmarkF0 with a measure whose clip is narrower than what the catalogue allows.
func BenchmarkF0Clipped(b *testing.B) { benchmarkF0(b, "amount") }

func benchmarkF0(b *testing.B, measure string) {
	e, ds := benchClaims(b)
	p := claimsPlan(ds, "region", nil)
	c := ds.Table("medical_claim").Column(measure)
	p.Form, p.Bounds = query.F0, query.Bounds{Rows: 60, Groups: 12, PerCol: 60, Proved: true}
	p.Items[0].Hi = big.NewInt(60)
	p.Items[1].Col, p.Items[1].Hi = &query.ColumnRef{Column: c}, big.NewInt(60*c.ClipHi)
	if !clipImplied(p) {
		b.Fatal("not F0")
	}
	compare(b, rawQuery(e, "SELECT region, count(*), sum("+measure+") FROM medical_claim GROUP BY region"), runPlan(e, p))
	b.ReportMetric(float64(claims.rows), "rows")
}

// BenchmarkF2 is the person-ordered stream: by region (12, mostly one per person), by ICD chapter (22) and by ICD category
// (319), where nearly every row of a person is another group.
func BenchmarkF2(b *testing.B) {
	for _, c := range []struct{ group, raw string }{
		{"region", "region"}, {"chapter", ""}, {"icd", "icd"}, {"setting", "setting"},
	} {
		b.Run(c.group, func(b *testing.B) {
			e, ds := benchClaims(b)
			p := claimsPlan(ds, c.group, nil)
			group := c.raw
			if group == "" {
				runs, err := labelRuns(p.GroupBy[0], p.Domains[0].Labels)
				if err != nil {
					b.Fatal(err)
				}
				group = runs.caseOf("icd")
			}
			compare(b, rawQuery(e, "SELECT "+group+", count(*), sum(amount) FROM medical_claim GROUP BY 1"), runPlan(e, p))
			b.ReportMetric(float64(claims.rows), "rows")
		})
	}
}

// BenchmarkF2Filtered keeps one claim in seventeen.
func BenchmarkF2Filtered(b *testing.B) {
	e, ds := benchClaims(b)
	p := claimsPlan(ds, "region", query.Compare{Col: query.ColumnRef{Column: ds.Table("medical_claim").Column("setting")}, Op: "=", Value: catalog.StringValue("emergency")})
	compare(b, rawQuery(e, "SELECT region, count(*), sum(amount) FROM medical_claim WHERE setting = 1 GROUP BY region"), runPlan(e, p))
}

// BenchmarkF2Uniform is the worst case of disclosure-control.md section 6.4 on ten million rows: 47 uniform regions, ten rows
// to a person, three groups and five rows allowed.
func BenchmarkF2Uniform(b *testing.B) {
	e, p, err := generated(context.Background(), 2, 10_000_000)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	compare(b, rawQuery(e, "SELECT region, count(*), sum(cost) FROM claim GROUP BY region"), runPlan(e, p))
}
