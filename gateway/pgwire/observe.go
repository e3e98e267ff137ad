package pgwire

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"jali/gateway/coarse"
)

// Metrics are what this front counts. Labels come from closed lists of our own, never from a client: what a statement was, and its SQLSTATE.
type Metrics struct {
	connections prometheus.Gauge
	refused     prometheus.Counter
	statements  *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
}

// NewMetrics makes counts at zero. They are a prometheus.Collector, for whoever has the port that is read.
func NewMetrics() *Metrics {
	return &Metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "jali_pg_connections", Help: "Open connections of PostgreSQL clients.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "jali_pg_connections_refused_total", Help: "Connections of PostgreSQL clients closed at once, because there were too many.",
		}),
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_pg_statements_total", Help: "Statements of PostgreSQL clients by kind and SQLSTATE (00000: answered); kind start is a session's beginning.",
		}, []string{"kind", "sqlstate"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jali_pg_statement_seconds", Help: "Time of statements of PostgreSQL clients by kind, coarse like the response slots.", Buckets: coarse.Buckets(),
		}, []string{"kind"}),
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.connections, m.refused, m.statements, m.seconds}
}

// Describe is a prometheus.Collector's.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(out)
	}
}

// Collect is a prometheus.Collector's.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(out)
	}
}

// Kinds of what is observed that no statement's text decides.
const (
	kindStart    = "start" // of a session: who calls, and what it sets
	kindPrepare  = "prepare"
	kindBind     = "bind"
	kindDescribe = "describe"
	kindExecute  = "execute"
	kindMessage  = "message"
)

var kinds = []string{
	kindStart, kindPrepare, kindBind, kindDescribe, kindExecute, kindMessage, "transaction", "setting", "quote", "catalogue", "query",
}

// known is a kind of ours, or one name for all others: a client must not make labels.
func known(kind string) string {
	if !slices.Contains(kinds, kind) {
		return "other"
	}
	return kind
}

// stateOK says that a statement was answered.
const stateOK = "00000"

// watch is the observation of one statement: one line, two metrics and one span. The span begins a trace of its own, as those of calls do. Nothing in
// them names a person, a dataset or a question.
type watch struct {
	session *session
	ctx     context.Context
	begin   time.Time
	kind    string
}

// watch starts the clock of a statement.
func (s *session) watch(ctx context.Context, kind string) watch {
	return watch{s, ctx, time.Now(), known(kind)}
}

// keyDigits of a key tell callers apart in the log without naming them.
const keyDigits = 8

// end writes down what became of it.
func (w watch) end(state string) {
	s, took := w.session, time.Since(w.begin)
	s.Metrics.statements.WithLabelValues(w.kind, state).Inc()
	s.Metrics.seconds.WithLabelValues(w.kind).Observe(coarse.Time(took).Seconds())
	_, span := s.Tracer.Start(w.ctx, "postgresql "+w.kind, trace.WithNewRoot(), trace.WithTimestamp(w.begin), trace.WithSpanKind(trace.SpanKindServer))
	span.SetAttributes(attribute.String("db.response.status_code", state))
	if state == stateInternal {
		span.SetStatus(otelcodes.Error, "")
	}
	span.End(trace.WithTimestamp(w.begin.Add(coarse.Time(took))))
	key, id := "-", ""
	if who, err := s.who(); err == nil && len(who.Key) >= keyDigits {
		key = who.Key[:keyDigits]
	}
	if t := span.SpanContext().TraceID(); t.IsValid() {
		id = t.String()
	}
	s.Operator.Info("statement", "kind", w.kind, "sqlstate", state, "took", coarse.Name(took), "caller", key, "trace", id)
}
