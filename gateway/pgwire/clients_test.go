package pgwire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jali/sdk/sdktest"
)

// The programs that people already have, as they are installed, against a gateway process. docs/clients.md says what was run.
const (
	tools   = "../../build/tools"
	nhefs   = "../../examples/nhefs"
	scripts = "testdata/clients"
	// At this accuracy sigma is 26 and the smallest group asked for an average has some 400 persons: that one of its figures is hidden, which some checks
	// do not expect, happens once in more than 10^20 runs.
	options = "-c jali.agreement=agr-nhefs-demo -c jali.purpose=DUO:0000006 -c jali.error=50"
	// slow takes its slot of three seconds.
	slow = "SELECT COUNT(*) FROM nhefs WHERE age > 57"
)

// absent skips a client that is not installed, or fails where all must be there.
func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("JALI_REQUIRE_CLIENTS") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format+" (hint: make clients)", args...)
}

// needs finds the programs of a client.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			absent(t, "%s is not installed", p)
		}
	}
}

// office is a gateway with the small public data set, in mode dp with a large budget and one long response slot, and a researcher's files.
type office struct {
	*sdktest.Gateway
	dir  string // with client.pem, client-key.pem and ca.pem
	port string
}

// output collects what the gateway says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var listening = regexp.MustCompile(`PostgreSQL clients on 127\.0\.0\.1:([0-9]+)`)

