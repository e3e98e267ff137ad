package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"jali/audit"
	"jali/crypto/cohort"
	"jali/gateway/budget"
	"jali/gateway/identity"
	"jali/gateway/protect"
)

// CohortAnswer is what leaves: bytes that only the asker can decrypt.
type CohortAnswer struct {
	Reply      []byte
	Aggregates []CohortAggregate
	Price      budget.Price
	Budget     Remaining
	Replayed   bool
	Receipt    []byte
	Decision   uint64
	SlotOff    bool
	// Notes say what the numbers mean and leave out.
	Notes []string
}

const replyType = "application/vnd.jali.cohort-reply"

// Evaluate takes an uploaded encrypted question to a protected, recorded answer. It is Answer for a selector that nobody here
// can read, in the same ten steps; steps 3 and 4 were taken when the nonce was issued (QuoteCohort) and are bound by it.
// Whatever the selector is, garbage included, the charge stands: the gateway cannot tell, and must not.
func (g *Gateway) Evaluate(ctx context.Context, who identity.Principal, nonce, commit [32]byte) (CohortAnswer, error) {
	// 3. plan, 4. price: what the nonce was issued for.
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, &ask{who: who, req: Request{SQL: "evaluate an encrypted question"}}, refusal)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ask := q.again()
	ask.blind.commit = commit

	// The same upload has been paid for: its stored reply comes again, free.
	if answer, found, err := g.replayBlind(ctx, ask); found || err != nil {
		return answer, err
	}
	upload, refusal := g.cohorts.complete(q, commit)
	if refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	}
	if refusal := g.current(ask); refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	}

	defer g.rates.reserve(ask, g.now())()

	// 5. authorise: again, with the clock and the policy of now.
	if refusal := g.authorise(ctx, ask); refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	}
	ask.key = ask.blind.id()
	if refusal := g.witnesses.admits(ask.data.catalog.Level); refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	}
	if !ask.data.engine.Ready() {
		return CohortAnswer{}, g.refuse(ctx, ask, asleep())
	}
	key, refusal := g.cohorts.key(g.now(), who, ask.agreement, ask.blind.key)
	if refusal != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	}

	// One evaluation of an organisation at a time: a large one does not keep the others out.
	unlock, err := g.flight.lock(ctx, sha256.Sum256([]byte("encrypted questions of "+who.Org)))
	if err != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, &Refusal{Code: Unavailable, Message: "gave up waiting for other encrypted questions", Hint: "ask again with the same upload: nothing was charged"})
	}
	defer unlock()

	// What the auditor can open is kept before the charge.
	if ask.blind.opened {
		if err := g.keepUpload(upload); err != nil {
			return CohortAnswer{}, g.refuse(ctx, ask, g.notKept(err))
		}
	}

	// The nonce serves this upload and no other, from here on.
	if _, err := g.cohorts.nonces.Redeem(g.now(), nonce, who.Key, q.binding, upload.Commit()); err != nil {
		return CohortAnswer{}, g.refuse(ctx, ask, nonceRefusal(err))
	}
	defer g.cohorts.drop(q)
	ctx = context.WithoutCancel(ctx)

	// 6. commit: charge both ledgers and append the intent, in one transaction.
	intent, refusal := g.commit(ctx, ask)
	switch {
	case refusal != nil && refusal.Decision == 0:
		return CohortAnswer{}, g.refuse(ctx, ask, refusal)
	case refusal != nil: // the writer has put the REFUSED entry in the intent's place
		return CohortAnswer{}, refusal
	}
	slot, release := g.slots.take(ask)
	defer release()

	// 7. execute: the engine's exact integers, sealed, then prepared as vectors; kept for the next question of this plan.
	vectors, err := safely(func() (protect.Blinded, error) {
		if err := g.whole(ask); err != nil {
			return protect.Blinded{}, err
		}
		return g.vectors(ctx, ask, slot)
	})
	if err != nil {
		return CohortAnswer{}, g.fail(ctx, ask, intent, slot, err)
	}

	// 8. protect: noise is drawn and added inside the cipher.
	reply, err := safely(func() ([]byte, error) { return ask.cipher(ctx, slot, vectors, key, upload) })
	if err != nil {
		return CohortAnswer{}, g.fail(ctx, ask, intent, slot, err)
	}
	if !slot.wait() {
		return CohortAnswer{}, g.fail(ctx, ask, intent, slot, errSlotMissed)
	}

	// 9. record: no record, no answer.
	recorded, err := g.record(ctx, ask, intent, protect.Released{}, reply)
	if err != nil {
		return CohortAnswer{}, noAnswer(intent.Seq)
	}

	// 10. respond: the reply with its receipt.
	release()
	if refusal := g.hold(ctx, ask.data.catalog.Level, recorded.Seq); refusal != nil {
		refusal.Decision = intent.Seq
		return CohortAnswer{}, refusal
	}
	return g.respondBlind(ask, intent.Seq, recorded.Seq, reply, false)
}

// current holds the question to the data version and the agreement it was quoted for.
func (g *Gateway) current(a *ask) *Refusal {
	data, agreement := g.dataset(a.data.catalog.ID), g.agreement(a.agreement.ID)
	if data == nil || agreement == nil || data.version != a.data.version || agreement.pin != a.agreement.pin {
		return &Refusal{Code: QuoteStale, Message: "the agreement or the data version changed since the quote", Hint: "ask for a new quote"}
	}
	a.data, a.agreement = data, agreement
	return g.currentStudy(a)
}

