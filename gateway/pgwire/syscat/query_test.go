package syscat

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
)

const example = `catalogue: 1
dataset: scheme
title: A scheme
description: two tables
source: made up
population: people
mode: dp
class: health
level: 1
tables:
  person:
    description: One row per person
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      secret: {role: never, sensitivity: high}
      sex: {description: as registered, type: text, role: [group], sensitivity: low, codes: {F: female, M: male}}
      weight: {type: decimal, decimals: 1, unit: kg, role: [measure], sensitivity: low, bounds: [0, 300], nullable: true}
`

func sample(t testing.TB) Catalogue {
	t.Helper()
	ds, err := catalog.Parse("scheme.yaml", []byte(example), nil)
	if err != nil {
		t.Fatal(err)
	}
	return Catalogue{Selected: ds, Schema: "public", User: "ana", Database: "scheme", Version: "PostgreSQL 15.0", Settings: map[string]string{"timezone": "UTC"}, Backend: 7}
}

func TestQuery(t *testing.T) {
	c := sample(t)
	for _, tt := range []struct {
		sql  string
		want [][]any
	}{
		{"SELECT 1", [][]any{{int64(1)}}},
		{"SELECT 1 + 2 * 3 AS x, 'a' || 'b', NULL, true AND NOT false", [][]any{{int64(7), "ab", nil, true}}},
		{"SELECT version(), current_database(), current_schema(), current_user, pg_backend_pid()", [][]any{{"PostgreSQL 15.0", "scheme", "public", "ana", int64(7)}}},
		{"SELECT relname FROM pg_class", [][]any{{"person"}}},
		{"SELECT attname, attnum, format_type(atttypid, atttypmod) FROM pg_attribute ORDER BY attnum", [][]any{
			{"person_id", int64(1), "bigint"}, {"sex", int64(2), "text"}, {"weight", int64(3), "numeric"},
		}},
		{"SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = 'person' AND ordinal_position > 1 ORDER BY 1 DESC", [][]any{{"weight", "YES"}, {"sex", "NO"}}},
		{"SELECT c.relname, n.nspname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(per.*)$' COLLATE pg_catalog.default", [][]any{{"person", "public"}}},
		{"SELECT count(*), max(attnum), array_agg(attname ORDER BY attnum DESC) FROM pg_attribute", [][]any{{int64(3), int64(3), "{weight,sex,person_id}"}}},
		{"SELECT atttypid, count(*) FROM pg_attribute GROUP BY atttypid HAVING count(*) = 1 ORDER BY 1", [][]any{{int64(20), int64(1)}, {int64(25), int64(1)}, {int64(1700), int64(1)}}},
		{"SELECT (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid) FROM pg_class c", [][]any{{int64(3)}}},
		{"SELECT EXISTS (SELECT 1 FROM pg_index), 'person'::regclass::int > 0, 1 = ANY (ARRAY[3, 1]), 2 IN (1, 3), 5 BETWEEN 1 AND 9", [][]any{{false, true, true, false, true}}},
		{"SELECT CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END, COALESCE(NULL, 'x'), NULLIF(1, 1), substring('abcdef', 2, 3), upper('a')", [][]any{{"b", "x", nil, "bcd", "A"}}},
		{"SELECT col_description('person'::regclass, 2), obj_description('person'::regclass), col_description('person'::regclass, 3)", [][]any{{"as registered", "One row per person", "[kg]"}}},
		{"SELECT n FROM generate_series(1, 3) n WHERE n <> 2", [][]any{{int64(1)}, {int64(3)}}},
		{"SELECT unnest('{a,b}'::text[])", [][]any{{"a"}, {"b"}}},
		{"VALUES (1, 'a'), (2, 'b')", [][]any{{int64(1), "a"}, {int64(2), "b"}}},
		{"SELECT 'b' AS x UNION SELECT 'a' UNION SELECT 'b' ORDER BY 1", [][]any{{"a"}, {"b"}}},
		{"WITH t AS (SELECT attname AS n FROM pg_attribute) SELECT n FROM t WHERE n LIKE 'w%' LIMIT 1", [][]any{{"weight"}}},
		{"SELECT attname, row_number() OVER (PARTITION BY attrelid ORDER BY attnum DESC) FROM pg_attribute ORDER BY 2", [][]any{{"weight", int64(1)}, {"sex", int64(2)}, {"person_id", int64(3)}}},
		{"SELECT DISTINCT typtype FROM pg_type ORDER BY 1", [][]any{{"b"}, {"p"}}},
		{"SELECT current_setting('TimeZone')", [][]any{{"UTC"}}},
		{"SELECT NULL = 1, NULL IS NULL, 1 IS DISTINCT FROM NULL, NOT NULL::bool, NULL AND false", [][]any{{nil, true, true, nil, false}}},
		{"SELECT reltuples, pg_total_relation_size(oid) FROM pg_class", [][]any{{int64(-1), nil}}}, // nothing of the data's size
	} {
		got, err := c.Query(t.Context(), tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.Rows); diff != "" {
			t.Errorf("%s: %s", tt.sql, diff)
		}
	}
}

