package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jali/gateway/query"
)

func asData(err error, to **DataError) bool { return errors.As(err, to) }

func countPersons(t testing.TB, e *Engine) (int64, error) {
	t.Helper()
	p, err := query.Compile(e.catalog, "SELECT COUNT(*) FROM person")
	if err != nil {
		return 0, err
	}
	cells, err := e.run(t.Context(), p, [32]byte{})
	if err != nil {
		return 0, err
	}
	return cells.Values[0][0].Int64(), nil
}

// testSealed: whatever is changed about a version's tables stops its queries, whoever changes it; what was only moved is
// served again, what has other rows is not.
func testSealed(t *testing.T, a *agency) {
	ds, dir := parseFixture(t), t.TempDir()
	sheets := makeRows(rand.New(rand.NewPCG(1, 1)), 30)
	m, err := a.attachSheets(t, ds, dir, sheets)
	if err != nil {
		t.Fatal(err)
	}
	e, schema := openAttached(t, ds, dir, m), schemaOf(m)
	if n, err := countPersons(t, e); err != nil || n != int64(len(sheets["person"].rows)) {
		t.Fatalf("%d persons, %v", n, err)
	}
	if err := e.CheckLockdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Many questions at once share a few connections.
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if n, err := countPersons(t, e); err != nil || n != int64(len(sheets["person"].rows)) {
				t.Errorf("among others: %d persons, %v", n, err)
			}
		})
	}
	all.Wait()
	if n := a.SQL(t, "agency", "SELECT count(*) BETWEEN 2 AND 8 FROM pg_stat_activity WHERE usename = 'jali_reader'"); n != "t" {
		t.Error("the connections are not pooled")
	}
	// The superuser's own INSERT meets the trigger.
	refused := a.SQL(t, "agency", `DO $$ BEGIN INSERT INTO `+schema+`.person SELECT * FROM `+schema+`.person LIMIT 1; RAISE 'inserted';
		EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; SELECT 'refused'`)
	if refused != "refused" {
		t.Fatal(refused)
	}
	// Rewritten, with the same rows: a new check passes.
	a.SQL(t, "agency", "VACUUM FULL "+schema+".person")
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after VACUUM FULL: %v", err)
	}
	awaitSeal(t, e)
	if _, err := countPersons(t, e); err != nil {
		t.Fatal(err)
	}
	// The function that refuses made to allow, one value changed in place, and the function put back: no file, size, table or trigger has changed.
	wanted := a.SQL(t, "agency", "SELECT pg_get_functiondef('"+schema+"._refuse'::regproc)")
	a.SQL(t, "agency", "CREATE OR REPLACE FUNCTION "+schema+"._refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after the function was replaced: %v", err)
	}
	if err := e.store.(*postgres).check(t.Context()); !errors.Is(err, ErrRows) {
		t.Fatalf("check after the function was replaced: %v", err)
	}
	a.SQL(t, "agency", wanted)
	awaitSeal(t, e)
	// Rows in a table elsewhere that inherits: they would be counted too, and the version's own tables do not change when they come.
	a.SQL(t, "agency", "CREATE SCHEMA aside; CREATE TABLE aside.more (LIKE "+schema+".person INCLUDING CONSTRAINTS); ALTER TABLE aside.more INHERIT "+schema+".person")
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after INHERIT: %v", err)
	}
	if err := e.store.(*postgres).check(t.Context()); !errors.Is(err, ErrRows) {
		t.Fatalf("check after INHERIT: %v", err)
	}
	a.SQL(t, "agency", "DROP SCHEMA aside CASCADE")
	awaitSeal(t, e)
	// An operator or function before PostgreSQL's own.
	a.SQL(t, "agency", "CREATE FUNCTION "+schema+".abs(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'")
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after CREATE FUNCTION: %v", err)
	}
	if err := e.store.(*postgres).check(t.Context()); !errors.Is(err, ErrRows) {
		t.Fatalf("check after CREATE FUNCTION: %v", err)
	}
	a.SQL(t, "agency", "DROP FUNCTION "+schema+".abs(integer)")
	awaitSeal(t, e)
	// One value changed and the trigger put back as it was: the row version of its definition tells.
	a.SQL(t, "agency", `ALTER TABLE `+schema+`.person DISABLE TRIGGER sealed; UPDATE `+schema+`.person SET sex = 3 - sex WHERE ctid = '(0,1)';
		ALTER TABLE `+schema+`.person ENABLE ALWAYS TRIGGER sealed`)
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after UPDATE: %v", err)
	}
	if err := e.store.(*postgres).check(t.Context()); !errors.Is(err, ErrRows) {
		t.Fatalf("check after UPDATE: %v", err)
	}
	if _, err := countPersons(t, e); !errors.Is(err, errUnchecked) {
		t.Fatalf("after a check that failed: %v", err)
	}
}

