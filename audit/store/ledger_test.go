package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// verified is the invariant every test ends with: the whole log verifies, from the files.
func verified(t testing.TB, cfg Config) Report {
	t.Helper()
	rep, err := Verify(VerifyConfig{Config: cfg})
	if err != nil {
		t.Fatalf("the log does not verify: %v", err)
	}
	return rep
}

func closeAndVerify(t testing.TB, s *Store) Report {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return verified(t, s.cfg)
}

// 200 callers on a budget for 10: exactly 10 are charged, the others refused on record.
func TestBudgetRace(t *testing.T) {
	for name, c := range map[string]struct {
		ag, pop int64
		over    string
	}{"agreement": {1000, 1e9, "agreement"}, "population": {1e9, 1000, "population"}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, newDir(t))
			setup(t, s, c.ag, c.pop)
			var mu sync.Mutex
			var charged, refused int
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					a, err := s.Append(t.Context(), intent(100))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						t.Error(err)
					case a.Refused == "":
						charged++
					case a.Refused == "budget" && a.Over == c.over:
						refused++
					default:
						t.Errorf("%+v", a)
					}
				})
			}
			wg.Wait()
			if charged != 10 || refused != 190 {
				t.Errorf("%d charged, %d refused, want 10 and 190", charged, refused)
			}
			b, err := s.Balance("agr-1", "insured")
			if err != nil || b.Agreement.Spent.Rho != 1000 || b.Population.Spent.Rho != 1000 {
				t.Errorf("balance %+v %v", b, err)
			}
			rep := closeAndVerify(t, s)
			if rep.Counts[audit.Intent] != 10 || rep.Counts[audit.Refused] != 190 {
				t.Errorf("counts %v", rep.Counts)
			}
		})
	}
}

// One over-budget item among 100 in one commit: 99 INTENT and 1 REFUSED in one transaction.
func TestGroupCommitWithOneRefused(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var batch []*prepared
	for i := range 100 {
		it := intent(100)
		if i == 50 {
			it = intent(1e6)
		}
		p, err := s.prepare(it)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, p)
	}
	before := lastTx(t, s.db)
	out, pub, err := s.commit(batch)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(pub)
	go s.write()
	if after := lastTx(t, s.db); after != before+1 {
		t.Errorf("%d transactions, want 1", after-before)
	}
	for i, o := range out {
		want := ""
		if i == 50 {
			want = "budget"
		}
		if o.err != nil || o.a.Refused != want {
			t.Errorf("item %d: %+v %v", i, o.a.Refused, o.err)
		}
	}
	refused, err := audit.ParseEntry(out[50].a.Entry)
	if err != nil || refused.Kind != audit.Refused || refused.Text("why") != "budget" || refused.Fields["cost"] != nil || refused.Dtl["plan"] != "" {
		t.Errorf("refused entry %s %v", out[50].a.Entry, err)
	}
	rep := closeAndVerify(t, s)
	if rep.Counts[audit.Intent] != 99 || rep.Counts[audit.Refused] != 1 || rep.Ledgers[audit.LedgerKey{Agreement: "agr-1", Population: "insured"}].Spent.Rho != 9900 {
		t.Errorf("%v %v", rep.Counts, rep.Ledgers)
	}
}

