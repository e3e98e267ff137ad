package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/approval"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/identity"
)

func eraseOrder(change func(*gateway.ErasureOrder)) gateway.ErasureOrder {
	o := gateway.ErasureOrder{Scope: "query", Law: "GDPR:17.1", Order: "order 7"}
	change(&o)
	return o
}

// people approve orders with certificates of the office's authority.
type people struct {
	t  *testing.T
	ca *identity.CA
}

func (s *office) people(t *testing.T) people {
	t.Helper()
	layout := gateway.Layout(s.dir)
	ca, err := identity.LoadCA(layout.CACert(), layout.CAKey())
	if err != nil {
		t.Fatal(err)
	}
	return people{t, ca}
}

func (p people) approve(text []byte, name string, role identity.Role) []byte {
	p.t.Helper()
	c, err := p.ca.IssueClient(name, "Authority", role, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	pair, err := c.TLS()
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := approval.Sign(text, pair)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// erase previews an order, has two people approve its text, and carries it out.
func (s *office) erase(t *testing.T, o gateway.ErasureOrder) (gateway.Erasure, error) {
	t.Helper()
	o.Preview = true
	preview, err := s.Erase(t.Context(), o)
	if err != nil {
		return preview, err
	}
	p := s.people(t)
	o.Preview, o.Approvals = false, [][]byte{p.approve(preview.Text, "ada", identity.Custodian), p.approve(preview.Text, "bo", identity.Regulator)}
	return s.Erase(t.Context(), o)
}

// An erased question is not served again, costs again, and its text and answer are nowhere in the files. Its neighbours,
// sealed with the same key, are served as before.
func TestErase(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	ask := func(sql string) gateway.Answer {
		t.Helper()
		a, err := s.Answer(t.Context(), alice, question(sql, "30"))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const doomed, neighbour = "SELECT COUNT(*) AS doomed FROM nhefs WHERE age > 51", "SELECT COUNT(*) FROM nhefs WHERE age > 52"
	first, other := ask(doomed), ask(neighbour)
	if a := ask(doomed); !a.Replayed {
		t.Fatal("not replayed before the erasure")
	}
	o := eraseOrder(func(o *gateway.ErasureOrder) { o.Query = &first.Decision })
	o.Preview = true
	if got, err := s.Erase(t.Context(), o); err != nil || got.Keys != 0 {
		t.Fatal(got, err)
	}
	if a := ask(doomed); !a.Replayed {
		t.Fatal("a preview erased")
	}
	o.Preview = false
	got, err := s.erase(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if spans, err := audit.ParseSpans(got.Entries); err != nil || len(spans) != 4 { // INTENT, RELEASE, two REPLAY
		t.Errorf("erased %s (%v)", got.Entries, err)
	}
	s.eraseAgain(t, o, got)
	if a := ask(neighbour); !a.Replayed || !bytes.Equal(a.Result, other.Result) {
		t.Error("a neighbour is not replayed")
	}
	again := ask(doomed)
	if again.Replayed || again.Price.Rho != first.Price.Rho || again.Decision == first.Decision {
		t.Errorf("asked again: replayed %v, price %d, want the price of %d again", again.Replayed, again.Price.Rho, first.Price.Rho)
	}
	if again.Budget == first.Budget {
		t.Error("asked again: nothing was charged")
	}
	s.reopen(t)
	if a := ask(neighbour); !a.Replayed {
		t.Error("a neighbour is not replayed after a restart")
	}
	for _, f := range []string{"audit.db", "keys.db"} {
		b, err := os.ReadFile(filepath.Join(s.dir, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{first.Result, []byte("AS doomed"), []byte(alice.Name)} {
			if bytes.Contains(b, text) {
				t.Errorf("%s holds %d bytes in the clear", f, len(text))
			}
		}
	}
	if rep := s.verify(t); rep.Withheld != 5+2+2*2 {
		t.Errorf("%d details withheld", rep.Withheld)
	}
	s.open(t)
}

// Everything that names a person goes; what others asked stays.
func TestErasePerson(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	mine, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(t.Context(), alice, question("SELECT nonsense FROM nhefs", "30")); refusal(t, err) == nil {
		t.Fatal("not refused")
	}
	colleague := alice
	colleague.Name, colleague.Key = "eve", bob.Key
	theirs, err := s.Answer(t.Context(), colleague, question("SELECT COUNT(*) FROM nhefs WHERE age > 50", "30"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.erase(t, eraseOrder(func(o *gateway.ErasureOrder) { o.Scope, o.Person = "person", "alice" })); err != nil {
		t.Fatal(err)
	}
	entries, _, err := s.Entries(t.Context(), clerk, 0, 1000, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, d := range e.Details {
			if _, _, value, err := audit.OpenDetail(d); err != nil || bytes.Contains([]byte(value), []byte("alice")) {
				t.Errorf("entry %d still names the person (%v)", e.Seq, err)
			}
		}
		if e.Seq == mine.Decision && len(e.Details) != 0 || e.Seq == theirs.Decision && len(e.Details) != 5 {
			t.Errorf("entry %d has %d details", e.Seq, len(e.Details))
		}
	}
	if _, err := s.Erase(t.Context(), eraseOrder(func(o *gateway.ErasureOrder) { o.Scope, o.Person = "person", "alice" })); refusal(t, err).Code != gateway.NotFound {
		t.Error(err)
	}
}

// An agreement whose text is erased has ended; what else needs a text is refused.
func TestEraseAgreement(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); err != nil {
		t.Fatal(err)
	}
	entries, _, err := s.Entries(t.Context(), clerk, 0, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	at := map[audit.Kind]uint64{}
	for _, line := range entries {
		e, err := audit.ParseEntry(line.Header)
		if err != nil {
			t.Fatal(err)
		}
		at[e.Kind] = e.Seq
	}
	list := func(k audit.Kind) string { return audit.FormatSpans([]audit.Span{{From: at[k], To: at[k]}}) }
	if _, err := s.Erase(t.Context(), eraseOrder(func(o *gateway.ErasureOrder) { o.Entries = list(audit.Dataset) })); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("manifest in use: %v", err)
	}
	if _, err := s.Erase(t.Context(), eraseOrder(func(o *gateway.ErasureOrder) { o.Entries = list(audit.Agreement) })); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("nobody approves: %v", err)
	}
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); err != nil {
		t.Errorf("a refused erasure ended the agreement: %v", err)
	}
	got, err := s.erase(t, eraseOrder(func(o *gateway.ErasureOrder) { o.Entries = list(audit.Agreement) }))
	if err != nil || !slices.Equal(got.Ended, []string{examples.NHEFSAgreementID}) {
		t.Fatal(got, err)
	}
	for range 2 {
		for _, sql := range []string{"SELECT COUNT(*) FROM nhefs", "SELECT COUNT(*) FROM nhefs WHERE age > 60"} {
			if _, err := s.Answer(t.Context(), alice, question(sql, "30")); refusal(t, err) == nil {
				t.Error("answered under an agreement whose text is erased")
			}
		}
		s.reopen(t)
	}
	if _, err := s.AddAgreement(t.Context(), []byte(terms("version: 1", "version: 9")), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 60", "30")); err != nil {
		t.Errorf("under the agreement registered anew: %v", err)
	}
}

// What a start does not look at is checked while serving; what is wrong there stops the gateway.
func TestVerifyWhileServing(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if err := s.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Verify(stopped); err != nil {
		t.Errorf("stopped in order: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "audit.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		d := tx.Bucket([]byte("d"))
		k, v := d.Cursor().First()
		v = bytes.Clone(v)
		v[len(v)-1] ^= 1
		return d.Put(bytes.Clone(k), v)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s.open(t)
	if err := s.Verify(t.Context()); !errors.Is(err, gateway.ErrRecord) {
		t.Errorf("%v, want ErrRecord", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, whole)
	s.open(t)
}
