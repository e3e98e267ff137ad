package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
)

// erasedBefore are the ERASE entries that have taken away already all that an order names; none if there is something left. What still
// opens is left, whatever the record says: after a restore an old copy of the keys opens what had been erased, and must be erasable again.
// What neither opens nor was erased on record is left too, so that the order can put its loss on record. An ERASE that a crash interrupted is
// carried out at the start, before any order is heard; one without its ERASED does not count.
func (g *Gateway) erasedBefore(spans []audit.Span) ([]uint64, error) {
	if opens, err := g.anyOpens(spans); err != nil || opens {
		return nil, err
	}
	lists := map[uint64][]audit.Span{} // of ERASEs
	var by []uint64
	var done []audit.Span
	err := g.each(spans[0].From, func(e audit.Entry) error {
		switch e.Kind {
		case audit.Erase:
			text, err := g.detail(e.Seq, "list")
			if err != nil {
				return nil // lost in a restore: what it took is not known
			}
			if lists[e.Seq], err = audit.ParseSpans(text); err != nil {
				return fmt.Errorf("entry %d: %w", e.Seq, err)
			}
		case audit.Erased:
			if e.Ref == nil {
				return nil
			}
			if list := lists[*e.Ref]; overlap(list, spans) {
				by, done = append(by, *e.Ref), append(done, list...)
			}
			delete(lists, *e.Ref)
		}
		return nil
	})
	if err != nil || len(by) == 0 {
		return nil, err
	}
	left := false
	err = g.eachIn(spans, func(e audit.Entry) error {
		for name := range e.Dtl {
			left = left || audit.Covered(spans, e.Seq, name) && !audit.Covered(done, e.Seq, name)
		}
		return nil
	})
	if err != nil || left {
		return nil, err
	}
	return by, nil
}

// anyOpens reports whether a detail or a stored answer that an order names can still be read.
func (g *Gateway) anyOpens(spans []audit.Span) (opens bool, err error) {
	err = g.eachIn(spans, func(e audit.Entry) error {
		if opens {
			return nil
		}
		ds, err := g.log.Details(e.Seq)
		if err != nil {
			return err
		}
		for _, d := range ds {
			_, name, _, err := audit.OpenDetail(d)
			if err != nil {
				return err
			}
			opens = opens || audit.Covered(spans, e.Seq, name)
		}
		intent := e.Seq
		switch {
		case e.Kind == audit.Intent && audit.Covered(spans, e.Seq, ""): // only a span of all names takes the answer
		case e.Kind == audit.Release && e.Ref != nil && audit.Covered(spans, e.Seq, "result"):
			intent = *e.Ref
		default:
			return nil
		}
		_, _, result, ok := g.log.Outcome(intent)
		if !ok {
			return fmt.Errorf("read outcome of entry %d: %w", intent, store.ErrDamaged)
		}
		opens = opens || result != nil
		return nil
	})
	return opens, err
}

// eachIn reads the entries that spans name, but for those that nothing can take away, in order, each once.
func (g *Gateway) eachIn(spans []audit.Span, f func(audit.Entry) error) error {
	next, size := uint64(0), g.log.Size()
	for _, s := range spans {
		for from := max(next, s.From); from <= s.To && from < size; from = next {
			lines, err := g.log.Entries(from, int(min(s.To-from+1, page)))
			if err != nil {
				return err
			}
			for _, line := range lines {
				e, err := audit.ParseEntry(line)
				if err != nil {
					return err
				}
				if e.Kind == audit.Erase || e.Kind == audit.Erased {
					continue
				}
				if err := f(e); err != nil {
					return err
				}
			}
			next = from + uint64(len(lines))
		}
	}
	return nil
}

func overlap(a, b []audit.Span) bool {
	return slices.ContainsFunc(a, func(x audit.Span) bool {
		return slices.ContainsFunc(b, func(y audit.Span) bool { return x.From <= y.To && y.From <= x.To })
	})
}

// nothingLeft is the refusal of an order that others have carried out.
func nothingLeft(by []uint64) *Refusal {
	names := make([]string, len(by))
	for i, seq := range by {
		names[i] = fmt.Sprint(seq)
	}
	return &Refusal{
		Code:    NotFound,
		Message: "nothing is left to erase: it went by ERASE " + strings.Join(names, ", ") + " of the audit log",
		Hint:    "jali-auditor show " + names[0] + " shows an order that was carried out; nothing was changed now",
	}
}

// refuseErasure records an order that was approved and refused, under the name of its first approver, and returns the refusal.
func (g *Gateway) refuseErasure(ctx context.Context, who identity.Principal, text []byte, r *Refusal) error {
	reason, err := json.Marshal(map[string]any{"code": r.Code, "message": r.Message})
	if err != nil {
		return unavailable()
	}
	a, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind: audit.Refused, Fields: audit.Object{"dec": "deny", "why": whyOf(r.Code), "pol": g.policyDigest()}, Subject: "erasure", Class: "erasure",
		Details: []audit.Detail{
			{Name: "actor", Value: actor(who)},
			{Name: "query", Value: clipText(string(text), true)},
			{Name: "reason", Value: string(reason)},
		},
	})
	if err != nil {
		return g.unrecorded(err)
	}
	r.Decision = a.Seq
	return r
}