// testKilled: a server that dies in the middle of a statement ends it with a class of failure and no more, and a server that
// is back answers, over connections that died while nobody used them.
func testKilled(t *testing.T, a *agency) {
	ds, dir := parseFixture(t), t.TempDir()
	m, err := a.attachSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(1, 1)), 30))
	if err != nil {
		t.Fatal(err)
	}
	e := openAttached(t, ds, dir, m)
	want, err := countPersons(t, e)
	if err != nil {
		t.Fatal(err)
	}
	slow := statement{sql: "SELECT 1 AS a FROM pg_sleep(60)", types: []string{"INTEGER"}}
	ended := make(chan error, 1)
	go func() {
		ended <- e.store.stream(context.Background(), slow, func(chunk) error { return nil })
	}()
	running := "SELECT count(*) FROM pg_stat_activity WHERE usename = 'jali_reader' AND state = 'active' AND query LIKE '%pg_sleep%'"
	for a.SQL(t, "agency", running) != "1" {
		time.Sleep(20 * time.Millisecond)
	}
	a.Kill()
	var broken *pgError
	select {
	case err := <-ended:
		if !errors.As(err, &broken) {
			t.Fatalf("killed: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the statement outlives its server")
	}
	if _, err := countPersons(t, e); !errors.As(err, &broken) {
		t.Fatalf("while the server is down: %v", err)
	}
	if e.Ready() {
		t.Error("ready while the server is down")
	}
	a.Resume(t)
	for range 400 {
		if e.Ready() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !e.Ready() {
		t.Error("not ready after the server is back, without a query")
	}
	if got, err := countPersons(t, e); err != nil || got != want {
		t.Fatalf("after restart: %d, %v", got, err)
	}
	// A deadline cancels on the server: nothing is left running, and the role's connections still serve.
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := e.store.stream(ctx, slow, func(chunk) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("deadline: %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("cancelled after %v", took)
	}
	if left := a.SQL(t, "agency", running); left != "0" {
		t.Errorf("%s statements left running", left)
	}
	if _, err := countPersons(t, e); err != nil {
		t.Fatal(err)
	}
	// An engine opened while the server is down serves once it is there.
	a.Kill()
	late, err := OpenVersion(dir, m, Config{Catalog: ds, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := countPersons(t, late); !errors.Is(err, errUnchecked) {
		t.Fatalf("before any check: %v", err)
	}
	a.Resume(t)
	awaitSeal(t, late)
	if got, err := countPersons(t, late); err != nil || got != want {
		t.Fatalf("opened early: %d, %v", got, err)
	}
}

// testFence: a role that grants do not hold is refused, and named in the operator's log without its connection string.
func testFence(t *testing.T, a *agency) {
	ds, dir := parseFixture(t), t.TempDir()
	m, err := a.attachSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(1, 1)), 10))
	if err != nil {
		t.Fatal(err)
	}
	place, _, err := FindPlace(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p := newPostgres(place, m, ds, slog.New(slog.NewTextHandler(&log, nil)))
	defer p.pool.close()
	for _, c := range []struct{ do, undo string }{
		{"ALTER ROLE jali_reader SUPERUSER", "ALTER ROLE jali_reader NOSUPERUSER"},
		{"GRANT pg_read_all_data TO jali_reader", "REVOKE pg_read_all_data FROM jali_reader"},
		{"GRANT pg_execute_server_program TO jali_reader", "REVOKE pg_execute_server_program FROM jali_reader"},
		{"GRANT INSERT (sex) ON %s.person TO jali_reader", "REVOKE INSERT (sex) ON %s.person FROM jali_reader"},
		{"GRANT DELETE ON %s.event TO PUBLIC", "REVOKE DELETE ON %s.event FROM PUBLIC"},
		{"CREATE ROLE master SUPERUSER; GRANT master TO jali_reader", "DROP ROLE master"},
		{"CREATE ROLE maker CREATEROLE; GRANT maker TO jali_reader", "DROP ROLE maker"},
		{"ALTER ROLE jali_reader CREATEROLE", "ALTER ROLE jali_reader NOCREATEROLE"},
		{"GRANT jali_owner TO jali_reader", "REVOKE jali_owner FROM jali_reader"},
		{"GRANT CREATE ON SCHEMA %s TO jali_reader", "REVOKE CREATE ON SCHEMA %s FROM jali_reader"},
	} {
		a.SQL(t, "agency", strings.ReplaceAll(c.do, "%s", place.Schema))
		if err := p.check(t.Context()); !errors.Is(err, ErrFence) {
			t.Errorf("%s: %v", c.do, err)
		}
		a.SQL(t, "agency", strings.ReplaceAll(c.undo, "%s", place.Schema))
	}
	if err := p.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A version that is served is looked at again, although its seal is as it was.
	watched := newPostgres(place, m, ds, slog.New(slog.DiscardHandler))
	watched.again = 50 * time.Millisecond
	watched.start()
	await := func(ready bool) {
		t.Helper()
		for range 400 {
			if watched.ready() == ready {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("ready is not %v in time", ready)
	}
	await(true)
	a.SQL(t, "agency", "ALTER ROLE jali_reader SUPERUSER")
	await(false)
	a.SQL(t, "agency", "ALTER ROLE jali_reader NOSUPERUSER")
	await(true)
	if err := watched.close(); err != nil {
		t.Error(err)
	}
	// Attach itself ends so, and leaves nothing.
	schemas := "SELECT string_agg(nspname, ',') FROM pg_namespace WHERE nspname LIKE 'jali%'"
	before := a.SQL(t, "agency", schemas)
	a.SQL(t, "agency", "GRANT pg_read_server_files TO jali_reader")
	empty := t.TempDir()
	if _, err := a.attachSheets(t, ds, empty, makeRows(rand.New(rand.NewPCG(1, 1)), 10)); !errors.Is(err, ErrFence) {
		t.Errorf("attach for a role that reads files: %v", err)
	}
	a.SQL(t, "agency", "REVOKE pg_read_server_files FROM jali_reader")
	if after := a.SQL(t, "agency", schemas); after != before {
		t.Errorf("schemas %s, before %s", after, before)
	}
	if notes, _ := filepath.Glob(filepath.Join(empty, "*.postgres")); len(notes) > 0 { // the pattern is well formed
		t.Errorf("notes are left: %v", notes)
	}
	same := AttachConfig{ImportConfig: ImportConfig{Catalog: ds, Dir: dir}, Owner: a.reader, Reader: a.reader}
	if _, err := Attach(t.Context(), same); !errors.Is(err, ErrFence) {
		t.Errorf("owner and reader the same: %v", err)
	}
}

// TestDSN: what is not encrypted, or readable by others, is refused, and no error quotes the string.
func TestDSN(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, c := range []struct {
		name, dsn string
		mode      os.FileMode
		good      bool
	}{
		{"socket", "host=/run/postgresql user=u dbname=d password=" + secret, 0o600, true},
		{"loopback", "host=127.0.0.1 user=u dbname=d password=" + secret, 0o640, true},
		{"readable by others", "host=/run/postgresql user=u dbname=d password=" + secret, 0o644, false},
		{"network", "host=db.example user=u dbname=d password=" + secret, 0o600, false},
		{"network, prefer", "host=db.example user=u dbname=d sslmode=prefer password=" + secret, 0o600, false},
		{"network, require", "host=db.example user=u dbname=d sslmode=require password=" + secret, 0o600, false},
		{"network, verify-ca", "host=db.example user=u dbname=d sslmode=verify-ca password=" + secret, 0o600, false},
		{"network, verify-full", "host=db.example user=u dbname=d sslmode=verify-full password=" + secret, 0o600, true},
		{"one of two hosts", "postgres://u:" + secret + "@/d?host=/run/postgresql,db.example&sslmode=disable", 0o600, false},
		{"broken", "host='x " + secret, 0o600, false},
		{"empty", " \n", 0o600, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dsn")
			if err := os.WriteFile(file, []byte(c.dsn), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, c.mode); err != nil {
				t.Fatal(err)
			}
			cfg, err := Secret{File: file}.config("s", true)
			switch {
			case c.good && (err != nil || cfg.Password != secret):
				t.Fatal(err)
			case !c.good && !errors.Is(err, ErrDSN):
				t.Fatalf("accepted: %v", err)
			case err != nil && strings.Contains(err.Error(), secret):
				t.Fatalf("the error quotes the string: %v", err)
			}
		})
	}
	t.Setenv("JALI_TEST_DSN", "host=/run/postgresql user=u")
	if _, err := (Secret{Env: "JALI_TEST_DSN"}).config("", true); err != nil {
		t.Error(err)
	}
	if _, err := (Secret{Env: "JALI_TEST_NO_DSN"}).config("", true); !errors.Is(err, ErrDSN) {
		t.Error(err)
	}
	if _, err := (Secret{}).config("", true); !errors.Is(err, ErrDSN) {
		t.Error(err)
	}
}
