package gateway

import (
	"context"
	"fmt"
	"time"

	"jali/crypto/cohort"
	"jali/gateway/identity"
)

// AdmitUpload waits until there is memory for the upload of a nonce, and keeps it for uploadIdle. tell hears how many uploads, and how many
// bytes, are ahead, whenever that changes; its error ends the wait, and who goes away loses the place.
func (g *Gateway) AdmitUpload(ctx context.Context, who identity.Principal, nonce [32]byte, tell func(ahead int, bytes int64) error) error {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return g.refuse(ctx, &ask{who: who, req: Request{SQL: "upload an encrypted question"}}, refusal)
	}
	ctx, cancel := context.WithTimeout(ctx, q.expires.Sub(g.now()))
	defer cancel()
	if err := g.cohorts.memory.wait(ctx, g.cohorts.ticket(q), tell); err != nil {
		return &Refusal{Code: Unavailable, Message: "gave up waiting for other uploads", Hint: "try again in a moment; nothing was charged"}
	}
	g.watch(q)
	return nil
}

// CohortUpload receives one upload as a stream. Exactly one of Close and Abort ends it.
//
// A caller who reconnects may begin again before the broken stream was noticed: the earlier upload is then over, and touches nothing.
type CohortUpload struct {
	g      *Gateway
	q      *question
	intake *cohort.Intake
	ctx    context.Context
}

// BeginUpload starts an upload from its first byte; what parts brought before is forgotten. It waits for memory as long as ctx lasts.
func (g *Gateway) BeginUpload(ctx context.Context, who identity.Principal, nonce [32]byte) (*CohortUpload, error) {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return nil, g.refuse(ctx, &ask{who: who, req: Request{SQL: "upload an encrypted question"}}, refusal)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	g.cohorts.reset(q)
	if refusal := g.cohorts.begin(ctx, q); refusal != nil {
		return nil, refusal
	}
	g.watch(q)
	return &CohortUpload{g: g, q: q, intake: q.intake, ctx: ctx}, nil
}

// Write takes the next bytes. An error is final: it is on record and has burnt the nonce.
func (u *CohortUpload) Write(p []byte) (int, error) {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	if refusal := u.over(); refusal != nil {
		return 0, u.g.refuse(u.ctx, u.q.again(), refusal)
	}
	n, err := u.q.intake.Write(p)
	if err != nil {
		return n, u.g.refuse(u.ctx, u.q.again(), u.g.cohorts.spoil(u.q, err))
	}
	u.g.watch(u.q)
	return n, nil
}

// Close ends the upload and returns its digest.
func (u *CohortUpload) Close() ([32]byte, error) {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	if refusal := u.over(); refusal != nil {
		return [32]byte{}, u.g.refuse(u.ctx, u.q.again(), refusal)
	}
	if refusal := u.g.cohorts.finish(u.q); refusal != nil {
		return [32]byte{}, u.g.refuse(u.ctx, u.q.again(), refusal)
	}
	return u.q.upload.Commit(), nil
}

// Abort ends an upload whose caller went away: nothing is left of it but a line in the record, and the nonce may be tried again.
func (u *CohortUpload) Abort() {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	if u.q.intake == u.intake {
		u.g.abandon(u.ctx, u.q, "the upload broke off")
	}
}

// over says why the upload cannot go on, if so. q.mu is held.
func (u *CohortUpload) over() *Refusal {
	switch {
	case !u.g.now().Before(u.q.expires):
		u.g.cohorts.drop(u.q)
		return nonceRefusal(cohort.ErrNonceExpired)
	case u.q.intake == u.intake:
		return nil
	case u.q.intake == nil && u.q.upload == nil:
		return &Refusal{Code: UploadTruncated, Message: "the upload was left alone for too long and is gone", Hint: "start again; nothing was charged"}
	}
	return &Refusal{Code: UploadOffset, Message: "another upload of the same question has begun", Hint: "send one at a time; nothing was charged"}
}

// watch starts to wait anew for the caller's next step; without one, what is kept for the caller goes.
func (g *Gateway) watch(q *question) {
	q.place.Lock()
	defer q.place.Unlock()
	if q.idle == nil {
		q.idle = time.AfterFunc(g.cohorts.idle, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if g.cohorts.waits(q) { // while q.mu was waited for, it may have been evaluated
				g.abandon(context.Background(), q, "the upload was left alone")
			}
		})
		return
	}
	q.idle.Reset(g.cohorts.idle)
}

// abandon drops an upload that its caller left, and says so in the record. What it says depends on lengths only. q.mu is held.
func (g *Gateway) abandon(ctx context.Context, q *question, how string) {
	defer g.cohorts.drop(q) // after the record, so that whoever gets the room finds it there
	received, want := q.received()
	refusal := &Refusal{Code: UploadTruncated, Message: fmt.Sprintf("%s after %d of %d bytes; nothing is left of it, and nothing was charged", how, received, want)}
	_ = g.refuse(ctx, q.again(), refusal) // nobody is there to hear it; that it could not be recorded, the operator has heard
}

// received is how much of an upload is here, and how much there must be. q.mu is held.
func (q *question) received() (received, want int64) {
	want = int64(q.ask.blind.layout.BodyBytes(q.ask.blind.opened))
	switch {
	case q.upload != nil:
		received = want
	case q.intake != nil:
		received = int64(q.intake.Received())
	}
	return received, want
}

// UploadPart takes a part of an upload at the offset where the last one ended; empty data asks where that is.
func (g *Gateway) UploadPart(ctx context.Context, who identity.Principal, nonce [32]byte, offset int64, data []byte) (received, want int64, err error) {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return 0, 0, g.refuse(ctx, &ask{who: who, req: Request{SQL: "upload an encrypted question"}}, refusal)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	received, want = q.received()
	if len(data) == 0 {
		return received, want, nil
	}
	if offset != received {
		return received, want, &Refusal{Code: UploadOffset, Message: fmt.Sprintf("the next byte is %d", received), Hint: "ask with an empty part where to go on"}
	}
	if q.upload != nil {
		return received, want, g.refuse(ctx, q.again(), g.cohorts.spoil(q, cohort.ErrOversized))
	}
	within, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	if refusal := g.cohorts.begin(within, q); refusal != nil {
		return received, want, refusal
	}
	if _, err := q.intake.Write(data); err != nil {
		return received, want, g.refuse(ctx, q.again(), g.cohorts.spoil(q, err))
	}
	g.watch(q)
	return int64(q.intake.Received()), want, nil
}
