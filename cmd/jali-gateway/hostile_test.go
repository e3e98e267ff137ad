package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// Acceptance: hostile texts, over the wire, into the program as it ships. Each is refused as a bad query, the refusal is on
// record before it is heard, nothing is charged, and the same process goes on answering.
func TestHostileTextsAreRefusedOnRecord(t *testing.T) {
	g := sdktest.Start(t, nhefs(t, nil))
	// A principal may call 50 times a second and 200 times at once: several share the work.
	var several []*sdktest.Client
	for i := range 4 {
		several = append(several, g.Client(fmt.Sprintf("mallory-%d", i), "Example Pharma", sdktest.Researcher))
	}
	mallory := several[0]
	pid := g.PID()
	texts := hostile()
	before, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		answer, err := several[i%len(several)].Query(t.Context(), sdk.Query{SQL: text, Error: "20"})
		var bad *sdk.QueryError
		if !errors.As(err, &bad) || answer != nil {
			t.Errorf("%.60q (%d bytes): got %v, %v; want a refusal of the query", text, len(text), answer, err)
			continue
		}
		if sdk.Hint(err) == "" {
			t.Errorf("%.60q: refused without a hint: %v", text, err)
		}
	}
	after, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if n := after.Count(audit.Refused) - before.Count(audit.Refused); n != len(texts) {
		t.Errorf("%d of %d refusals are on record", n, len(texts))
	}
	if after.Count(audit.Intent) != 0 {
		t.Errorf("%d hostile texts were charged", after.Count(audit.Intent))
	}
	// What a text of 128 KiB is: no question, by the contract, before anyone reads it.
	if _, err := mallory.Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) FROM nhefs " + strings.Repeat(" ", 128<<10), Error: "20"}); err == nil {
		t.Error("a text of more than 128 KiB was answered")
	}
	if g.PID() != pid {
		t.Fatal("the gateway is another process")
	}
	if _, err := mallory.Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) FROM nhefs", Error: "20"}); err != nil {
		t.Errorf("a good question after the hostile ones: %v", err)
	}

	// The command ends with its status for bad queries.
	file := filepath.Join(g.Files, "deep.sql")
	if err := os.WriteFile(file, []byte(nested(3000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"SELECT COUNT(*) FROM nhefs; DROP TABLE nhefs"}, {"-f", file}, {"SELECT COUNT(*) FROM \"nhefs\""}} {
		args = append([]string{"query", "--profile", mallory.Profile(), "--agreement", g.Agreement, "--purpose", g.Purpose, "--error", "20"}, args...)
		if code, out := program(t, t.Context(), "jali", args...); code != 2 || !strings.Contains(out, "hint: ") {
			t.Errorf("jali %v: status %d: %s", args[len(args)-1], code, out)
		}
	}
}

