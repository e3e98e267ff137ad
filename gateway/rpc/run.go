package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// part is one listener: serve blocks until stop, stop returns when its calls have ended or ctx has.
type part struct {
	name  string
	serve func() error
	stop  func(ctx context.Context) error
}

// run serves all parts until ctx ends or one of them fails, and then stops all.
func run(ctx context.Context, parts []part, grace time.Duration, drain func()) error {
	failed := make(chan error, len(parts))
	var serving sync.WaitGroup
	for _, p := range parts {
		serving.Go(func() {
			if err := p.serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				failed <- fmt.Errorf("serve %s: %w", p.name, err)
			}
		})
	}
	var first error
	select {
	case <-ctx.Done():
	case first = <-failed:
	}
	drain()
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, p := range parts {
		if err := p.stop(within); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			first = errors.Join(first, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	serving.Wait()
	return first
}

// stopped is a context that has ended.
func stopped(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
