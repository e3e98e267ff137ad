package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

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
	// Listen is the address of the port; port 0 takes a free one.
	Listen string
	// Trust is by what callers are recognised: by their certificate, or, where an identity provider is configured, by the token that a caller without
	// a certificate sends as its password. Whoever owns it may reload it.
	Trust *identity.Trust
	// Operator gets the access log and faults. It is not the audit log.
	Operator *slog.Logger
	// Ready hears the address of the port once it accepts connections. May be nil.
	Ready func(addr string)

	// Longest bounds a statement (default 5 min), Idle the wait for the next message (default 30 min).
	Longest, Idle time.Duration
	// Connections bounds all connections (default 256), Each those of a principal (default 32).
	Connections, Each int
	// Rates bound how fast each principal may speak; other fronts may share them, and whoever owns them may change them (default: 50 a second, 200 at once).
	Rates *allowance.Rates
	// Metrics count connections and statements; they are shown by whoever made them. Nil: nobody looks.
	Metrics *Metrics
	// Tracer makes a span of each statement: what it was, its SQLSTATE and nothing else. Nil: none are made.
	Tracer trace.Tracer
	// Drain is how long statements under way may take when Serve ends (default 30 s).
	Drain time.Duration

	// starts is startTime, but in tests.
	starts time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Gateway == nil, c.Operator == nil, c.Listen == "", c.Trust == nil:
		return c, errors.New("config: Gateway, Listen, Trust and Operator are required")
	case c.Longest < 0, c.Idle < 0, c.Connections < 0, c.Each < 0, c.Drain < 0:
		return c, errors.New("config: a limit is negative")
	}
	fill(&c.Longest, 5*time.Minute)
	fill(&c.Idle, 30*time.Minute)
	fill(&c.Drain, 30*time.Second)
	fill(&c.starts, startTime)
	fill(&c.Connections, 256)
	fill(&c.Each, 32)
	if c.Rates == nil {
		r, err := allowance.New(allowance.DefaultPerSecond, allowance.DefaultBurst)
		if err != nil {
			return c, fmt.Errorf("config: %w", err)
		}
		c.Rates = r
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("jali")
	}
	return c, nil
}

func fill[T int | time.Duration](x *T, value T) {
	if *x == 0 {
		*x = value
	}
}

// server is what all connections share.
type server struct {
	Config
	tls     *tls.Config
	limits  *limits
	cancels *cancels
	// draining ends when Serve is to stop: sessions end after the statement they are at.
	draining context.Context
	// running counts questions that the gateway is at, also those whose asker has gone away: the gateway outlives them.
	running sync.WaitGroup
}

// Serve answers until ctx ends. Then the port closes, sessions end after the statement they are at, and those that take longer than Drain are cut;
// it returns when the gateway is not used any more.
func Serve(ctx context.Context, config Config) error {
	c, err := config.withDefaults()
	if err != nil {
		return fmt.Errorf("serve PostgreSQL wire: %w", err)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serve PostgreSQL wire: open port: %w", err)
	}
	s := &server{Config: c, tls: c.Trust.TLS(alpn), limits: newLimits(c), cancels: newCancels(), draining: ctx}
	if c.Ready != nil {
		c.Ready(listener.Addr().String())
	}
	cut, cutAll := context.WithCancel(context.WithoutCancel(ctx))
	defer cutAll()
	defer context.AfterFunc(ctx, func() { listener.Close() })()

	var sessions sync.WaitGroup
	err = s.accept(ctx, listener, func(conn net.Conn, at *place) {
		sessions.Go(func() { s.session(cut, conn, at) })
	})
	timer := time.AfterFunc(c.Drain, cutAll)
	defer timer.Stop()
	sessions.Wait()
	s.running.Wait()
	return err
}

// accept hands connections on until the listener closes. Above the limit they are closed without a word: nobody has said who they are.
func (s *server) accept(ctx context.Context, listener net.Listener, serve func(net.Conn, *place)) error {
	wait := time.Millisecond
	for {
		conn, err := listener.Accept()
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			var again net.Error
			if !errors.As(err, &again) || wait > time.Second {
				return errors.Join(fmt.Errorf("serve PostgreSQL wire: accept: %w", err), listener.Close())
			}
			time.Sleep(wait) // out of file descriptors: others will end
			wait *= 2
			continue
		}
		wait = time.Millisecond
		at := s.limits.enter(conn.RemoteAddr())
		if at == nil {
			s.Metrics.refused.Inc()
			conn.Close()
			continue
		}
		serve(conn, at)
	}
}
