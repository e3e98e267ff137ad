package query

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"jali/gateway/catalog"
)

// TestScanLimits: every limit of section 12.1, at it and one above.
func TestScanLimits(t *testing.T) {
	d := scheme(t)
	ones := func(n int) string { return strings.Repeat("1,", n-1) + "1" }
	const in = "SELECT COUNT(*) FROM claim c WHERE days IN ("
	pad := func(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }
	for _, tc := range []struct {
		name, sql string
		code      Code // "": accepted
	}{
		{"8192 bytes", pad("SELECT COUNT(*) FROM claim", 8192), ""},
		{"8193 bytes", pad("SELECT COUNT(*) FROM claim", 8193), TextLimit},
		{"100 KB", in + ones(50_000) + ")", TextLimit},
		{"1024 tokens", in + ones(506) + ")", ""},
		{"1026 tokens", in + ones(507) + ") ", TextLimit},
		{"depth 32", "SELECT COUNT(*) FROM claim WHERE " + strings.Repeat("(", 32) + "days = 1" + strings.Repeat(")", 32), ""},
		{"depth 33", "SELECT COUNT(*) FROM claim WHERE " + strings.Repeat("(", 33) + "days = 1" + strings.Repeat(")", 33), TextLimit},
		{"50,000 deep", "SELECT COUNT(*) FROM claim WHERE " + strings.Repeat("(", 50_000) + "days = 1" + strings.Repeat(")", 50_000), TextLimit},
		{"4 NOT", "SELECT COUNT(*) FROM claim WHERE NOT NOT NOT NOT days = 1", ""},
		{"5 NOT", "SELECT COUNT(*) FROM claim WHERE NOT NOT NOT NOT NOT days = 1", TextLimit},
		{"5 signs", "SELECT COUNT(*) FROM claim WHERE days = - - - - - 1", TextLimit},
		{"sums", "SELECT COUNT(*) FROM claim WHERE days = " + strings.Repeat("1+", 129) + "1", TextLimit},
		{"sums allowed by the scanner", "SELECT COUNT(*) FROM claim WHERE days = " + strings.Repeat("1+", 120) + "1", ""},
		{"16 selects", "SELECT COUNT(*) FROM person WHERE person_id IN " + strings.Repeat("(SELECT person_id FROM claim WHERE person_id IN ", 14) + "(SELECT person_id FROM claim" + strings.Repeat(")", 15), ""},
		{"17 selects", "SELECT COUNT(*) FROM person WHERE person_id IN " + strings.Repeat("(SELECT person_id FROM claim WHERE person_id IN ", 15) + "(SELECT person_id FROM claim" + strings.Repeat(")", 16), TextLimit},
		{"4 CASEs deep", "SELECT COUNT(*) FROM claim GROUP BY " + strings.Repeat("CASE WHEN ", 5), TextLimit},
		{"64 CASEs", "SELECT COUNT(*) FROM claim GROUP BY " + strings.Repeat("CASE x.end + ", 65), TextLimit},
		{"64 WHENs", "SELECT CASE" + strings.Repeat(" WHEN days = 1 THEN 1", 65) + " ELSE 0 END AS g, COUNT(*) FROM claim GROUP BY g", TextLimit},
		{"16 uses of WITH", "WITH a AS (SELECT person_id FROM claim GROUP BY person_id), b AS (SELECT x.person_id FROM a x JOIN a y USING (person_id) JOIN a z USING (person_id)), c AS (SELECT x.person_id FROM b x JOIN b y USING (person_id) JOIN b z USING (person_id)) SELECT COUNT(*) FROM c x JOIN c y USING (person_id)", TextLimit},
		{"name of 64", "SELECT COUNT(*) FROM " + strings.Repeat("a", 64), TextLimit},
		{"41 digits", "SELECT COUNT(*) FROM claim WHERE days = " + strings.Repeat("1", 41), TextLimit},
		{"9 tables", "SELECT COUNT(*) FROM person a" + func() (s string) {
			for _, x := range "bcdefghi" {
				s += " JOIN person " + string(x) + " ON a.person_id = " + string(x) + ".person_id"
			}
			return s
		}(), TextLimit},
	} {
		t.Run(tc.name, func(t *testing.T) { check(t, d, tc.sql, tc.code) })
	}
}

