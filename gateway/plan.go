package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"jali/audit/store"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/gateway/query"
	"jali/policy"
)

// ask is one question on its way. Each step fills what the next needs; nothing in it comes from data.
type ask struct {
	who       identity.Principal
	req       Request
	agreement *agreement
	data      *dataset // the data version pinned for this question
	plan      *query.Plan

	spec    protect.Spec         // what will be drawn and derived, outputs in canonical order
	columns []protect.ViewColumn // the SELECT list over spec.Outputs
	arrange protect.Arrange      // HAVING, ORDER BY, LIMIT over spec.Outputs

	cost  budget.Price
	key   [32]byte // replay key: agreement, canonical plan, noise, data version
	pins  []store.Pin
	grant policy.Grant

	blind   *blind   // nil: SQL
	control *control // nil: mode dp

	reserved, charged bool // of the hourly rate
}

// plan resolves agreement and dataset and compiles the text against the catalogue. The returned ask holds what is known,
// for the record, also when the question is refused.
func (g *Gateway) plan(who identity.Principal, req Request) (*ask, *Refusal) {
	return g.planned(&ask{who: who, req: req}, query.Compile)
}

// planned is plan with a compiler of the caller's.
func (g *Gateway) planned(a *ask, compile func(*catalog.Dataset, string) (*query.Plan, error)) (*ask, *Refusal) {
	who, req := a.who, a.req
	// Who is no party hears what it would hear of an agreement that does not exist.
	if a.agreement = g.agreement(req.Agreement); a.agreement == nil || !a.agreement.maySee(who) {
		a.agreement = nil
		reason := policy.NoAgreement()
		return a, denied(reason.Code, reason.Text, reason.Hint)
	}
	id := req.Dataset
	if id == "" {
		if len(a.agreement.Datasets) != 1 {
			return a, &Refusal{Code: Invalid, Message: "the agreement covers more than one dataset", Hint: "name one with --dataset: " + strings.Join(a.agreement.datasetIDs(), ", ")}
		}
		id = a.agreement.Datasets[0].ID
	}
	if a.data = g.dataset(id); a.data == nil || !a.agreement.covers(id) {
		a.data = nil
		return a, denied("dataset.unknown", "no dataset of this id is open to the agreement", "the agreement covers: "+strings.Join(a.agreement.datasetIDs(), ", "))
	}
	plan, err := compile(a.data.catalog, req.SQL)
	if err != nil {
		return a, textRefusal(err)
	}
	a.plan = plan
	if a.controlled() {
		if plan.Analysis != nil {
			return a, &Refusal{Code: NotSupported, Message: "table functions rest on noise that is accounted for, and mode sdc has none", Hint: "ask for the counts with GROUP BY: each is checked by the rules"}
		}
		if refusal := a.uncap(); refusal != nil {
			return a, refusal
		}
	}
	for _, table := range tablesOf(plan) {
		if !a.data.loaded(table) {
			return a, &Refusal{Code: Unavailable, Message: fmt.Sprintf("table %s has no data in the active version", table), Hint: "ask the custodian to import it"}
		}
	}
	a.pins = []store.Pin{
		{Name: "ag/" + a.agreement.ID, Value: a.agreement.pin},
		{Name: "ds/" + a.data.catalog.ID, Value: a.data.version},
	}
	a.describe()
	if a.controlled() {
		a.mark()
	}
	if !a.fitsSlot() {
		return a, &Refusal{
			Code: BoundMissing, Message: "the tables joined here may make more rows than the longest response slot can hold",
			Hint: "join fewer tables of many rows per person; conditions on other tables go into person_id IN (SELECT person_id FROM ...)",
		}
	}
	return a, nil
}

// textRefusal turns a planner's error into a refusal with its place and hint.
func textRefusal(err error) *Refusal {
	var q *query.Error
	if !errors.As(err, &q) {
		return &Refusal{Code: Syntax, Message: "the text could not be planned", Hint: "see docs/sql.md for what can be asked"}
	}
	return &Refusal{Code: Code(q.Code), Message: q.Msg, Hint: q.Hint, Line: q.Pos.Line, Column: q.Pos.Column}
}

func denied(code, text, hint string) *Refusal {
	return &Refusal{Code: PolicyDenied, Message: text, Hint: hint, Reasons: []policy.Reason{{Code: code, Text: text, Hint: hint}}}
}

// seal computes the replay key once price and plan are fixed: the same key means the same noisy numbers would be bought
// again. Names, order and limits are not in it.
func (a *ask) seal() {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte("jali replay 1"))
	part([]byte(a.agreement.ID))
	part(a.plan.Canonical())
	for i, it := range a.spec.Items {
		part([]byte(it.Name))
		part([]byte(a.cost.Lines[i].Sigma2.Num.String() + "/" + a.cost.Lines[i].Sigma2.Den.String()))
	}
	for _, o := range a.spec.Outputs {
		part([]byte(o.Name))
	}
	if t := a.spec.Threshold; t != nil {
		part(fmt.Appendf(nil, "%d %d", t.Tau, t.K))
	}
	part(fmt.Appendf(nil, "%d", a.spec.Min))
	if c := a.control; c != nil {
		part(fmt.Appendf(nil, "sdc %d %d %d %d", c.rules.K, c.rules.Base, c.rules.Percent, c.rules.Dominance))
	}
	part(a.data.catalog.Digest[:])
	part([]byte(a.data.version))
	h.Sum(a.key[:0])
}
