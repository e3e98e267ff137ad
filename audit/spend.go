package audit

import (
	"errors"
	"fmt"
)

// ErrSpend: the recorded spends do not add up.
var ErrSpend = errors.New("spend does not add up")

// LedgerKey names a ledger: of an agreement on a population or, with Agreement empty, of the population as a whole.
type LedgerKey struct{ Agreement, Population string }

// Amount is privacy loss in the ledger's unit: for nrho, Rho in 1e-9 of rho-zCDP and Delta in 1e-18.
type Amount struct{ Rho, Delta int64 }

// Ledger is what headers alone say about a budget.
type Ledger struct {
	Spent, Cap Amount
	Seq        uint64 // entry of the last change
	acct       string
	spentKnown bool
	capKnown   bool
}

func (c *Chain) ledger(ag, pop string) *Ledger {
	k := LedgerKey{ag, pop}
	l := c.ledgers[k]
	if l == nil {
		// At the beginning of a log nothing is spent and nothing is allowed.
		l = &Ledger{spentKnown: c.first == 0, capKnown: c.first == 0}
		c.ledgers[k] = l
	}
	return l
}

// charge checks an INTENT: bud1 = bud0 + cost, bud0 = the bud1 before it on the same ledger, bud1 <= cap.
func (c *Chain) charge(h *header) (string, error) {
	cost := h.amount("cost", "r", "d")
	acct, pop := h.text("acct"), h.text("pop")
	for _, s := range [...]struct{ ag, r, d, who string }{{h.text("ag"), "ar", "ad", "agreement"}, {"", "pr", "pd", "population"}} {
		l := c.ledger(s.ag, pop)
		before, after := h.amount("bud0", s.r, s.d), h.amount("bud1", s.r, s.d)
		switch {
		case l.acct != "" && l.acct != acct:
			return "acct", fmt.Errorf("%w: the %s ledger is kept in another unit", ErrSpend, s.who)
		case after != Amount{before.Rho + cost.Rho, before.Delta + cost.Delta}:
			return "bud1", fmt.Errorf("%w: not bud0 + cost (%s)", ErrSpend, s.who)
		case l.spentKnown && before != l.Spent:
			return "bud0", fmt.Errorf("%w: not the bud1 of the charge before (%s)", ErrSpend, s.who)
		case l.capKnown && (after.Rho > l.Cap.Rho || after.Delta > l.Cap.Delta):
			return "bud1", fmt.Errorf("%w: above the cap (%s)", ErrSpend, s.who)
		}
		l.Spent, l.Seq, l.acct, l.spentKnown = after, h.seq, acct, true
	}
	return "", nil
}

// setCap checks a BUDGET entry: it names the cap it replaces, and carries spend only into a ledger that has none.
func (c *Chain) setCap(h *header) (string, error) {
	l := c.ledger(h.text("ag"), h.text("pop"))
	switch {
	case l.acct != "" && l.acct != h.text("acct"):
		return "acct", fmt.Errorf("%w: the ledger is kept in another unit", ErrSpend)
	case l.capKnown && h.amount("cap0", "r", "d") != l.Cap:
		return "cap0", fmt.Errorf("%w: not the cap that this entry replaces", ErrSpend)
	}
	if h.top("spent") != nil {
		if l.spentKnown && l.Spent != (Amount{}) {
			return "spent", fmt.Errorf("%w: spend carried into a ledger that has spend", ErrSpend)
		}
		l.Spent, l.spentKnown = h.amount("spent", "r", "d"), true
	}
	l.Cap, l.Seq, l.acct, l.capKnown = h.amount("cap", "r", "d"), h.seq, h.text("acct"), true
	return "", nil
}

func (h *header) amount(key, r, d string) Amount { return Amount{h.part(key, r), h.part(key, d)} }

// Ledgers is every budget that the entries so far speak of.
func (c *Chain) Ledgers() map[LedgerKey]*Ledger { return c.ledgers }
