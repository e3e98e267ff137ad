package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"jali/crypto/cohort"
	"jali/gateway/identity"
	"jali/policy"
)

// CohortOffer is a quote for an encrypted question.
type CohortOffer struct {
	Offer
	Nonce       []byte // nil: not allowed, or no key was named
	Expires     time.Time
	Params      string
	Entries     int
	Mapping     [32]byte
	Table       [32]byte
	UploadBytes int
	Auditor     []byte // public key to which key and upload are opened; nil: to nobody
	ReplyBytes  int
	Aggregates  []CohortAggregate
}

// QuoteCohort runs steps 3 to 5 of Evaluate: it tells price, accuracy and lengths, and issues the nonce that one upload of the
// key may use. It is free, touches no data and reserves no budget.
func (g *Gateway) QuoteCohort(ctx context.Context, who identity.Principal, req CohortRequest) (CohortOffer, error) {
	leave, refusal := g.cohorts.planning.enter(ctx)
	if refusal != nil {
		return CohortOffer{}, refusal
	}
	defer leave()
	a, refusal := g.planBlind(who, req)
	if refusal != nil && req.Study != "" { // who tries which studies there are is on record
		return CohortOffer{}, g.refuse(ctx, a, refusal)
	}
	if refusal != nil {
		return CohortOffer{}, refusal
	}
	if refusal := g.priceBlind(a); refusal != nil {
		return CohortOffer{}, refusal
	}
	b := a.blind
	offer := CohortOffer{
		Offer: Offer{Price: a.cost, Budget: g.visible(a), Population: "sufficient", Plan: OfferPlan{
			Dataset: a.data.catalog.ID, Version: a.data.version, Formulation: formulation(a.plan),
			Mechanism: "exact discrete Gaussian inside the cipher, rho-zCDP, neighbours add or remove one person",
			Columns:   a.plan.Columns, Cells: a.released(), Hash: hex.EncodeToString(hashOf(a)),
			RowsPerPerson: a.plan.Bounds.Rows, GroupsPerPerson: a.plan.Bounds.Groups, RowsPerGroup: a.plan.Bounds.PerCol,
		}},
		Params: b.layout.Params().ID(), Entries: b.spec.Entries(), Mapping: b.mapping, Table: b.table,
		UploadBytes: b.layout.BodyBytes(b.opened), Auditor: a.agreement.auditorOf(), ReplyBytes: len(b.outputs) * b.layout.Params().ReplyBytes(), Aggregates: b.outputs,
	}
	if want := int64(offer.UploadBytes); want > g.cohorts.limits.PerCaller {
		return CohortOffer{}, &Refusal{Code: BoundMissing, Message: "the upload would be larger than this gateway takes", Hint: "select over a coarser list"}
	}
	quoted := *a
	if refusal := g.authorise(ctx, a); refusal != nil {
		offer.Reasons = refusal.Reasons
		if len(offer.Reasons) == 0 {
			offer.Reasons = []policy.Reason{{Code: string(refusal.Code), Text: refusal.Message, Hint: refusal.Hint}}
		}
		return offer, nil
	}
	if min := a.grant.Obligations().MinCohort; min > 0 {
		offer.Warnings = append(offer.Warnings, fmt.Sprintf("the minimum cohort of %d cannot be held against a selection nobody sees: noise alone protects, and the size rule counts %s", min, map[bool]string{true: "participants, with or without rows", false: "categories, not persons"}[b.domain.study != nil]))
	}
	offer.Warnings = append(offer.Warnings, b.notes(a)...)
	if over := g.affordable(a); over != "" {
		r := g.overBudget(a, over, 0)
		offer.Reasons = []policy.Reason{{Code: string(r.Code), Text: r.Message, Hint: r.Hint}}
		if over == overPopulation {
			offer.Population = "insufficient"
		}
		offer.Fits = g.fits(a)
		return offer, nil
	}
	offer.Allowed = true
	if len(req.Key) == 0 {
		return offer, nil
	}
	return offer, g.issue(ctx, &quoted, &offer)
}

// priceBlind prices the sums of all groups together: the noise of each covers a person who moves them all, so that rho is that of one
// sum (docs/encrypted-queries.md, "Groups"). Flooding costs delta for each ciphertext.
func (g *Gateway) priceBlind(a *ask) *Refusal {
	if refusal := g.price(a); refusal != nil {
		return refusal
	}
	a.cost.Delta += int64(a.blind.spec.Sums()*len(a.cost.Lines)) * floodDelta
	if refusal := a.blind.choose(a); refusal != nil {
		return refusal
	}
	if !a.fitsSlot() {
		return &Refusal{Code: BoundMissing, Message: "reading the table and evaluating the list may take longer than the longest response slot", Hint: "select over a coarser list, or a smaller table"}
	}
	return nil
}

// issue binds a nonce to the caller, the key and the whole public question, and remembers them for its lifetime.
func (g *Gateway) issue(ctx context.Context, a *ask, offer *CohortOffer) error {
	c, b, now := g.cohorts, a.blind, g.now()
	if len(b.req.Key) != len(b.key) {
		return &Refusal{Code: Invalid, Message: "the name of a key has 32 bytes", Hint: "take it from RegisterKey"}
	}
	b.key = cohort.Digest(b.req.Key)
	key, refusal := c.key(now, a.who, a.agreement, b.key)
	if refusal != nil { // quotes leave no trace, but naming a key that is another's does
		return g.refuse(ctx, a, refusal)
	}
	if key.Params() != b.layout.Params() {
		return &Refusal{Code: KeyUnknown, Message: "the key is of another parameter set than the question needs", Hint: "register a key of the set that the quote names: " + b.layout.Params().ID()}
	}
	c.sweep(now)
	binding := cohort.Bind(b.key, b.table, b.layout, hashOf(a), []byte(requestJSON(a)), []byte(a.pinText()))
	nonce, err := c.nonces.Issue(now, a.who.Key, binding)
	if err != nil {
		return nonceRefusal(err)
	}
	b.nonce = nonce
	q := &question{ask: a.light(), who: a.who.Key, binding: binding, expires: now.Add(nonceLife)}
	c.mu.Lock()
	c.open[nonce] = q
	c.mu.Unlock()
	offer.Nonce, offer.Expires = nonce[:], q.expires
	return nil
}
