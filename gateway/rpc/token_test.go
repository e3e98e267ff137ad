package rpc

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"jali/gateway/coarse"
	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
	jaliv1 "jali/proto/jali/v1"
)

// takingTokens is a gateway that believes the provider.
func takingTokens(t *testing.T, issuer string, bound bool) *running {
	t.Helper()
	return start(t, func(c *Config) {
		trust, err := identity.LoadTrust(identity.TrustConfig{
			Certificate: c.Certificate, Key: c.Key, ClientCA: c.ClientCA,
			Tokens: &identity.TokenConfig{
				Issuer: issuer, Audience: "jali", Bound: bound,
				Groups: []identity.Group{{Name: "researchers", Role: identity.Researcher, Org: "University"}, {Name: "board", Role: identity.Regulator, Org: "Board"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Trust, c.Certificate, c.Key, c.ClientCA = trust, "", "", ""
	})
}

func TestTokensOnThePort(t *testing.T) {
	p := oidctest.Start(t, oidctest.Settings{
		Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, Groups: map[string][]string{"service": {"researchers"}, "bound": {"board"}},
	})
	r := takingTokens(t, p.Issuer, false)
	anyone := r.tls(t, r.ca, "")
	ada := r.tls(t, r.ca, identity.Researcher)
	leaf, err := ada.GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	token, bound := p.Token(t, "service", nil), p.Token(t, "bound", leaf.Certificate[0])
	for _, c := range []struct {
		name   string
		tls    *tls.Config
		header []string
		want   int
		audit  codes.Code // of a method for regulators
	}{
		{"nothing", anyone, nil, http.StatusUnauthorized, codes.Unauthenticated},
		{"token", anyone, []string{"Bearer " + token}, http.StatusOK, codes.PermissionDenied},
		{"scheme in other case", anyone, []string{"bearer " + token}, http.StatusOK, codes.PermissionDenied},
		{"token twice", anyone, []string{"Bearer " + token, "Bearer " + token}, http.StatusUnauthorized, codes.Unauthenticated},
		{"spoilt token", anyone, []string{"Bearer " + token[:len(token)-6]}, http.StatusUnauthorized, codes.Unauthenticated},
		{"spoilt token, good certificate", ada, []string{"Bearer " + token[:len(token)-6]}, http.StatusUnauthorized, codes.Unauthenticated},
		{"password, good certificate", ada, []string{"Basic YTpi"}, http.StatusUnauthorized, codes.Unauthenticated},
		{"bound token, its certificate", ada, []string{"Bearer " + bound}, http.StatusOK, codes.OK},
		{"bound token, another certificate", r.tls(t, r.ca, identity.Researcher), []string{"Bearer " + bound}, http.StatusUnauthorized, codes.Unauthenticated},
		{"bound token, no certificate", anyone, []string{"Bearer " + bound}, http.StatusUnauthorized, codes.Unauthenticated},
		{"certificate", ada, nil, http.StatusOK, codes.PermissionDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+"/v1/datasets", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header["Authorization"] = c.header
			response, err := web(c.tls).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != c.want {
				t.Errorf("REST: %d, want %d", response.StatusCode, c.want)
			}
			ctx := context.Background()
			for _, h := range c.header {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", h)
			}
			_, err = jaliv1.NewOperatorServiceClient(r.dial(t, c.tls)).GetStatus(ctx, &jaliv1.GetStatusRequest{})
			if status.Code(err) != c.audit {
				t.Errorf("gRPC, for overseers: %v, want %v", err, c.audit)
			}
		})
	}
	if log := r.log.String(); strings.Contains(log, token[:20]) || strings.Contains(log, "service") {
		t.Error("the operator's log holds a token or a name")
	}
}

func TestTokensOfAnAbsentProvider(t *testing.T) {
	r := takingTokens(t, "http://127.0.0.1:1", false)
	got := r.ask(t, web(r.tls(t, r.ca, "")), http.MethodGet, "/v1/datasets", nil, "Authorization: Bearer a.b.c")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "identity provider") {
		t.Errorf("%d %s", got.status, got.body)
	}
	// Certificates do not need it.
	if got := r.ask(t, web(r.tls(t, r.ca, identity.Researcher)), http.MethodGet, "/v1/datasets", nil); got.status != http.StatusOK {
		t.Errorf("certificate: %d %s", got.status, got.body)
	}
}

// A span says what a log line says: method, code, a coarse duration. A caller's own trace is not continued.
func TestSpans(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	r := start(t, func(c *Config) { c.Tracer = provider.Tracer("test") })
	ctx := metadata.AppendToOutgoingContext(context.Background(), "traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
	conn := r.dial(t, r.tls(t, r.ca, identity.Researcher))
	const secret = "SELECT COUNT(*) AS verysecret FROM nothing"
	_, err := jaliv1.NewQueryServiceClient(conn).Quote(ctx, &jaliv1.QuoteRequest{Agreement: "agr-x", Purpose: "DUO:0000042", Dataset: "d", Sql: secret, Error: "5"})
	if err == nil {
		t.Fatal("a quote without an agreement")
	}
	if err := conn.Invoke(ctx, "/jali.v1.QueryService/verysecret", &jaliv1.QuoteRequest{}, &jaliv1.QuoteResponse{}, grpc.WaitForReady(false)); err == nil {
		t.Fatal("a method of nobody's")
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(spans.Ended()) == 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if len(spans.Ended()) != 1 {
		t.Fatalf("%d spans, want 1", len(spans.Ended()))
	}
	s := spans.Ended()[0]
	if s.Name() != "/jali.v1.QueryService/Quote" || s.SpanContext().TraceID().String()[:4] == "1111" || s.Parent().IsValid() {
		t.Errorf("span %q of trace %s", s.Name(), s.SpanContext().TraceID())
	}
	allowed := map[attribute.Key]bool{"rpc.system.name": true, "rpc.response.status_code": true}
	for _, a := range s.Attributes() {
		if !allowed[a.Key] || strings.Contains(a.Value.String(), "secret") {
			t.Errorf("attribute %s = %s", a.Key, a.Value.String())
		}
	}
	if len(s.Events()) > 0 {
		t.Error("a span has events")
	}
	if took := s.EndTime().Sub(s.StartTime()); coarse.Time(took-1) != took {
		t.Errorf("a span tells that a call took %s", took)
	}
	if id := s.SpanContext().TraceID().String(); !strings.Contains(r.log.String(), id) {
		t.Error("the log line does not name the trace")
	}
}
