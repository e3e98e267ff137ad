package sdk

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

// maxBackoff is the longest wait between attempts.
const maxBackoff = 3 * time.Second

// retry calls until the gateway answers: while it is unavailable, up to config.Attempts times, waiting between. Only
// ErrUnavailable is tried again; what the call sends must be idempotent. Errors come back typed.
func retry[T any](ctx context.Context, c *Client, call func(context.Context) (T, error)) (T, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	wait := c.config.Backoff
	for attempt := 1; ; attempt++ {
		got, err := call(ctx)
		if err == nil {
			return got, nil
		}
		err = FromStatus(err)
		if attempt >= c.config.Attempts || !retriable(err) {
			return got, err
		}
		// Half to one and a half of the wait, so that clients turned away together do not come back together.
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return got, err
		case <-timer.C:
		}
		wait = min(2*wait, maxBackoff)
	}
}

// retriable: unavailable, and not because this client and the gateway do not accept each other's certificates.
func retriable(err error) bool {
	var g *GatewayError
	return errors.As(err, &g) && g.Status == codes.Unavailable && g.kind == ErrUnavailable && g.Code != codeTLS && g.Code != codeRate
}
