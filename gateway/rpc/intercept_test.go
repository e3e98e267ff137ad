package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"jali/gateway/allowance"
	jaliv1 "jali/proto/jali/v1"
)

// operatorGuard is a guard as the socket has it, with its log in hand.
func operatorGuard(t *testing.T) (*guard, *bytes.Buffer) {
	t.Helper()
	v, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	return &guard{
		to: network, validator: v, operator: slog.New(slog.NewJSONHandler(log, nil)),
		deadline: time.Second, longest: 2 * time.Second, streams: time.Minute, draining: context.Background(),
	}, log
}

var info0 = &grpc.UnaryServerInfo{FullMethod: "/jali.v1.QueryService/Quote"}

func valid() *jaliv1.QuoteRequest {
	return &jaliv1.QuoteRequest{Agreement: "a", Purpose: "p", Sql: "s", Error: "1"}
}

func TestGuardRecovers(t *testing.T) {
	const canary = "CANARY-4402"
	for name, value := range map[string]any{"text": canary, "error": errors.New(canary), "struct": struct{ Row string }{canary}} {
		t.Run(name, func(t *testing.T) {
			g, log := operatorGuard(t)
			_, err := g.unary(context.Background(), valid(), info0, func(context.Context, any) (any, error) { panic(value) })
			if s := status.Convert(err); s.Code() != codes.Internal || s.Message() != internalText || strings.Contains(s.String(), canary) {
				t.Errorf("got %v", s)
			}
			if text := log.String(); strings.Contains(text, canary) || !strings.Contains(text, "TestGuardRecovers") {
				t.Errorf("log must name the place and not the value: %s", text)
			}
		})
	}
}

func TestGuardHidesFaults(t *testing.T) {
	const canary = "CANARY-9174"
	g, log := operatorGuard(t)
	_, err := g.unary(context.Background(), valid(), info0, func(context.Context, any) (any, error) {
		return nil, fmt.Errorf("open %s: %w", canary, errors.New(canary))
	})
	if s := status.Convert(err); s.Code() != codes.Internal || strings.Contains(s.String(), canary) {
		t.Errorf("got %v", s)
	}
	if text := log.String(); strings.Contains(text, canary) || !strings.Contains(text, "wrapError") {
		t.Errorf("log must name the type and not the text: %s", text)
	}
}

func TestGuardValidates(t *testing.T) {
	unknown := valid()
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	broken := valid()
	broken.Sql = ""
	for name, test := range map[string]struct {
		in   proto.Message
		want codes.Code
	}{
		"valid":         {valid(), codes.OK},
		"unknown field": {unknown, codes.InvalidArgument},
		"rule broken":   {broken, codes.InvalidArgument},
	} {
		g, _ := operatorGuard(t)
		called := false
		_, err := g.unary(context.Background(), test.in, info0, func(context.Context, any) (any, error) { called = true; return nil, nil })
		if status.Code(err) != test.want || called != (test.want == codes.OK) {
			t.Errorf("%s: %v, handler called: %v", name, err, called)
		}
	}
}

func TestGuardNeedsCaller(t *testing.T) {
	g, _ := operatorGuard(t)
	g.limits = ratesOf(t, 1, 1)
	for name, ctx := range map[string]context.Context{
		"no peer":   context.Background(),
		"no TLS":    peer.NewContext(context.Background(), &peer.Peer{}),
		"account":   peer.NewContext(context.Background(), &peer.Peer{AuthInfo: operatorInfo{}}),
		"empty TLS": peer.NewContext(context.Background(), &peer.Peer{AuthInfo: credentials.TLSInfo{}}),
	} {
		called := false
		_, err := g.unary(ctx, valid(), info0, func(context.Context, any) (any, error) { called = true; return nil, nil })
		if status.Code(err) != codes.Unauthenticated || called {
			t.Errorf("%s: %v, handler called: %v", name, err, called)
		}
	}
}

func TestBounded(t *testing.T) {
	within := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		t.Cleanup(cancel)
		return ctx
	}
	for name, test := range map[string]struct {
		ctx  context.Context
		want time.Duration
	}{
		"none":     {context.Background(), time.Minute},
		"shorter":  {within(time.Second), time.Second},
		"longer":   {within(2 * time.Minute), 2 * time.Minute},
		"too long": {within(time.Hour), 5 * time.Minute},
	} {
		ctx, cancel := bounded(test.ctx, time.Minute, 5*time.Minute)
		defer cancel()
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || left > test.want || left < test.want-10*time.Second {
			t.Errorf("%s: %v left, want %v", name, left, test.want)
		}
	}
}

func TestAccount(t *testing.T) {
	for _, test := range []struct {
		uid  uint32
		own  int
		want bool
	}{
		{1000, 1000, true},
		{0, 1000, true},
		{1001, 1000, false},
		{1000, 0, false},
		{1<<32 - 1, -1, false},
		{1<<32 - 2, 65534, false},
	} {
		if got := admitted(test.uid, test.own); got != test.want {
			t.Errorf("admitted(%d, %d) = %v", test.uid, test.own, got)
		}
	}
	here, there := net.Pipe()
	defer there.Close()
	if _, _, err := (accountCredentials{}).ServerHandshake(here); err == nil {
		t.Error("a connection that is no Unix socket was admitted")
	}
}

// A crash leaves a socket nobody listens on: it is replaced, and the new one is for its owner only.
func TestListenSocketReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	listener, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func ratesOf(t *testing.T, perSecond float64, burst int) *allowance.Rates {
	t.Helper()
	r, err := allowance.New(perSecond, burst)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
