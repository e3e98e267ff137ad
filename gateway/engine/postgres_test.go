package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
	"jali/gateway/engine/pgtest"
	"jali/gateway/query"
)

// agency is a database with an owner of versions and a role that answers.
type agency struct {
	*pgtest.Server
	owner, reader Secret
}

func newAgency(t testing.TB, settings ...string) *agency {
	t.Helper()
	s := pgtest.Start(t, settings...)
	s.SQL(t, "postgres", "CREATE DATABASE agency")
	a := &agency{Server: s, owner: Secret{File: s.Role(t, "jali_owner", "agency")}, reader: Secret{File: s.Role(t, "jali_reader", "agency")}}
	s.SQL(t, "agency", "GRANT CREATE ON DATABASE agency TO jali_owner")
	return a
}

// attachSheets attaches tables from CSV files.
func (a *agency) attachSheets(t testing.TB, ds *catalog.Dataset, dir string, s map[string]*sheet) (Manifest, error) {
	t.Helper()
	from := t.TempDir()
	var files []File
	for _, table := range ds.Tables {
		files = append(files, File{Path: writeFile(t, filepath.Join(from, table.Name+".csv"), s[table.Name].csv())})
	}
	return Attach(t.Context(), AttachConfig{ImportConfig: ImportConfig{Catalog: ds, Dir: dir, Files: files, Threads: 2}, Owner: a.owner, Reader: a.reader})
}

// openAttached opens a version in PostgreSQL and waits until its rows are checked.
func openAttached(t testing.TB, ds *catalog.Dataset, dir string, m Manifest) *Engine {
	t.Helper()
	e, err := OpenVersion(dir, m, Config{Catalog: ds, TempDir: t.TempDir(), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	awaitSeal(t, e)
	return e
}

func awaitSeal(t testing.TB, e *Engine) {
	t.Helper()
	p := e.store.(*postgres)
	for range 600 {
		if p.sealed.Load() != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("version not checked in time: %v", p.check(context.Background()))
}

// TestPostgres runs on one server. The part that kills it comes last.
func TestPostgres(t *testing.T) {
	a := newAgency(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *agency)
	}{{"differential", testDifferential}, {"reference", testReference}, {"from tables", testAttachFrom}, {"sealed", testSealed}, {"fence", testFence}, {"tls", testTLS}, {"killed", testKilled}} {
		t.Run(part.name, func(t *testing.T) { part.run(t, a) })
	}
}

// testDifferential: the same rows in DuckDB and in PostgreSQL give the same integers before noise, bit for bit, by every
// way a plan can take; random plans over everything that can be stored, and random questions with everything that is person-local.
func testDifferential(t *testing.T, a *agency) {
	plans, seeds := 50, uint64(1)
	if os.Getenv("JALI_LONG") != "" {
		plans, seeds = 500, 3
	}
	ds, ctx := parseFixture(t), t.Context()
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 23))
		sheets, dir := makeRows(r, 40), t.TempDir()
		m, err := importSheets(t, ds, dir, sheets, nil, "person", "event", "diagnosis", "area")
		if err != nil {
			t.Fatal(err)
		}
		attached, err := a.attachSheets(t, ds, dir, sheets)
		if err != nil {
			t.Fatal(err)
		}
		duck, pg := openVersion(t, ds, dir, m), openAttached(t, ds, dir, attached)
		definition, ordinals := newBrute(t, ds, sheets), ordinalsOf(t, dir, sheets)
		d, w := &drawer{r, ds}, &author{Rand: r}
		keyed := func() (key [32]byte) {
			for i := range key {
				key[i] = byte(r.Uint32())
			}
			return key
		}
		aggregated, chosen, asked := 0, 0, 0
		same := func(what string, p *query.Plan, f func(e *Engine) (any, error)) {
			t.Helper()
			want, err := f(duck)
			if err != nil {
				t.Fatalf("DuckDB, %s: %v\n%s", what, err, show(p))
			}
			got, err := f(pg)
			if err != nil {
				t.Fatalf("PostgreSQL, %s: %v\n%s", what, err, show(p))
			}
			if diff := cmp.Diff(want, got, compareCells); diff != "" {
				t.Fatalf("%s (-DuckDB +PostgreSQL):\n%s\n%s", what, diff, show(p))
			}
		}
		for range plans {
			p, key := d.plan(), keyed()
			same("stream", p, func(e *Engine) (any, error) { return e.bounded(ctx, p, key) })
			got, err := pg.bounded(ctx, p, key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(definition.run(p, key, ordinals), got, compareCells); diff != "" {
				t.Fatalf("stream (-definition +PostgreSQL):\n%s\n%s", diff, show(p))
			}
			if p.Bounds.Groups < 4 && len(p.GroupBy) > 0 {
				chosen++
			}
			pg.rows[p.Tables[0].Table.Name] += parallelRows
			same("stream in ranges", p, func(e *Engine) (any, error) { return e.bounded(ctx, p, key) })
			pg.rows[p.Tables[0].Table.Name] -= parallelRows
			q := proved(p)
			if _, err := duck.aggregate(ctx, q); err == nil {
				aggregated++
				same("aggregation", q, func(e *Engine) (any, error) { return e.aggregate(ctx, q) })
			}
			q = proved(p)
			q.Items = p.Items
			same("run", q, func(e *Engine) (any, error) { return e.run(ctx, q, key) })
			one := *p
			one.GroupBy, one.Domains, one.Private, one.Bounds.Groups = nil, nil, false, 1
			same("subjects", &one, func(e *Engine) (any, error) { return e.subjects(ctx, &one, []int32{3, 0, 17, -1, 39, 5000}) })
		}
		for n := range len(directed) + plans {
			sql := ""
			if n < len(directed) {
				sql = directed[n]
			} else {
				sql = w.question()
			}
			p, err := query.Compile(ds, sql)
			if err != nil {
				continue
			}
			asked++
			key := keyed()
			same(sql, p, func(e *Engine) (any, error) { return e.run(ctx, p, key) })
		}
		for _, sql := range []string{
			"SELECT kind, COUNT(*), SUM(cost), COUNT(DISTINCT person_id) FROM event GROUP BY kind",
			"SELECT sex, region, SUM(income), COUNT(*) FROM person GROUP BY sex, region",
		} {
			p := uncapped(t, duck, sql)
			same("members", p, func(e *Engine) (any, error) { return e.members(ctx, p) })
		}
		t.Logf("%d aggregations, %d choices of groups, %d questions", aggregated, chosen, asked)
		if aggregated < plans/3 || chosen < plans/4 || asked < len(directed) {
			t.Error("the plans test too little")
		}
	}
}

