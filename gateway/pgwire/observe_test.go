package pgwire

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"jali/gateway/coarse"
)

// counted reads what a scraper reads: series with labels, and their values. Histograms give their number of observations.
func counted(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, x := range f.GetMetric() {
			name := []string{f.GetName()}
			for _, l := range x.GetLabel() {
				name = append(name, l.GetValue())
			}
			out[strings.Join(name, " ")] = x.GetCounter().GetValue() + x.GetGauge().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// Statements are counted and traced by what they were and what became of them, and by nothing that a client says.
func TestObserved(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	m := NewMetrics()
	r := start(t, func(c *Config) { c.Metrics, c.Tracer, c.Connections = m, provider.Tracer("test"), 1 })
	s, refused := r.session(t, map[string]string{"application_name": "verysecret"})
	if refused != nil {
		t.Fatal(refused)
	}
	send(t, s.conn, &pgproto3.Query{String: "SELECT 1; SHOW jali.error; SELECT COUNT(*) AS verysecret FROM verysecret"})
	if got := state(s.until(t)); got != "22023" { // no agreement is set
		t.Fatalf("a question without agreement: %s", got)
	}
	send(t, s.conn, &pgproto3.Parse{Query: "SHOW verysecret"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if got := state(s.until(t)); got != "42704" {
		t.Fatalf("an unknown setting: %s", got)
	}
	send(t, s.conn, &pgproto3.Parse{Query: "BEGIN"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if got := state(s.until(t)); got != "" {
		t.Fatal(got)
	}
	r.dial(t).Read(make([]byte, 1)) // above the limit: closed at once
	want := map[string]float64{
		"jali_pg_connections":                        1,
		"jali_pg_connections_refused_total":          1,
		"jali_pg_statements_total start 00000":       1,
		"jali_pg_statements_total catalogue 00000":   1,
		"jali_pg_statements_total setting 00000":     1,
		"jali_pg_statements_total setting 42704":     1,
		"jali_pg_statements_total query 22023":       1,
		"jali_pg_statements_total transaction 00000": 1,
		"jali_pg_statement_seconds start":            1,
		"jali_pg_statement_seconds catalogue":        1,
		"jali_pg_statement_seconds setting":          2,
		"jali_pg_statement_seconds query":            1,
		"jali_pg_statement_seconds transaction":      1,
	}
	if diff := cmp.Diff(want, counted(t, m)); diff != "" {
		t.Error(diff)
	}

	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
		if s.Parent().IsValid() || len(s.Events()) > 0 {
			t.Errorf("span %q has a parent or events", s.Name())
		}
		for _, a := range s.Attributes() {
			if a.Key != attribute.Key("db.response.status_code") || len(a.Value.AsString()) != 5 {
				t.Errorf("span %q: attribute %s = %s", s.Name(), a.Key, a.Value.String())
			}
		}
		if took := s.EndTime().Sub(s.StartTime()); coarse.Time(took-1) != took {
			t.Errorf("a span tells that a statement took %s", took)
		}
		if id := s.SpanContext().TraceID().String(); !strings.Contains(r.log.String(), id) {
			t.Errorf("no log line names the trace of %q", s.Name())
		}
	}
	if diff := cmp.Diff([]string{
		"postgresql start", "postgresql catalogue", "postgresql setting", "postgresql query", "postgresql setting", "postgresql transaction",
	}, names); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(r.log.String(), "verysecret") {
		t.Error("the operator's log quotes a client")
	}

	s.conn.Close()
	deadline := time.Now().Add(5 * time.Second)
	for counted(t, m)["jali_pg_connections"] != 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if open := counted(t, m)["jali_pg_connections"]; open != 0 {
		t.Errorf("%v connections are open at the end", open)
	}
}

// Every kind of statement has its own label, and what is none of ours has one label for all.
func TestKnown(t *testing.T) {
	for _, sql := range []string{"BEGIN", "SHOW ALL", "EXPLAIN SELECT 1", "SELECT 1", "SELECT COUNT(*) FROM t", "nonsense", "COPY t TO STDOUT"} {
		if kind := split(sql)[0].kind(); known(kind) != kind {
			t.Errorf("%s is of kind %s, which is not counted", sql, kind)
		}
	}
	if got := known("DROP"); got != "other" {
		t.Errorf("a client makes a label: %s", got)
	}
}

// The dashboard and the alerts ask for metrics and labels that there are, and all of this front's are on the dashboard.
func TestDashboard(t *testing.T) {
	described := make(chan *prometheus.Desc, 100)
	NewMetrics().Describe(described)
	close(described)
	name, labels := regexp.MustCompile(`fqName: "([^"]+)"`), regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
	known := map[string]string{}
	for d := range described {
		known[name.FindStringSubmatch(d.String())[1]] = labels.FindStringSubmatch(d.String())[1]
	}
	drawn, err := os.ReadFile("../../deploy/grafana/jali.json")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../deploy/prometheus/jali.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, n := range regexp.MustCompile(`\bjali_pg_[a-z_]+`).FindAllString(string(drawn)+string(rules), -1) {
		n = strings.TrimSuffix(n, "_bucket")
		if _, ok := known[n]; !ok {
			t.Errorf("%s is asked for, which there is not", n)
		}
		asked = append(asked, n)
	}
	for n := range known {
		if !slices.Contains(asked, n) {
			t.Errorf("%s is on no panel", n)
		}
	}
	if known["jali_pg_statements_total"] != "kind,sqlstate" {
		t.Errorf("labels of statements are read as %q", known["jali_pg_statements_total"])
	}
}
