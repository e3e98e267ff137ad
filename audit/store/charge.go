package store

import (
	"fmt"
	"strconv"

	"jali/audit"
)

// intent charges and writes an INTENT, or writes the REFUSED that takes its place. All budgets of the item are read and
// checked before any is written.
func (w *transaction) intent(p *prepared) (Appended, error) {
	if seq, dup, err := w.duplicate(p); err != nil {
		return Appended{}, err
	} else if dup {
		return Appended{}, &itemError{&DuplicateError{seq}}
	}
	if w.stale(p) {
		a, err := w.refuse(p, RefusedStale)
		a.Refused = RefusedStale
		return a, err
	}
	c := p.Charge
	agKey := ledgerKey(audit.LedgerKey{Agreement: c.Agreement, Population: c.Population})
	popKey := ledgerKey(audit.LedgerKey{Population: c.Population})
	ag, err := ledgerIn(w.get, agKey)
	if err != nil {
		return Appended{}, err
	}
	pop, err := ledgerIn(w.get, popKey)
	if err != nil {
		return Appended{}, err
	}
	if err := w.inUnit(p, agKey, ag); err != nil {
		return Appended{}, err
	}
	if err := w.inUnit(p, popKey, pop); err != nil {
		return Appended{}, err
	}
	if over := exceeded(ag, pop, c); over != "" {
		a, err := w.refuse(p, RefusedBudget)
		a.Refused, a.Over = RefusedBudget, over
		return a, err
	}
	before := budgets(ag, pop)
	for _, l := range []*ledger{&ag, &pop} {
		l.spent.Rho += c.Rho
		l.spent.Delta += c.Delta
		l.seq = w.s.tail.n
	}
	a := w.put(p, values{"bud0": before, "bud1": budgets(ag, pop)})
	w.set(bBudget, agKey, ag.encode())
	w.set(bBudget, popKey, pop.encode())
	for i, key := range p.index {
		w.set(bIndex, key, append(u64(a.Seq), p.found[i]...))
	}
	w.set(bOpen, u64(a.Seq), []byte{})
	w.s.openIntents++
	return a, nil
}

// ledgerIn reads a ledger; one that was never set has nothing to spend.
func ledgerIn(get getter, key []byte) (ledger, error) {
	v := get(bBudget, key)
	if v == nil {
		return ledger{}, nil
	}
	return decodeLedger(v)
}

// inUnit refuses a charge or cap in another unit than the ledger's: cells do not add up with privacy loss. A ledger's unit is that of
// the entry that changed it last.
func (w *transaction) inUnit(p *prepared, key []byte, l ledger) error {
	if w.get(bBudget, key) == nil {
		return nil
	}
	var err error
	unit, known := w.s.units[string(key)]
	if !known {
		if unit, err = unitOf(w.get, l); err == nil {
			w.s.units[string(key)] = unit
		}
	}
	if err == nil && unit != p.fields.Get("acct") {
		return &itemError{fmt.Errorf("%w: the ledger is kept in another unit", ErrItem)}
	}
	return err
}

func unitOf(get getter, l ledger) (string, error) {
	e, err := audit.ParseEntry(get(bEntries, u64(l.seq)))
	if err != nil {
		return "", fmt.Errorf("%w: a ledger names no entry", ErrDamaged)
	}
	return e.Text("acct"), nil
}

// exceeded names the ledger that the charge would exceed. Amounts are at most 2^53-1, so sums do not overflow.
func exceeded(ag, pop ledger, c *Charge) string {
	if c.Most > 0 && ag.spent.Rho+c.Rho > c.Most {
		return OverAgreement
	}
	for _, l := range []struct {
		ledger
		name string
	}{{ag, OverAgreement}, {pop, OverPopulation}} {
		if l.spent.Rho+c.Rho > l.cap.Rho || l.spent.Delta+c.Delta > l.cap.Delta {
			return l.name
		}
	}
	return ""
}

// budgets is what is spent on both, as the fields bud0 and bud1 say it.
func budgets(ag, pop ledger) string {
	return fmt.Sprintf(`{"ad":%d,"ar":%d,"pd":%d,"pr":%d}`, ag.spent.Delta, ag.spent.Rho, pop.spent.Delta, pop.spent.Rho)
}

// refuse writes the REFUSED that takes the place of an INTENT.
func (w *transaction) refuse(p *prepared, why string) (Appended, error) {
	r, err := p.refuse(why, w.s.signer.keys.Origin)
	if err != nil {
		return Appended{}, &itemError{err}
	}
	return w.put(r, nil), nil
}

// stale reports whether the decision was made under anything that is active no longer: the versions its own header names,
// and its pins. What was never active is not active.
func (w *transaction) stale(p *prepared) bool {
	text := func(k string) string { v, _ := p.fields.Get(k).(string); return v }
	pins := []Pin{
		{audit.ActivePolicy, text("pol")},
		{audit.ActiveDataset + text("ds"), text("dsv")},
		{audit.ActiveAgreement + p.Charge.Agreement, strconv.FormatInt(integer(p.fields.Get("agv")), 10)},
	}
	for _, pin := range append(pins, p.Pins...) {
		v := w.get(bActive, []byte(pin.Name))
		if v == nil {
			return true
		}
		if value, _ := activeValue(v); value == "" || value != pin.Value {
			return true
		}
	}
	return false
}

// duplicate finds an INTENT with the same index that is open or was released. One that failed or was interrupted may be
// asked again, and charged again.
func (w *transaction) duplicate(p *prepared) (uint64, bool, error) {
	for _, key := range p.index {
		v := w.get(bIndex, key)
		if len(v) < 8 {
			continue
		}
		seq := fromU64(v)
		if w.get(bOpen, v[:8]) != nil {
			return seq, true, nil
		}
		kind, _, err := outcomeOf(w.get, seq)
		if err != nil {
			return 0, false, err
		}
		if kind == audit.Release {
			return seq, true, nil
		}
	}
	return 0, false, nil
}

// budget writes a BUDGET entry and the cap it sets.
func (w *transaction) budget(p *prepared) (Appended, error) {
	key := ledgerKey(audit.LedgerKey{Agreement: p.Budget.Agreement, Population: p.Budget.Population})
	l, err := ledgerIn(w.get, key)
	if err != nil {
		return Appended{}, err
	}
	if err := w.inUnit(p, key, l); err != nil {
		return Appended{}, err
	}
	if p.Budget.Spent != nil {
		if l.spent != (audit.Amount{}) {
			return Appended{}, &itemError{ErrItem}
		}
		l.spent = *p.Budget.Spent
	}
	old := l.cap
	l.cap, l.seq = audit.Amount{Rho: p.Budget.Rho, Delta: p.Budget.Delta}, w.s.tail.n
	a := w.put(p, values{"cap0": fmt.Sprintf(`{"d":%d,"r":%d}`, old.Delta, old.Rho)})
	w.set(bBudget, key, l.encode())
	return a, nil
}
