package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/big"
	"math/bits"

	"jali/audit/store"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// In subject form the entries are the slots of a study population: one per participant, whose rows are merged before anything is
// selected. A participant without rows that the question counts is 0, and so is one who was never imported; neither list, sizes nor
// price depend on which those are.

// subjectDomain resolves the names of a question about a study: By is the table.
func (r CohortRequest) subjectDomain(d *catalog.Dataset, s *study) (domain, *Refusal) {
	if s.dataset != d.ID {
		return domain{}, denied("study.unknown", "the study is not of this dataset", "name the dataset that its list is of: "+s.dataset)
	}
	if r.Group != "" {
		return domain{}, &Refusal{Code: NotSupported, Message: "a question about a study is not grouped", Hint: "put the group into the condition, and ask once for each"}
	}
	if r.PerPerson != 0 {
		return domain{}, &Refusal{Code: Invalid, Message: "a participant is in one slot, so there is no cap on slots", Hint: "leave the cap out"}
	}
	t := d.Table(r.By)
	if t == nil || t.Public {
		return domain{}, &Refusal{Code: UnknownName, Message: "the dataset has no table of persons of this name", Hint: "see the tables: jali catalog"}
	}
	return domain{study: s, of: t}, nil
}

// axis gives each slot an entry of its own.
func (s *study) axis() protect.Axis {
	a := protect.Axis{Places: make([]int, s.slots()), Size: s.slots()}
	for i := range a.Places {
		a.Places[i] = i
	}
	return a
}

// pins are versions that the question depends on besides those of every question: the writer refuses the charge when one has changed.
func (d domain) pins() []store.Pin {
	if d.study == nil {
		return nil
	}
	return []store.Pin{{Name: d.study.pin(), Value: d.study.value()}}
}

// vectorKey tells the vectors of a study from those of its earlier versions, and of other questions of the same plan.
func (d domain) vectorKey(plan [32]byte) [32]byte {
	if d.study == nil {
		return plan
	}
	return sha256.Sum256(fmt.Appendf(nil, "subjects %x %s %s", plan, d.study.pin(), d.study.value()))
}

// bounded is a bound on the sum of all entries when each slot holds one person, from public facts: no more than all slots full.
func (d domain) bounded(most int64, p *query.Plan, it query.Item) int64 {
	if d.study == nil {
		return most
	}
	full := new(big.Int).Mul(selectedBound(p.Bounds, it), big.NewInt(int64(d.study.slots())))
	if !full.IsInt64() {
		return most
	}
	return min(most, full.Int64())
}

// currentStudy holds the question to the version of the study that it was quoted for.
func (g *Gateway) currentStudy(a *ask) *Refusal {
	quoted := a.blind.domain.study
	if quoted == nil {
		return nil
	}
	now, refusal := g.study(quoted.agreement, quoted.id)
	if refusal != nil {
		return refusal
	}
	if now.version != quoted.version {
		return &Refusal{Code: QuoteStale, Message: "the study's list was registered anew since the quote", Hint: "take the new list and ask for a new quote; nothing was charged"}
	}
	a.blind.domain.study = now
	return nil
}

// exact runs the plan in the form of the question.
func (g *Gateway) exact(ctx context.Context, a *ask, s *slot) (protect.Raw, error) {
	study := a.blind.domain.study
	if study == nil {
		return g.execute(ctx, a, s)
	}
	ctx, cancel := context.WithDeadline(ctx, s.deadline())
	defer cancel()
	return a.data.engine.RunSubjects(ctx, a.plan, study.ordinals)
}

// subjectTime is what valuing each person takes besides, in nanoseconds: the table's rows are grouped by person, whoever is in the study,
// and each slot is filled for each item. It is made of public sizes only.
func (a *ask) subjectTime() float64 {
	const perSlot = 1000.0
	s := a.blind.domain.study
	if s == nil {
		return 0
	}
	rows := float64(uint64(1) << bits.Len64(uint64(max(1, a.data.rows(a.blind.domain.of.Name)))-1))
	return rows*a.data.nsPerRow(true) + float64(s.slots())*float64(len(a.plan.Items))*perSlot
}
