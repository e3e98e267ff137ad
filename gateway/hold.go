package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
)

// HoldOrder delays the disclosure of the details of a range of entries.
type HoldOrder struct {
	A, B  uint64
	Until time.Time
	// Order is the decision that this carries out, Judge who gave it. Both go on record as details.
	Order, Judge string
}

// Hold records that the details of a range of entries are shown to nobody until a time: not to regulators, not to the custodian,
// not in exports. The entries themselves, and that a hold stands, stay public. Answers are not details: a stored answer is still
// served to its asker. What is held cannot be erased: the delay is the promise to show it later.
func (g *Gateway) Hold(ctx context.Context, who identity.Principal, o HoldOrder) (uint64, error) {
	if !overseer(who) {
		return 0, notForYou()
	}
	until := o.Until.UnixMicro()
	switch {
	case o.A > o.B || o.B >= g.log.Size():
		return 0, &Refusal{Code: Invalid, Message: "a hold covers entries that are there, from the first to the last", Hint: "jali-auditor list shows the entries"}
	case !o.Until.After(g.now()) || until > audit.MaxInt:
		return 0, &Refusal{Code: Invalid, Message: "a hold ends in the future", Hint: "name a later day"}
	}
	h := audit.Held{A: o.A, B: o.B, Until: until}
	if value, seq, _ := g.log.Active(h.Name()); value != "" {
		return 0, &Refusal{Code: Invalid, Message: fmt.Sprintf("the same hold stands already, by entry %d", seq), Hint: "nothing was changed"}
	}
	return g.recordHold(ctx, who, store.Item{
		Kind: audit.Hold, Fields: audit.Object{"a": o.A, "b": o.B, "until": until},
	}, o.Order, o.Judge)
}

// Unhold ends a hold before its time.
func (g *Gateway) Unhold(ctx context.Context, who identity.Principal, hold uint64, order, judge string) (uint64, error) {
	if !overseer(who) {
		return 0, notForYou()
	}
	holds, err := g.log.Holds()
	if err != nil {
		return 0, unavailable()
	}
	for _, h := range holds {
		if h.Seq == hold {
			return g.recordHold(ctx, who, store.Item{
				Kind: audit.Unhold, Ref: &hold, Fields: audit.Object{"a": h.A, "b": h.B, "until": h.Until},
			}, order, judge)
		}
	}
	return 0, &Refusal{Code: NotFound, Message: "no hold stands by this entry", Hint: "jali-auditor list --kind HOLD,UNHOLD shows them"}
}

func (g *Gateway) recordHold(ctx context.Context, who identity.Principal, it store.Item, order, judge string) (uint64, error) {
	if strings.TrimSpace(order) == "" || strings.TrimSpace(judge) == "" {
		return 0, &Refusal{Code: Invalid, Message: "name the order and who gave it", Hint: "both go on record"}
	}
	it.Subject, it.Class = "hold", "hold"
	it.Details = []audit.Detail{{Name: "actor", Value: actor(who)}, {Name: "order", Value: order}, {Name: "judge", Value: judge}}
	a, err := g.log.Append(ctx, it)
	if err != nil {
		return 0, g.unrecorded(err)
	}
	return a.Seq, nil
}

// held tells which of these entries a hold keeps closed now. An error means: show none.
func (g *Gateway) held() (func(e audit.Entry) bool, error) {
	holds, err := g.log.Holds()
	if err != nil {
		return nil, err
	}
	now := g.now().UnixMicro()
	return func(e audit.Entry) bool {
		_, held := audit.HeldBy(holds, e, now)
		return held
	}, nil
}

// checkHeld refuses to erase what a hold covers.
func (g *Gateway) checkHeld(spans []audit.Span) error {
	holds, err := g.log.Holds()
	if err != nil {
		return unavailable()
	}
	now := g.now().UnixMicro()
	if len(holds) == 0 {
		return nil
	}
	for _, span := range spans {
		for from := span.From; from <= span.To; {
			lines, err := g.log.Entries(from, int(min(page, span.To-from+1)))
			if err != nil {
				return unavailable()
			}
			if len(lines) == 0 {
				break // the store refuses what is not there
			}
			for _, line := range lines {
				e, err := audit.ParseEntry(line)
				if err != nil {
					return unavailable()
				}
				if by, held := audit.HeldBy(holds, e, now); held {
					return &Refusal{Code: Invalid, Message: fmt.Sprintf("details of entry %d are under the hold of entry %d and are to be shown later", e.Seq, by.Seq), Hint: "end the hold first, or wait until it is over"}
				}
			}
			from += uint64(len(lines))
		}
	}
	return nil
}
