package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"jali/gateway/coarse"
)

// internalCode is what an unexpected error becomes.
const internalCode = codes.Internal

// observer writes one line, two metrics and one span per call. A span begins a trace of its own: a caller's would let strangers decide what is kept. Nothing in them names a person, a dataset or a question.
type observer struct {
	tracer  trace.Tracer
	callers callers
	log     *slog.Logger
	metrics *metrics
}

// begin starts the clock of a call; the returned function ends it.
func (o *observer) begin(ctx context.Context, method string) func(codes.Code) {
	if o == nil {
		return func(codes.Code) {}
	}
	start := time.Now()
	_, traced := o.tracer.Start(ctx, o.metrics.known(method), trace.WithNewRoot(), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindServer))
	return func(code codes.Code) {
		took := time.Since(start)
		o.metrics.called(method, code, took)
		traced.SetAttributes(attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.response.status_code", code.String()))
		if code == internalCode {
			traced.SetStatus(otelcodes.Error, "")
		}
		traced.End(trace.WithTimestamp(start.Add(coarse.Time(took))))
		key := "-"
		if who, err := o.callers.of(ctx); err == nil {
			key = who.Key[:keyDigits]
		}
		o.log.Info("call", "method", method, "code", code.String(), "took", coarse.Name(took), "caller", key, "trace", traceID(traced))
	}
}

// keyDigits of a key tell callers apart in the log without naming them.
const keyDigits = 8

// traceID is empty where nothing is traced.
func traceID(s trace.Span) string {
	if id := s.SpanContext().TraceID(); id.IsValid() {
		return id.String()
	}
	return ""
}

// typeOf names the type of an error or panic and, through wrapping, of its causes. Types hold no data.
func typeOf(v any) string {
	text := fmt.Sprintf("%T", v)
	for {
		wrapped, ok := v.(interface{ Unwrap() error })
		if !ok {
			return text
		}
		inner := wrapped.Unwrap()
		if inner == nil {
			return text
		}
		text += ">" + fmt.Sprintf("%T", inner)
		v = inner
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
