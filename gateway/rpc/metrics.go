package rpc

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/codes"

	"jali/gateway"
	"jali/gateway/coarse"
	"jali/gateway/identity"
)

// metrics are counts of calls and decisions. Labels come from closed lists of our own, never from a caller: method names of the contract, gRPC codes, refusal codes.
type metrics struct {
	registry  *prometheus.Registry
	methods   []string
	calls     *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	strangers *prometheus.CounterVec
}

// newMetrics registers ours, and what other fronts count.
func newMetrics(g *gateway.Gateway, who callers, methods []string, others ...prometheus.Collector) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		methods:  methods,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_calls_total", Help: "Calls by method and gRPC code.",
		}, []string{"method", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jali_call_seconds", Help: "Time of calls by method, coarse like the response slots.",
			Buckets: coarse.Buckets(),
		}, []string{"method"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_decisions_total", Help: "Questions over gRPC and REST by outcome: RELEASE, REPLAY or the code of the refusal. Those of PostgreSQL clients are among jali_pg_statements_total.",
		}, []string{"outcome"}),
		strangers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_unauthenticated_total", Help: "Requests by nobody: without a certificate or with one that is not accepted (certificate), with a token that is not (token), or with one that cannot be judged because the provider does not answer (provider).",
		}, []string{"by"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	overview := func() gateway.Overview {
		o, err := g.Overview(identity.Principal{Role: identity.Custodian}) // the custodian's own port
		if err != nil {
			return gateway.Overview{QuorumLost: true}
		}
		return o
	}
	m.registry.MustRegister(m.calls, m.latency, m.decisions, m.strangers,
		gauge("jali_server_certificate_end_seconds", "When the server certificate ends, Unix time.", func() float64 { c, _ := who.trust.Until(); return unix(c) }),
		gauge("jali_revocation_lists_end_seconds", "When the first revocation list is over, Unix time; 0: none is configured.", func() float64 { _, l := who.trust.Until(); return unix(l) }),
		gauge("jali_audit_sealed_entries", "Entries of the audit log that the quorum of witnesses has cosigned.", func() float64 { return float64(overview().Sealed) }),
		gauge("jali_quorum_lost", "1 while too few witnesses answer.", func() float64 {
			if overview().QuorumLost {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "jali_audit_entries", Help: "Entries in the audit log."},
			func() float64 { return float64(g.Status().Size) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "jali_problems", Help: "Datasets, agreements and other parts that are not served."},
			func() float64 { return float64(len(g.Status().Problems)) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registry.MustRegister(others...)
	return m
}

// refused counts a request by nobody.
func (m *metrics) refused(err error, token bool) {
	by := "certificate"
	switch {
	case errors.Is(err, identity.ErrProvider):
		by = "provider"
	case token:
		by = "token"
	}
	m.strangers.WithLabelValues(by).Inc()
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

// known is a method of the contract, or one name for all others: a stranger must not make labels.
func (m *metrics) known(method string) string {
	if !slices.Contains(m.methods, method) {
		return "other"
	}
	return method
}

// called counts a call.
func (m *metrics) called(method string, code codes.Code, took time.Duration) {
	method = m.known(method)
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.latency.WithLabelValues(method).Observe(coarse.Time(took).Seconds())
}

// decided counts the outcome of a question.
func (m *metrics) decided(a gateway.Answer, err error) {
	outcome := "RELEASE"
	var refusal *gateway.Refusal
	switch {
	case errors.As(err, &refusal) && codeOf(refusal.Code) != internalCode:
		outcome = string(refusal.Code)
	case err != nil:
		outcome = "ERROR"
	case a.Replayed:
		outcome = "REPLAY"
	}
	m.decisions.WithLabelValues(outcome).Inc()
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// crowd counts who was one too many at the port.
func (m *metrics) crowd(c *crowd) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "jali_connections_refused_total", Help: "Connections to the network port closed at once, because there were too many, in all or from one address.",
	}, func() float64 { return float64(c.refused.Load()) }))
}