// What is dropped at import is not even named.
func TestNever(t *testing.T) {
	for _, sql := range []string{"SELECT attname FROM pg_attribute", "SELECT column_name FROM information_schema.columns", "SELECT description FROM pg_description"} {
		got, err := sample(t).Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range got.Rows {
			if row[0] == "secret" {
				t.Errorf("%s shows a column that nobody may see", sql)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	c := sample(t)
	for sql, code := range map[string]string{
		"SELECT * FROM person":                      "0A000",
		"SELECT * FROM pg_authid":                   "42P01",
		"SELECT * FROM information_schema.foo":      "42P01",
		"SELECT nope FROM pg_class":                 "42703",
		"SELECT pg_read_file('/etc/passwd')":        "42883",
		"SELECT pg_sleep(100)":                      "42883",
		"DELETE FROM pg_class":                      "0A000",
		"SELECT 1; SELECT 2":                        "0A000",
		"SELECT 1 INTO x FROM pg_class":             "0A000",
		"SELECT 1 FROM pg_class FOR UPDATE":         "0A000",
		"SELECT (":                                  "42601",
		"SELECT $$x$$":                              "0A000",
		"SELECT $1":                                 "0A000",
		"SELECT 1 -- '":                             "0A000",
		"SELECT /* ' */ 1":                          "0A000",
		"SELECT 1/0":                                "22012",
		"SELECT 'x'::int":                           "22P02",
		"SELECT * FROM generate_series(1, 1000000)": "54000",
		"SELECT count(*) FROM pg_type a, pg_type b, pg_type c, pg_type d":     "54000",
		"SELECT " + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100): "54000",
		"SELECT " + strings.Repeat("1+", 1000) + "1":                          "54000",
		"SELECT " + strings.Repeat("NOT ", 100) + "true":                      "54000",
		"SELECT E'\\'" + strings.Repeat("(", 100):                             "42601",
		"SELECT 'a' ~ '('": "2201B",
	} {
		_, err := c.Query(t.Context(), sql)
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != code || refused.Hint == "" {
			t.Errorf("%.60s: %v, want %s with a hint", sql, err, code)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Query(gone, "SELECT count(*) FROM pg_type a, pg_type b, pg_type c"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled query: %v", err)
	}
}

// recorded are the queries that psql 15, JDBC 42.7, psqlODBC 13, RPostgreSQL 0.7, psycopg 3.3 and SQLAlchemy 2.1 sent in the tests of clients.
func recorded(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/clients.sql")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n;;\n")
}

func TestRecorded(t *testing.T) {
	list := recorded(t)
	if len(list) < 40 {
		t.Fatalf("%d queries are recorded only", len(list))
	}
	c := sample(t)
	for _, sql := range list {
		if _, err := c.Query(t.Context(), sql); err != nil && !strings.Contains(sql, "pg_authid") {
			t.Errorf("%v\n%s", err, sql)
		}
	}
}

// FuzzQuery: any text returns an answer of its own shape, or a refusal.
func FuzzQuery(f *testing.F) {
	for _, sql := range recorded(f) {
		f.Add(sql)
	}
	f.Add("SELECT E'\\'' || $$x$$ -- \n")
	c := sample(f)
	f.Fuzz(func(t *testing.T, sql string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got, err := c.Query(ctx, sql)
		var refused *Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("error of another kind: %v", err)
		}
		for _, row := range got.Rows {
			if len(row) != len(got.Columns) {
				t.Fatalf("a row of %d values under %d columns", len(row), len(got.Columns))
			}
		}
	})
}
