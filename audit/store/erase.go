package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Erasure is the order to erase details: audit-log.md section 12. The headers stay, and with them chain, proofs and spends.
type Erasure struct {
	Scope string // person, query, result or retention
	Law   string // code of the legal basis, public
	Spans []audit.Span
	Order string // the decision this carries out
	// Approver and Approver2 are two people: both names go on record.
	Approver, Approver2 string
}

// Done says what an erasure has left on record.
type Done struct {
	Erase, Erased uint64 // the two entries
	Keys          int    // destroyed
}

// ErrErasure: the order cannot be carried out as it is. Nothing was erased.
var ErrErasure = errors.New("cannot erase")

// Erase destroys what opens the details in the spans, and the stored results of their questions. In order: the ERASE entry
// is durable; the keys get successors and the neighbours sealed with them are sealed anew; keys.db is rewritten without the
// keys; the ERASED entry is durable. A crash before the ERASE leaves everything, after it the next start begins again from
// its list. An error after the ERASE stops the process for the same reason.
func (s *Store) Erase(ctx context.Context, e Erasure) (Done, error) {
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return Done{}, fmt.Errorf("erase: %w", ErrStopped)
	}
	s.senders.Add(1)
	s.closing.RUnlock()
	defer s.senders.Done()
	s.erasing.Lock()
	defer s.erasing.Unlock()

	spans, err := s.checkErasure(e)
	if err != nil {
		return Done{}, fmt.Errorf("erase: %w", err)
	}
	a, err := s.Append(context.WithoutCancel(ctx), Item{
		Kind: audit.Erase, erasure: true, Subject: "erasure", Class: "erasure",
		Fields: audit.Object{"a": spans[0].From, "b": lastOf(spans), "law": e.Law, "scope": e.Scope},
		Details: []audit.Detail{
			{Name: "list", Value: audit.FormatSpans(spans)},
			{Name: "order", Value: e.Order},
			{Name: "approver", Value: e.Approver},
			{Name: "approver2", Value: e.Approver2},
		},
	})
	if err != nil {
		return Done{}, fmt.Errorf("erase: %w", err)
	}
	done, err := s.carryOut(a.Seq, spans, s.submitted)
	if err != nil {
		err = fmt.Errorf("erase: entry %d is on record and not carried out: %w", a.Seq, err)
		s.fail(err)
		return Done{}, err
	}
	return done, nil
}

// CheckErasure tells why Erase would refuse an order, or nil.
func (s *Store) CheckErasure(e Erasure) error {
	if _, err := s.checkErasure(e); err != nil {
		return fmt.Errorf("check erasure: %w", err)
	}
	return nil
}

func lastOf(spans []audit.Span) uint64 {
	return slices.MaxFunc(spans, func(a, b audit.Span) int { return cmp.Compare(a.To, b.To) }).To
}

