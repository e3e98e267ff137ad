package store

import (
	"errors"
	"testing"

	"jali/audit"
)

const testOrigin = "audit.example.gov/gw1/2027"

// newDir makes a state directory with a store whose budgets allow 1e9 nano-rho.
func newDir(t testing.TB) Config {
	t.Helper()
	cfg := InDir(t.TempDir())
	cfg.Fatal = func(err error) { t.Errorf("store stopped: %v", err) }
	if err := Create(CreateConfig{Config: cfg, Origin: testOrigin}); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// setup registers policy, dataset, agreement and budgets.
func setup(t testing.TB, s *Store, agCap, popCap int64) {
	t.Helper()
	for _, it := range []Item{
		{Kind: audit.Policy, Fields: audit.Object{"pol": "pol-1", "rev": "1"}, Details: []audit.Detail{{Name: "approver", Value: "board"}}},
		{Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}},
		{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "active", "pu": "epi-03"}},
		{Kind: audit.Budget, Budget: &SetBudget{Agreement: "agr-1", Population: "insured", Rho: agCap, Delta: 1000}},
		{Kind: audit.Budget, Budget: &SetBudget{Population: "insured", Rho: popCap, Delta: 1000}},
	} {
		if _, err := s.Append(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
}

func intent(rho int64) Item {
	return Item{
		Kind:   audit.Intent,
		Fields: audit.Object{"agv": 3, "ds": "health", "dsv": "dsv-1", "pu": "epi-03", "cls": "b", "pol": "pol-1", "mode": "sql"},
		Charge: &Charge{Agreement: "agr-1", Population: "insured", Rho: rho},
		Details: []audit.Detail{
			{Name: "actor", Value: "r-0042"},
			{Name: "request", Value: "req-1"},
			{Name: "query", Value: "SELECT COUNT(*) FROM claims"},
			{Name: "plan", Value: "plan-1"},
			{Name: "input", Value: "in-1"},
		},
		Subject: "r-0042", Class: "query",
	}
}

func release(ref uint64, result []byte) Item {
	return Item{
		Kind: audit.Release, Ref: &ref, Fields: audit.Object{"lvl": 1, "mech": "dgauss"}, Result: result,
		Details: []audit.Detail{audit.ResultDetail(result, "application/json"), {Name: "protect", Value: "sigma 25"}},
		Subject: "r-0042", Class: "query",
	}
}

func TestPathOfAQuery(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	it := intent(1000)
	it.Index = []string{RequestIndex("id-1"), QueryIndex("plan-1")}
	a, err := s.Append(t.Context(), it)
	if err != nil {
		t.Fatal(err)
	}
	var dup *DuplicateError
	if _, err := s.Append(t.Context(), it); !errors.As(err, &dup) || dup.Seq != a.Seq {
		t.Fatalf("second append of an open request: %v, want a duplicate of %d", err, a.Seq)
	}
	result := []byte(`{"rows":[[42]]}`)
	r, err := s.Append(t.Context(), release(a.Seq, result))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release(a.Seq, result)); !errors.Is(err, ErrNotOpen) {
		t.Fatalf("second release: %v, want ErrNotOpen", err)
	}
	rec, err := s.Receipt(a.Seq, r.Seq)
	if err != nil {
		t.Fatal(err)
	}
	text, err := audit.FormatReceipt(rec)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := audit.VerifyReceipt(text, result, s.VKeys(), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.ResultChecked || len(rep.SignedBy) != 2 {
		t.Fatalf("report %+v", rep)
	}
	for _, c := range rep.Checks {
		t.Log(c)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	defer s.Close()
	kind, seq, got, ok := s.Outcome(a.Seq)
	if kind != audit.Release || seq != r.Seq || string(got) != string(result) || !ok {
		t.Fatalf("outcome = %s %d %q %v", kind, seq, got, ok)
	}
	if seq, ok := s.Lookup("agr-1", QueryIndex("plan-1")); !ok || seq != a.Seq {
		t.Fatalf("lookup = %d %v, want %d", seq, ok, a.Seq)
	}
	b, err := s.Balance("agr-1", "insured")
	if err != nil || b.Agreement.Spent.Rho != 1000 || b.Population.Spent.Rho != 1000 {
		t.Fatalf("balance %+v %v", b, err)
	}
}

// Whatever leaves is signed with both keys, for a tree that holds what it is about, and continues what was signed before.
func TestProofsFollowTheLog(t *testing.T) {
	s := open(t, newDir(t))
	defer s.Close()
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		t.Fatal(err)
	}
	var before audit.Checkpoint
	for i := range 5 {
		a, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat})
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.Proof(a.Seq)
		if err != nil {
			t.Fatal(err)
		}
		p, err := audit.ParseProof(text)
		if err != nil {
			t.Fatal(err)
		}
		cp, err := keys.OpenCheckpoint(p.Checkpoint)
		if err != nil || !cp.Sealable() {
			t.Fatalf("%+v %v", cp, err)
		}
		if err := audit.VerifyInclusion(audit.LeafHash(a.Entry), p.Index, cp.Size, p.Path, cp.Root); err != nil || p.Index != a.Seq {
			t.Error(err)
		}
		note, err := s.SealedCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		now, err := keys.OpenCheckpoint(note)
		if err != nil || now.Size != s.Size() {
			t.Fatalf("checkpoint of %d entries, the log has %d: %v", now.Size, s.Size(), err)
		}
		if i > 0 {
			path, err := s.Consistency(before.Size, now.Size)
			if err != nil {
				t.Fatal(err)
			}
			hashes := make([][32]byte, len(path))
			for i := range path {
				hashes[i] = [32]byte(path[i])
			}
			if err := audit.VerifyConsistency(before.Size, now.Size, hashes, before.Root, now.Root); err != nil {
				t.Error(err)
			}
		}
		before = now
	}
	if _, err := s.Proof(s.Size()); !errors.Is(err, ErrNoEntry) {
		t.Errorf("proof of the future: %v", err)
	}
	if _, err := s.Consistency(1, s.Size()+1); !errors.Is(err, ErrNoEntry) {
		t.Errorf("consistency with the future: %v", err)
	}
}
