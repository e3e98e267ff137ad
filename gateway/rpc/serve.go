package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"buf.build/go/protovalidate"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/identity"
)

// Config says what to serve and where. All fields without a default are required.
type Config struct {
	// Gateway answers. The caller keeps it and closes it after Serve has returned.
	Gateway *gateway.Gateway
	// Listen is the address of the one TLS port; port 0 takes a free one.
	Listen string
	// Trust is by what callers are recognised; whoever owns it may reload it. Nil: one is made of Certificate and Key, which are the server's, and ClientCA, the authorities
	// that sign callers (PEM files): then there is no revocation and no token.
	Trust                      *identity.Trust
	Certificate, Key, ClientCA string
	// Console also serves the browser console and its sessions.
	Console bool
	// Metrics is the address of a second port, plain HTTP for Prometheus, on loopback. Empty: none.
	Metrics string
	// Operator gets the access log and faults. It is not the audit log.
	Operator *slog.Logger
	// Ready hears the address of the port once it accepts connections. May be nil.
	Ready func(addr string)

	// Deadline is for calls that name none (default 1 min); Longest bounds every call (default 5 min), Streams every stream (default 1 h).
	Deadline, Longest, Streams time.Duration
	// Connections bounds those of the port (default DefaultConnections); one address has at most a quarter of them.
	Connections int
	// PerSecond and Burst bound a principal's calls (default 50 a second, 200 at once), unless Rates does.
	PerSecond float64
	Burst     int
	// Rates are the principals' allowances, which other fronts may share; whoever owns them may change them. Nil: they are made of PerSecond and Burst.
	Rates *allowance.Rates
	// Others are what other fronts count, for the metrics port.
	Others []prometheus.Collector
	// Tracer makes a span of each call: method, code and nothing else. Nil: none are made.
	Tracer trace.Tracer
	// Drain is how long calls under way may take to finish when Serve ends (default 30 s).
	Drain time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Gateway == nil, c.Operator == nil, c.Listen == "":
		return c, errors.New("serve: Gateway, Listen and Operator are required")
	case c.Deadline < 0, c.Longest < 0, c.Streams < 0, c.Connections < 0, c.PerSecond < 0, c.Burst < 0, c.Drain < 0:
		return c, errors.New("serve: a limit is negative")
	}
	fill(&c.Deadline, time.Minute)
	fill(&c.Longest, 5*time.Minute)
	fill(&c.Streams, time.Hour)
	fill(&c.Drain, 30*time.Second)
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	if c.PerSecond == 0 {
		c.PerSecond = allowance.DefaultPerSecond
	}
	if c.Burst == 0 {
		c.Burst = allowance.DefaultBurst
	}
	if c.Rates == nil {
		r, err := allowance.New(c.PerSecond, c.Burst)
		if err != nil {
			return c, fmt.Errorf("serve: %w", err)
		}
		c.Rates = r
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("jali")
	}
	return c, nil
}

func fill(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Timeouts of a connection.
const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	idleTime   = 2 * time.Minute
	pingTime   = 30 * time.Second // ask a silent HTTP/2 peer whether it lives
	pongTime   = 15 * time.Second
	slack      = 30 * time.Second // for writing an answer after the longest call

	maxHeader  = 32 << 10
	maxStreams = 100
)

// Serve answers until ctx ends, then finishes the calls under way and returns nil. Streams are cut at once with "unavailable" and can be resumed. Calls that
// take longer than Drain are cut too; a question that was charged is still answered and stored by the gateway.
func Serve(ctx context.Context, config Config) error {
	c, err := config.withDefaults()
	if err != nil {
		return err
	}
	validator, err := protovalidate.New()
	if err != nil {
		return fmt.Errorf("serve: make validator: %w", err)
	}
	trust, err := trusted(c)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	draining, drain := context.WithCancel(context.WithoutCancel(ctx))
	defer drain()

	who := callers{trust}
	public := publicServer(c, who, validator, draining)
	handler, err := newEdge(public.grpc, who, public.metrics, draining, c)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	parts := []part{}
	if c.Metrics != "" {
		metrics, err := metricsPart(c.Metrics, public.metrics)
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		parts = append(parts, metrics)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("serve: open port: %w", err), run(stopped(ctx), parts, c.Drain, drain))
	}
	port := newCrowd(listener, c.Connections)
	public.metrics.crowd(port)
	web := &http.Server{
		Handler:           handler,
		TLSConfig:         trust.TLS("h2", "http/1.1"),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: pingTime, PingTimeout: pongTime},
		ErrorLog:          newErrorLog(c.Operator),
	}
	parts = append(parts, part{
		name:  "network port",
		serve: func() error { return web.ServeTLS(port, "", "") },
		// Shutdown waits for the calls under way; Close cuts what is left when its time is over.
		stop: func(ctx context.Context) error { return errors.Join(web.Shutdown(ctx), web.Close()) },
	})
	if c.Ready != nil {
		c.Ready(listener.Addr().String())
	}
	return run(ctx, parts, c.Drain, func() {
		public.health.Shutdown()
		drain()
	})
}

// metricsPart opens the metrics port. It has no authentication, so it is on loopback or not at all.
func metricsPart(address string, m *metrics) (part, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return part{}, fmt.Errorf("open metrics port: %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return part{}, errors.Join(errors.New("the metrics port must be on a loopback address: it has no authentication"), listener.Close())
	}
	plain := &http.Server{Handler: m.handler(), ReadHeaderTimeout: headerTime, MaxHeaderBytes: maxHeader}
	return part{
		name:  "metrics port",
		serve: func() error { return plain.Serve(listener) },
		stop:  func(ctx context.Context) error { return errors.Join(plain.Shutdown(ctx), plain.Close()) },
	}, nil
}
