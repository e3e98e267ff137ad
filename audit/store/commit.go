package store

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// commit writes the items that arrive in one transaction: each item in order, then tiles and head. Everything an item needs to
// be refused for is read before anything of it is put, so one item never disturbs another. An error is a storage error.
func (s *Store) commitArriving(items iter.Seq[*prepared]) ([]answer, published, error) {
	out := s.answers[:0]
	var root [32]byte
	err := s.db.Update(func(tx *bolt.Tx) error {
		w := &transaction{s: s, tx: tx, now: micros(s.cfg.Now())}
		for _, name := range [][]byte{bEntries, bDetails} {
			tx.Bucket(name).FillPercent = 1
		}
		if err := w.clock(); err != nil {
			return err
		}
		for p := range items {
			// Items arrive while the transaction is open: none is dated before it came.
			w.now = max(w.now, micros(s.cfg.Now()))
			s.lastNow = w.now
			a, err := w.apply(p)
			if err == nil {
				out = append(out, answer{p, outcome{a: a}})
				continue
			}
			var refused *itemError
			if !errors.As(err, &refused) {
				return err
			}
			out = append(out, answer{p, outcome{err: refused.err}})
		}
		if err := w.keepCheckpoint(false); err != nil {
			return err
		}
		var err error
		root, err = s.tail.flushComplete(tx)
		return err
	})
	if err != nil {
		return nil, published{}, fmt.Errorf("commit: %w", err)
	}
	s.answers = out
	// Published, and so signed, only now: a signature on a tree that a crash takes back would be evidence of a fork.
	return out, s.signer.published(s.tail.n, root, s.tail.t), nil
}

// commit writes a batch that is there already.
func (s *Store) commit(batch []*prepared) ([]outcome, published, error) {
	answers, pub, err := s.commitArriving(slices.Values(batch))
	out := make([]outcome, len(answers))
	for i, a := range answers {
		out[i] = a.o
	}
	return out, pub, err
}

// answer is what became of an item, told once the commit is durable.
type answer struct {
	p *prepared
	o outcome
}

// itemError is an error of one item: it gets no entry, the batch goes on.
type itemError struct{ err error }

func (e *itemError) Error() string { return e.err.Error() }

// transaction is one run of the writer inside bbolt's.
type transaction struct {
	s   *Store
	tx  *bolt.Tx
	now int64
}

// clock records a jump back of more than 5 s, once per jump.
func (w *transaction) clock() error {
	last := w.s.lastNow
	if last == 0 {
		last = w.s.tail.t
	}
	w.s.lastNow = w.now
	if back := last - w.now; back > int64(5*time.Second/time.Microsecond) {
		p := &prepared{Item: Item{Kind: audit.Clock}, fields: audit.Object{"back": back}}
		if err := p.format(w.s.signer.keys.Origin); err != nil {
			return err
		}
		_, err := w.put(p, nil)
		return err
	}
	return nil
}

// apply decides what becomes of an item, and writes it.
func (w *transaction) apply(p *prepared) (Appended, error) {
	if p.work != nil {
		return Appended{}, p.work(w)
	}
	if err := p.renew(w.s); err != nil {
		return Appended{}, err
	}
	switch {
	case p.Kind == audit.Intent:
		return w.intent(p)
	case p.Kind == audit.Erase:
		a, err := w.put(p, nil)
		if err != nil {
			return a, err
		}
		return a, w.tx.Bucket(bOpen).Put(u64(a.Seq), []byte{})
	case p.Kind == audit.Erased:
		a, err := w.put(p, nil)
		if err != nil {
			return a, err
		}
		return a, w.tx.Bucket(bOpen).Delete(u64(*p.Ref))
	case p.Kind.Outcome():
		if w.tx.Bucket(bOpen).Get(u64(*p.Ref)) == nil {
			return Appended{}, &itemError{fmt.Errorf("%w: entry %d", ErrNotOpen, *p.Ref)}
		}
		a, err := w.put(p, nil)
		if err != nil {
			return a, err
		}
		if err := w.activate(p.Active, a.Seq); err != nil {
			return a, err
		}
		return a, w.close(p, a.Seq)
	case p.Kind == audit.Replay:
		kind, _, err := outcomeOf(w.tx, *p.Ref)
		if err != nil {
			return Appended{}, err
		}
		if kind != audit.Release {
			return Appended{}, &itemError{fmt.Errorf("%w: entry %d was not released", ErrNotOpen, *p.Ref)}
		}
		return w.put(p, nil)
	case p.Kind == audit.Budget:
		return w.budget(p)
	case p.Kind == audit.Heartbeat:
		intents, _, err := openEntries(w.tx)
		if err != nil {
			return Appended{}, err
		}
		open := int64(len(intents))
		return w.put(p, values{"open": strconv.FormatInt(open, 10)})
	}
	return w.activating(p)
}