func open(t *testing.T, slots string, config map[string]string) office {
	t.Helper()
	if _, ok := sdktest.Built(); !ok {
		absent(t, "no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	text, err := os.ReadFile(nhefs + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := os.ReadFile(nhefs + "/nhefs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "nhefs.yaml")
	if err := os.WriteFile(changed, bytes.Replace(catalogue, []byte("level: 1\n"), []byte("level: 1\nslots: "+slots+"\n"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &output{}
	config = maps.Clone(config)
	if config == nil {
		config = map[string]string{}
	}
	config[`listen_pg: ""`] = "listen_pg: 127.0.0.1:0"
	g := sdktest.Start(t, sdktest.Config{
		Datasets:     []sdktest.Dataset{{Catalog: changed, Files: []string{nhefs + "/nhefs.csv.gz"}}},
		Agreements:   []string{strings.NewReplacer("max_price_pu: 15727", "max_price_pu: 900000000", "min_error: 5", "min_error: 1").Replace(string(text))},
		AgreementPU:  500_000,
		ServerConfig: config,
		Output:       said,
	})
	o := office{Gateway: g, dir: filepath.Dir(g.Researcher().Profile())}
	for range 100 {
		if m := listening.FindStringSubmatch(said.String()); m != nil {
			o.port = m[1]
			return o
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the gateway did not say where PostgreSQL clients connect")
	return o
}

// env is libpq's.
func (o office) env(more ...string) []string {
	return append(append(os.Environ(),
		"PGHOST=127.0.0.1", "PGPORT="+o.port, "PGUSER=ana", "PGSSLMODE=verify-full", "PGSSLCERT="+filepath.Join(o.dir, "client.pem"),
		"PGSSLKEY="+filepath.Join(o.dir, "client-key.pem"), "PGSSLROOTCERT="+filepath.Join(o.dir, "ca.pem"), "PGOPTIONS="+options, "LC_ALL=C.UTF-8",
	), more...)
}

// run gives what a client writes to both streams, and whether it ended well.
func (o office) run(t *testing.T, input string, program string, args ...string) (string, bool) {
	t.Helper()
	return o.runIn(t, nil, input, program, args...)
}

// runIn is run with more environment.
func (o office) runIn(t *testing.T, env []string, input string, program string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = o.env(append([]string{"PGDATABASE=nhefs", "SLOW=" + slow}, env...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func want(t *testing.T, what, out string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(out, p) {
			t.Errorf("%s: no %q in\n%s", what, p, out)
		}
	}
}

func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("starts other programs")
	}
	o := open(t, "[100ms]", nil)
	t.Run("psql", o.psql)
	t.Run("JDBC", o.jdbc)
	t.Run("ODBC", o.odbc)
	t.Run("R", o.r)
	t.Run("Python", o.python)
	t.Run("grpcurl", o.grpcurl)
	if log := o.Log(); strings.Contains(log, "age") || strings.Contains(log, "SELECT") {
		t.Error("the operator's log quotes a question")
	}
}

func (o office) psql(t *testing.T) {
	needs(t, "psql")
	for _, tt := range []struct {
		command string
		ok      bool
		want    []string
	}{
		{`SELECT qsmk, COUNT(*) AS n, AVG(wt82_71) AS kg FROM nhefs GROUP BY qsmk`, true, []string{" qsmk |", "(2 rows)"}},
		{`SELECT "age_band", COUNT(*) AS "n" FROM "public"."nhefs" GROUP BY "age_band"`, true, []string{"under 35", "(5 rows)"}},
		{`SELECT * FROM prevalence(outcome => death, by => sex)`, true, []string{"exact_upper95", "(2 rows)"}},
		{`\dt`, true, []string{"public | nhefs | table", "(1 row)"}},
		{`\d`, true, []string{"nhefs"}},
		{`\d nhefs`, true, []string{`Table "public.nhefs"`, "wt82_71", "numeric", "age_band"}},
		{`\d+ nhefs`, true, []string{"weight in 1982 [kg]"}},
		{`\d nothing`, false, []string{"Did not find any relation"}},
		{`\l`, true, []string{"nhefs"}},
		{`\dn`, true, []string{"public"}},
		{`SHOW jali.budget`, true, []string{"nhefs", "500000"}},
		{`EXPLAIN SELECT COUNT(*) AS n FROM nhefs`, true, []string{"allowed: yes", "half-width of n: ± 50"}},
		{`SET jali.purpose = 'DUO:0000011'; SELECT COUNT(*) FROM nhefs`, false, []string{"42501", "DETAIL:  decision", "HINT:"}},
		{`SET jali.error = 1; SELECT race, age_band, AVG(wt71) AS kg, AVG(wt82) AS kg2 FROM nhefs GROUP BY race, age_band`, false, []string{"53400", "decision"}},
		{`SELECT COUNT(*) FROM nhefs WHERE nope = 1`, false, []string{"42703", "^", "decision"}},
		{`SELECT COUNT(*) FROM nhefs GRUP BY sex`, false, []string{"42601", "^"}},
		{`SELECT seqn FROM nhefs`, false, []string{"HINT:"}},
		{`SELECT * FROM pg_catalog.pg_authid`, false, []string{"42P01", "not answered"}},
		{`BEGIN; SELECT COUNT(*) AS n FROM nhefs; COMMIT; DISCARD ALL`, true, []string{"COMMIT", "DISCARD ALL"}},
	} {
		out, ok := o.run(t, "", "psql", "-X", "-v", "VERBOSITY=verbose", "-c", tt.command)
		if ok != tt.ok {
			t.Errorf("%s: ended well: %v\n%s", tt.command, ok, out)
		}
		want(t, tt.command, out, tt.want...)
	}
}

// TestCancel: a question in its slot is given up by psql's control-C and by psycopg, at once. The charge stands, the answer is stored.
func TestCancel(t *testing.T) {
	if testing.Short() {
		t.Skip("starts other programs")
	}
	o := open(t, "[3s]", nil)
	needs(t, "psql")
	cmd := exec.CommandContext(t.Context(), "psql", "-X", "-c", slow)
	cmd.Env = o.env("PGDATABASE=nhefs")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if took := time.Since(begin); took > 2500*time.Millisecond {
		t.Errorf("the cancelled question took %v", took)
	}
	want(t, "psql", out.String(), "ERROR:  canceled", "ask the same again for free")
	if python, err := os.ReadFile(tools + "/clients/python"); err == nil {
		if out, ok := o.run(t, "", strings.TrimSpace(string(python)), scripts+"/client.py", "cancel"); !ok || !strings.Contains(out, `["canceled", true]`) {
			t.Errorf("psycopg: %v\n%s", ok, out)
		}
	}
	time.Sleep(3 * time.Second)
	spent := func() string {
		out, _ := o.run(t, "", "psql", "-X", "-A", "-t", "-c", "SHOW jali.budget")
		return out
	}
	before := spent()
	if out, ok := o.run(t, "", "psql", "-X", "-A", "-t", "-c", slow); !ok {
		t.Errorf("the same question again: %s", out)
	}
	if after := spent(); before != after || strings.Contains(after, "|0|500000|") {
		t.Errorf("budget before %s after %s: want one charge, before", before, after)
	}
}

func (o office) jdbc(t *testing.T) {
	needs(t, "java")
	jar := tools + "/clients/postgresql.jar"
	if _, err := os.Stat(jar); err != nil {
		absent(t, "no JDBC driver in build/tools/clients")
	}
	// The driver takes keys as PKCS #8 in DER.
	text, err := os.ReadFile(filepath.Join(o.dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key := filepath.Join(t.TempDir(), "client.pk8")
	if err := os.WriteFile(key, block.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	q := url.Values{
		"user": {"ana"}, "sslmode": {"verify-full"}, "sslcert": {filepath.Join(o.dir, "client.pem")}, "sslkey": {key},
		"sslrootcert": {filepath.Join(o.dir, "ca.pem")}, "options": {options},
	}
	out, ok := o.run(t, "", "java", "-cp", jar, scripts+"/Client.java", "jdbc:postgresql://127.0.0.1:"+o.port+"/nhefs?"+strings.ReplaceAll(q.Encode(), "+", "%20"))
	if !ok {
		t.Error("java failed")
	}
	want(t, "JDBC", out, "product PostgreSQL 15\n", "table public.nhefs\n", "column wt82_71 numeric\n", "keys false\n", "parameters 2 int8\n", "fetched 2\n", "refused 42501\n")
	rows := regexp.MustCompile(`(?m)^row (\d) (\d) (\d+) true$`).FindAllStringSubmatch(out, -1)
	if len(rows) != 14 {
		t.Fatalf("%d rows, want 14\n%s", len(rows), out)
	}
	for _, r := range rows[2:] { // text at first, binary later: the same stored answer
		if first := rows[slices.Index([]string{"0", "1"}, r[2])]; r[3] != first[3] {
			t.Errorf("execution %s gives %s, the first %s", r[1], r[3], first[3])
		}
	}
}

func (o office) odbc(t *testing.T) {
	needs(t, "isql")
	out, _ := o.run(t, "SELECT sex, COUNT(*) AS n FROM nhefs WHERE age >= 30 GROUP BY sex\nSELECT COUNT(*) AS n FROM nhefs WHERE agee > 3\nhelp\nhelp nhefs\nquit\n",
		"isql", "-v", "-b", "-x0x7c", "-k", "DRIVER={PostgreSQL Unicode};SERVER=127.0.0.1;PORT="+o.port+";DATABASE=nhefs;UID=ana;SSLmode=verify-full")
	if strings.Contains(out, "Can't open lib") {
		absent(t, "the ODBC driver of PostgreSQL is not installed")
	}
	want(t, "ODBC", out, "[42703]", "nhefs|public|nhefs|TABLE", "nhefs|public|nhefs|wt82_71|2|numeric")
	if rows := regexp.MustCompile(`(?m)^[01]\|-?\d+\s*$`).FindAllString(out, -1); len(rows) != 2 {
		t.Errorf("rows %q\n%s", rows, out)
	}
}

func (o office) r(t *testing.T) {
	needs(t, "Rscript")
	out, ok := o.run(t, "", "Rscript", "--vanilla", scripts+"/client.R")
	if strings.Contains(out, "there is no package called") {
		absent(t, "R has no DBI or no driver of PostgreSQL")
	}
	if !ok {
		t.Error("Rscript failed")
	}
	want(t, "R", out, "tables nhefs", "exists TRUE", "fields seqn qsmk", "frame data.frame 2 TRUE TRUE", "refused yes")
}

func (o office) python(t *testing.T) {
	python, err := os.ReadFile(tools + "/clients/python")
	if err != nil {
		absent(t, "no Python environment: build/tools/clients/python")
	}
	for part, wanted := range map[string]map[string]string{
		"psycopg": {
			"types": `["int","int","float","Decimal"]`, "binary": "true", "parameters": "true",
			"columns": `["qsmk","n","n_error95","kg","kg_error95","kilos","kilos_error95"]`, "quote": `["allowed","yes"]`, "quote is free": "true",
			"derived": `[2,"float"]`, "literal": `"22023"`, "refused": `["42501",true,true]`,
		},
		"pandas": {
			"frame": `[["qsmk","n","kg","kilos"],2,true,"float64"]`, "tables": `["nhefs"]`, "column": `[["age_band","TEXT"],["wt71","NUMERIC"]]`,
			"has": "[true,false]", "built": "2",
		},
	} {
		out, ok := o.run(t, "", strings.TrimSpace(string(python)), scripts+"/client.py", part)
		if !ok {
			t.Errorf("%s failed\n%s", part, out)
		}
		got := map[string]string{}
		for line := range strings.Lines(out) {
			var said []json.RawMessage
			if json.Unmarshal([]byte(line), &said) == nil && len(said) == 2 {
				var compact bytes.Buffer
				_ = json.Compact(&compact, said[1])
				got[strings.Trim(string(said[0]), `"`)] = compact.String()
			}
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s: %s\n%s", part, diff, out)
		}
	}
}

// grpcurl takes the other port, with the contract by reflection.
func (o office) grpcurl(t *testing.T) {
	program := tools + "/bin/grpcurl"
	if _, err := os.Stat(program); err != nil {
		absent(t, "no grpcurl in build/tools/bin")
	}
	flags := []string{"-cacert", filepath.Join(o.dir, "ca.pem"), "-cert", filepath.Join(o.dir, "client.pem"), "-key", filepath.Join(o.dir, "client-key.pem")}
	request := `{"agreement":"agr-nhefs-demo","purpose":"DUO:0000006","error":"200","sql":"SELECT sex, COUNT(*) AS n FROM nhefs GROUP BY sex"}`
	address := strings.TrimPrefix(o.Endpoint, "https://")
	out, ok := o.run(t, "", program, append(flags, "-d", request, address, "jali.v1.QueryService/Query")...)
	if !ok {
		t.Errorf("grpcurl failed\n%s", out)
	}
	want(t, "grpcurl", out, `"receipt"`, `"viewRows"`)
	out, _ = o.run(t, "", program, append(flags, address, "list")...)
	want(t, "grpcurl list", out, "jali.v1.QueryService", "jali.v1.BudgetService")
}
