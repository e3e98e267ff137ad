package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"jali/gateway/engine/pgtest"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// TestAttach: an agency's table becomes a data version of a gateway that serves, by commands alone; the doctor says which GRANT is
// missing, and the statement it gives mends it; whoever is over-privileged is named.
func TestAttach(t *testing.T) {
	db := pgtest.Start(t)
	db.SQL(t, "postgres", "CREATE DATABASE agency")
	rows := filepath.Join(db.Dir(), "nhefs.csv")
	header := unpack(t, "../../examples/nhefs/nhefs.csv.gz", rows)
	db.SQL(t, "agency", `CREATE SCHEMA study; CREATE TABLE study.nhefs (`+strings.Join(strings.Split(header, ","), " text, ")+` text);
		COPY study.nhefs FROM '`+rows+`' WITH (FORMAT csv, HEADER true)`)
	db.SQL(t, "agency", strings.ReplaceAll(documented(t), "'...'", "'"+pgtest.Password+"'"))
	owner, reader := dsnFile(t, db.DSN("jali_owner", "agency")), dsnFile(t, db.DSN("jali_reader", "agency"))

	var said bytes.Buffer
	cfg := nhefs(t, nil)
	cfg.Output = &said
	g := sdktest.Start(t, cfg)
	imported, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) AS n FROM nhefs", Error: "20"})
	if err != nil {
		t.Fatal(err)
	}
	out := g.Run("attach", "--dir", g.Dir, "--dataset", "nhefs", "--from", "study", "--dsn-file", reader, "--owner-dsn-file", owner)
	if !strings.Contains(out, "nhefs: 1629 rows in all tables, checked and attached") {
		t.Errorf("attach: %s", out)
	}
	var attached *sdk.Result
	for range 200 {
		attached, err = g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) AS n FROM nhefs", Error: "20"})
		if err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if attached.Receipt.Intent == imported.Receipt.Intent {
		t.Error("an answer from the old data version was replayed for the new one")
	}

	schema := db.SQL(t, "agency", "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jali\\_%'")
	examine := func(good bool, says ...string) string {
		t.Helper()
		out, err := g.Try("doctor", "--dir", g.Dir)
		if (err == nil) != good {
			t.Errorf("doctor: %v\n%s", err, out)
		}
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("doctor does not say %q:\n%s", s, out)
			}
		}
		return out
	}
	examine(true, "ok    dataset nhefs: connection as role jali_reader", "ok    dataset nhefs: all rows of schema "+schema+" are those that were attached")

	db.SQL(t, "agency", "REVOKE SELECT (sex, age) ON "+schema+".nhefs FROM jali_reader")
	out = examine(false, "FAIL  dataset nhefs: table "+schema+".nhefs: the role cannot read 2 of its columns")
	grant := regexp.MustCompile(`hint: (GRANT .*;)`).FindStringSubmatch(out)
	if grant == nil || !strings.Contains(grant[1], `"sex"`) {
		t.Fatalf("no GRANT in:\n%s", out)
	}
	db.SQL(t, "agency", grant[1])
	examine(true)

	db.SQL(t, "agency", "GRANT USAGE ON SCHEMA study TO jali_reader; GRANT SELECT ON study.nhefs TO jali_reader")
	examine(true, "warn  dataset nhefs: the role can read tables of other schemas, or columns of them: study.nhefs", `REVOKE ALL ON study.nhefs FROM "jali_reader", PUBLIC;`)
	db.SQL(t, "agency", `REVOKE ALL ON study.nhefs FROM jali_reader; ALTER ROLE jali_reader SUPERUSER`)
	examine(false, "FAIL  dataset nhefs: the role is a superuser", `ALTER ROLE "jali_reader" NOSUPERUSER;`)
	db.SQL(t, "agency", "ALTER ROLE jali_reader NOSUPERUSER PASSWORD 'another'")
	examine(false, "FAIL  dataset nhefs: PostgreSQL, file "+reader+": connect: PostgreSQL error 28P01", "the server refuses the login")

	if _, err := g.Try("attach", "--dir", g.Dir, "--dataset", "nhefs", "--from", "study", "--dsn-file", owner, "--owner-dsn-file", owner); err == nil {
		t.Error("the owner was taken for the role that answers")
	}
	g.Stop()
	if text := said.String() + g.Log(); strings.Contains(text, pgtest.Password) || strings.Contains(text, "password=") {
		t.Error("a password was printed or logged")
	}
}

// documented is the SQL that docs/operations.md tells an administrator of the database to run.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```sql\n")
	sql, _, ended := strings.Cut(rest, "```")
	if !found || !ended || !strings.Contains(sql, "jali_reader") {
		t.Fatal("docs/operations.md does not say how the roles are made")
	}
	return sql
}

func dsnFile(t *testing.T, dsn string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// unpack writes a CSV file that the server can read, and returns its header.
func unpack(t *testing.T, from, to string) string {
	t.Helper()
	packed, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o644); err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(header)
}
