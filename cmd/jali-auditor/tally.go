package main

import (
	"cmp"
	"fmt"
	"slices"

	"jali/audit"
	"jali/audit/store"
)

// tally recomputes every budget from the prices and caps on record, and from nothing else: what entries and the gateway say
// was spent is compared with it. Unlike the chain's own check it goes on after a difference.
type tally struct {
	ledgers map[audit.LedgerKey]*total
	charges uint64
	found   []difference
}

type total struct {
	spent, cap audit.Amount
	seq        uint64 // entry of the last change
	unit       string // acct of that entry
}

// difference is a place where two statements about a budget are not the same.
type difference struct {
	Entry      *uint64 `json:"entry,omitempty"`
	Agreement  string  `json:"agreement,omitempty"`
	Population string  `json:"population"`
	What       string  `json:"what"`
	Said       int64   `json:"said"`
	Computed   int64   `json:"computed"`
	Unit       string  `json:"unit"`
}

func newTally() *tally { return &tally{ledgers: map[audit.LedgerKey]*total{}} }

func (t *tally) ledger(k audit.LedgerKey) *total {
	l := t.ledgers[k]
	if l == nil {
		l = &total{}
		t.ledgers[k] = l
	}
	return l
}

// add takes an entry into account.
func (t *tally) add(e audit.Entry) {
	switch e.Kind {
	case audit.Intent:
		t.charges++
		cost := amountOf(e, "cost", "r", "d")
		for _, s := range []struct{ ag, r, d, who string }{{e.Text("ag"), "ar", "ad", "agreement"}, {"", "pr", "pd", "population"}} {
			k := audit.LedgerKey{Agreement: s.ag, Population: e.Text("pop")}
			l := t.ledger(k)
			t.compare(&e.Seq, k, "bud0 of the "+s.who, amountOf(e, "bud0", s.r, s.d), l.spent)
			l.spent.Rho += cost.Rho
			l.spent.Delta += cost.Delta
			l.seq, l.unit = e.Seq, e.Text("acct")
			t.compare(&e.Seq, k, "bud1 of the "+s.who, amountOf(e, "bud1", s.r, s.d), l.spent)
			if l.spent.Rho > l.cap.Rho || l.spent.Delta > l.cap.Delta {
				t.compare(&e.Seq, k, "cap of the "+s.who+", exceeded", l.cap, l.spent)
			}
		}
	case audit.Budget:
		k := audit.LedgerKey{Agreement: e.Text("ag"), Population: e.Text("pop")}
		l := t.ledger(k)
		t.compare(&e.Seq, k, "cap0", amountOf(e, "cap0", "r", "d"), l.cap)
		if _, carried := e.Fields["spent"]; carried {
			t.compare(&e.Seq, k, "spent before spend was carried in", audit.Amount{}, l.spent)
			l.spent = amountOf(e, "spent", "r", "d")
		}
		l.cap, l.seq, l.unit = amountOf(e, "cap", "r", "d"), e.Seq, e.Text("acct")
	}
}

func amountOf(e audit.Entry, key, rho, delta string) audit.Amount {
	return audit.Amount{Rho: e.Part(key, rho), Delta: e.Part(key, delta)}
}

// compare notes where what was said differs from what was computed, by however little.
func (t *tally) compare(seq *uint64, k audit.LedgerKey, what string, said, computed audit.Amount) {
	for _, c := range []struct {
		said, computed int64
		unit           string
	}{{said.Rho, computed.Rho, "nano-rho"}, {said.Delta, computed.Delta, "1e-18 delta"}} {
		if c.said != c.computed {
			t.found = append(t.found, difference{seq, k.Agreement, k.Population, what, c.said, c.computed, c.unit})
		}
	}
}

// against compares what a gateway claims with the log up to the same instant.
func (t *tally) against(claims []store.Claim) {
	claimed := map[audit.LedgerKey]bool{}
	for _, c := range claims {
		claimed[c.LedgerKey] = true
		l := t.ledgers[c.LedgerKey]
		if l == nil {
			l = &total{}
		}
		t.compare(nil, c.LedgerKey, "spent, as the gateway claims", c.Spent, l.spent)
		t.compare(nil, c.LedgerKey, "cap, as the gateway claims", c.Cap, l.cap)
	}
	for _, k := range t.keys() {
		if l := t.ledgers[k]; !claimed[k] && *l != (total{seq: l.seq, unit: l.unit}) {
			t.compare(nil, k, "spent: the gateway claims no such ledger", audit.Amount{}, l.spent)
			t.compare(nil, k, "cap: the gateway claims no such ledger", audit.Amount{}, l.cap)
		}
	}
}

func (t *tally) keys() []audit.LedgerKey {
	var out []audit.LedgerKey
	for k := range t.ledgers {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b audit.LedgerKey) int {
		return cmp.Or(cmp.Compare(a.Population, b.Population), cmp.Compare(a.Agreement, b.Agreement))
	})
	return out
}

func (d difference) String() string {
	where := "ledgers"
	if d.Entry != nil {
		where = fmt.Sprintf("entry %d", *d.Entry)
	}
	whose := "population " + d.Population
	if d.Agreement != "" {
		whose = "agreement " + d.Agreement + " on " + d.Population
	}
	return fmt.Sprintf("%s: %s: %s is %d, the log gives %d (%+d %s)", where, whose, d.What, d.Said, d.Computed, d.Said-d.Computed, d.Unit)
}
