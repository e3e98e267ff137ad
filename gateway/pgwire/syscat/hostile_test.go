package syscat

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile are statements by somebody who has a certificate and wants the gateway's memory or time, for nothing. Each is short, and each did what its name says
// before what an evaluation makes was bounded.
func hostile() map[string]string {
	const names = "FROM pg_class, generate_series(1, 10000) a"
	long := strings.Repeat("x", 6000)
	quotes := strings.Repeat(`"`, 6000)
	nested := func(open, of, end string, n int) string { return strings.Repeat(open, n) + of + strings.Repeat(end, n) }
	return map[string]string{
		"a series whose end overflows":         "SELECT generate_series(9223372036854775800, 9223372036854775807) + 1, generate_series(-9223372036854775807, 9223372036854775807) FROM pg_class",
		"a series up to the last number":       "SELECT * FROM pg_class, generate_series(9223372036854775806, 9223372036854775807) a WHERE a = 1 AND generate_series(-9223372036854775807, 9223372036854775807) = 1",
		"a series of all numbers in FROM":      "SELECT * FROM pg_class, generate_series(-9223372036854775807, 9223372036854775807) a",
		"windows over many rows":               "SELECT row_number() OVER () FROM pg_class, generate_series(1, 10000) a, generate_series(1, 20) b",
		"stars of many rows":                   "SELECT " + strings.Repeat("*, ", 90) + "1 FROM pg_type, pg_type b, generate_series(1, 10) a",
		"stars of stars":                       "WITH a AS (SELECT " + strings.Repeat("*, ", 400) + "1 FROM pg_settings), b AS (SELECT " + strings.Repeat("*, ", 400) + "1 FROM a) SELECT " + strings.Repeat("*, ", 400) + "1 FROM b",
		"a separator between many":             "SELECT array_to_string(ARRAY(SELECT a FROM generate_series(1, 10000) a), '" + long + "') FROM pg_class",
		"a separator of an aggregate":          "SELECT string_agg('x', '" + long + "') " + names,
		"an aggregate of long texts":           "SELECT array_agg('" + long + "')::text " + names,
		"quotes that double":                   "SELECT " + nested("quote_ident(", `'`+quotes+`'`, ")", 30) + " FROM pg_class",
		"arrays in arrays":                     "SELECT " + nested("ARRAY[", `'"'`, "]", 40) + "::text FROM pg_class",
		"arrays that double":                   "SELECT " + nested("(SELECT x || x FROM (SELECT ", "ARRAY[1,2]", " AS x) q)", 28) + " FROM pg_class",
		"a replacement of nothing":             "SELECT replace('" + long + "', '', '" + long + "') FROM pg_class",
		"texts put together":                   "SELECT 'a" + long + "' || a || '" + long + "' " + names + ", generate_series(1, 20) b",
		"keys of groups":                       "SELECT count(*) " + names + ", generate_series(1, 20) b GROUP BY a || 'b" + long + "', b",
		"distinct long texts":                  "SELECT DISTINCT '" + long + "', a " + names + ", generate_series(1, 20) b",
		"a large automaton":                    "SELECT '" + long + "' ~ '" + strings.Repeat("(x?){1000}", 60) + "y' FROM pg_class",
		"a pattern for each row":               "SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 20) b, pg_class WHERE '" + long + "' ~ ('(.?){100}(.?){100}' || a || 'y')",
		"a pattern of LIKE":                    "SELECT count(*) FROM generate_series(1, 10000) a, pg_class WHERE '" + long + "' LIKE '%" + strings.Repeat("x", 3000) + "%' || a",
		"comparisons of long texts":            "SELECT count(*) FROM generate_series(1, 2000) a, generate_series(1, 100) b, pg_class WHERE '" + long + "' || a = '" + long + "' || b",
		"conditions before many relations":     "SELECT 1 FROM " + strings.Repeat("pg_attribute, ", 700) + "pg_class a WHERE " + strings.Repeat("nope = 1 AND ", 250) + "true",
		"an array searched for each row":       "SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 20) b, pg_class WHERE array_position(ARRAY(SELECT c FROM generate_series(1, 10000) c), a) > 0",
		"a list read from its text, each time": "SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 20) b, pg_class WHERE a::text = ANY ('{" + strings.Repeat("x,", 5000) + "x}'::text[])",
		"sorting long texts":                   "SELECT 1 FROM pg_class, generate_series(1, 1000) a, generate_series(1, 100) b ORDER BY '" + long + "' || a",
		"records":                              "SELECT (ROW(" + nested("ROW(", `'"'`, ")", 40) + "))::text FROM pg_class",
	}
}

// What an authenticated caller can have evaluated for nothing is bounded in memory and time, whatever it says: the bounds are far above what clients ask (TestLarge).
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and slow under the race detector")
	}
	const (
		mostBytes = 512 << 20   // in use at any moment, garbage included
		mostTime  = time.Minute // on a machine that does much else; most of them would take hours, or for ever
	)
	c := sample(t)
	for name, sql := range hostile() {
		t.Run(name, func(t *testing.T) {
			peak := peakHeap()
			start := time.Now()
			got, err := c.Query(t.Context(), sql)
			took := time.Since(start)
			made := peak()
			var refused *Error
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("error of another kind: %v", err)
			}
			cells := 0
			for _, row := range got.Rows {
				cells += len(row)
			}
			t.Logf("%v, %d MiB, %d cells, %v", took.Round(time.Millisecond), made>>20, cells, err)
			if took > mostTime || made > mostBytes {
				t.Errorf("took %v and %d MiB", took, made>>20)
			}
			if err != nil && refused != nil && refused.Code == "42601" {
				t.Errorf("the attack does not parse: %v", err)
			}
		})
	}
}

// peakHeap watches the heap until the returned function is called, which gives its largest size.
func peakHeap() func() uint64 {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-done
	}
}
