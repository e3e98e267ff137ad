package gateway_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/approval"
	"jali/gateway"
	"jali/gateway/identity"
)

// eraseAgain orders what was erased once more: refused at the preview, and, with approvals, refused on record without another ERASE.
func (s *office) eraseAgain(t *testing.T, o gateway.ErasureOrder, done gateway.Erasure) {
	t.Helper()
	o.Preview, o.Approvals = true, nil
	const says = "nothing is left to erase: it went by ERASE "
	_, err := s.Erase(t.Context(), o)
	var r *gateway.Refusal
	if !errors.As(err, &r) || !strings.HasPrefix(r.Message, says) || !strings.Contains(r.Message, fmt.Sprintf(" %d", done.Erase)) || r.Hint == "" || r.Decision != 0 {
		t.Fatalf("preview: %v", err)
	}
	size := s.Status().Size
	if _, err := s.eraseApproved(t, o, done.Entries); !errors.As(err, &r) || !strings.HasPrefix(r.Message, says) || r.Decision != size {
		t.Fatalf("approved: %v, decision %d", err, r.Decision)
	}
	page, _, err := s.Entries(t.Context(), clerk, size, 0, true)
	if err != nil || len(page) == 0 {
		t.Fatal(page, err)
	}
	e, err := audit.ParseEntry(page[0].Header)
	if err != nil || e.Kind != audit.Refused {
		t.Fatalf("%s, %v", page[0].Header, err)
	}
	if text := strings.Join(openAll(t, page[0].Details), "\n"); !strings.Contains(text, `"name":"ada"`) || !strings.Contains(text, "law "+o.Law) || !strings.Contains(text, says) {
		t.Errorf("on record:\n%s", text)
	}
	if strings.Contains(string(page[0].Header), o.Law) {
		t.Errorf("the header tells the order: %s", page[0].Header)
	}
}

// eraseApproved carries an order out that has no preview: two people sign the text that it would have.
func (s *office) eraseApproved(t *testing.T, o gateway.ErasureOrder, entries string) (gateway.Erasure, error) {
	t.Helper()
	spans, err := audit.ParseSpans(entries)
	if err != nil {
		t.Fatal(err)
	}
	text := approval.EraseText(s.Status().Origin, o.Scope, o.Law, o.Order, spans)
	p := s.people(t)
	o.Preview, o.Approvals = false, [][]byte{p.approve(text, "ada", identity.Custodian), p.approve(text, "bo", identity.Regulator)}
	return s.Erase(t.Context(), o)
}

func openAll(t *testing.T, ds []string) (out []string) {
	t.Helper()
	for _, d := range ds {
		_, name, value, err := audit.OpenDetail(d)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, name+" "+value)
	}
	return out
}

// An order of which a part is left is carried out: another name of an entry, an answer behind erased texts, an entry beside.
func TestErasePartLeft(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	first, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 51", "30"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 52", "30"))
	if err != nil {
		t.Fatal(err)
	}
	order := func(entries string) gateway.ErasureOrder {
		return eraseOrder(func(o *gateway.ErasureOrder) { o.Entries = entries })
	}
	a, b := first.Decision, second.Decision
	var last gateway.Erasure
	for _, entries := range []string{
		fmt.Sprintf("%d:actor", a),
		fmt.Sprintf("%d:actor,%d:query", a, a),
		fmt.Sprintf("%d:actor,%d:input,%d:plan,%d:query,%d:request", a, a, a, a, a),
		fmt.Sprintf("%d", a), // its answer
		fmt.Sprintf("%d,%d", a, b),
	} {
		got, err := s.erase(t, order(entries))
		if err != nil {
			t.Fatalf("%s: %v", entries, err)
		}
		s.eraseAgain(t, order(entries), got)
		last = got
	}
	// What is gone without an order, as after a restore from headers alone, can still be ordered beside what is erased.
	restore := s.lose(t, b+1, "protect")
	if last, err = s.erase(t, order(fmt.Sprintf("%d,%d:protect", a, b+1))); err != nil {
		t.Fatal(err)
	}
	// And what opens again although its erasure is on record, as after a restore with an old copy, must be erasable again.
	restore()
	if _, err = s.erase(t, order(fmt.Sprintf("%d:protect", b+1))); err != nil {
		t.Fatal(err)
	}
	// A restart forgets nothing of it.
	s.reopen(t)
	last.Entries = fmt.Sprint(a)
	s.eraseAgain(t, order(last.Entries), last)
	s.verify(t)
	s.open(t)
}

// lose takes what is stored of a detail away, with the gateway closed for as long; restore puts it back.
func (s *office) lose(t *testing.T, seq uint64, name string) (restore func()) {
	t.Helper()
	key := append(binary.BigEndian.AppendUint64(nil, seq), name...)
	var kept []byte
	change := func(f func(*bolt.Bucket) error) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(filepath.Join(s.dir, "audit.db"), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error { return f(tx.Bucket([]byte("d"))) })
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		s.open(t)
	}
	change(func(d *bolt.Bucket) error {
		kept = bytes.Clone(d.Get(key))
		return d.Delete(key)
	})
	return func() { change(func(d *bolt.Bucket) error { return d.Put(key, kept) }) }
}
