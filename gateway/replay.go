package gateway

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
	"jali/gateway/protect"
)

const resultType = "application/vnd.jali.result+json"

// index lists the keys under which the writer finds this question's intent again: its canonical form, and the asker's
// request id, which is scoped to the asker's key.
func (a *ask) index() []string {
	keys := []string{store.QueryIndex(hex.EncodeToString(a.key[:]))}
	if a.req.RequestID != "" {
		keys = append(keys, store.RequestIndex(a.who.Key+"/"+a.req.RequestID))
	}
	return keys
}

// intent is the entry that charges and announces the question.
func (a *ask) intent() store.Item {
	h := a.planHash()
	bundle := a.grant.Bundle()
	return store.Item{
		Kind: audit.Intent,
		Fields: audit.Object{
			"agv": a.agreement.Version, "ds": a.data.catalog.ID, "dsv": a.data.version, "pu": a.req.Purpose, "cls": a.data.catalog.Class,
			"pol": audit.Digest(bundle), "mode": a.mode(), "acct": unitIn(string(a.data.catalog.Mode)),
		},
		Details: []audit.Detail{
			{Name: "actor", Value: actor(a.who)},
			{Name: "request", Value: requestJSON(a)},
			{Name: "query", Value: a.recorded()},
			{Name: "plan", Value: hex.EncodeToString(h[:])},
			{Name: "input", Value: string(a.grant.Input())},
		},
		Subject: a.agreement.ID,
		Class:   a.data.catalog.Class,
		Charge: &store.Charge{
			Agreement: a.agreement.ID, Population: a.data.catalog.Population,
			Rho: int64(a.cost.Rho), Delta: a.cost.Delta, Most: a.most(),
		},
		Pins:  a.pins,
		Index: a.index(),
	}
}

// request is what the asker sent, as it goes on record.
func (a *ask) request() map[string]any {
	if a.blind != nil {
		return a.blind.request(a)
	}
	return map[string]any{
		"agreement": a.req.Agreement, "purpose": a.req.Purpose, "dataset": a.data.catalog.ID, "sql": a.req.SQL,
		"error": a.req.Error, "error_for": a.req.ErrorFor, "request_id": a.req.RequestID, "quote_id": a.req.QuoteID,
	}
}

// protection is what the record keeps of the mechanism: everything needed to judge the answer's noise later.
func (a *ask) protection() string {
	type item struct {
		Name  string `json:"name"`
		S2    string `json:"s2"`
		Num   string `json:"sigma2_num"`
		Den   string `json:"sigma2_den"`
		Nano  int64  `json:"nano_rho"`
		Units int    `json:"decimals"`
	}
	p := struct {
		Mechanism string             `json:"mechanism"`
		Form      string             `json:"formulation"`
		Neighbour string             `json:"neighbours"`
		Items     []item             `json:"items"`
		Min       int64              `json:"hide_below"`
		Threshold *protect.Threshold `json:"threshold,omitempty"`
		Label     string             `json:"label,omitempty"`
		Rules     *protect.Rules     `json:"rules,omitempty"`
	}{Mechanism: a.mechanism(), Form: string(a.plan.Form), Neighbour: "add or remove one person", Min: a.spec.Min, Threshold: a.spec.Threshold}
	for i, l := range a.cost.Lines {
		p.Items = append(p.Items, item{a.spec.Items[i].Name, l.S2.String(), l.Sigma2.Num.String(), l.Sigma2.Den.String(), int64(l.Rho), l.Dec})
	}
	if a.control != nil {
		p.Neighbour, p.Label, p.Rules = "", protect.ControlledLabel, &a.control.rules
	}
	b, _ := json.Marshal(p)
	return string(b)
}

// replay serves the stored answer of the same question, if there is one: at no cost, with the receipt of the first release,
// in the same slot. A question that was charged but never answered (failure, crash), or whose answer was erased, is not a hit;
// a request id is: its retry hears what the first try heard.
func (g *Gateway) replay(ctx context.Context, a *ask) (Answer, bool, error) {
	for _, key := range a.index() {
		intent, ok := g.log.Lookup(a.agreement.ID, key)
		if !ok {
			continue
		}
		if sent, err := g.detail(intent, "request"); key[0] == 'r' && (err != nil || sent != requestJSON(a)) {
			return Answer{}, true, g.refuse(ctx, a, &Refusal{Code: Invalid, Message: "this request id was used for another request", Hint: "use a fresh request id for each question"})
		}
		kind, release, result, ok := g.log.Outcome(intent)
		if ok && key[0] == 'r' && (kind == audit.Failure || kind == audit.Interrupted) {
			if cause, err := g.detail(release, "cause"); err == nil && cause == causeNotReleased {
				return Answer{}, true, notReleased(intent)
			}
			return Answer{}, true, noAnswer(intent) // a retry of a request that was charged in vain: not charged again
		}
		if !ok || kind != audit.Release || len(result) == 0 {
			continue
		}
		released, err := protect.Decode(result)
		if err != nil {
			g.operator.Error("stored answer unreadable", "intent", intent)
			return Answer{}, true, noAnswer(intent)
		}
		if refusal := g.hold(ctx, max(g.level(release), a.data.catalog.Level), release); refusal != nil {
			refusal.Decision = intent
			return Answer{}, true, refusal
		}
		if !g.slots.replay(ctx, a) {
			return Answer{}, true, unavailable()
		}
		if err := g.recordReplay(ctx, a, intent); err != nil {
			return Answer{}, true, err
		}
		a.cost.Rho, a.cost.Delta = 0, 0
		answer, err := g.respond(a, intent, release, released, result, true)
		return answer, true, err
	}
	return Answer{}, false, nil
}

// recordReplay puts on record that a stored answer was served again.
func (g *Gateway) recordReplay(ctx context.Context, a *ask, intent uint64) error {
	_, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind:    audit.Replay,
		Ref:     &intent,
		Details: []audit.Detail{{Name: "actor", Value: actor(a.who)}, {Name: "request", Value: requestJSON(a)}},
		Subject: a.agreement.ID,
		Class:   a.data.catalog.Class,
	})
	if err != nil {
		return g.unrecorded(err)
	}
	return nil
}

func requestJSON(a *ask) string {
	b, _ := json.Marshal(a.request())
	return string(b)
}

func actor(who identity.Principal) string {
	b, _ := json.Marshal(map[string]string{"name": who.Name, "org": who.Org, "role": string(who.Role), "key": who.Key})
	return string(b)
}
