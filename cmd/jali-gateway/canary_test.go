package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// Canaries: values that exist in one place only, so that wherever one turns up, something has leaked.
var (
	// In the rows: a person's key, a text, a rare private group key, a value of a column that is never loaded, numbers, a date.
	inData = []string{
		"person-ocelot-55318", "zebra-quokka-41907", "ward-axolotl-77120", "never-lynx-80123", "7319462.58", "731946258", "1987-03-29",
	}
	// In rows that import refuses, once per rule and format.
	inBadRows = []string{
		"bad-numbat-10733", "bad-person-20917", "9182736455", "3141592653.59", "1876-05-04", "bad-ward-40093", "bad-header-51277", "bad-quote-66601", "bad-parquet-72931", "8675309123",
	}
	// In the text of questions, as literals.
	inSQL = []string{"sql-wombat-31337", "sql-cassowary-8128", "271828182", "1943-11-23", "sql-dingo-65537", "sql-comment-4093", "sql-rest-6007"}
	// Names of people and papers: in certificates, agreements and decisions.
	inNames = []string{"okapi.brightwater", "Study of the Kakapo", "Order of the Numbat Court"}
)

const canaryCatalogue = `catalogue: 1
dataset: canary
population: canary
class: health
threshold_delta: 1e-8
tables:
  visit:
    rows_per_person: 2
    columns:
      person: {type: text, role: person, sensitivity: low}
      sex: {type: integer, role: group, sensitivity: low, codes: {1: male, 2: female}}
      amount: {type: decimal, decimals: 2, role: measure, sensitivity: low, bounds: [0, 10000000]}
      note: {type: text, role: filter, nullable: true, sensitivity: low, pattern: '^[a-z0-9-]*$'}
      ward: {type: text, role: group, private_keys: true, sensitivity: low, pattern: '^[a-z]+-[a-z0-9-]+$'}
      day: {type: date, role: date, sensitivity: low, bounds: [1980-01-01, 2020-12-31]}
      secret: {role: never, sensitivity: high}
`

const canaryAgreement = `id: agr-canary
version: 1
title: Study of the Kakapo
state: active
parties: [Example Pharma]
users: [okapi.brightwater]
purposes: ["DUO:0000042"]
datasets:
  - {id: canary, columns: [visit.*], sensitivity: [low]}
  - {id: hasty, columns: [visit.*], sensitivity: [low]}
kinds: [aggregate]
mode: dp
budget:
  - {population: canary, pu: 12000, delta: 1e-6}
min_error: 5
max_price_pu: 100000
per_hour: 1000
valid_from: "2020-01-01"
valid_until: "2040-12-31"
`

// header names the columns of a row of the canary table.
const header = "person,sex,amount,note,ward,day,secret\n"

