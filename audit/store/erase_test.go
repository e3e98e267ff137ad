package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

func order(spans ...audit.Span) Erasure {
	return Erasure{Scope: "query", Law: "GDPR:17.1", Spans: spans, Order: "order 7", Approver: "ada", Approver2: "bo"}
}

// asked appends a question with its own text, index and stored result, all under one key.
func asked(t testing.TB, s *Store, i int) (intentSeq, releaseSeq uint64) {
	t.Helper()
	it := intent(10)
	it.Details[2].Value = fmt.Sprintf("SELECT secret_%d FROM claims", i)
	it.Index = []string{RequestIndex(fmt.Sprintf("id-%d", i)), QueryIndex(fmt.Sprintf("plan-%d", i))}
	a, err := s.Append(t.Context(), it)
	if err != nil || a.Refused != "" {
		t.Fatal(a.Refused, err)
	}
	r, err := s.Append(t.Context(), release(a.Seq, fmt.Appendf(nil, `{"answer":"secret result %d"}`, i)))
	if err != nil {
		t.Fatal(err)
	}
	return a.Seq, r.Seq
}

// remains checks what is left of a question.
func remains(t testing.TB, s *Store, i int, seq uint64, want bool) {
	t.Helper()
	ds, err := s.Details(seq)
	if err != nil || (len(ds) == 5) != want {
		t.Errorf("entry %d: %d details open (%v), want all: %v", seq, len(ds), err, want)
	}
	kind, _, result, ok := s.Outcome(seq)
	if kind != audit.Release || !ok || (string(result) == fmt.Sprintf(`{"answer":"secret result %d"}`, i)) != want || (result != nil) != want {
		t.Errorf("entry %d: outcome %s, %d bytes, want the result: %v", seq, kind, len(result), want)
	}
	for _, x := range []string{RequestIndex(fmt.Sprintf("id-%d", i)), QueryIndex(fmt.Sprintf("plan-%d", i))} {
		if got, ok := s.Lookup("agr-1", x); ok != want || ok && got != seq {
			t.Errorf("entry %d: lookup %d %v, want %v", seq, got, ok, want)
		}
	}
}

// absent fails if any file of the store holds the text.
func absent(t testing.TB, cfg Config, text []byte) {
	t.Helper()
	for _, path := range []string{cfg.Path, cfg.Keys} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, text) {
			t.Errorf("%s holds what was erased", path)
		}
	}
}

