package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
)

// ExplainWitness records what the operator of a witness says about state that it lost, and lets it count again: section 7, "does not
// count toward the quorum until its operator explains". The witness begins anew from whatever it remembers; what it had cosigned
// before is still bound by the others, by receipts and by mirrors, no longer by it. The entry is durable before the state
// is forgotten: after a crash between the two the alarm stands, and the explanation may be given again.
func (g *Gateway) ExplainWitness(ctx context.Context, name, explanation, approver string) (Activated, error) {
	w := g.witnesses
	w.mu.Lock()
	verdict, known := w.verdicts[name]
	w.mu.Unlock()
	switch {
	case strings.TrimSpace(explanation) == "":
		return Activated{}, &Refusal{Code: Invalid, Message: "say what the operator of the witness has explained", Hint: "it goes on record"}
	case !known:
		return Activated{}, &Refusal{Code: NotFound, Message: "the quorum files name no such witness", Hint: "seal.policy and l2.policy name them: the word before the first + of a verifier key"}
	case verdict != witness.Amnesia:
		return Activated{}, &Refusal{Code: Invalid, Message: fmt.Sprintf("the witness has not lost its state: its last answer was %v", verdict), Hint: "nothing needs to be explained; nothing was changed"}
	}
	it := event("explained", name, g.log.Size())
	it.Subject, it.Class = "witness", "witness"
	it.Details = []audit.Detail{{Name: "actor", Value: approver}, {Name: "what", Value: explanation}}
	a, err := g.log.Append(ctx, it)
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	g.log.Cosigned(map[string]store.Witnessed{name: {Size: 0, Root: audit.EmptyRoot()}}, nil, 0)
	select {
	case w.kick <- struct{}{}:
	default:
	}
	return Activated{Seq: a.Seq}, nil
}

// PublishVerifier records the digest of a verifier that witnesses publish, so that whoever loads one can compare.
func (g *Gateway) PublishVerifier(ctx context.Context, digest [sha256.Size]byte, what, approver string) (Activated, error) {
	if strings.TrimSpace(what) == "" {
		return Activated{}, &Refusal{Code: Invalid, Message: "say what is published, and where", Hint: "it goes on record"}
	}
	d := audit.Digest(digest)
	a, err := g.log.Append(ctx, store.Item{
		Kind: audit.Admin, Fields: audit.Object{"act": "verifier", "bin": d}, Subject: "admin", Class: "admin",
		Details: []audit.Detail{{Name: "actor", Value: approver}, {Name: "what", Value: what}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	return Activated{Seq: a.Seq, Digest: d}, nil
}
