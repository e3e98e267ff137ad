package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"jali/crypto/cohort"
	"jali/gateway/identity"
)

// EncryptedConfig bounds what encrypted questions hold in memory, in bytes. A zero field has the default.
type EncryptedConfig struct {
	UploadMemory int64 // uploads of all callers, waiting or under evaluation; default 256 MiB
	PerCaller    int64 // uploads of one caller; default 64 MiB
	KeyMemory    int64 // registered keys; default 256 MiB
	TableMemory  int64 // prepared vectors; default 128 MiB
}

func (c EncryptedConfig) withDefaults() (EncryptedConfig, error) {
	for _, f := range []struct {
		field *int64
		value int64
	}{{&c.UploadMemory, 256 << 20}, {&c.PerCaller, 64 << 20}, {&c.KeyMemory, 256 << 20}, {&c.TableMemory, 128 << 20}} {
		if *f.field < 0 {
			return c, errors.New("a limit of encrypted questions is negative")
		}
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	c.PerCaller = min(c.PerCaller, c.UploadMemory)
	return c, nil
}

const (
	// nonceLife is how long a quote with a nonce, and what was uploaded for it, lives.
	nonceLife = 10 * time.Minute
	// noncesEach and noncesAll bound open questions.
	noncesEach, noncesAll = 16, 4096
	// memoryWait is how long an upload part waits for memory before the caller is told to come back.
	memoryWait = 5 * time.Second
)

// cohorts is the state of encrypted questions. It is all in memory: after a restart keys and nonces are unknown, which refuses and never
// repeats; what was released is in the log.
type cohorts struct {
	limits  EncryptedConfig
	nonces  *cohort.Nonces
	memory  *semaphore.Weighted // of uploads, in bytes
	vectors *vectorCache

	mu       sync.Mutex
	keys     map[cohort.Digest]registered
	keyOrder []cohort.Digest // oldest first
	keyBytes int64
	pending  map[[32]byte]pendingKey
	open     map[[32]byte]*question
	held     map[string]int64 // bytes of uploads by principal key
}

func newCohorts(c EncryptedConfig) (*cohorts, error) {
	limits, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	nonces, err := cohort.NewNonces(cohort.NonceConfig{Life: nonceLife, Total: noncesAll, PerCaller: noncesEach})
	if err != nil {
		return nil, err
	}
	return &cohorts{
		limits: limits, nonces: nonces, memory: semaphore.NewWeighted(limits.UploadMemory), vectors: newVectorCache(limits.TableMemory),
		keys: map[cohort.Digest]registered{}, pending: map[[32]byte]pendingKey{}, open: map[[32]byte]*question{}, held: map[string]int64{},
	}, nil
}

// question is one nonce on its way: quoted, receiving, complete, evaluated. mu is held by whoever works on it.
type question struct {
	ask     *ask // as quoted, before authorisation; never changed
	who     string
	binding cohort.Digest
	expires time.Time

	mu     sync.Mutex
	intake *cohort.Intake // nil: nothing received, or complete, or over
	upload *cohort.Upload // nil: not complete, or over
	held   int64          // bytes of memory accounted
}

// again is a fresh copy of what was quoted.
func (q *question) again() *ask {
	a, b := *q.ask, *q.ask.blind
	a.blind = &b
	a.pins = a.pins[:len(a.pins):len(a.pins)]
	a.spec.Items = append(a.spec.Items[:0:0], a.spec.Items...)
	return &a
}

// find returns the question of a nonce, if an upload under it would be taken or is to be answered again.
func (c *cohorts) find(now time.Time, who identity.Principal, nonce [32]byte) (*question, *Refusal) {
	c.mu.Lock()
	q := c.open[nonce]
	c.mu.Unlock()
	var binding cohort.Digest
	if q != nil {
		binding = q.binding
	}
	if err := c.nonces.Check(now, nonce, who.Key, binding); err != nil {
		return nil, nonceRefusal(err)
	}
	if q == nil {
		return nil, nonceRefusal(cohort.ErrNonceUnknown)
	}
	return q, nil
}

// begin accounts for the memory of an upload and makes ready to receive it. q.mu is held.
func (c *cohorts) begin(ctx context.Context, q *question) *Refusal {
	if q.intake != nil || q.upload != nil {
		return nil
	}
	intake := cohort.NewIntake(q.ask.blind.layout, false)
	want := int64(intake.Want())
	c.mu.Lock()
	room := c.held[q.who]+want <= c.limits.PerCaller
	if room {
		c.held[q.who] += want
	}
	c.mu.Unlock()
	if !room {
		return &Refusal{Code: Rate, Message: "your uploads under way are as large as is allowed at once", Hint: "evaluate one first, or wait until one expires"}
	}
	if err := c.memory.Acquire(ctx, want); err != nil {
		c.mu.Lock()
		c.unhold(q.who, want)
		c.mu.Unlock()
		return &Refusal{Code: Unavailable, Message: "the gateway is busy with other uploads", Hint: "try again in a moment; nothing was charged"}
	}
	q.intake, q.held = intake, want
	return nil
}

// drop forgets what was uploaded and gives its memory back. q.mu is held.
func (c *cohorts) drop(q *question) {
	q.intake, q.upload = nil, nil
	if q.held > 0 {
		c.memory.Release(q.held)
		c.mu.Lock()
		c.unhold(q.who, q.held)
		c.mu.Unlock()
		q.held = 0
	}
}

func (c *cohorts) unhold(who string, n int64) {
	if c.held[who] -= n; c.held[who] <= 0 {
		delete(c.held, who)
	}
}

// complete closes the upload and holds it to the digest that the caller means. q.mu is held.
func (c *cohorts) complete(q *question, commit cohort.Digest) (*cohort.Upload, *Refusal) {
	if q.upload == nil && q.intake == nil {
		return nil, &Refusal{Code: UploadTruncated, Message: "nothing was uploaded for this question", Hint: "upload the selector first; nothing was charged"}
	}
	if q.upload == nil {
		if refusal := c.finish(q); refusal != nil {
			return nil, refusal
		}
	}
	if q.upload.Commit() != commit {
		return nil, &Refusal{Code: UploadMalformed, Message: "the upload received is not the one that is meant", Hint: "compare its SHA-256 and ask for a new quote; nothing was charged"}
	}
	return q.upload, nil
}

// finish closes the intake. A short upload burns its nonce. q.mu is held.
func (c *cohorts) finish(q *question) *Refusal {
	upload, err := q.intake.Close()
	if err != nil {
		return c.spoil(q, err)
	}
	q.intake, q.upload = nil, upload
	return nil
}

// spoil ends a question whose upload is malformed: what one nonce was tried with is never tried again.
func (c *cohorts) spoil(q *question, err error) *Refusal {
	r := uploadRefusal(err, q)
	c.nonces.Burn(q.ask.blind.nonce)
	c.drop(q)
	return r
}

// uploadRefusal names what is wrong with the bytes: it depends on them and on public lengths only.
func uploadRefusal(err error, q *question) *Refusal {
	r := &Refusal{Code: UploadMalformed, Message: "the upload is malformed: a residue is out of range", Hint: "use a current client and ask for a new quote; nothing was charged"}
	switch {
	case errors.Is(err, cohort.ErrTruncated):
		r.Code, r.Message = UploadTruncated, fmt.Sprintf("the upload ended early: it has %d bytes exactly", q.ask.blind.layout.UploadBytes())
	case errors.Is(err, cohort.ErrOversized):
		r.Code, r.Message = UploadOversized, fmt.Sprintf("the upload is too long: it has %d bytes exactly", q.ask.blind.layout.UploadBytes())
	}
	return r
}

// sweep gives back the memory of uploads whose nonce has expired, and forgets questions and keys that are over. One that is being worked
// on is left to whoever does.
func (c *cohorts) sweep(now time.Time) {
	c.mu.Lock()
	var stale []*question
	for nonce, q := range c.open {
		if !now.Before(q.expires) {
			stale = append(stale, q)
		}
		if now.Sub(q.expires) >= nonceLife {
			delete(c.open, nonce)
		}
	}
	for len(c.keyOrder) > 0 && !now.Before(c.keys[c.keyOrder[0]].expires) {
		c.forget(c.keyOrder[0])
	}
	c.mu.Unlock()
	for _, q := range stale {
		if q.mu.TryLock() {
			c.drop(q)
			q.mu.Unlock()
		}
	}
}

// CohortUpload receives one upload as a stream. Exactly one of Close and Abort ends it.
type CohortUpload struct {
	g   *Gateway
	q   *question
	who identity.Principal
	ctx context.Context
}

// BeginUpload starts an upload from its first byte; what parts brought before is forgotten. It waits for memory as long as ctx lasts.
func (g *Gateway) BeginUpload(ctx context.Context, who identity.Principal, nonce [32]byte) (*CohortUpload, error) {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return nil, g.refuse(ctx, &ask{who: who, req: Request{SQL: "upload an encrypted question"}}, refusal)
	}
	u := &CohortUpload{g: g, q: q, who: who, ctx: ctx}
	q.mu.Lock()
	defer q.mu.Unlock()
	g.cohorts.drop(q)
	if refusal := g.cohorts.begin(ctx, q); refusal != nil {
		return nil, refusal
	}
	return u, nil
}

