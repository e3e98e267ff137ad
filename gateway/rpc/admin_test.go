package rpc

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

func TestAdmin(t *testing.T) {
	r := start(t, nil)
	path := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- ServeAdmin(ctx, path, r.gateway, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	conn := dialSocket(t, path)
	client := jaliv1.NewAdminServiceClient(conn)
	got, err := client.Status(ctx, &jaliv1.StatusRequest{})
	if err != nil || got.GetOrigin() != "audit.test/rpc/2026" || got.GetSize() == 0 || got.GetPolicy() == "" {
		t.Errorf("status: %v, %v", got, err)
	}
	size := got.GetSize()
	set, err := client.SetBudget(ctx, &jaliv1.SetBudgetRequest{Population: "p", Pu: 100, Order: "o"})
	if err != nil || set.GetSeq() < size {
		t.Errorf("set budget: %v, %v", set, err)
	}
	_, err = client.SetBudget(ctx, &jaliv1.SetBudgetRequest{Population: "p", Pu: -1})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("negative budget: %v", err)
	}
	_, err = client.AddAgreement(ctx, &jaliv1.AddAgreementRequest{Yaml: []byte("nonsense")})
	if s := read(t, status.Convert(err)); s.Code != codes.InvalidArgument || s.Reason != string(gateway.Invalid) || s.Hint == "" {
		t.Errorf("agreement: %+v", s)
	}
	if _, err := jaliv1.NewQueryServiceClient(conn).Quote(ctx, question()); status.Code(err) != codes.Unimplemented {
		t.Errorf("QueryService on the socket: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the socket is still there")
	}
}