// Acceptance: nothing of the data in errors, logs or metrics. Canaries are planted in rows, in rows that import refuses, in the
// text of questions and in names; then everything a gateway does is done, well and badly, with its log at its most talkative.
// Data must be found nowhere but in the data files. Text of questions and names must be found where their owners and the
// regulator see them, and otherwise nowhere: not in the operator's log, in metrics, in the files of the record, or in an export.
func TestCanariesAreFoundNowhere(t *testing.T) {
	files := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(files, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// hasty holds the same rows behind a short response slot, to be missed.
	hasty := strings.NewReplacer("dataset: canary", "dataset: hasty", "class: health\n", "class: health\nslots: [100ms]\n").Replace(canaryCatalogue)
	good := write("visit.csv", rows())
	for _, canary := range inData {
		if canary != "731946258" && !strings.Contains(rows(), canary) {
			t.Fatalf("%s is not planted", canary)
		}
	}

	var said transcript // both streams of every command of the custodian, and the operator's log
	g := sdktest.Start(t, sdktest.Config{
		Datasets:   []sdktest.Dataset{{Catalog: write("c/canary.yaml", canaryCatalogue), Files: []string{good}}, {Catalog: write("c/hasty.yaml", hasty), Files: []string{good}}},
		Agreements: []string{canaryAgreement}, Output: &said,
	})
	okapi := g.Researcher()
	regulator := g.Regulator()
	metricsAt := loquacious(t, g)

	// Import, well and badly, serving and not.
	refuseBadRows(t, g, files, write)
	g.Run("import", "--dir", g.Dir, "--dataset", "canary", good)
	g.Run("budget", "set", "--dir", g.Dir, "--population", "canary", "--pu", "200000", "--delta", "1e-6", "--order", inNames[2])
	_, err := g.Try("agreement", "add", "--dir", g.Dir, write("again.yaml", canaryAgreement))
	if err == nil {
		t.Error("a second version 1 of the agreement was accepted")
	}

	// Questions, and all that comes back: answered, replayed, refused, denied, out of budget, failed.
	var heard transcript
	service := jaliv1.NewQueryServiceClient(okapi.Conn())
	ask := func(want string, q *jaliv1.QueryRequest) {
		t.Helper()
		q.Agreement, q.Purpose = "agr-canary", orElse(q.Purpose, "DUO:0000042")
		q.Dataset, q.Error = orElse(q.Dataset, "canary"), orElse(q.Error, "50")
		answer, err := service.Query(t.Context(), q)
		s := status.Convert(err)
		if got := s.Code().String(); got != want {
			t.Errorf("%s: %s, want %s (%s)", q.Sql, got, want, s.Message())
		}
		fmt.Fprintf(&heard, "%s\n%s\n", prototext.Format(s.Proto()), prototext.Format(answer))
	}
	for _, sql := range []string{
		"SELECT sex, COUNT(*) AS n, AVG(amount) AS a FROM visit GROUP BY sex",
		"SELECT sex, COUNT(*) AS n, AVG(amount) AS a FROM visit GROUP BY sex",
		"SELECT COUNT(*) FROM visit WHERE day > DATE '1980-01-02' AND amount < 7000000",
		"SELECT ward, COUNT(DISTINCT person) FROM visit GROUP BY ward",
		"SELECT COUNT(*) FROM visit WHERE note = '" + inSQL[0] + "'",
		"SELECT COUNT(*) FROM visit WHERE note LIKE '" + inSQL[1] + "%' -- " + inSQL[5],
		"SELECT COUNT(*) FROM visit WHERE day = DATE '" + inSQL[3] + "' OR amount > 2718281.82",
	} {
		ask("OK", &jaliv1.QueryRequest{Sql: sql})
	}
	for _, sql := range []string{
		"SELECT COUNT(*) FROM visit WHERE note = '" + inSQL[0],
		"SELECT COUNT(*) FROM visit WHERE sex = " + inSQL[2],
		"SELECT COUNT(*) FROM visit WHERE note = '" + strings.ToUpper(inSQL[4]) + "' OR note = '" + inSQL[4] + "' OR",
		"SELECT note FROM visit WHERE note = '" + inSQL[1] + "'", "SELECT MAX(amount) FROM visit", "SELECT person FROM visit", "SELECT secret FROM visit",
		"SELECT COUNT(*) FROM visit WHERE amount / 0 > 1", "SELECT COUNT(*) FROM visit WHERE CAST(note AS integer) = 1",
	} {
		ask("InvalidArgument", &jaliv1.QueryRequest{Sql: sql})
	}
	ask("PermissionDenied", &jaliv1.QueryRequest{Sql: "SELECT COUNT(*) FROM visit WHERE note = '" + inSQL[4] + "'", Purpose: "DUO:0000004"})
	ask("ResourceExhausted", &jaliv1.QueryRequest{Sql: "SELECT AVG(amount), COUNT(*) FROM visit WHERE note = '" + inSQL[4] + "'", Error: "5"})
	failures := 0
	stuttering(g.PID(), func() {
		for n := 0; failures == 0 && n < 100; n++ {
			answer, err := service.Query(t.Context(), &jaliv1.QueryRequest{
				Agreement: "agr-canary", Purpose: "DUO:0000042", Dataset: "hasty", Error: "500",
				Sql: fmt.Sprintf("SELECT sex, AVG(amount) FROM visit WHERE note = '%s' AND amount > %d GROUP BY sex", inSQL[0], n),
			})
			switch s := status.Convert(err); s.Code() {
			case codes.OK:
			case codes.Aborted:
				failures++
				fallthrough
			default:
				fmt.Fprintf(&heard, "%s\n%s\n", prototext.Format(s.Proto()), prototext.Format(answer))
			}
		}
	})
	overREST(t, okapi, g.Endpoint, &heard)
	for _, args := range [][]string{
		{"catalog", "canary"},
		{"catalog", "canary", "visit"},
		{"budget", "--agreement", "agr-canary"},
		{"quote", "--agreement", "agr-canary", "--purpose", "DUO:0000042", "--dataset", "canary", "--error", "50", "SELECT ward, COUNT(*) FROM visit GROUP BY ward"},
		{"query", "--agreement", "agr-canary", "--purpose", "DUO:0000042", "--dataset", "canary", "--error", "50", "SELECT ward, COUNT(*) FROM visit GROUP BY ward"},
	} {
		_, out := program(t, t.Context(), "jali", append([]string{args[0], "--profile", okapi.Profile()}, args[1:]...)...)
		fmt.Fprintln(&heard, out)
	}
	metrics := fetch(t, http.DefaultClient, "http://"+metricsAt+"/metrics")
	if !strings.Contains(metrics, "jali_calls_total") || !strings.Contains(metrics, "PermissionDenied") {
		t.Fatalf("these are not the metrics: %.200s", metrics)
	}

	// The regulator reads the text of questions, and names, but no data.
	_, read := program(t, t.Context(), "jali-auditor", "list", "--profile", regulator.Profile(), "--details")
	for _, canary := range []string{inSQL[0], inSQL[1], inSQL[2], inSQL[3], inSQL[4], inNames[0]} {
		if !strings.Contains(read, canary) {
			t.Errorf("the regulator does not find %s in the details: it was not planted", canary)
		}
	}

	// A damaged data file, a damaged start, and everything at rest.
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if failures == 0 || log.Count(audit.Failure) < failures {
		t.Errorf("%d charged questions failed, %d failures are on record; want one at least", failures, log.Count(audit.Failure))
	}
	export := filepath.Join(g.Files, "export")
	g.Run("export", "--dir", g.Dir, "--out", export)
	g.Run("doctor", "--dir", g.Dir)
	g.Stop()
	damaged(t, g)
	for what, dir := range map[string]string{"state directory": g.Dir, "export": export} {
		atRest(t, what, dir)
	}
	record := said.String()
	if !strings.Contains(record, "level=INFO msg=call") || !strings.Contains(record, "data do not fit the catalogue") {
		t.Fatal("the transcript does not hold the operator's log and the errors of import")
	}
	absent(t, "the custodian's terminal and log", record, inData, inBadRows, inSQL)
	absent(t, "the operator's log", lines(record, "time="), inNames)
	absent(t, "the metrics", metrics, inData, inBadRows, inSQL, inNames)
	absent(t, "what the researcher was sent", heard.String(), inData, inBadRows, []string{inNames[2]})
	absent(t, "what the regulator was sent", read, inData, inBadRows)
}

// rows are 400 persons with two wards; the first holds the canaries.
func rows() string {
	b := strings.Builder{}
	b.WriteString(header)
	fmt.Fprintf(&b, "%s,1,%s,%s,%s,%s,%s\n", inData[0], inData[4], inData[1], inData[2], inData[6], inData[3])
	for i := range 400 {
		fmt.Fprintf(&b, "p-%d,%d,%d.25,plain,ward-%d,2001-02-03,x\n", i, 1+i%2, 100+i, i%2)
	}
	return b.String()
}

// loquacious restarts the gateway with its log at DEBUG and metrics on, and returns where they are.
func loquacious(t *testing.T, g *sdktest.Gateway) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	g.Stop()
	path := filepath.Join(g.Dir, "config.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("log_level: INFO", "log_level: DEBUG", `metrics: ""`, "metrics: "+at).Replace(string(b))
	if !strings.Contains(text, "DEBUG") || !strings.Contains(text, at) {
		t.Fatalf("config.yaml has other lines than this test expects:\n%s", text)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Serve()
	return at
}

// refuseBadRows imports files that break one rule each.
func refuseBadRows(t *testing.T, g *sdktest.Gateway, files string, write func(name, text string) string) {
	t.Helper()
	for i, text := range []string{
		header + "q,1,5.00," + strings.ToUpper(inBadRows[0]) + ",ward-1,2001-02-03,x\nq,1,5.00," + inBadRows[0] + "_,ward-1,2001-02-03,x\n",
		header + "q,1," + inBadRows[0] + ",a,ward-1,2001-02-03,x\n",
		header + "q," + inBadRows[2] + ",5.00,a,ward-1,2001-02-03,x\n",
		header + "q,1," + inBadRows[3] + ",a,ward-1,2001-02-03,x\n",
		header + "q,1,5.00,a,ward-1," + inBadRows[4] + ",x\nq,1,5.00,a,ward-1," + inBadRows[0] + ",x\n",
		header + strings.Repeat(inBadRows[1]+",1,5.00,a,ward-1,2001-02-03,x\n", 3),
		header + "q,1,5.00,a," + inBadRows[5] + " ,2001-02-03,x\n",
		header + "q,1,5.00,\"" + inBadRows[7] + "\"x,ward-1,2001-02-03,x\n",
		header + inBadRows[1] + "," + inBadRows[2] + "\n",
		inBadRows[1] + ",1,5.00," + inBadRows[0] + ",ward-1,2001-02-03,x\n",
		strings.TrimSuffix(header, "\n") + "," + inBadRows[6] + "\nq,1,5.00,a,ward-1,2001-02-03,x,1\n",
		header + "\"" + inBadRows[7] + "\n",
		header + inBadRows[0] + "\xff,1,5.00," + inBadRows[0] + "\x00,ward-1,2001-02-03,x\n",
	} {
		path := write(fmt.Sprintf("bad%d/visit.csv", i), text)
		if _, err := g.Try("import", "--dir", g.Dir, "--dataset", "canary", path); err == nil {
			t.Errorf("bad file %d was imported", i)
		}
	}
	const row = "'q' AS person, 1 AS sex, 5.00 AS amount, 'a' AS note, 'ward-1' AS ward, DATE '2001-02-03' AS day, 1 AS secret"
	for i, query := range []string{
		"SELECT " + strings.Replace(row, "1 AS sex", "'"+inBadRows[8]+"' AS sex", 1),
		"SELECT " + strings.Replace(row, "1 AS sex", inBadRows[9]+" AS sex", 1),
		"SELECT " + strings.Replace(row, "5.00 AS amount", "'"+inBadRows[8]+"' AS amount", 1),
		"SELECT " + strings.Replace(row, "5.00 AS amount", "{'a': '"+inBadRows[8]+"'} AS amount", 1),
		"SELECT " + strings.Replace(row, "'a' AS note", "['"+inBadRows[8]+"'] AS note", 1),
		"SELECT " + strings.Replace(row, "DATE '2001-02-03' AS day", "TIMESTAMP '"+inBadRows[4]+" 01:02:03' AS day", 1),
		"SELECT " + strings.Replace(row, "'a' AS note", "'"+inBadRows[8]+"'::BLOB AS note", 1) + ", 1 AS \"" + inBadRows[6] + "\"",
	} {
		path := filepath.Join(files, fmt.Sprintf("parquet%d", i), "visit.parquet")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), writeParquet(path, query)); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Try("import", "--dir", g.Dir, "--dataset", "canary", path); err == nil {
			t.Errorf("bad Parquet file %d was imported", i)
		}
		// Cut in the middle.
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Try("import", "--dir", g.Dir, "--dataset", "canary", write(fmt.Sprintf("cut%d/visit.parquet", i), string(b[:len(b)-20]))); err == nil {
			t.Errorf("cut Parquet file %d was imported", i)
		}
	}
}

