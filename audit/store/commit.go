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

// group is a frame of the journal before it is durable: the entries of the callers that waited together.
type group struct {
	out   []answer
	pub   published // once it is durable
	seg   *segment
	bytes []byte // for the segment's file
	at    int64
}

// gather makes the frame of the items that arrive: each item in order, then tiles and head. Everything an item needs to be refused
// for is read before anything of it is put, so one item never disturbs another. An error is a storage error.
func (s *Store) gather(items iter.Seq[*prepared], out []answer) (group, error) {
	older := s.settling.Load() // before the transaction: what is no longer being settled then is in it
	base, err := s.db.Begin(false)
	if err != nil {
		return group{}, fmt.Errorf("commit: %w", err)
	}
	defer base.Rollback()
	w := &transaction{s: s, base: base, older: older, seg: s.seg, now: micros(s.cfg.Now())}
	n, leaf := s.tail.n, s.tail.leaf
	s.seg.begin()
	if err := w.clock(); err != nil {
		return group{}, fmt.Errorf("commit: %w", err)
	}
	for p := range items {
		// Items arrive while the frame is open: none is dated before it came.
		w.now = max(w.now, micros(s.cfg.Now()))
		s.lastNow = w.now
		a, err := w.apply(p)
		if err == nil {
			out = append(out, answer{p, outcome{a: a}})
			continue
		}
		var refused *itemError
		if !errors.As(err, &refused) {
			return group{}, fmt.Errorf("commit: %w", err)
		}
		out = append(out, answer{p, outcome{err: refused.err}})
	}
	if err := w.keepCheckpoint(false); err != nil {
		return group{}, fmt.Errorf("commit: %w", err)
	}
	root, err := s.tail.flushComplete(w.putRow)
	if err != nil {
		return group{}, fmt.Errorf("commit: %w", err)
	}
	g := group{out: out, seg: s.seg}
	s.seg.n = s.tail.n
	g.pub = s.signer.published(s.tail.n, root, s.tail.t)
	g.pub.frame = s.seg.next
	g.bytes, g.at = s.seg.end(s.generation, n, leaf)
	return g, nil
}

// commit writes a batch in a transaction of audit.db itself: at the start of a process, before there is a writer.
func (s *Store) commit(batch []*prepared) ([]outcome, published, error) {
	if len(batch) == 1 && batch[0].work != nil {
		return []outcome{{}}, *s.state.Load(), s.direct(batch[0])
	}
	g, err := s.gather(slices.Values(batch), nil)
	if err != nil {
		return nil, published{}, err
	}
	if err := s.settle(s.seg); err != nil {
		return nil, published{}, err
	}
	s.seg.reset(s.seg.next)
	out := make([]outcome, len(g.out))
	for i, a := range g.out {
		out[i] = a.o
	}
	return out, g.pub, nil
}