// values are the contents of slots that follow from the state of the log, in the header's notation.
type values map[string]string

// put writes the entry and its details at the end of the log.
func (w *transaction) put(p *prepared, v values) (Appended, error) {
	tl := w.s.tail
	origin := w.s.signer.keys.Origin
	seq, t := tl.n, max(w.now, tl.t)
	line := p.tmpl.Append(make([]byte, 0, p.tmpl.MaxLen()), func(b []byte, slot string) []byte {
		switch slot {
		case "seq":
			return strconv.AppendUint(b, seq, 10)
		case "t":
			return strconv.AppendInt(b, t, 10)
		case "prev":
			return append(append(append(b, '"'), audit.Digest(tl.leaf)...), '"')
		}
		return append(b, v[slot]...)
	})
	key := u64(seq)
	if err := w.tx.Bucket(bEntries).Put(key, line); err != nil {
		return Appended{}, err
	}
	details := w.tx.Bucket(bDetails)
	for i, d := range p.ds {
		if err := details.Put(detailKey(seq, p.names[i]), p.dek.seal([]byte(d), aad(origin, seq, p.names[i]))); err != nil {
			return Appended{}, err
		}
	}
	return Appended{Seq: seq, Time: t, Entry: line, D: p.ds}, tl.append(line, t)
}

// close marks the INTENT as having its outcome, and keeps the result.
func (w *transaction) close(p *prepared, seq uint64) error {
	if err := w.tx.Bucket(bOpen).Delete(u64(*p.Ref)); err != nil {
		return err
	}
	if err := w.tx.Bucket(bDerived).Put(outcomeKey(*p.Ref), u64(seq)); err != nil {
		return err
	}
	if p.result == nil {
		return nil
	}
	return w.tx.Bucket(bResults).Put(u64(*p.Ref), p.result)
}

// activating writes any other entry, and what it makes active.
func (w *transaction) activating(p *prepared) (Appended, error) {
	b := w.tx.Bucket(bActive)
	v := values{}
	text := func(k string) string { v, _ := p.fields[k].(string); return v }
	name, value, ok := audit.Activates(p.Kind, text, func(k string) int64 { return integer(p.fields[k]) })
	if ok {
		old, _ := activeValue(b.Get([]byte(name)))
		switch p.Kind {
		case audit.Policy:
			v["pol0"] = `"` + old + `"`
		case audit.Dataset:
			v["dsv0"] = `"` + old + `"`
		}
	}
	a, err := w.put(p, v)
	if err != nil {
		return a, err
	}
	pins := p.Active
	if ok {
		pins = append([]Pin{{name, value}}, pins...)
	}
	pins = slices.DeleteFunc(slices.Clone(pins), func(pin Pin) bool { return pin.Name == name && pin.Value != value }) // what the header says wins
	return a, w.activate(pins, a.Seq)
}

// activate makes names active by an entry.
func (w *transaction) activate(pins []Pin, seq uint64) error {
	for _, pin := range pins {
		if err := w.tx.Bucket(bActive).Put([]byte(pin.Name), append(u64(seq), pin.Value...)); err != nil {
			return err
		}
	}
	return nil
}

func integer(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case uint64:
		return int64(n)
	}
	return 0
}

// activeValue splits a value of bucket a. A name that is active no longer has an empty value.
func activeValue(b []byte) (value string, seq uint64) {
	if len(b) < 8 {
		return "", 0
	}
	return string(b[8:]), fromU64(b)
}

// outcomeOf finds the outcome of an INTENT: its kind and seq, or "" while it is open or if there is no such INTENT. The
// index is rebuildable and not trusted: the entry it points to must say the same.
func outcomeOf(tx *bolt.Tx, intent uint64) (audit.Kind, uint64, error) {
	v := tx.Bucket(bDerived).Get(outcomeKey(intent))
	if len(v) != 8 {
		return "", 0, nil
	}
	e, err := audit.ParseEntry(tx.Bucket(bEntries).Get(v))
	if err != nil || e.Ref == nil || *e.Ref != intent || !e.Kind.Outcome() {
		return "", 0, fmt.Errorf("%w: the outcome index of entry %d", ErrDamaged, intent)
	}
	return e.Kind, e.Seq, nil
}
