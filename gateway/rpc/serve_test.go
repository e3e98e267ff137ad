package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"jali/gateway/identity"
	jaliv1 "jali/proto/jali/v1"
)

// canary is in every question of these tests and must be nowhere else.
const canary = "CANARY5518"

func question() *jaliv1.QuoteRequest {
	return &jaliv1.QuoteRequest{Agreement: canary, Purpose: "DUO:0000042", Sql: "SELECT COUNT(*) FROM " + canary, Error: "10"}
}

const questionJSON = `{"agreement":"` + canary + `","purpose":"DUO:0000042","sql":"SELECT COUNT(*) FROM ` + canary + `","error":"10"}`

func TestNative(t *testing.T) {
	r := start(t, nil)
	conn := r.dial(t, r.tls(t, r.ca, identity.Researcher))
	got, err := jaliv1.NewAuditServiceClient(conn).GetCheckpoint(t.Context(), &jaliv1.GetCheckpointRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetOrigin() != "audit.test/rpc/2026" || !strings.HasPrefix(got.GetCheckpoint(), got.GetOrigin()+"\n") || len(got.GetVkeys()) == 0 {
		t.Errorf("got %v", got)
	}

	_, err = jaliv1.NewQueryServiceClient(conn).Query(t.Context(), &jaliv1.QueryRequest{Agreement: canary, Purpose: "p", Sql: canary, Error: "1"})
	refused := read(t, status.Convert(err))
	if refused.Code != codes.PermissionDenied || refused.Reason != "POLICY_DENIED" || len(refused.Reasons) == 0 || refused.Decision == "" {
		t.Errorf("unknown agreement: %+v", refused)
	}
	_, err = jaliv1.NewCatalogServiceClient(conn).GetDataset(t.Context(), &jaliv1.GetDatasetRequest{Id: "nope"})
	if refused := read(t, status.Convert(err)); refused.Code != codes.NotFound || refused.Reason != "NOT_FOUND" || refused.Hint == "" {
		t.Errorf("unknown dataset: %+v", refused)
	}
	_, err = jaliv1.NewAdminServiceClient(conn).Status(t.Context(), &jaliv1.StatusRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("AdminService on the network: %v", err)
	}
	big := question()
	big.Sql = strings.Repeat("x", maxRequest+1)
	if _, err := jaliv1.NewQueryServiceClient(conn).Quote(t.Context(), big); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("oversized: %v", err)
	}

	logged := r.log.String()
	if !strings.Contains(logged, `"method":"/jali.v1.QueryService/Query","code":"PermissionDenied"`) {
		t.Errorf("call not logged: %s", logged)
	}
	for _, secret := range []string{canary, "Ada", "University"} {
		if strings.Contains(logged, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// Nobody gets anything but health, in every protocol.
func TestNobody(t *testing.T) {
	r := start(t, nil)
	none := r.tls(t, nil, "")
	conn := r.dial(t, none)
	if _, err := jaliv1.NewQueryServiceClient(conn).Quote(t.Context(), question()); status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC: %v", err)
	}
	stream, err := jaliv1.NewAuditServiceClient(conn).WatchEntries(t.Context(), &jaliv1.WatchEntriesRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC stream: %v", err)
	}
	listing, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = listing.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection: %v", err)
	}
	client := web(none)
	for name, test := range map[string]struct {
		method, path string
		header       []string
	}{
		"REST POST":    {http.MethodPost, "/v1/quote", []string{asJSON}},
		"REST GET":     {http.MethodGet, "/v1/datasets", nil},
		"Connect":      {http.MethodPost, "/jali.v1.QueryService/Quote", []string{asJSON, "Connect-Protocol-Version: 1"}},
		"unknown path": {http.MethodGet, "/", nil},
	} {
		var body io.Reader
		if test.method == http.MethodPost {
			body = strings.NewReader(questionJSON)
		}
		if got := r.ask(t, client, test.method, test.path, body, test.header...); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	got := r.ask(t, client, http.MethodPost, "/jali.v1.QueryService/Quote", framed(t, question()), "Content-Type: application/grpc-web+proto")
	if got.header.Get("Grpc-Status") != "16" {
		t.Errorf("gRPC-Web: %+v", got)
	}

	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := r.ask(t, client, http.MethodGet, path, nil); got.status != http.StatusOK || got.body != "ok\n" {
			t.Errorf("%s: %+v", path, got)
		}
		if got := r.ask(t, client, http.MethodPost, path, nil); got.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
}

func TestHandshakeRefused(t *testing.T) {
	r := start(t, nil)
	stranger, _, err := identity.NewCA("Another", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	serverPair, err := r.ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := serverPair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	asServer := r.tls(t, nil, "")
	asServer.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	old := r.tls(t, r.ca, identity.Researcher)
	old.MaxVersion = tls.VersionTLS12
	for name, config := range map[string]*tls.Config{
		"another authority":    r.tls(t, stranger, identity.Regulator),
		"a server certificate": asServer,
		"TLS 1.2":              old,
	} {
		response, err := web(config).Get("https://" + r.addr + "/healthz")
		if err == nil {
			response.Body.Close()
			t.Errorf("%s: got %s", name, response.Status)
		}
	}
}

func TestReflection(t *testing.T) {
	r := start(t, nil)
	stream, err := reflectionv1.NewServerReflectionClient(r.dial(t, r.tls(t, r.ca, identity.Researcher))).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"jali.v1.QueryService", "jali.v1.CatalogService", "jali.v1.BudgetService", "jali.v1.AuditService"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if slices.Contains(names, "jali.v1.AdminService") {
		t.Error("AdminService is on the network port")
	}
}

func TestRate(t *testing.T) {
	r := start(t, func(c *Config) { c.PerSecond, c.Burst = 0.001, 3 })
	client := jaliv1.NewAuditServiceClient(r.dial(t, r.tls(t, r.ca, identity.Researcher)))
	var got []codes.Code
	for range 4 {
		_, err := client.GetCheckpoint(t.Context(), &jaliv1.GetCheckpointRequest{})
		got = append(got, status.Code(err))
	}
	if diff := cmp.Diff([]codes.Code{codes.OK, codes.OK, codes.OK, codes.ResourceExhausted}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Watchers get every entry, in order, as it becomes durable; when the gateway stops they hear it at once and Serve returns.
func TestWatchAndDrain(t *testing.T) {
	const drain = 16 * time.Second
	r := start(t, func(c *Config) { c.Drain = drain })
	conn := r.dial(t, r.tls(t, r.ca, identity.Regulator))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := jaliv1.NewAuditServiceClient(conn).WatchEntries(ctx, &jaliv1.WatchEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	until := func(size uint64) {
		t.Helper()
		for next < size {
			page, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.GetEntries() {
				if e.GetSeq() != next {
					t.Fatalf("entry %d, want %d", e.GetSeq(), next)
				}
				next++
			}
		}
	}
	until(r.gateway.Status().Size)
	// A refused question is an entry.
	_, err = jaliv1.NewQueryServiceClient(conn).Query(ctx, &jaliv1.QueryRequest{Agreement: canary, Purpose: "p", Sql: canary, Error: "1"})
	if status.Code(err) != codes.PermissionDenied {
		t.Fatal(err)
	}
	until(r.gateway.Status().Size)

	// A question under way: half of it has arrived. The body is sent when the server asks for it, so the call has begun then.
	half, rest := questionJSON[:20], questionJSON[20:]
	reader, writer := io.Pipe()
	answered := make(chan reply, 1)
	client := web(r.tls(t, r.ca, identity.Researcher))
	go func() {
		answered <- r.ask(t, client, http.MethodPost, "/v1/quote", reader, asJSON, "Expect: 100-continue")
	}()
	if _, err := io.WriteString(writer, half); err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	r.stop()
	if _, err := stream.Recv(); read(t, status.Convert(err)).Message != "the gateway is stopping" {
		t.Errorf("stream ended with %v", err)
	}
	if _, err := io.WriteString(writer, rest); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if got := <-answered; got.status != http.StatusForbidden || !strings.Contains(got.body, "POLICY_DENIED") {
		t.Errorf("the question under way got %+v", got)
	}
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > drain/2 {
		t.Errorf("stopping took %v: something waited for the end of Drain", took)
	}
	if c, err := net.DialTimeout("tcp", r.addr, time.Second); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestMetrics(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	r := start(t, func(c *Config) { c.Metrics = address })
	conn := r.dial(t, r.tls(t, r.ca, identity.Researcher))
	if _, err := jaliv1.NewQueryServiceClient(conn).Query(t.Context(), &jaliv1.QueryRequest{Agreement: canary, Purpose: "p", Sql: canary, Error: "1"}); err == nil {
		t.Error("answered")
	}
	if err := conn.Invoke(t.Context(), "/"+canary+"/"+canary, &jaliv1.StatusRequest{}, &jaliv1.StatusResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
	// A method outside the contract is counted without its name.
	listing, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := listing.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := listing.Recv(); err != io.EOF {
		t.Errorf("reflection: %v", err)
	}
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{
		`jali_calls_total{code="PermissionDenied",method="/jali.v1.QueryService/Query"} 1`,
		`jali_decisions_total{outcome="POLICY_DENIED"} 1`,
		`jali_call_seconds_count{method="/jali.v1.QueryService/Query"} 1`,
		fmt.Sprintf("jali_audit_entries %d", r.gateway.Status().Size),
		"jali_problems 0",
		`jali_calls_total{code="OK",method="other"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, secret := range []string{canary, "Ada", "University"} {
		if strings.Contains(text, secret) {
			t.Errorf("metrics show %q", secret)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	if err := Serve(t.Context(), Config{}); err == nil {
		t.Error("served without a configuration")
	}
	r := start(t, nil)
	dir := t.TempDir()
	log := r.log
	base := func() Config {
		return Config{Gateway: r.gateway, Listen: "127.0.0.1:0", Certificate: "x", Key: "y", ClientCA: "z", Operator: newTestLogger(log)}
	}
	_, made, err := identity.NewCA("x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
	if err := made.Write(cert, key); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no certificate":  func(*Config) {},
		"no authorities":  func(c *Config) { c.Certificate, c.Key = cert, key },
		"empty authority": func(c *Config) { c.Certificate, c.Key, c.ClientCA = cert, key, key },
		"open metrics":    func(c *Config) { c.Certificate, c.Key, c.ClientCA, c.Metrics = cert, key, cert, "0.0.0.0:0" },
		"port in use":     func(c *Config) { c.Certificate, c.Key, c.ClientCA, c.Listen = cert, key, cert, r.addr },
		"port in use, too": func(c *Config) {
			c.Certificate, c.Key, c.ClientCA, c.Listen, c.Metrics = cert, key, cert, r.addr, "127.0.0.1:0"
		},
		"negative limit": func(c *Config) { c.Certificate, c.Key, c.ClientCA, c.Drain = cert, key, cert, -1 },
	} {
		c := base()
		change(&c)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := Serve(ctx, c); err == nil {
			t.Errorf("%s: served", name)
		}
		cancel()
	}
}