// checkErasure refuses an order that names nobody, nothing, or what must stay, and puts the spans in order.
func (s *Store) checkErasure(e Erasure) ([]audit.Span, error) {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrErasure}, args...)...)
	}
	one, two := strings.TrimSpace(e.Approver), strings.TrimSpace(e.Approver2)
	switch {
	case one == "" || two == "" || strings.EqualFold(one, two):
		return nil, fail("two different people must approve")
	case strings.TrimSpace(e.Order) == "":
		return nil, fail("name the order that this carries out")
	case e.Law == "" || !audit.ValidString(e.Law):
		return nil, fail("the legal basis must be a code without spaces, e.g. GDPR:17.1")
	case !slices.Contains([]string{"person", "query", "result", "retention"}, e.Scope):
		return nil, fail("scope must be person, query, result or retention")
	case len(e.Spans) == 0:
		return nil, fail("no entries are named")
	}
	spans := audit.SortSpans(e.Spans)
	// The list is a detail: in base64url, with salt and name, it must stay below 48 KiB.
	if len(audit.FormatSpans(spans)) > 32<<10 {
		return nil, fail("the list of entries is too long for one entry: order several erasures")
	}
	if again, err := audit.ParseSpans(audit.FormatSpans(spans)); err != nil || !slices.Equal(spans, again) {
		return nil, fail("the list of entries is malformed")
	}
	found := make([]bool, len(spans))
	err := s.eachEntry(spans, func(e audit.Entry) error {
		for i, span := range spans {
			for name := range e.Dtl {
				found[i] = found[i] || erasable(e.Kind) && span.Covers(e.Seq, name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if i := slices.Index(found, false); i >= 0 {
		return nil, fail("item %s of the list names no detail that may be erased", audit.FormatSpans(spans[i:i+1]))
	}
	return spans, nil
}

// erasable reports whether details of a kind may go. What ordered an erasure must stay: without its list nobody could tell
// a lawful erasure from a destroyed key.
func erasable(k audit.Kind) bool { return k != audit.Erase && k != audit.Erased }

// eachEntry parses the entries in the spans, each once, through short read transactions.
func (s *Store) eachEntry(spans []audit.Span, f func(audit.Entry) error) error {
	next := uint64(0)
	for _, span := range spans {
		for from := max(next, span.From); from <= span.To; {
			lines, err := s.Entries(from, int(min(span.To-from+1, 4096)))
			if err != nil {
				return err
			}
			if len(lines) == 0 {
				return fmt.Errorf("%w: %d", ErrNoEntry, from)
			}
			for _, line := range lines {
				e, err := audit.ParseEntry(line)
				if err != nil {
					return fmt.Errorf("%w: %w", ErrDamaged, err)
				}
				if err := f(e); err != nil {
					return err
				}
			}
			from += uint64(len(lines))
			next = from
		}
	}
	return nil
}

// doomed is what an erasure takes away.
type doomed struct {
	spans      []audit.Span
	keys       map[[16]byte]bool
	intents    map[uint64]bool // questions that are not to be found again
	results    map[uint64]bool // INTENTs whose stored result goes
	agreements []string        // whose index keys go
}

// covers reports whether a detail is to be erased.
func (d *doomed) covers(seq uint64, name string) bool { return audit.Covered(d.spans, seq, name) }

func (d *doomed) sealedWith(sealed []byte) bool {
	return len(sealed) >= 17 && sealed[0] == sealedVersion && d.keys[[16]byte(sealed[1:17])]
}

// survey finds the keys of what is to be erased.
func (s *Store) survey(spans []audit.Span) (*doomed, error) {
	d := &doomed{spans: spans, keys: map[[16]byte]bool{}, intents: map[uint64]bool{}, results: map[uint64]bool{}}
	err := s.eachEntry(spans, func(e audit.Entry) error {
		if !erasable(e.Kind) {
			return nil
		}
		if e.Kind == audit.Intent && (d.covers(e.Seq, "query") || d.covers(e.Seq, "request") || d.covers(e.Seq, "plan")) {
			d.intents[e.Seq] = true
		}
		switch {
		case e.Kind == audit.Intent && d.covers(e.Seq, resultName): // only a span of all names covers this name
			d.results[e.Seq] = true
		case e.Kind == audit.Release && d.covers(e.Seq, "result") && e.Ref != nil:
			d.results[*e.Ref] = true
		}
		return s.read(func(tx *bolt.Tx) error {
			for name := range e.Dtl {
				if v := tx.Bucket(bDetails).Get(detailKey(e.Seq, name)); d.covers(e.Seq, name) && len(v) >= 17 {
					d.keys[[16]byte(v[1:17])] = true
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for intent := range d.results {
		err := s.read(func(tx *bolt.Tx) error {
			value := tx.Bucket(bResults).Get(u64(intent))
			if value == nil {
				return nil
			}
			sealed, err := s.cfg.sealedResult(value)
			if err == nil && len(sealed) >= 17 {
				d.keys[[16]byte(sealed[1:17])] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		d.intents[intent] = true // there is nothing to replay: asked again it is another question
	}
	for intent := range d.intents {
		line, err := s.Entry(intent)
		if err != nil {
			return nil, err
		}
		e, err := audit.ParseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		d.agreements = append(d.agreements, e.Text("ag"))
	}
	slices.Sort(d.agreements)
	d.agreements = slices.Compact(d.agreements)
	return d, nil
}

// carryOut does what an ERASE orders. Each step can be done again: after a crash the whole is.
func (s *Store) carryOut(erase uint64, spans []audit.Span, do func(*prepared) (Appended, error)) (Done, error) {
	d, err := s.survey(spans)
	if err != nil {
		return Done{}, err
	}
	next, err := s.keys.retire(d.keys)
	if err != nil {
		return Done{}, err
	}
	if err := s.forget(d, next, do); err != nil {
		return Done{}, err
	}
	if err := s.resealNeighbours(d, next, do); err != nil {
		return Done{}, err
	}
	s.destroying.Lock()
	err = s.keys.destroy(d.keys, d.agreements)
	s.destroying.Unlock()
	if err != nil {
		return Done{}, err
	}
	n := len(d.keys) + len(d.agreements)
	p, err := s.prepare(Item{Kind: audit.Erased, erasure: true, Ref: &erase, Fields: audit.Object{"n": n}})
	if err != nil {
		return Done{}, err
	}
	a, err := do(p)
	return Done{Erase: erase, Erased: a.Seq, Keys: n}, err
}

// submitted has the writer do something, and waits.
func (s *Store) submitted(p *prepared) (Appended, error) {
	select {
	case s.submit <- p:
	case <-s.stopped:
		return Appended{}, ErrStopped
	}
	select {
	case o := <-p.done:
		return o.a, o.err
	case <-s.stopped:
		return Appended{}, ErrStopped
	}
}

// finishErasures is the end of a start: each ERASE without ERASED is carried out again. One whose list a restore has lost cannot be: it
// stays open, and has to be ordered anew. That nothing but a restore took the list away is for Verify to check.
func (s *Store) finishErasures() error {
	var erasures []uint64
	err := s.read(func(tx *bolt.Tx) (err error) {
		_, erasures, err = openEntries(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, seq := range erasures {
		kept := false
		if err := s.read(func(tx *bolt.Tx) error { kept = tx.Bucket(bDetails).Get(detailKey(seq, "list")) != nil; return nil }); err != nil {
			return err
		}
		if !kept {
			s.cfg.Logger.Error("audit store: an erasure was not carried out before a restore lost its list; order it again", "entry", seq)
			continue
		}
		ds, err := s.Details(seq)
		if err != nil {
			return err
		}
		spans, err := listOf(ds)
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, seq, err)
		}
		_, err = s.carryOut(seq, spans, func(p *prepared) (Appended, error) {
			out, pub, err := s.commit([]*prepared{p})
			if err != nil {
				return Appended{}, err
			}
			s.state.Store(&pub)
			return out[0].a, out[0].err
		})
		if err != nil {
			return fmt.Errorf("carry out the erasure of entry %d: %w", seq, err)
		}
		s.cfg.Logger.Warn("audit store: an erasure that a crash had interrupted was carried out", "entry", seq)
	}
	return nil
}

// listOf reads the list of an ERASE from its disclosures.
func listOf(ds []string) ([]audit.Span, error) {
	for _, d := range ds {
		if _, name, value, err := audit.OpenDetail(d); err == nil && name == "list" {
			return audit.ParseSpans(value)
		}
	}
	return nil, fmt.Errorf("%w: the list of an erasure cannot be read", audit.ErrSpans)
}