// stuttering lets a process run three milliseconds in every half second while f runs: longer stops than hasty's slot and its grace last, so that questions
// fail after their charge.
func stuttering(pid int, f func()) {
	var done atomic.Bool
	var stutter sync.WaitGroup
	stutter.Go(func() {
		for !done.Load() {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			time.Sleep(500 * time.Millisecond)
			_ = syscall.Kill(pid, syscall.SIGCONT)
			time.Sleep(3 * time.Millisecond)
		}
	})
	f()
	done.Store(true)
	stutter.Wait()
}

// overREST asks over REST, and sends what is no request.
func overREST(t *testing.T, c *sdktest.Client, endpoint string, heard io.Writer) {
	t.Helper()
	profile, err := sdk.LoadProfile(c.Profile())
	if err != nil {
		t.Fatal(err)
	}
	config := profile.Config()
	cert, err := tls.LoadX509KeyPair(config.Cert, config.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(config.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}, ForceAttemptHTTP2: true}}
	for _, body := range []string{
		`{"agreement": "agr-canary", "purpose": "DUO:0000042", "dataset": "canary", "error": "50", "sql": "SELECT COUNT(*) FROM visit WHERE ward = '` + inSQL[6] + `'", "requestId": ""}`,
		`{"agreement": "agr-canary", "sql": {"` + inSQL[6] + `": 1}}`, `{"` + inSQL[6] + `": 1}`, `{"sql": "` + inSQL[6], `"` + inSQL[6] + `"`,
	} {
		for _, path := range []string{"/v1/query", "/v1/quote", "/v1/" + inSQL[6], "/jali.v1.QueryService/" + inSQL[6]} {
			resp, err := client.Post(endpoint+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(heard, "%s %v %s\n", resp.Status, resp.Header, text)
		}
	}
}

