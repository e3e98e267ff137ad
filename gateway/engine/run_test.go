package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// small imports a small fixture and opens it.
func small(t *testing.T) (*Engine, *catalog.Dataset) {
	t.Helper()
	ds, dir := parseFixture(t), t.TempDir()
	m, err := importSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(5, 5)), 30), nil, "person", "event")
	if err != nil {
		t.Fatal(err)
	}
	return openVersion(t, ds, dir, m), ds
}

func countPlan(ds *catalog.Dataset, table string) *query.Plan {
	return &query.Plan{
		Dataset: ds, Tables: []query.TableRef{{Table: ds.Table(table)}}, Form: query.F2,
		Items: []query.Item{{Kind: query.Rows}}, Bounds: query.Bounds{Rows: 12, Groups: 1, PerCol: 12},
	}
}

func TestLockdown(t *testing.T) {
	e, _ := small(t)
	if err := e.CheckLockdown(context.Background()); err != nil {
		t.Error(err)
	}
	// Opened without the seal the check must notice.
	for i, p := range []*pool{e.plain, e.ordered} {
		db, err := openDatabase("", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.close()
		if i == 0 {
			e.plain = newPool(db, 1)
		} else {
			e.ordered = newPool(db, 1)
		}
		if err := e.CheckLockdown(context.Background()); !errors.Is(err, ErrOpenDoor) {
			t.Errorf("instance %d open: %v", i, err)
		}
		if i == 0 {
			e.plain = p
		} else {
			e.ordered = p
		}
	}
	if _, err := os.Stat("nothing.out"); err == nil {
		t.Error("a file was written")
	}
}

func TestOpenRefuses(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	m, err := importSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(5, 5)), 5), nil, "person")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, m.Version()+".duckdb")
	other := *ds
	other.Digest[0]++
	if _, err := Open(Config{Path: path, Catalog: &other, TempDir: dir}); !errors.Is(err, ErrVersion) {
		t.Errorf("other catalogue: %v", err)
	}
	if _, err := Open(Config{Path: filepath.Join(dir, personsFile), Catalog: ds, TempDir: dir}); !errors.Is(err, ErrVersion) {
		t.Errorf("another database: %v", err)
	}
	if _, err := Open(Config{Path: path + "x", Catalog: ds, TempDir: dir}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	junk := writeFile(t, filepath.Join(dir, "junk.duckdb"), strings.Repeat(canary, 10_000))
	if _, err := Open(Config{Path: junk, Catalog: ds, TempDir: dir}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("junk: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "engine-*"))
	if err != nil || left != nil {
		t.Errorf("scratch left behind: %v, %v", left, err)
	}
}

func TestRunRefusesPlans(t *testing.T) {
	e, ds := small(t)
	other := *ds
	other.Digest[0]++
	event := ds.Table("event")
	col := func(name string) query.ColumnRef { return query.ColumnRef{Column: event.Column(name)} }
	for name, change := range map[string]func(*query.Plan){
		"other catalogue":  func(p *query.Plan) { p.Dataset = &other },
		"table not held":   func(p *query.Plan) { p.Tables = []query.TableRef{{Table: ds.Table("diagnosis")}} },
		"no private table": func(p *query.Plan) { p.Tables = []query.TableRef{{Table: ds.Table("area")}} },
		"cohort not held": func(p *query.Plan) {
			p.Where = query.InPersons{Sub: &query.Cohort{Tables: []query.TableRef{{Table: ds.Table("diagnosis")}}}}
		},
		"no bound":   func(p *query.Plan) { p.Bounds = query.Bounds{} },
		"person key": func(p *query.Plan) { p.Where = query.IsNull{Col: col("person_id")} },
		"column of another table": func(p *query.Plan) {
			p.Where = query.IsNull{Col: query.ColumnRef{Column: ds.Table("person").Column("sex")}}
		},
		"never column": func(p *query.Plan) {
			p.Tables = []query.TableRef{{Table: ds.Table("person")}}
			p.Where = query.IsNull{Col: query.ColumnRef{Column: ds.Table("person").Column("note")}}
		},
		"operator": func(p *query.Plan) {
			p.Where = query.Compare{Col: col("room"), Op: "= 1 OR 1", Value: catalog.IntValue(1)}
		},
		"literal type": func(p *query.Plan) {
			p.Where = query.Compare{Col: col("room"), Op: "=", Value: catalog.StringValue("1")}
		},
		"list type": func(p *query.Plan) {
			p.Where = query.In{Col: col("ward"), Values: []catalog.Value{catalog.IntValue(1)}}
		},
		"empty list":        func(p *query.Plan) { p.Where = query.In{Col: col("ward")} },
		"like on a number":  func(p *query.Plan) { p.Where = query.Like{Col: col("room"), Prefix: "1"} },
		"empty conjunction": func(p *query.Plan) { p.Where = query.And{} },
		"cross join": func(p *query.Plan) {
			p.Tables = append(p.Tables, query.TableRef{Table: ds.Table("person")})
			p.Tables[1].Table = &catalog.Table{Name: "person", Public: true}
		},
		"sum of a date": func(p *query.Plan) {
			p.Tables = []query.TableRef{{Table: ds.Table("person")}}
			r := query.ColumnRef{Column: ds.Table("person").Column("born")}
			p.Items = []query.Item{{Kind: query.Sum, Col: &r}}
		},
		"item without bounds": func(p *query.Plan) { r := col("cost"); p.Items = []query.Item{{Kind: query.Sum, Col: &r}} },
		"domain missing":      func(p *query.Plan) { p.GroupBy = []query.ColumnRef{col("flag")} },
		"domain empty":        func(p *query.Plan) { p.GroupBy, p.Domains = []query.ColumnRef{col("flag")}, make([]protect.Domain, 1) },
	} {
		for _, form := range []query.Formulation{query.F0, query.F2} {
			p := countPlan(ds, "event")
			p.Form, p.Bounds.Proved = form, form == query.F0
			change(p)
			if _, err := e.Run(context.Background(), p, [32]byte{}); !errors.Is(err, ErrExecute) {
				t.Errorf("%s (%s): %v", name, form, err)
			}
		}
	}
	if _, err := e.Run(context.Background(), countPlan(ds, "event"), [32]byte{}); err != nil {
		t.Errorf("the plan they are made from: %v", err)
	}
}

// TestOrderIsChecked breaks the stored order: a person seen twice would be given two quotas, so the query must fail.
func TestOrderIsChecked(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	m, err := importSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(5, 5)), 30), nil, "person", "event")
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, m.Version()+".duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]string{
		"descending":        "CREATE TABLE e2 AS SELECT * FROM event ORDER BY _p DESC",
		"one row astray":    "CREATE TABLE e2 AS (SELECT * FROM event ORDER BY _p) UNION ALL (SELECT * FROM event ORDER BY _p LIMIT 1)",
		"more rows":         "CREATE TABLE e2 AS SELECT e.* FROM event e, range(13) ORDER BY e._p",
		"ordinal too large": "CREATE TABLE e2 AS SELECT * REPLACE ((_p + 1000)::INTEGER AS _p) FROM event ORDER BY _p",
		"no ordinal":        "CREATE TABLE e2 AS SELECT * REPLACE (NULL::INTEGER AS _p) FROM event",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, m.Version()+".duckdb")
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := openDatabase(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, err := db.connect()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.execAll(context.Background(), change, "DROP TABLE event", "ALTER TABLE e2 RENAME TO event", "CHECKPOINT"); err != nil {
				t.Fatal(err)
			}
			c.close()
			db.close()
			e := openVersion(t, ds, dir, m)
			_, err = e.Run(context.Background(), countPlan(ds, "event"), [32]byte{})
			if !errors.Is(err, errOrder) || !errors.Is(err, ErrExecute) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	e, plan, err := generated(context.Background(), 2, 3_000_000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, form := range []query.Formulation{query.F0, query.F2} {
		p := *plan
		if form == query.F0 {
			p.Form, p.Bounds = query.F0, query.Bounds{Rows: 10, Groups: 10, PerCol: 2, Proved: true}
			p.Items = append(p.Items[:0:0], query.Item{Kind: query.Persons}) // a slow distinct count
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
		start := time.Now()
		_, err := e.Run(ctx, &p, [32]byte{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrExecute) {
			t.Errorf("%s: error %v after %v", form, err, time.Since(start))
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: stopped after %v", form, d)
		}
		// The engine stays usable.
		if _, err := e.Run(context.Background(), plan, [32]byte{}); err != nil {
			t.Errorf("%s: afterwards: %v", form, err)
		}
	}
}

// A statement that fails while rows are being fetched must not pass for a result that ended: its rows so far are dropped.
func TestStreamReportsLateFailure(t *testing.T) {
	db, err := openDatabase("", map[string]string{"threads": "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	rows, err := c.stream(context.Background(), "SELECT CASE WHEN i = 2900000 THEN error('"+canary+"') ELSE i::VARCHAR END FROM range(3000000) r(i)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.close()
	n := 0
	for rows.next() {
		n += rows.rows
	}
	var d *duckError
	if n == 0 || n >= 2_900_000 || !errors.As(rows.err, &d) {
		t.Errorf("%d rows, then %v", n, rows.err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", rows.err, rows.err, rows.err), canary) {
		t.Error("the error repeats the database's message")
	}
}

// The operator's log names the class of a failure and nothing else.
func TestOperatorLog(t *testing.T) {
	e, ds := small(t)
	var log bytes.Buffer
	e.operator = slog.New(slog.NewTextHandler(&log, nil))
	p := countPlan(ds, "event")
	p.Where = query.Compare{Col: query.ColumnRef{Column: ds.Table("event").Column("room")}, Op: "~", Value: catalog.StringValue(canary)}
	if _, err := e.Run(context.Background(), p, [32]byte{}); err == nil {
		t.Fatal("no error")
	}
	if text := log.String(); !strings.Contains(text, "plan not supported") || strings.Contains(text, canary) {
		t.Errorf("log = %s", text)
	}
}

func TestClose(t *testing.T) {
	e, ds := small(t)
	done := make(chan error)
	for range 4 {
		go func() {
			for {
				if _, err := e.Run(context.Background(), countPlan(ds, "event"), [32]byte{}); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for range 4 {
		if err := <-done; !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
