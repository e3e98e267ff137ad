package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"jali/gateway"
	"jali/gateway/rpc"
	jaliv1 "jali/proto/jali/v1"
)

// withAdmin runs f against the gateway of a state directory: the serving one through its socket, or, when none serves, one
// opened here for as long as f runs. Both take the same path and leave the same entries.
func withAdmin(ctx context.Context, dir string, f func(context.Context, jaliv1.AdminServiceClient) error) error {
	return withSocket(ctx, dir, func(ctx context.Context, conn *grpc.ClientConn) error {
		return f(ctx, jaliv1.NewAdminServiceClient(conn))
	})
}

// withStudies is withAdmin for the registration of studies.
func withStudies(ctx context.Context, dir string, f func(context.Context, jaliv1.StudyServiceClient) error) error {
	return withSocket(ctx, dir, func(ctx context.Context, conn *grpc.ClientConn) error {
		return f(ctx, jaliv1.NewStudyServiceClient(conn))
	})
}

func withSocket(ctx context.Context, dir string, f func(context.Context, *grpc.ClientConn) error) error {
	cfg, err := loadConfig(dir)
	if err != nil {
		return err
	}
	socket := gateway.Layout(dir).Socket()
	if !answers(socket) {
		g, err := gateway.Open(ctx, gateway.Config{Dir: dir, Threads: cfg.Engine.Threads, MemoryLimit: cfg.Engine.Memory, Witness: gateway.WitnessConfig(cfg.Witness), Timestamp: cfg.Timestamp.in(dir), Operator: operatorLog(cfg.LogLevel)})
		if err != nil {
			return err
		}
		defer g.Close()
		tmp, err := os.MkdirTemp("", "jali-admin-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		socket = filepath.Join(tmp, "admin.sock")
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		ready := make(chan struct{})
		go func() { done <- rpc.ServeAdmin(ctx, socket, g, func() { close(ready) }) }()
		defer func() { cancel(); <-done }()
		select {
		case <-ready:
		case err := <-done:
			return err
		}
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to admin socket: %w", err)
	}
	defer conn.Close()
	return adminError(f(ctx, conn))
}

func answers(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// adminError gives back message, hint and exit status of a refusal that came over the socket.
func adminError(err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	code := exitFailed
	if s.Code() == codes.InvalidArgument {
		code = exitUsage
	}
	return &coded{code: code, err: errors.New(s.Message()), hint: rpc.Hint(s)}
}

// approver names who ran the command, for the record.
func approver() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
