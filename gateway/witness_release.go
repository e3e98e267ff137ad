package gateway

import (
	"context"
	"errors"
	"time"

	"jali/audit"
)

// Pending: the answer is paid for, on record and stored, and waits for witnesses.
const Pending Code = "PENDING"

// errNoWitnesses: a dataset of release level 2 without witnesses to wait for.
var errNoWitnesses = errors.New("its release level is 2, and no l2.policy names witnesses to wait for: add one (docs/operations.md, witnesses), or decide for level 1")

// admits says whether a question may be charged while witnesses are as they are: level 2 needs its quorum now, level 1 within
// the grace time. Asked before the charge, so nothing is paid for an answer that could not leave.
func (w *witnesses) admits(level int) *Refusal {
	if w.required() == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lost || level < 2 && w.now().Sub(w.met) < w.cfg.Grace {
		return nil
	}
	return &Refusal{
		Code:    Unavailable,
		Message: "the witnesses that must see the record cannot be reached; nothing was charged",
		Hint:    "ask again later; the custodian sees the cause in the operator's log",
	}
}

// hold keeps an answer of level 2 until l2.policy is satisfied by a checkpoint that holds its RELEASE.
func (g *Gateway) hold(ctx context.Context, level int, release uint64) *Refusal {
	if level < 2 {
		return nil
	}
	w := g.witnesses
	limit := time.NewTimer(w.cfg.Hold)
	defer limit.Stop()
	for w.l2 != nil {
		w.mu.Lock()
		size, changed := w.released.size, w.changed
		w.mu.Unlock()
		if size > release {
			return nil
		}
		select {
		case w.kick <- struct{}{}:
		default: // a round is due already
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		case <-limit.C:
		}
		break
	}
	return &Refusal{
		Code:    Pending,
		Message: "the answer is stored and waits for witnesses",
		Hint:    "ask the same question again: the stored answer is free",
	}
}

// level is the release level of an entry on record.
func (g *Gateway) level(release uint64) int {
	line, err := g.log.Entry(release)
	if err != nil {
		return 2
	}
	e, err := audit.ParseEntry(line)
	if err != nil || e.Kind != audit.Release {
		return 2
	}
	return int(e.Int("lvl"))
}

// receipt builds the receipt of a release under the newest checkpoint that witnesses have cosigned after it; before they
// have, under the log's own signatures alone.
func (g *Gateway) receipt(intent, release uint64) ([]byte, error) {
	w := g.witnesses
	w.mu.Lock()
	best := w.sealed
	if best.size <= release {
		best = w.released
	}
	w.mu.Unlock()
	r, err := audit.Receipt{}, error(nil)
	if best.size > release {
		r, err = g.log.ReceiptUnder(best.note, intent, release)
	} else {
		r, err = g.log.Receipt(intent, release)
	}
	if err != nil {
		return nil, err
	}
	if w.seal != nil {
		r.Policy = w.seal.Digest
	}
	return audit.FormatReceipt(r)
}