// vectors runs the plan, or finds what an earlier question of the same plan on the same data left.
func (g *Gateway) vectors(ctx context.Context, a *ask, s *slot) (protect.Blinded, error) {
	key := a.blind.domain.vectorKey(a.blind.vectorKey(a))
	if v, ok := g.cohorts.vectors.get(key); ok {
		return v, nil
	}
	raw, err := g.exact(ctx, a, s)
	if err != nil {
		return protect.Blinded{}, err
	}
	v, err := protect.PrepareBlind(raw, a.blind.spec)
	if err != nil {
		return protect.Blinded{}, err
	}
	g.cohorts.vectors.put(key, v)
	return v, nil
}

// cipher evaluates within the slot.
func (a *ask) cipher(ctx context.Context, s *slot, v protect.Blinded, key *cohort.Registration, upload *cohort.Upload) ([]byte, error) {
	ctx, cancel := context.WithDeadline(ctx, s.deadline())
	defer cancel()
	q := cohort.Query{Layout: a.blind.layout, Table: a.blind.table, Nonce: a.blind.nonce}
	return protect.EvaluateBlind(ctx, v, a.blind.spec, a.spec.Items, protect.BlindQuestion{Key: key, Query: q, Upload: upload})
}

// replayBlind serves the stored reply to the same upload, while its nonce lives. The log says what was answered; the nonce
// says for which upload.
func (g *Gateway) replayBlind(ctx context.Context, a *ask) (CohortAnswer, bool, error) {
	a.key = a.blind.id()
	intent, ok := g.log.Lookup(a.agreement.ID, a.index()[0])
	if !ok {
		return CohortAnswer{}, false, nil
	}
	if sent, err := g.detail(intent, "query"); err != nil || sent != a.recorded() {
		return CohortAnswer{}, true, g.refuse(ctx, a, nonceRefusal(cohort.ErrNonceUsed))
	}
	kind, release, reply, ok := g.log.Outcome(intent)
	if !ok || kind != audit.Release || len(reply) == 0 {
		return CohortAnswer{}, true, noAnswer(intent)
	}
	if refusal := g.hold(ctx, max(g.level(release), a.data.catalog.Level), release); refusal != nil {
		refusal.Decision = intent
		return CohortAnswer{}, true, refusal
	}
	if !g.slots.replay(ctx, a) {
		return CohortAnswer{}, true, unavailable()
	}
	if err := g.recordReplay(ctx, a, intent); err != nil {
		return CohortAnswer{}, true, err
	}
	a.cost.Rho, a.cost.Delta = 0, 0
	answer, err := g.respondBlind(a, intent, release, reply, true)
	return answer, true, err
}

func (g *Gateway) respondBlind(a *ask, intent, release uint64, reply []byte, replayed bool) (CohortAnswer, error) {
	text, err := g.receipt(intent, release)
	if err != nil {
		g.operator.Error("build receipt", "intent", intent, "err", err)
		return CohortAnswer{}, noAnswer(intent)
	}
	return CohortAnswer{
		Reply: reply, Aggregates: a.blind.outputs, Price: a.cost, Budget: g.visible(a), Replayed: replayed,
		Receipt: text, Decision: intent, SlotOff: !a.data.slotted(), Notes: a.blind.notes(a),
	}, nil
}

// id finds the intent of a nonce again.
func (b *blind) id() [32]byte {
	return sha256.Sum256(append([]byte("encrypted question "), b.nonce[:]...))
}

// vectorKey names prepared vectors: the plan's canonical form covers filter, list and bounds.
func (b *blind) vectorKey(a *ask) [32]byte {
	h := a.planHash()
	return sha256.Sum256(fmt.Appendf(nil, "%x %s %s %x %s", h, a.data.catalog.ID, a.data.version, a.data.catalog.Digest, b.spec.Params.ID()))
}

// request is what the asker sent, as it goes on record.
func (b *blind) request(a *ask) map[string]any {
	return map[string]any{
		"agreement": b.req.Agreement, "purpose": b.req.Purpose, "dataset": a.data.catalog.ID, "by": b.req.By, "study": b.req.Study, "group": b.req.Group, "where": b.req.Where,
		"aggregate": b.req.Aggregate, "measure": b.req.Measure, "rule": b.req.Rule, "per_person": b.req.PerPerson, "error": b.req.Error,
		"key": hex.EncodeToString(b.key[:]), "nonce": hex.EncodeToString(b.nonce[:]), "table": hex.EncodeToString(b.table[:]),
		"entries": b.layout.Entries(), "opened": b.opened,
	}
}

// mode is how the question came, in the record.
func (a *ask) mode() string {
	if a.blind != nil {
		return "he"
	}
	return "sql"
}

// recorded is the question in the record: the text, or the digest of what stands for it.
func (a *ask) recorded() string {
	if a.blind == nil {
		return a.req.SQL
	}
	return fmt.Sprintf("%s upload sha256:%x", a.blind.layout.Params().ID(), a.blind.commit[:])
}

func (a *ask) resultType() string {
	if a.blind != nil {
		return replyType
	}
	return resultType
}

// nonceRefusal names what is wrong with a nonce. All are answered by asking for a new quote; nothing was charged.
func nonceRefusal(err error) *Refusal {
	for code, known := range map[Code]error{NonceUnknown: cohort.ErrNonceUnknown, NonceExpired: cohort.ErrNonceExpired, NonceUsed: cohort.ErrNonceUsed, NonceForeign: cohort.ErrNonceForeign} {
		if errors.Is(err, known) {
			return &Refusal{Code: code, Message: known.Error(), Hint: "ask for a new quote; nothing was charged"}
		}
	}
	if errors.Is(err, cohort.ErrNonceLimit) {
		return &Refusal{Code: Rate, Message: "too many encrypted questions are open", Hint: "finish one, or wait until one expires"}
	}
	return unavailable()
}
