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
)

// metrics are counts of calls and decisions. Labels come from closed lists of our own, never from a caller: method names of the contract, gRPC codes, refusal codes.
type metrics struct {
	registry  *prometheus.Registry
	methods   []string
	calls     *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	decisions *prometheus.CounterVec
}

func newMetrics(g *gateway.Gateway, methods []string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		methods:  methods,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_calls_total", Help: "Calls by method and gRPC code.",
		}, []string{"method", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jali_call_seconds", Help: "Time of calls by method, coarse like the response slots.",
			Buckets: buckets(),
		}, []string{"method"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jali_decisions_total", Help: "Questions by outcome: RELEASE, REPLAY or the code of the refusal.",
		}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.calls, m.latency, m.decisions,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "jali_audit_entries", Help: "Entries in the audit log."},
			func() float64 { return float64(g.Status().Size) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "jali_problems", Help: "Datasets, agreements and other parts that are not served."},
			func() float64 { return float64(len(g.Status().Problems)) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func buckets() []float64 {
	out := make([]float64, len(spans))
	for i, s := range spans {
		out[i] = s.most.Seconds()
	}
	return out
}

// called counts a call. A method outside the contract is counted under one name: a stranger must not make labels.
func (m *metrics) called(method string, code codes.Code, took time.Duration) {
	if !slices.Contains(m.methods, method) {
		method = "other"
	}
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.latency.WithLabelValues(method).Observe(took.Seconds())
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