// keyRows are the wrapped keys in keys.db.
func keyRows(t testing.TB, cfg Config) map[string][]byte {
	t.Helper()
	k, err := openKeyring(cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	rows := map[string][]byte{}
	err = k.db.View(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{kDEKs, kIndex} {
			if err := tx.Bucket(b).ForEach(func(id, row []byte) error { rows[string(id)] = bytes.Clone(row[:60]); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestErase(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	var at [4]uint64
	for i := range at {
		at[i], _ = asked(t, s, i)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, old := keyRows(t, cfg), copied(t, cfg)
	s = open(t, cfg)
	done, err := s.Erase(t.Context(), order(audit.Span{From: at[1], To: at[1] + 1}))
	if err != nil {
		t.Fatal(err)
	}
	if done.Keys != 2 { // the key all four were sealed with, and the agreement's index key
		t.Errorf("%d keys destroyed, want 2", done.Keys)
	}
	for i := range at {
		remains(t, s, i, at[i], i != 1)
	}
	b, err := s.Balance("agr-1", "insured")
	if err != nil || b.Agreement.Spent.Rho != 40 {
		t.Errorf("spent %d, want 40: an erasure refunds nothing (%v)", b.Agreement.Spent.Rho, err)
	}
	if again, _ := asked(t, s, 1); again == at[1] {
		t.Error("asking again found the erased question")
	}
	if b, err = s.Balance("agr-1", "insured"); err != nil || b.Agreement.Spent.Rho != 50 {
		t.Errorf("spent %d, want 50: what was erased costs again (%v)", b.Agreement.Spent.Rho, err)
	}
	rep, err := s.Verify(t.Context())
	if err != nil || rep.Withheld != 7 {
		t.Errorf("verify while open: %d withheld, want 7 (%v)", rep.Withheld, err)
	}
	closeAndVerify(t, s)
	after, gone := keyRows(t, cfg), 0
	for id, row := range before {
		if !bytes.Equal(after[id], row) {
			gone++
			absent(t, cfg, row)
			absent(t, cfg, row[12:44])
		}
	}
	if gone != 2 {
		t.Errorf("%d of %d keys are gone, want 2", gone, len(before))
	}
	for _, text := range []string{"secret_1 ", "secret result 1"} {
		absent(t, cfg, []byte(text))
	}
	// Nor does an old audit.db open with what is left of the keys, while with the old keys it would.
	r, err := OpenReader(Config{Path: old.Path, Keys: cfg.Keys, FileKey: cfg.FileKey, Signer: cfg.Signer})
	if err != nil {
		t.Fatal(err)
	}
	if ds, err := r.Details(at[1]); err != nil || len(ds) != 0 {
		t.Errorf("the old file opens %d details (%v)", len(ds), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	defer s.Close()
	for i := range at {
		if i != 1 {
			remains(t, s, i, at[i], true)
		}
	}
}

// One detail goes, the others of its entry stay.
func TestEraseOneDetail(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	seq, _ := asked(t, s, 0)
	if _, err := s.Erase(t.Context(), order(audit.Span{From: seq, To: seq, Name: "actor"})); err != nil {
		t.Fatal(err)
	}
	ds, err := s.Details(seq)
	if err != nil || len(ds) != 4 {
		t.Errorf("%d details (%v)", len(ds), err)
	}
	for _, d := range ds {
		if _, name, _, err := audit.OpenDetail(d); err != nil || name == "actor" {
			t.Error(name, err)
		}
	}
	if _, _, result, _ := s.Outcome(seq); result == nil {
		t.Error("the stored result went with the actor")
	}
	closeAndVerify(t, s)
}

// Questions are asked while others are erased: none is sealed with a key that goes.
func TestEraseUnderLoad(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	type done struct {
		i   int
		seq uint64
	}
	var mu sync.Mutex
	var all []done
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := w * 1000; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				seq, _ := asked(t, s, i)
				mu.Lock()
				all = append(all, done{i, seq})
				mu.Unlock()
			}
		})
	}
	erased := map[uint64]bool{}
	for len(erased) < 5 {
		mu.Lock()
		var pick uint64
		if n := len(all); n > 10*len(erased)+10 {
			pick = all[n-1].seq
		}
		mu.Unlock()
		if pick == 0 {
			continue
		}
		if _, err := s.Erase(t.Context(), order(audit.Span{From: pick, To: pick})); err != nil {
			t.Fatal(err)
		}
		erased[pick] = true
		if _, err := s.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	for _, d := range all {
		remains(t, s, d.i, d.seq, !erased[d.seq])
	}
	closeAndVerify(t, s)
}

// A crash after any step between ERASE and ERASED: the next start carries the erasure out.
func TestEraseInterrupted(t *testing.T) {
	crash := errors.New("crash")
	for step := range 5 {
		t.Run(fmt.Sprintf("after step %d", step), func(t *testing.T) {
			cfg := newDir(t)
			s := open(t, cfg)
			setup(t, s, 1e9, 1e9)
			var at [3]uint64
			for i := range at {
				at[i], _ = asked(t, s, i)
			}
			e := order(audit.Span{From: at[1], To: at[1]})
			a, err := s.Append(t.Context(), Item{
				Kind: audit.Erase, erasure: true, Subject: "erasure", Class: "erasure",
				Fields:  audit.Object{"a": at[1], "b": at[1], "law": e.Law, "scope": e.Scope},
				Details: []audit.Detail{{Name: "list", Value: audit.FormatSpans(e.Spans)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			_, err = s.carryOut(a.Seq, e.Spans, func(p *prepared) (Appended, error) {
				if n++; n > step {
					return Appended{}, crash
				}
				return s.submitted(p)
			})
			if step < 4 && !errors.Is(err, crash) || step == 4 && err != nil {
				t.Fatalf("%v: the erasure has another number of steps than this test crashes it in", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			left := cfg.Keys + ".tmp-0123456789ab"
			if err := os.WriteFile(left, []byte("copy of keys"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(VerifyConfig{Config: cfg}); err != nil {
				t.Errorf("after the crash: %v", err)
			}
			s = open(t, cfg)
			for i := range at {
				remains(t, s, i, at[i], i != 1)
			}
			if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
				t.Error("a copy of keys.db that a crash left is still there")
			}
			closeAndVerify(t, s)
			for _, line := range lines(t, cfg) {
				if e, err := audit.ParseEntry(line); err == nil && e.Kind == audit.Erased && *e.Ref == a.Seq {
					return
				}
			}
			t.Error("no ERASED on record")
		})
	}
}

// Erasures that are recorded and not done, and keys that go without being listed, are alarms.
func TestErasureAlarms(t *testing.T) {
	record := func(t *testing.T, s *Store, spans []audit.Span, erased bool) {
		a, err := s.Append(t.Context(), Item{
			Kind: audit.Erase, erasure: true, Subject: "erasure",
			Fields:  audit.Object{"a": spans[0].From, "b": lastOf(spans), "law": "x", "scope": "query"},
			Details: []audit.Detail{{Name: "list", Value: audit.FormatSpans(spans)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if erased {
			if _, err := s.Append(t.Context(), Item{Kind: audit.Erased, erasure: true, Ref: &a.Seq, Fields: audit.Object{"n": 1}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("recorded, not done", func(t *testing.T) {
		s := open(t, newDir(t))
		setup(t, s, 1e9, 1e9)
		seq, _ := asked(t, s, 0)
		record(t, s, []audit.Span{{From: seq, To: seq}}, true)
		if _, err := s.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "yet its key is there") {
			t.Error(err)
		}
		s.Close()
	})
	t.Run("within the range, not listed", func(t *testing.T) {
		s := open(t, newDir(t))
		setup(t, s, 1e9, 1e9)
		var at [3]uint64
		for i := range at {
			at[i], _ = asked(t, s, i)
		}
		if _, err := s.Erase(t.Context(), order(audit.Span{From: at[0], To: at[0]}, audit.Span{From: at[2], To: at[2]})); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		d, err := s.survey([]audit.Span{{From: at[1], To: at[1]}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.keys.destroy(d.keys, nil); err != nil {
			t.Fatal(err)
		}
		_, err = s.Verify(t.Context())
		blamed(t, err, at[1], "key destroyed")
		s.Close()
	})
	t.Run("result", func(t *testing.T) {
		s := open(t, newDir(t))
		setup(t, s, 1e9, 1e9)
		it := intent(1)
		a, err := s.Append(t.Context(), it)
		if err != nil {
			t.Fatal(err)
		}
		r := release(a.Seq, []byte("x"))
		r.Details, r.Subject = nil, "only the result"
		if _, err := s.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		keys := map[[16]byte]bool{}
		if err := s.read(func(tx *bolt.Tx) error {
			keys[[16]byte(tx.Bucket(bResults).Get(u64(a.Seq))[1:17])] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.keys.destroy(keys, nil); err != nil {
			t.Fatal(err)
		}
		_, err = s.Verify(t.Context())
		blamed(t, err, a.Seq, "key of a result destroyed")
		s.Close()
	})
}

func TestErasureRefused(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	seq, _ := asked(t, s, 0)
	done, err := s.Erase(t.Context(), order(audit.Span{From: seq, To: seq}))
	if err != nil {
		t.Fatal(err)
	}
	size := s.Size()
	for name, change := range map[string]func(*Erasure){
		"one approver":     func(e *Erasure) { e.Approver2 = "" },
		"the same twice":   func(e *Erasure) { e.Approver2 = " Ada " },
		"no order":         func(e *Erasure) { e.Order = " " },
		"law as text":      func(e *Erasure) { e.Law = "article 17" },
		"unknown scope":    func(e *Erasure) { e.Scope = "all" },
		"nothing":          func(e *Erasure) { e.Spans = nil },
		"beyond the log":   func(e *Erasure) { e.Spans = []audit.Span{{From: 1 << 40, To: 1 << 40}} },
		"backwards":        func(e *Erasure) { e.Spans = []audit.Span{{From: 9, To: 3}} },
		"without details":  func(e *Erasure) { e.Spans = []audit.Span{{From: 0, To: 0}} },
		"no such detail":   func(e *Erasure) { e.Spans = []audit.Span{{From: seq, To: seq, Name: "reason"}} },
		"the order itself": func(e *Erasure) { e.Spans = []audit.Span{{From: done.Erase, To: done.Erase}} },
		"far too many": func(e *Erasure) {
			e.Spans = nil
			for i := range uint64(20000) {
				e.Spans = append(e.Spans, audit.Span{From: 2 * i, To: 2 * i})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := order(audit.Span{From: seq + 1, To: seq + 1})
			change(&e)
			if _, err := s.Erase(t.Context(), e); !errors.Is(err, ErrErasure) && !errors.Is(err, ErrNoEntry) {
				t.Error(err)
			}
		})
	}
	if s.Size() != size {
		t.Error("a refused order was recorded")
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Erased, Ref: &done.Erase, Fields: audit.Object{"n": 1}}); !errors.Is(err, ErrItem) {
		t.Errorf("ERASED written past Erase: %v", err)
	}
	closeAndVerify(t, s)
}

// What was prepared before an erasure and is written after it is sealed with keys that stay, its result too.
func TestErasePassesPrepared(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	gone, _ := asked(t, s, 0)
	kept, err := s.Append(t.Context(), intent(10))
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("large result "), MaxStored/10)
	it := intent(10)
	it.Index = []string{QueryIndex("plan-1"), RequestIndex("id-1")}
	p, err := s.prepare(it)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.prepare(release(kept.Seq, large))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), order(audit.Span{From: gone, To: gone})); err != nil {
		t.Fatal(err)
	}
	a, err := s.submitted(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.submitted(r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release(a.Seq, []byte(`{"answer":"secret result 1"}`))); err != nil {
		t.Fatal(err)
	}
	remains(t, s, 1, a.Seq, true)
	if _, _, result, ok := s.Outcome(kept.Seq); !ok || !bytes.Equal(result, large) {
		t.Error("the result prepared before the erasure cannot be read")
	}
	// As a neighbour the large result moves to another file; the erasure of its own RELEASE takes it.
	b, _ := asked(t, s, 2)
	if _, err := s.Erase(t.Context(), order(audit.Span{From: b, To: b})); err != nil {
		t.Fatal(err)
	}
	if _, _, result, _ := s.Outcome(kept.Seq); !bytes.Equal(result, large) {
		t.Error("a large neighbour was lost")
	}
	_, seq, _, _ := s.Outcome(kept.Seq)
	if _, err := s.Erase(t.Context(), order(audit.Span{From: seq, To: seq, Name: "result"})); err != nil {
		t.Fatal(err)
	}
	if _, _, result, _ := s.Outcome(kept.Seq); result != nil {
		t.Error("an erased result is served")
	}
	if _, seq, _, _ = s.Outcome(a.Seq); seq == 0 {
		t.Fatal("no outcome")
	}
	e := order(audit.Span{From: seq, To: seq, Name: "result"})
	e.Scope = "result"
	if _, err := s.Erase(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, found := s.Lookup("agr-1", QueryIndex("plan-1")); found {
		t.Error("a question whose result was erased is found: it could be neither replayed nor asked again")
	}
	closeAndVerify(t, s)
}
