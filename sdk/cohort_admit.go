package sdk

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jaliv1 "jali/proto/jali/v1"
)

// cohortAdmit waits until the gateway has room for an upload, which it holds in memory, and tells the place in the queue meanwhile. It waits as
// long as ctx and the nonce live. Gateways that know no queue are uploaded to at once.
func (c *Client) cohortAdmit(ctx context.Context, q CohortQuery, nonce []byte) error {
	wait := c.config.Backoff
	for attempt := 1; ; attempt++ {
		heard, err := c.cohortQueue(ctx, q, nonce)
		if err == nil || status.Code(err) == codes.Unimplemented {
			return nil
		}
		if heard {
			attempt = 1 // the connection worked: a cut stream is joined again
		}
		err = FromStatus(err)
		if attempt >= c.config.Attempts || !retriable(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait = min(2*wait, maxBackoff)
	}
}

// cohortQueue listens to one stream until it admits; heard: some message came.
func (c *Client) cohortQueue(ctx context.Context, q CohortQuery, nonce []byte) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream whatever happens
	defer cancel()
	stream, err := c.cohorts.Admit(ctx, &jaliv1.AdmitRequest{Nonce: nonce})
	if err != nil {
		return false, err
	}
	for {
		place, err := stream.Recv()
		if err != nil {
			return heard, err
		}
		heard = true
		if place.GetAdmitted() {
			return true, nil
		}
		if q.Progress != nil {
			q.Progress(CohortProgress{Step: "queue", Ahead: int(place.GetAhead()), Total: place.GetBytesAhead()})
		}
	}
}