// hostile are the texts of the acceptance list, and good questions with random bytes changed.
func hostile() []string {
	const count = "SELECT COUNT(*) FROM nhefs"
	list := func(n int) string { return count + " WHERE age IN (" + strings.Repeat("1,", n) + "1)" }
	texts := []string{
		// 100 KB and more, of everything.
		list(50_000), strings.Repeat("(", 100_000), strings.Repeat("-", 100_000), count + strings.Repeat("/*", 50_000), strings.Repeat("a", 100_000),
		count + " WHERE age = " + strings.Repeat("9", 100_000), count + " WHERE birthplace = '" + strings.Repeat("é", 50_000) + "'", "x" + strings.Repeat("é", 50_000),
		count + strings.Repeat(" AND age > 1", 8000), strings.Repeat(count+";", 3000), strings.Repeat(" ", 100_000), strings.Repeat("\x00", 100_000),
		// 50,000 deep.
		nested(50_000), count + " WHERE " + strings.Repeat("NOT ", 25_000) + "sex = 1", count + " WHERE age = " + strings.Repeat("- ", 50_000) + "1",
		count + " WHERE age = " + strings.Repeat("1+", 50_000) + "1", strings.Repeat("SELECT(", 15_000), strings.Repeat("CASE WHEN ", 10_000),
		// Deep, within 8,192 bytes: what would reach the parser if only length counted.
		nested(4000), count + " WHERE " + strings.Repeat("NOT ", 2000) + "sex = 1", strings.Repeat("SELECT(", 1000) + strings.Repeat("[", 1000),
		// Several statements, other statements, other languages.
		count + "; SELECT 1", count + "; DROP TABLE nhefs", "DROP TABLE nhefs", "COPY nhefs TO '/tmp/x'", "ATTACH '/etc/passwd' AS x", "PRAGMA version", "SET threads = 1",
		"INSTALL httpfs", "EXPLAIN " + count, "WITH x AS (" + count + ") SELECT * FROM x", "SELECT * FROM nhefs", "SELECT seqn FROM nhefs", "VALUES (1)", "BEGIN", " ",
		"SELECT COUNT(*) FROM read_csv('/etc/passwd')", "SELECT COUNT(*) FROM '/etc/passwd'", "SELECT getenv('HOME') FROM nhefs", "SELECT COUNT(*) FROM information_schema.tables",
		count + " UNION " + count, count + " WHERE 1 = (SELECT COUNT(*) FROM nhefs)", count + " TABLESAMPLE BERNOULLI (1)", count + " FOR UPDATE",
		// Comments that other parsers read otherwise.
		count + " /* */ ; /* */ DROP TABLE nhefs", count + " /*! WHERE 1=1 */", count + " /*+ x */", count + " /* /* */", count + " # x", "SELECT/**/COUNT(*)/**/FROM/**/per/**/son",
		count + " WHERE sex = 1 --\r OR 1=1",
		// Look-alikes: Cyrillic е, fullwidth letters and quotes, no-break and zero-width space, right-to-left override, combining accent, Kelvin sign.
		"S\u0415LECT COUNT(*) FROM nhefs", "SELECT COUNT(*) FROM nh\u0435fs", "\uff33ELECT COUNT(*) FROM nhefs", "SELECT\u00a0COUNT(*) FROM nhefs", "SELECT COUNT(*) FROM nhe\u200bfs",
		"SELECT COUNT(*) FROM \u202enhefs", "SELECT COUNT(*) FROM nhefs\u0301", count + " WHERE sex \uff1d 1", count + " WHERE birthplace = \uff07a\uff07", "\ufeff" + count, count + " WHERE qsm\u212a = 1",
		// Quoted identifiers and other ways to spell a name or a text.
		`SELECT COUNT(*) FROM "nhefs"`, `SELECT COUNT(*) FROM "nhefs""; DROP TABLE nhefs; --"`, "SELECT COUNT(*) FROM `nhefs`", "SELECT COUNT(*) FROM [nhefs]",
		count + ` WHERE "sex" = 1`, count + ` WHERE U&"s\0065x" = 1`, count + " WHERE sex = E'\\x31'", count + " WHERE sex = $$1$$", count + " WHERE sex = $1", count + " WHERE sex = ?", count + " WHERE sex = :x",
		"SELECT COUNT(*) FROM main.nhefs", "SELECT COUNT(*) FROM memory.main.nhefs", count + " WHERE rowid = 1", "SELECT COUNT(*) FROM _version", "SELECT COUNT(*) FROM nhefs AS nhefs(seqn)",
	}
	// Good questions with bytes changed: the seed is fixed, so that a failure is found again.
	rng := rand.New(rand.NewPCG(1, 2))
	signs := "()'\";-*/\\$%,.=<>!?:[]{}`~^&|#@\x00\x01\x7f\t\r\nEeXx09"
	for range 200 {
		b := []byte("SELECT sex, COUNT(*) AS n, AVG(age) FROM nhefs WHERE wt71 BETWEEN 50 AND 90 AND sex IN (0, 1) GROUP BY sex HAVING COUNT(*) > 5 ORDER BY n LIMIT 3")
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = signs[rng.IntN(len(signs))]
		}
		// A question that is still one is not hostile: this makes certain that none is.
		texts = append(texts, string(b)+fmt.Sprintf(" ; %c", signs[rng.IntN(len(signs))]))
	}
	return texts
}

// nested is a condition in so many parentheses.
func nested(n int) string {
	return "SELECT COUNT(*) FROM nhefs WHERE " + strings.Repeat("(", n) + "sex = 1" + strings.Repeat(")", n)
}

// SIGTERM while a question runs: it is answered, then the gateway ends well.
func TestTermAnswersWhatIsUnderWay(t *testing.T) {
	const dir = "../../examples/nhefs"
	catalogue, err := os.ReadFile(dir + "/nhefs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	slow := filepath.Join(t.TempDir(), "nhefs.yaml")
	if err := os.WriteFile(slow, []byte(strings.Replace(string(catalogue), "level: 1\n", "level: 1\nslots: [2s]\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	config := nhefs(t, nil)
	config.Datasets[0].Catalog = slow
	g := sdktest.Start(t, config)
	alice := g.Researcher()
	answered := make(chan error, 1)
	asked := time.Now()
	go func() {
		_, err := alice.Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) FROM nhefs", Error: "20"})
		answered <- err
	}()
	for { // until it is charged, so that it runs
		if log, err := g.Check(); err != nil {
			t.Fatal(err)
		} else if log.Open == 1 {
			break
		}
		if time.Since(asked) > time.Minute {
			t.Fatal("the question does not run")
		}
	}
	g.Stop() // fails the test if the gateway does not end well
	if err := <-answered; err != nil {
		t.Errorf("the question under way: %v", err)
	}
	if took := time.Since(asked); took < 2*time.Second {
		t.Errorf("answered after %v, before its slot of 2 s ended", took)
	}
}
