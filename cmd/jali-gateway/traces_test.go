package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// collector is an OTLP collector that keeps what it is sent.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	got chan *collectorv1.ExportTraceServiceRequest
}

func (c *collector) Export(_ context.Context, in *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.got <- in
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// A span reaches the collector, and of the process nothing but its name.
func TestTracesAreDelivered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{got: make(chan *collectorv1.ExportTraceServiceRequest, 4)}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, c)
	go server.Serve(listener) // ends with Stop
	t.Cleanup(server.Stop)

	tracer, flush, err := tracesConfig{Endpoint: listener.Addr().String(), Plain: true, Sample: 1}.tracer(t.Context(), t.TempDir(), operatorLog(slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(t.Context(), "/jali.v1.QueryService/Query")
	span.End()
	flush()
	select {
	case in := <-c.got:
		r := in.GetResourceSpans()[0]
		if name := r.GetScopeSpans()[0].GetSpans()[0].GetName(); name != "/jali.v1.QueryService/Query" {
			t.Errorf("span %q", name)
		}
		if a := r.GetResource().GetAttributes(); len(a) != 1 || a[0].GetKey() != "service.name" {
			t.Errorf("the resource tells %v", a)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no span came")
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notify("READY=1")
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("the supervisor heard %q, %v", b[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	notify("READY=1") // nobody listens: nothing happens
}