// damaged breaks the data file of hasty; doctor and serve must say so without a value of it.
func damaged(t *testing.T, g *sdktest.Gateway) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(g.Dir, "data", "hasty", "*.duckdb"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no data files (%v)", err)
	}
	for _, path := range found {
		if filepath.Base(path) == "persons.duckdb" {
			continue
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{100, 5000, len(whole) / 2, len(whole) - 100} {
			b := bytes.Clone(whole)
			copy(b[at:], bytes.Repeat([]byte{0xff}, 64))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Try("doctor", "--dir", g.Dir); err == nil {
				t.Errorf("doctor finds nothing wrong with a data file changed at %d of %d", at, len(whole))
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.Run("doctor", "--dir", g.Dir)
}

// atRest searches the files of a directory but the data.
func atRest(t *testing.T, what, dir string) {
	t.Helper()
	n := 0
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && path == filepath.Join(dir, "data") {
				return fs.SkipDir
			}
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		absent(t, what+", "+filepath.Base(path), string(b), inData, inBadRows, inSQL, inNames)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n < 4 {
		t.Errorf("%s: only %d files to search", what, n)
	}
}

// absent fails for each canary that a text holds, and shows where without the rest of it.
func absent(t *testing.T, where, text string, canaries ...[]string) {
	t.Helper()
	low := strings.ToLower(text)
	for _, group := range canaries {
		for _, c := range group {
			if at := strings.Index(low, strings.ToLower(c)); at >= 0 {
				t.Errorf("%s: canary %q: ...%q...", where, c, text[max(0, at-100):min(len(text), at+100)])
			}
		}
	}
}

// lines are those that begin so: the custodian's terminal shows the names that were typed there, the log must not.
func lines(text, begin string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// transcript is a buffer for several writers.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