// TestHostile: what tries to leave the language by its lexical corners.
func TestHostile(t *testing.T) {
	d := scheme(t)
	for _, tc := range []struct {
		sql  string
		code Code // "": accepted
	}{
		{"", Syntax},
		{" \n\t", Syntax},
		{"-- nothing", Syntax},
		{";", NotSupported},
		{"SELECT COUNT(*) FROM person;;", NotSupported},
		{"SELECT COUNT(*) FROM person; -- end", ""},
		{"SELECT COUNT(*) FROM person; DROP TABLE person", NotSupported},
		{"SELECT COUNT(*) FROM person; SELECT COUNT(*) FROM claim", NotSupported},
		{"SELECT COUNT(*) FROM person;'", NotSupported},
		{"SELECT COUNT(*) FROM person -- ; DROP TABLE person", ""},
		{"SELECT COUNT(*) FROM person /* ; DROP TABLE person */", ""},
		{"SELECT COUNT(*) FROM person /* /* */ ; DROP TABLE person */", ""},
		{"SELECT COUNT(*) FROM person /* /* */ ; DROP TABLE person", Syntax},
		{"SELECT COUNT(*) FROM per/**/son", UnknownName},
		{"SELECT COUNT(*) FROM person /*! OR 1=1 */", NotSupported},
		{"SELECT COUNT(*) FROM person /*+ hint */", NotSupported},
		{"SELECT COUNT(*) FROM person /* \x00 */", TextLimit},
		{"SELECT COUNT(*) FROM person\x00; DROP TABLE person", TextLimit},
		{"SELECT COUNT(*) FROM person WHERE race = 'white\x00'", TextLimit},
		{"SELECT COUNT(*) FROM person WHERE race = 'white\n'", TextLimit},
		{"SELECT COUNT(*) FROM person WHERE race = 'white", Syntax},
		{"SELECT COUNT(*) FROM person\r\nWHERE sex = 1\r\n", ""},
		{"SELECT COUNT(*) FROM person\rWHERE sex = 1", TextLimit},
		{"SELECT COUNT(*) FROM person --\r WHERE sex = 1", TextLimit},
		{"SELECT COUNT(*) FROM person /* \r */", TextLimit},
		{"SELECT COUNT(*) FROM person --\r", TextLimit},
		{"SELECT COUNT(*) FROM person --\r\nWHERE sex = 1 /* \r\n */", ""},
		{"SELECT COUNT(*) FROM \"person\"", NotSupported},
		{"SELECT COUNT(*) FROM U&\"person\"", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = E'white'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = e'\\x77hite'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = U&'white'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = N'white'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = B'1'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = X'1'", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = $$white$$", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE race = $x$white$x$", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = $1", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = ?", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = '1'::integer", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = 1 || 2", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = ARRAY[1]", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = 0x1", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = 1e0", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = 1_0", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = .5", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE age OPERATOR(pg_catalog.=) 1", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE sex = 1 UNION SELECT COUNT(*) FROM claim", NotSupported},
		{"WITH x AS (SELECT 1) SELECT COUNT(*) FROM person", NotSupported},
		{"WITH RECURSIVE x AS (SELECT person_id FROM x) SELECT COUNT(*) FROM x", NotSupported},
		{"WITH x AS (SELECT person_id FROM x) SELECT COUNT(*) FROM x", UnknownName},
		{"WITH x AS (SELECT person_id FROM y), y AS (SELECT person_id FROM claim) SELECT COUNT(*) FROM x", UnknownName},
		{"WITH x AS (DELETE FROM person RETURNING person_id) SELECT COUNT(*) FROM x", NotSupported},
		{"WITH person AS (SELECT person_id FROM claim) SELECT COUNT(*) FROM person", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE person_id IN (WITH x AS (SELECT person_id FROM claim) SELECT person_id FROM x)", NotSupported},
		{"SELECT COUNT(*) FROM (SELECT person_id AS _p, days FROM claim) x", NotSupported},
		{"SELECT COUNT(*) FROM (SELECT person_id, days AS _p FROM claim) x", NotSupported},
		{"SELECT COUNT(*) FROM (SELECT person_id FROM read_csv('/etc/passwd')) x", NotSupported},
		{"SELECT COUNT(*) FROM (SELECT person_id, pg_sleep(10) AS d FROM claim) x", NotSupported},
		{"SELECT COUNT(*) FROM (VALUES (1)) x", NotSupported},
		{"SELECT COUNT(*) FROM person p, LATERAL (SELECT person_id FROM claim) x", NotSupported},
		{"SELECT COUNT(*) FROM person GROUP BY BIN(age, 0, 9223372036854775807, 1)", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE age * 1000000 * 1000000 > 1", NotSupported},
		{"SELECT COUNT(*) FROM person WHERE CASE WHEN sex = 1 THEN 1 ELSE 2 END = 1", NotSupported},
		{"SELECT pg_sleep(10) FROM person", NotSupported},
		{"SELECT pg_catalog.count(*) FROM person", NotSupported},
		{"SELECT COUNT(*) FROM pg_catalog.pg_user", NotSupported},
		{"SELECT COUNT(*) FROM read_csv('/etc/passwd')", NotSupported},
		{"SELECT COUNT(*) FROM '/etc/passwd'", Syntax},
		// Look-alikes: Cyrillic е, full-width, zero width, right-to-left, combining, non-breaking space, curly quotes.
		{"SELECT COUNT(*) FROM p\u0435rson", TextLimit},
		{"SELECT COUNT(*) FROM \uff50erson", TextLimit},
		{"SELECT COUNT(*) FROM per\u200bson", TextLimit},
		{"SELECT COUNT(*) FROM \u202eperson", TextLimit},
		{"SELECT COUNT(*) FROM perso\u0301n", TextLimit},
		{"SELECT\u00a0COUNT(*) FROM person", TextLimit},
		{"SELECT COUNT(*) FROM person WHERE race = \u2018white\u2019", TextLimit},
		{"\ufeffSELECT COUNT(*) FROM person", TextLimit},
		{"SELECT COUNT(*) FROM person WHERE race = '\xff'", TextLimit},
		{"SELECT COUNT(*) FROM claim WHERE note = 'na\u00efve \u202e'", ""},
		{"SELECT COUNT(*) FROM PERSON WHERE SEX = 1", ""},
	} {
		check(t, d, tc.sql, tc.code)
	}
}

func check(t *testing.T, d *catalog.Dataset, sql string, code Code) {
	t.Helper()
	p, err := Compile(d, sql)
	if code == "" {
		if err != nil || p == nil {
			t.Errorf("%.120q refused: %v", sql, err)
		}
		return
	}
	var e *Error
	if p != nil || !errors.As(err, &e) {
		t.Errorf("%.120q accepted", sql)
		return
	}
	if e.Code != code {
		t.Errorf("%.120q: %v, want %s", sql, err, code)
	}
}

// TestNesting: chains of every construct that nests, as long as the scanner lets them be, return.
func TestNesting(t *testing.T) {
	d := scheme(t)
	for _, unit := range []string{
		"(", "NOT (", "- ", "1+", "1*", "days = ", "days IN (", "NOT ", "f(", "f(f,", "x.", "COALESCE(", "ROW(", "ARRAY ", "days IS NULL IS ", "days BETWEEN ", "CAST(", "EXISTS (", "a JOIN ", "a OR ", "a AND ", "(SELECT ", "1 <> ", "a, ", "ON ", "COLLATE ",
		"CASE ", "CASE WHEN ", "CASE WHEN days = 1 THEN ", "CASE x.end + ", "CASE WHEN x.end = ", "CASE WHEN 1 = 1 THEN 1 ELSE ", "(SELECT person_id FROM ", "WITH x AS (SELECT ", "BIN(", "CLIP(days + ", "f(1) OVER (PARTITION BY ", "a LEFT JOIN ", "LATERAL (",
	} {
		for _, n := range []int{10, 100, 500, 1000, 50_000} {
			for _, form := range []string{"SELECT COUNT(*) FROM claim WHERE %", "SELECT %", "SELECT COUNT(*) FROM %", "%", "SELECT COUNT(*) FROM claim ORDER BY %", "SELECT COUNT(*) FROM claim a JOIN claim b ON %"} {
				if _, err := Compile(d, strings.Replace(form, "%", strings.Repeat(unit, n), 1)); err == nil {
					t.Errorf("%d times %q accepted", n, unit)
				}
			}
		}
	}
}

func TestCheckStack(t *testing.T) {
	if err := CheckStack(); err != nil {
		t.Skipf("this test runs with a small stack: %v", err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &old); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &syscall.Rlimit{Cur: minStack - 1, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	if err := CheckStack(); !errors.Is(err, ErrStack) {
		t.Errorf("a stack limit below 8 MiB passes: %v", err)
	}
}

// TestCheckStackThread starts this test binary with a small thread stack: the check must see what the C library gives
// threads, not only the limit.
func TestCheckStackThread(t *testing.T) {
	if os.Getenv("JALI_STACK_CHILD") != "" {
		if err := CheckStack(); !errors.Is(err, ErrStack) || !strings.Contains(err.Error(), "threads get") {
			t.Errorf("a thread stack below 8 MiB passes: %v", err)
		}
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -S -s 1024 && exec "$0" -test.run '^TestCheckStackThread$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "JALI_STACK_CHILD=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