// Write takes the next bytes. An error is final: it is on record and has burnt the nonce.
func (u *CohortUpload) Write(p []byte) (int, error) {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	if u.q.intake == nil || !u.g.now().Before(u.q.expires) {
		u.g.cohorts.drop(u.q)
		return 0, u.g.refuse(u.ctx, u.q.again(), nonceRefusal(cohort.ErrNonceExpired))
	}
	n, err := u.q.intake.Write(p)
	if err != nil {
		return n, u.g.refuse(u.ctx, u.q.again(), u.g.cohorts.spoil(u.q, err))
	}
	return n, nil
}

// Close ends the upload and returns its digest.
func (u *CohortUpload) Close() ([32]byte, error) {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	if u.q.intake == nil {
		return [32]byte{}, u.g.refuse(u.ctx, u.q.again(), nonceRefusal(cohort.ErrNonceExpired))
	}
	if refusal := u.g.cohorts.finish(u.q); refusal != nil {
		return [32]byte{}, u.g.refuse(u.ctx, u.q.again(), refusal)
	}
	return u.q.upload.Commit(), nil
}

// Abort ends an upload whose caller went away: nothing is left of it, and the nonce may be tried again.
func (u *CohortUpload) Abort() {
	u.q.mu.Lock()
	defer u.q.mu.Unlock()
	u.g.cohorts.drop(u.q)
}

// UploadPart takes a part of an upload at the offset where the last one ended; empty data asks where that is.
func (g *Gateway) UploadPart(ctx context.Context, who identity.Principal, nonce [32]byte, offset int64, data []byte) (received, want int64, err error) {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return 0, 0, g.refuse(ctx, &ask{who: who, req: Request{SQL: "upload an encrypted question"}}, refusal)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	want = int64(q.ask.blind.layout.UploadBytes())
	if q.upload != nil {
		received = want
	} else if q.intake != nil {
		received = int64(q.intake.Received())
	}
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
	return int64(q.intake.Received()), want, nil
}
