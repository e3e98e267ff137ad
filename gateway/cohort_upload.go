package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
	// uploadIdle is how long memory is kept for a caller who does nothing: neither sends bytes, nor asks to evaluate.
	uploadIdle = 2 * time.Minute
)

// cohorts is the state of encrypted questions. It is all in memory: after a restart keys and nonces are unknown, which refuses and never
// repeats; what was released is in the log.
type cohorts struct {
	limits  EncryptedConfig
	nonces  *cohort.Nonces
	memory  *queue        // of uploads, in bytes
	idle    time.Duration // uploadIdle, but in tests
	vectors *vectorCache
	planning

	mu       sync.Mutex
	keys     map[cohort.Digest]registered
	keyOrder []cohort.Digest // oldest first
	keyBytes int64
	pending  map[[32]byte]pendingKey
	made     map[string][]time.Time // by person: when strings for keys were issued in the last day
	open     map[[32]byte]*question
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
		limits: limits, nonces: nonces, memory: newQueue(limits.UploadMemory, limits.PerCaller), idle: uploadIdle, vectors: newVectorCache(limits.TableMemory), planning: newPlanning(),
		keys: map[cohort.Digest]registered{}, pending: map[[32]byte]pendingKey{}, made: map[string][]time.Time{}, open: map[[32]byte]*question{},
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

	place sync.Mutex // of what follows; taken after mu, if both
	room  *ticket    // nil: none asked for, or given back
	idle  *time.Timer
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

// begin makes ready to receive an upload, once there is memory for it. q.mu is held.
func (c *cohorts) begin(ctx context.Context, q *question) *Refusal {
	if q.intake != nil || q.upload != nil {
		return nil
	}
	intake := cohort.NewIntake(q.ask.blind.layout, q.ask.blind.opened)
	if !c.waits(q) && !c.memory.room(q.who, int64(intake.Want())) {
		return &Refusal{Code: Rate, Message: "your uploads under way are as large as is allowed at once", Hint: "evaluate one first, or wait for your turn (Admit)"}
	}
	if err := c.memory.wait(ctx, c.ticket(q), nil); err != nil {
		return &Refusal{Code: Unavailable, Message: "the gateway is busy with other uploads", Hint: "wait for your turn (Admit), or try again in a moment; nothing was charged"}
	}
	q.intake = intake
	return nil
}

// ticket is the question's place in the queue; all who wait for one nonce share it.
func (c *cohorts) ticket(q *question) *ticket {
	q.place.Lock()
	defer q.place.Unlock()
	if q.room == nil || c.memory.over(q.room) {
		q.room = c.memory.join(q.who, int64(q.ask.blind.layout.BodyBytes(q.ask.blind.opened)))
	}
	return q.room
}

// waits reports whether the question has a place in the queue, or room.
func (c *cohorts) waits(q *question) bool {
	q.place.Lock()
	defer q.place.Unlock()
	return q.room != nil && !c.memory.over(q.room)
}

// reset forgets what was uploaded, but not the room for it. q.mu is held.
func (c *cohorts) reset(q *question) { q.intake, q.upload = nil, nil }

// drop forgets what was uploaded and gives its memory back. q.mu is held.
func (c *cohorts) drop(q *question) {
	c.reset(q)
	q.place.Lock()
	defer q.place.Unlock()
	if q.idle != nil {
		q.idle.Stop()
	}
	if q.room != nil {
		c.memory.leave(q.room)
		q.room = nil
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
		r.Code, r.Message = UploadTruncated, fmt.Sprintf("the upload ended early: it has %d bytes exactly", q.ask.blind.layout.BodyBytes(q.ask.blind.opened))
	case errors.Is(err, cohort.ErrOversized):
		r.Code, r.Message = UploadOversized, fmt.Sprintf("the upload is too long: it has %d bytes exactly", q.ask.blind.layout.BodyBytes(q.ask.blind.opened))
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

// close ends all waiting for callers' next steps. What they uploaded goes with the process.
func (c *cohorts) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.open {
		q.place.Lock()
		if q.idle != nil {
			q.idle.Stop()
		}
		q.place.Unlock()
	}
}
