package store

import (
	"errors"
	"testing"

	"jali/audit"
)

// A ledger of cells takes cells only, also in a shard that carries it on: one population is in one mode, and the log shows it.
func TestUnits(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1000, 1000)
	cells := func(it Item, pop string) Item {
		it.Fields = map[string]any{"acct": "cells", "agv": 3, "ds": "health", "dsv": "dsv-1", "pu": "epi-03", "cls": "b", "pol": "pol-1", "mode": "sql"}
		it.Charge = &Charge{Agreement: "agr-1", Population: pop, Rho: 100}
		return it
	}
	if _, err := s.Append(t.Context(), cells(intent(0), "insured")); !errors.Is(err, ErrItem) {
		t.Errorf("a charge in cells to a ledger of nano-rho: %v", err)
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Budget, Fields: audit.Object{"acct": "cells"}, Budget: &SetBudget{Population: "insured", Rho: 5}}); !errors.Is(err, ErrItem) {
		t.Errorf("a cap in cells for a ledger of nano-rho: %v", err)
	}
	for _, ag := range []string{"", "agr-1"} {
		it := Item{Kind: audit.Budget, Fields: audit.Object{"acct": "cells"}, Budget: &SetBudget{Agreement: ag, Population: "counted", Rho: 1000}}
		if _, err := s.Append(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	nano := intent(1)
	nano.Charge.Population = "counted"
	if _, err := s.Append(t.Context(), nano); !errors.Is(err, ErrItem) {
		t.Errorf("a charge in nano-rho to a ledger of cells: %v", err)
	}
	if a, err := s.Append(t.Context(), cells(intent(0), "counted")); err != nil || a.Refused != "" {
		t.Errorf("a charge in cells: %+v, %v", a, err)
	}
	claims, _, err := s.Claims()
	if err != nil || len(claims) != 4 {
		t.Fatalf("%v %v", claims, err)
	}
	for _, c := range claims {
		if want := map[string]string{"insured": "nrho", "counted": "cells"}[c.Population]; c.Unit != want {
			t.Errorf("%s: unit %q, want %q", c.Population, c.Unit, want)
		}
	}
	closeAndVerify(t, s)
}

// A decision may bound what an agreement spends more tightly than its cap; the bound holds in the transaction of the charge.
func TestMost(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1000, 1000)
	for i, want := range []string{"", "", RefusedBudget} {
		it := intent(100)
		it.Charge.Most = 250
		if a, err := s.Append(t.Context(), it); err != nil || a.Refused != want {
			t.Errorf("charge %d: %q, %v; want %q", i, a.Refused, err, want)
		}
	}
	if a, err := s.Append(t.Context(), intent(100)); err != nil || a.Refused != "" {
		t.Errorf("without the bound: %q, %v", a.Refused, err)
	}
	closeAndVerify(t, s)
}

// What an outcome makes active is active with it, in one transaction.
func TestOutcomeActivates(t *testing.T) {
	s := open(t, newDir(t))
	setup(t, s, 1000, 1000)
	a, err := s.Append(t.Context(), intent(100))
	if err != nil {
		t.Fatal(err)
	}
	it := release(a.Seq, []byte("{}"))
	it.Active = []Pin{{"sdc/insured", "digest"}}
	out, err := s.Append(t.Context(), it)
	if err != nil {
		t.Fatal(err)
	}
	if value, seq, ok := s.Active("sdc/insured"); !ok || value != "digest" || seq != out.Seq {
		t.Errorf("active: %q by %d, %v", value, seq, ok)
	}
	closeAndVerify(t, s)
}
