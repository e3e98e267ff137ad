package gateway

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"jali/gateway/protect"
)

// A plan over a list of a million codes takes some hundred bytes for each while it is made, and an open question lives for ten minutes. So plans of
// encrypted questions are made a few at a time, and an open question keeps all but what grows with the list: that is made again, from the same
// public facts, by the evaluations that run, of which there are few at a time too.

// errReplanned: the plan made again is another one. The data version was changed in the moment between charge and execution.
var errReplanned = errors.New("plan of an encrypted question changed")

// planning bounds the plans being made at once.
type planning chan struct{}

func newPlanning() planning { return make(planning, runtime.GOMAXPROCS(0)) }

// enter waits for its turn.
func (p planning) enter(ctx context.Context) (leave func(), refusal *Refusal) {
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, &Refusal{Code: Unavailable, Message: "the gateway is busy with other encrypted questions", Hint: "try again in a moment; nothing was charged"}
	}
}

// light is the ask without the labels of its cells and their places in the list.
func (a *ask) light() *ask {
	a.planHash()
	l, b, p := *a, *a.blind, *a.plan
	b.light = true
	b.spec.Select = nil
	p.Domains = slices.Clone(p.Domains)
	for i := range p.Domains {
		p.Domains[i].Labels = nil
	}
	l.plan, l.blind, l.spec.Groups = &p, &b, p.Domains
	return &l
}

// whole undoes light, for the execution.
func (g *Gateway) whole(a *ask) error {
	if !a.blind.light {
		return nil
	}
	if s := a.blind.domain.study; s != nil { // its plan has no groups, so nothing was taken from it
		a.blind.spec.Select, a.blind.light = []protect.Axis{s.axis()}, false
		return nil
	}
	again, refusal := g.planBlind(a.who, a.blind.req)
	if refusal != nil || again.plan.Hash() != a.blind.hash {
		return errReplanned
	}
	a.plan, a.spec.Groups, a.blind.spec.Select = again.plan, again.plan.Domains, again.blind.spec.Select
	a.blind.light = false
	return nil
}

// planHash digests the plan's canonical form; of an encrypted question once, as it may be long.
func (a *ask) planHash() [32]byte {
	if a.blind == nil {
		return a.plan.Hash()
	}
	if a.blind.hash == [32]byte{} {
		a.blind.hash = a.plan.Hash()
	}
	return a.blind.hash
}