// direct does what no entry does, in a transaction of its own. Everything before it must be settled.
func (s *Store) direct(p *prepared) error {
	if err := s.db.Update(func(tx *bolt.Tx) error { return p.work(tx) }); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// answer is what became of an item, told once the commit is durable.
type answer struct {
	p *prepared
	o outcome
}

// itemError is an error of one item: it gets no entry, the batch goes on.
type itemError struct{ err error }

func (e *itemError) Error() string { return e.err.Error() }

// clock records a jump back of more than 5 s, once per jump.
func (w *transaction) clock() error {
	last := w.s.lastNow
	if last == 0 {
		last = w.s.tail.t
	}
	w.s.lastNow = w.now
	if back := last - w.now; back > int64(5*time.Second/time.Microsecond) {
		p := &prepared{Item: Item{Kind: audit.Clock}, fields: audit.Fields{{Name: "back", Value: back}}}
		if err := p.format(w.s.signer.keys.Origin); err != nil {
			return err
		}
		w.put(p, nil)
	}
	return nil
}

// apply decides what becomes of an item, and writes it.
func (w *transaction) apply(p *prepared) (Appended, error) {
	if err := p.renew(w.s); err != nil {
		return Appended{}, err
	}
	switch {
	case p.Kind == audit.Intent:
		return w.intent(p)
	case p.Kind == audit.Erase:
		a := w.put(p, nil)
		w.set(bOpen, u64(a.Seq), []byte{})
		return a, nil
	case p.Kind == audit.Erased:
		a := w.put(p, nil)
		w.delete(bOpen, u64(*p.Ref))
		return a, nil
	case p.Kind.Outcome():
		if w.get(bOpen, u64(*p.Ref)) == nil {
			return Appended{}, &itemError{fmt.Errorf("%w: entry %d", ErrNotOpen, *p.Ref)}
		}
		a := w.put(p, nil)
		w.activate(p.Active, a.Seq)
		w.close(p, a.Seq)
		return a, nil
	case p.Kind == audit.Replay:
		kind, _, err := outcomeOf(w.get, *p.Ref)
		if err != nil {
			return Appended{}, err
		}
		if kind != audit.Release {
			return Appended{}, &itemError{fmt.Errorf("%w: entry %d was not released", ErrNotOpen, *p.Ref)}
		}
		return w.put(p, nil), nil
	case p.Kind == audit.Budget:
		return w.budget(p)
	case p.Kind == audit.Heartbeat:
		return w.put(p, values{"open": strconv.FormatInt(w.s.openIntents, 10)}), nil
	}
	return w.activating(p), nil
}

// values are the contents of slots that follow from the state of the log, in the header's notation.
type values map[string]string

// put writes the entry and its details at the end of the log. It uses up the item's template.
func (w *transaction) put(p *prepared, v values) Appended {
	tl := w.s.tail
	origin := w.s.signer.keys.Origin
	seq, t := tl.n, max(w.now, tl.t)
	line := p.tmpl.Fill(func(b []byte, slot string) []byte {
		switch slot {
		case "seq":
			return strconv.AppendUint(b, seq, 10)
		case "t":
			return strconv.AppendInt(b, t, 10)
		case "prev":
			return append(audit.AppendDigest(append(b, '"'), &tl.leaf), '"')
		}
		return append(b, v[slot]...)
	})
	w.set(bEntries, u64(seq), line)
	for i, d := range p.ds {
		w.set(bDetails, detailKey(seq, p.names[i]), p.dek.seal([]byte(d), aad(origin, seq, p.names[i])))
	}
	tl.append(line, t)
	return Appended{Seq: seq, Time: t, Entry: line, D: p.ds}
}

// close marks the INTENT as having its outcome, and keeps the result.
func (w *transaction) close(p *prepared, seq uint64) {
	w.delete(bOpen, u64(*p.Ref))
	w.s.openIntents--
	w.set(bDerived, outcomeKey(*p.Ref), u64(seq))
	if p.result != nil {
		w.set(bResults, u64(*p.Ref), p.result)
	}
}

// activating writes any other entry, and what it makes active.
func (w *transaction) activating(p *prepared) Appended {
	text := func(k string) string { v, _ := p.fields.Get(k).(string); return v }
	name, value, ok := audit.Activates(p.Kind, text, func(k string) int64 { return integer(p.fields.Get(k)) })
	var v values
	if ok {
		old, _ := activeValue(w.get(bActive, []byte(name)))
		switch p.Kind {
		case audit.Policy:
			v = values{"pol0": `"` + old + `"`}
		case audit.Dataset:
			v = values{"dsv0": `"` + old + `"`}
		}
	}
	a := w.put(p, v)
	pins := p.Active
	if ok {
		pins = append([]Pin{{name, value}}, pins...)
		pins = slices.DeleteFunc(pins, func(pin Pin) bool { return pin.Name == name && pin.Value != value }) // what the header says wins
	}
	w.activate(pins, a.Seq)
	return a
}

// activate makes names active by an entry.
func (w *transaction) activate(pins []Pin, seq uint64) {
	for _, pin := range pins {
		w.set(bActive, []byte(pin.Name), append(u64(seq), pin.Value...))
	}
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
func outcomeOf(get getter, intent uint64) (audit.Kind, uint64, error) {
	v := get(bDerived, outcomeKey(intent))
	if len(v) != 8 {
		return "", 0, nil
	}
	e, err := audit.ParseEntry(get(bEntries, v))
	if err != nil || e.Ref == nil || *e.Ref != intent || !e.Kind.Outcome() {
		return "", 0, fmt.Errorf("%w: the outcome index of entry %d", ErrDamaged, intent)
	}
	return e.Kind, e.Seq, nil
}
