package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jali/audit"
	"jali/audit/store"
)

// ErasureOrder says what to erase and who has ordered it. Exactly one of Entries, Query and Person is given.
type ErasureOrder struct {
	Scope, Law string
	Entries    string  // as ParseSpans reads it
	Query      *uint64 // an INTENT: it, its outcome, its replays, its stored result
	Person     string  // name or key fingerprint: every entry that names this person
	Order      string
	Approvals  [][]byte // two, of the text that a preview tells (approval.Sign)
	Preview    bool     // only tell what would be erased
}

// Erasure is what became of an order.
type Erasure struct {
	Entries       string
	Erase, Erased uint64
	Keys          int
	Ended         []string // agreements
	Text          []byte   // what approvers sign
}

// Erase destroys the keys of details and of the stored results of their questions. Nothing is refunded, and a question that
// was erased can be neither replayed nor found: asked again it is a new charge. An agreement whose text goes is ended
// first, because nothing can be decided under a text that nobody can read.
func (g *Gateway) Erase(ctx context.Context, o ErasureOrder) (Erasure, error) {
	spans, err := g.spansOf(o)
	if err != nil {
		return Erasure{}, err
	}
	if len(spans) == 0 {
		return Erasure{}, &Refusal{Code: NotFound, Message: "no entry has details that this names", Hint: "jali-auditor list shows the entries of the log"}
	}
	spans = audit.SortSpans(spans)
	out := Erasure{Entries: audit.FormatSpans(spans), Text: g.eraseText(o, spans)}
	var agreements []string
	for _, pin := range g.log.ActiveNames("") {
		_, seq, _ := g.log.Active(pin.Name)
		if id, ok := strings.CutPrefix(pin.Name, pinAgreement); ok && audit.Covered(spans, seq, "text") {
			agreements = append(agreements, id)
		}
		if id, ok := strings.CutPrefix(pin.Name, pinDataset); ok && audit.Covered(spans, seq, "manifest") {
			return Erasure{}, &Refusal{Code: Invalid, Message: "the manifest of the active version of dataset " + id + " is needed to serve it", Hint: "import another version first, or leave the manifest out"}
		}
	}
	studies, lists, err := g.erasedStudies(spans, agreements)
	if err != nil {
		return Erasure{}, unavailable()
	}
	if len(lists) > 0 {
		spans = audit.SortSpans(append(spans, lists...))
		out.Entries, out.Text = audit.FormatSpans(spans), g.eraseText(o, spans)
	}
	before, err := g.erasedBefore(spans)
	if err != nil {
		g.operator.Error("what an erasure would find left is not known", "err", err)
		return Erasure{}, unavailable()
	}
	switch out.Ended = agreements; {
	case o.Preview && len(before) > 0:
		return Erasure{}, nothingLeft(before) // before anybody signs it
	case o.Preview:
		return out, nil
	}
	if err := g.checkHeld(spans); err != nil {
		return Erasure{}, err
	}
	record, who, err := g.approved(out.Text, o.Approvals)
	if err != nil {
		return Erasure{}, err
	}
	if len(before) > 0 {
		return Erasure{}, g.refuseErasure(ctx, who[0], out.Text, nothingLeft(before))
	}
	order := store.Erasure{Scope: o.Scope, Law: o.Law, Spans: spans, Order: o.Order, Approver: record[0], Approver2: record[1]}
	if err := g.log.CheckErasure(order); err != nil {
		return Erasure{}, invalid("erasure", err)
	}
	if err := g.endStudies(ctx, studies, who[0].Name); err != nil {
		return Erasure{}, err
	}
	for _, id := range agreements {
		if err := g.endAgreement(ctx, id, who[0].Name); err != nil {
			return Erasure{}, err
		}
	}
	done, err := g.log.Erase(ctx, order)
	if err != nil {
		if errors.Is(err, store.ErrErasure) {
			return Erasure{}, invalid("erasure", err)
		}
		g.operator.Error("erasure not carried out", "err", err)
		return Erasure{}, &Refusal{Code: Unavailable, Message: "the erasure is not complete", Hint: "start the gateway again: an erasure that is on record is carried out at the start"}
	}
	out.Erase, out.Erased, out.Keys = done.Erase, done.Erased, done.Keys
	return out, nil
}

