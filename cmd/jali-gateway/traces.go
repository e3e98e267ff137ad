package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/credentials"
)

// tracer sends spans to an OTLP collector: name of the method, code, a coarse duration; no query text, no names, no values. A collector that is away stops
// nothing: spans are dropped. Close sends what is left.
func (c tracesConfig) tracer(ctx context.Context, dir string, operator *slog.Logger) (t trace.Tracer, closed func(), err error) {
	if c.Endpoint == "" {
		return noop.NewTracerProvider().Tracer("jali"), func() {}, nil
	}
	if !(c.Sample > 0 && c.Sample <= 1) {
		return nil, nil, usage("docs/operations.md lists the keys", "config.yaml: traces.sample must lie in (0, 1]")
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.Endpoint), otlptracegrpc.WithTimeout(10 * time.Second)}
	host, _, err := net.SplitHostPort(c.Endpoint)
	switch ip := net.ParseIP(host); {
	case err != nil:
		return nil, nil, usage("write it as host:port", "config.yaml: traces.endpoint: %w", err)
	case c.Plain && host != "localhost" && !ip.IsLoopback():
		return nil, nil, usage("leave traces.plain out: the collector needs TLS", "config.yaml: traces without TLS go to a loopback address only")
	case c.Plain:
		options = append(options, otlptracegrpc.WithInsecure())
	default:
		secure := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CA != "" {
			text, err := os.ReadFile(beside(dir, c.CA))
			if err != nil {
				return nil, nil, usage("name a PEM file", "config.yaml: traces.ca: %w", err)
			}
			secure.RootCAs = x509.NewCertPool()
			if !secure.RootCAs.AppendCertsFromPEM(text) {
				return nil, nil, usage("name a PEM file", "config.yaml: traces.ca has no certificate")
			}
		}
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(secure)))
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("make trace exporter: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { operator.Warn("traces are not delivered") })) // the text may hold addresses
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(2*time.Second)),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(c.Sample)),
		// Of the process nothing but its name: the default would tell command line, user and host.
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "jali-gateway"))),
	)
	return provider.Tracer("jali"), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			operator.Warn("the last traces are not delivered")
		}
	}, nil
}
