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
		traced.End(trace.WithTimestamp(start.Add(coarse(took))))
		key := "-"
		if who, err := o.callers.of(ctx); err == nil {
			key = who.Key[:keyDigits]
		}
		o.log.Info("call", "method", method, "code", code.String(), "took", span(took), "caller", key, "trace", traceID(traced))
	}
}

// keyDigits of a key tell callers apart in the log without naming them.
const keyDigits = 8

// spans are coarse on purpose: the exact time of a call could tell something about data where response slots are switched off.
var spans = []struct {
	most time.Duration
	name string
}{
	{time.Millisecond, "<1ms"},
	{5 * time.Millisecond, "<5ms"},
	{25 * time.Millisecond, "<25ms"},
	{100 * time.Millisecond, "<100ms"},
	{400 * time.Millisecond, "<400ms"},
	{1600 * time.Millisecond, "<1.6s"},
	{6400 * time.Millisecond, "<6.4s"},
	{30 * time.Second, "<30s"},
}

// traceID is empty where nothing is traced.
func traceID(s trace.Span) string {
	if id := s.SpanContext().TraceID(); id.IsValid() {
		return id.String()
	}
	return ""
}

// coarse is the upper end of the span of a duration, and 30 s steps beyond the last.
func coarse(d time.Duration) time.Duration {
	for _, s := range spans {
		if d < s.most {
			return s.most
		}
	}
	const step = 30 * time.Second
	return (d + step).Truncate(step)
}

func span(d time.Duration) string {
	for _, s := range spans {
		if d < s.most {
			return s.name
		}
	}
	return ">=30s"
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