// endAgreement records that an agreement is over and forgets its text.
func (g *Gateway) endAgreement(ctx context.Context, id, approver string) error {
	a := g.agreement(id)
	if a == nil {
		return &Refusal{Code: Unavailable, Message: "agreement " + id + " cannot be read", Hint: "run jali-gateway doctor"}
	}
	_, err := g.log.Append(ctx, store.Item{
		Kind:    audit.Agreement,
		Fields:  audit.Object{"ag": id, "agv": a.Version + 1, "st": "ended", "pu": purposes(a.Purposes)},
		Subject: "erasure", Class: "agreement-end",
		Details: []audit.Detail{{Name: "approver", Value: approver}},
	})
	if err != nil {
		return g.unrecorded(err)
	}
	g.mu.Lock()
	delete(g.agreements, id)
	g.mu.Unlock()
	return nil
}

// spansOf turns an order into entries.
func (g *Gateway) spansOf(o ErasureOrder) ([]audit.Span, error) {
	given := 0
	for _, yes := range []bool{o.Entries != "", o.Query != nil, o.Person != ""} {
		if yes {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, &Refusal{Code: Invalid, Message: "name what to erase in exactly one way", Hint: "entries, a query or a person"}
	case o.Entries != "":
		spans, err := audit.ParseSpans(o.Entries)
		if err != nil {
			return nil, invalid("entries", err)
		}
		return spans, nil
	case o.Query != nil:
		return g.spansOfQuery(*o.Query)
	}
	return g.spansOfPerson(o.Person)
}

func (g *Gateway) spansOfQuery(intent uint64) ([]audit.Span, error) {
	line, err := g.log.Entry(intent)
	if err != nil {
		return nil, &Refusal{Code: NotFound, Message: "the log has no such entry", Hint: "jali-auditor list --kind INTENT shows the questions"}
	}
	if e, err := audit.ParseEntry(line); err != nil || e.Kind != audit.Intent {
		return nil, &Refusal{Code: Invalid, Message: fmt.Sprintf("entry %d is not a question", intent), Hint: "name the INTENT"}
	}
	var spans []audit.Span
	err = g.each(intent, func(e audit.Entry) error {
		if (e.Seq == intent || e.Ref != nil && *e.Ref == intent && ofQuestion(e.Kind)) && len(e.Dtl) > 0 {
			spans = append(spans, audit.Span{From: e.Seq, To: e.Seq})
		}
		return nil
	})
	return spans, err
}

// ofQuestion reports whether an entry of the kind tells about the question it refers to.
func ofQuestion(k audit.Kind) bool { return k.Outcome() || k == audit.Replay || k == audit.Refused }

// spansOfPerson finds the entries that name a person: of its questions everything, of what it did in office its name.
func (g *Gateway) spansOfPerson(person string) ([]audit.Span, error) {
	var spans []audit.Span
	own := map[uint64]bool{}
	err := g.each(0, func(e audit.Entry) error {
		if len(e.Dtl) == 0 || e.Kind == audit.Erase || e.Kind == audit.Erased {
			return nil
		}
		if e.Ref != nil && own[*e.Ref] && e.Kind.Outcome() {
			spans = append(spans, audit.Span{From: e.Seq, To: e.Seq})
			return nil
		}
		ds, err := g.log.Details(e.Seq)
		if err != nil {
			return err
		}
		for _, d := range ds {
			_, name, value, err := audit.OpenDetail(d)
			if err != nil {
				return err
			}
			if !slices.Contains([]string{"actor", "who", "approver", "owner", "party", "judge"}, name) || !names(value, person) {
				continue
			}
			span := audit.Span{From: e.Seq, To: e.Seq, Name: name}
			if e.Kind == audit.Intent || e.Kind == audit.Refused || e.Kind == audit.Replay {
				span.Name, own[e.Seq] = "", true
			}
			spans = append(spans, span)
		}
		return nil
	})
	return spans, err
}

// names reports whether a detail is about a person: its text is the name, or its JSON has it as name or key.
func names(value, person string) bool {
	var a struct{ Name, Key string }
	if json.Unmarshal([]byte(value), &a) == nil {
		return a.Name == person || a.Key == person
	}
	return value == person
}

// each reads the log from an entry on.
func (g *Gateway) each(from uint64, f func(audit.Entry) error) error {
	for size := g.log.Size(); from < size; {
		lines, err := g.log.Entries(from, int(min(page, size-from)))
		if err != nil {
			return err
		}
		for _, line := range lines {
			e, err := audit.ParseEntry(line)
			if err != nil {
				return err
			}
			if err := f(e); err != nil {
				return err
			}
		}
		from += uint64(len(lines))
	}
	return nil
}