func lastTx(t *testing.T, db *bolt.DB) (id int) {
	t.Helper()
	if err := db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestStale(t *testing.T) {
	for name, change := range map[string]Item{
		"policy replaced":     {Kind: audit.Policy, Fields: audit.Object{"pol": "pol-2", "rev": "2"}},
		"dataset replaced":    {Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-2", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}},
		"dataset withdrawn":   {Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "withdrawn"}},
		"agreement changed":   {Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 4, "st": "active", "pu": "epi-03"}},
		"agreement suspended": {Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "suspended", "pu": "epi-03"}},
		"study replaced":      {Kind: audit.Admin, Fields: audit.Object{"act": "study", "ag": "agr-1", "ds": "health", "sid": "arm", "sv": 2, "st": "active"}},
		"study ended":         {Kind: audit.Admin, Fields: audit.Object{"act": "study", "ag": "agr-1", "ds": "health", "sid": "arm", "sv": 1, "st": "ended"}},
		"catalogue replaced":  {Kind: audit.Admin, Fields: audit.Object{"act": "config"}, Active: []Pin{{"cat", "c-2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, newDir(t))
			setup(t, s, 1e9, 1e9)
			if _, err := s.Append(t.Context(), Item{Kind: audit.Admin, Fields: audit.Object{"act": "config"}, Active: []Pin{{"cat", "c-1"}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Append(t.Context(), Item{Kind: audit.Admin, Fields: audit.Object{"act": "study", "ag": "agr-1", "ds": "health", "sid": "arm", "sv": 1, "st": "active"}}); err != nil {
				t.Fatal(err)
			}
			it := intent(1)
			it.Pins = []Pin{{"cat", "c-1"}, {"study/agr-1/arm", "1"}}
			if a, err := s.Append(t.Context(), it); err != nil || a.Refused != "" {
				t.Fatalf("before: %+v %v", a, err)
			}
			if _, err := s.Append(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			a, err := s.Append(t.Context(), it)
			if err != nil || a.Refused != "stale" {
				t.Errorf("after: %+v %v, want refused as stale", a.Refused, err)
			}
			if b, _ := s.Balance("agr-1", "insured"); b.Agreement.Spent.Rho != 1 {
				t.Errorf("a stale decision was charged: %+v", b)
			}
			closeAndVerify(t, s)
		})
	}
	t.Run("nothing active", func(t *testing.T) {
		s := open(t, newDir(t))
		if a, err := s.Append(t.Context(), intent(1)); err != nil || a.Refused != "stale" {
			t.Errorf("%+v %v, want refused as stale", a, err)
		}
		closeAndVerify(t, s)
	})
}

// A caller that goes away leaves entry and charge in place; what it submitted is not withdrawn.
func TestCancelledCallerIsCharged(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := s.Append(ctx, intent(1)); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	rep := closeAndVerify(t, s)
	if spent := rep.Ledgers[audit.LedgerKey{Population: "insured"}].Spent.Rho; uint64(spent) != rep.Counts[audit.Intent] {
		t.Errorf("spent %d for %d intents", spent, rep.Counts[audit.Intent])
	}
}

func TestItemsRefused(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	n := s.Size()
	ref := uint64(1)
	edit := func(f func(*Item)) Item { it := intent(1); it.Fields = cloned(it.Fields); f(&it); return it }
	for name, it := range map[string]Item{
		"no kind":               {},
		"genesis":               {Kind: audit.Genesis},
		"unknown kind":          {Kind: "NOVELTY"},
		"intent without charge": edit(func(i *Item) { i.Charge = nil }),
		"negative charge":       edit(func(i *Item) { i.Charge = &Charge{"agr-1", "insured", -1, 0, 0} }),
		"charge above 2^53":     edit(func(i *Item) { i.Charge = &Charge{"agr-1", "insured", 1 << 53, 0, 0} }),
		"slash in agreement":    edit(func(i *Item) { i.Charge = &Charge{"agr/1", "insured", 1, 0, 0} }),
		"own bud0":              edit(func(i *Item) { i.Fields["bud0"] = audit.Object{} }),
		"own seq":               edit(func(i *Item) { i.Fields["seq"] = 1 }),
		"free text":             edit(func(i *Item) { i.Fields["ds"] = "two words" }),
		"missing field":         edit(func(i *Item) { delete(i.Fields, "pol") }),
		"bad detail":            edit(func(i *Item) { i.Details = []audit.Detail{{Name: "Bad", Value: ""}} }),
		"detail twice":          edit(func(i *Item) { i.Details = []audit.Detail{{Name: "a", Value: ""}, {Name: "a", Value: "b"}} }),
		"empty index":           edit(func(i *Item) { i.Index = []string{"r"} }),
		"empty pin":             edit(func(i *Item) { i.Pins = []Pin{{}} }),
		"release without ref":   {Kind: audit.Release, Fields: audit.Object{"lvl": 1, "mech": "x"}},
		"failure of no intent":  {Kind: audit.Failure, Ref: &ref},
		"replay of no intent":   {Kind: audit.Replay, Ref: &ref},
		"result on failure":     {Kind: audit.Failure, Ref: &ref, Result: []byte("x")},
		"budget without budget": {Kind: audit.Budget},
		"charge on admin":       {Kind: audit.Admin, Fields: audit.Object{"act": "x"}, Charge: &Charge{"agr-1", "insured", 1, 0, 0}},
	} {
		if a, err := s.Append(t.Context(), it); err == nil {
			t.Errorf("%s: accepted as %s", name, a.Entry)
		} else if !errors.Is(err, ErrItem) && !errors.Is(err, ErrNotOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Size() != n {
		t.Errorf("%d entries were written", s.Size()-n)
	}
	closeAndVerify(t, s)
}

func cloned(o audit.Object) audit.Object {
	c := audit.Object{}
	for k, v := range o {
		c[k] = v
	}
	return c
}

// Failed and interrupted requests may be asked again; open and released ones are found.
func TestDuplicates(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	it := intent(5)
	it.Index = []string{QueryIndex("same")}
	first, err := s.Append(t.Context(), it)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Failure, Ref: &first.Seq, Details: []audit.Detail{{Name: "cause", Value: "engine"}}}); err != nil {
		t.Fatal(err)
	}
	second, err := s.Append(t.Context(), it)
	if err != nil || second.Seq == first.Seq {
		t.Fatalf("after a failure: %+v %v", second, err)
	}
	if _, err := s.Append(t.Context(), release(second.Seq, []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	var dup *DuplicateError
	if _, err := s.Append(t.Context(), it); !errors.As(err, &dup) || dup.Seq != second.Seq {
		t.Fatalf("after a release: %v", err)
	}
	if seq, ok := s.Lookup("agr-1", QueryIndex("same")); !ok || seq != second.Seq {
		t.Errorf("lookup %d %v", seq, ok)
	}
	if _, ok := s.Lookup("agr-2", QueryIndex("same")); ok {
		t.Error("found under another agreement")
	}
	if _, ok := s.Lookup("agr-1", RequestIndex("same")); ok {
		t.Error("found as another type")
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Replay, Ref: &second.Seq}); err != nil {
		t.Error(err)
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Replay, Ref: &first.Seq}); !errors.Is(err, ErrNotOpen) {
		t.Errorf("replay of a failure: %v", err)
	}
	if b, _ := s.Balance("agr-1", "insured"); b.Agreement.Spent.Rho != 10 {
		t.Errorf("spent %+v, want two charges of 5", b)
	}
	// 32 callers with one index: one is charged.
	same := intent(1)
	same.Index = []string{RequestIndex("race")}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 32 {
		wg.Go(func() {
			_, err := s.Append(t.Context(), same)
			var dup *DuplicateError
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.As(err, &dup) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 32 equal requests were charged, want 1", won)
	}
	closeAndVerify(t, s)
}

// A result above 1 MiB goes to a file; changed or lost, it is not served.
func TestLargeResult(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1e9, 1e9)
	big := []byte(fmt.Sprintf("%0*d", MaxStored+5, 7))
	a, err := s.Append(t.Context(), intent(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release(a.Seq, big)); err != nil {
		t.Fatal(err)
	}
	if kind, _, got, ok := s.Outcome(a.Seq); !ok || kind != audit.Release || string(got) != string(big) {
		t.Errorf("outcome %s %d bytes %v", kind, len(got), ok)
	}
	closeAndVerify(t, s)
}