// testAttachFrom: the operator's own tables, in their own types, become the version that their CSV files would have become, and
// columns that the catalogue does not name are not read: the role has no grant on them.
func testAttachFrom(t *testing.T, a *agency) {
	ds, dir := parseFixture(t), t.TempDir()
	sheets := makeRows(rand.New(rand.NewPCG(5, 5)), 30)
	a.SQL(t, "agency", `CREATE SCHEMA claims;
		CREATE TABLE claims.person (sex int, person_id text, region text, area varchar(8), born date, income numeric, note text, ssn text);
		CREATE TABLE claims.event (person_id text, event_no bigint, seq smallint, kind text, ward text, room int, flag int, cost int, big bigint);
		CREATE TABLE claims.diagnosis (event_no bigint, pos int, icd text); CREATE TABLE claims.area (area text, state text, icd text, year int);
		GRANT USAGE ON SCHEMA claims TO jali_owner; GRANT SELECT ON claims.event, claims.diagnosis, claims.area TO jali_owner;
		GRANT SELECT (sex, person_id, region, area, born, income) ON claims.person TO jali_owner`)
	for name, s := range sheets {
		cols := ""
		for i, h := range s.header {
			if i > 0 {
				cols += ", "
			}
			cols += h
		}
		file := writeFile(t, filepath.Join(a.Dir(), name+".csv"), s.csv())
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		a.SQL(t, "agency", fmt.Sprintf("COPY claims.%s (%s) FROM '%s' WITH (FORMAT csv, HEADER true)", name, cols, file))
	}
	// While it attaches, statements run in parallel on the server: rows come in no order that is not asked for, and those that
	// calibrate reads are many enough to show it.
	for _, name := range []string{"parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size", "min_parallel_index_scan_size"} {
		a.SQL(t, "agency", "ALTER ROLE jali_reader SET "+name+" = 0")
	}
	cfg := AttachConfig{ImportConfig: ImportConfig{Catalog: ds, Dir: dir, Threads: 2}, Owner: a.owner, Reader: a.reader, From: "claims"}
	m, err := Attach(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.SQL(t, "agency", "ALTER ROLE jali_reader RESET ALL")
	again, err := a.attachSheets(t, ds, dir, sheets)
	if err != nil {
		t.Fatal(err)
	}
	if m.Version() == again.Version() || len(m.Tables) != 4 || !cmp.Equal(m.Tables, again.Tables) {
		t.Fatalf("from the tables %v, from their files %v", m.Tables, again.Tables)
	}
	one, two := openAttached(t, ds, dir, m), openAttached(t, ds, dir, again)
	for _, sql := range append([]string{"SELECT ward, COUNT(*) FROM event GROUP BY ward", "SELECT kind, SUM(cost) FROM event GROUP BY kind"}, directed...) {
		p, err := query.Compile(ds, sql)
		if err != nil {
			continue
		}
		x, err := one.run(t.Context(), p, [32]byte{9})
		if err != nil {
			t.Fatal(err)
		}
		y, err := two.run(t.Context(), p, [32]byte{9})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x, y, compareCells); diff != "" {
			t.Fatalf("%s (-table +file):\n%s", sql, diff)
		}
	}
	// A row that breaks the catalogue is named and nothing is left in the database.
	a.SQL(t, "agency", "UPDATE claims.event SET flag = 7 WHERE event_no = 3")
	before := a.SQL(t, "agency", "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'jali%'")
	_, err = Attach(t.Context(), cfg)
	var bad *DataError
	if !asData(err, &bad) || len(bad.Rows) != 1 || bad.Rows[0].Column != "flag" || bad.Rows[0].File != "postgres:claims.event" {
		t.Fatalf("bad row: %v", err)
	}
	if after := a.SQL(t, "agency", "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'jali%'"); after != before {
		t.Errorf("%s schemas, before %s", after, before)
	}
}
