package main

import (
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	"jali/audit/store"
)

// A log with populations in both modes: spend recomputes cells beside privacy units, and tells which is which.
func TestSpendOfCells(t *testing.T) {
	cfg := store.InDir(t.TempDir())
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	fields := func(acct string) audit.Object {
		return audit.Object{"acct": acct, "agv": 1, "ds": "d", "dsv": "v1", "pu": "x", "cls": "c", "pol": "p1", "mode": "sql"}
	}
	items := []store.Item{
		{Kind: audit.Policy, Fields: audit.Object{"pol": "p1", "rev": "1"}},
		{Kind: audit.Dataset, Fields: audit.Object{"ds": "d", "dsv": "v1", "pop": "ward", "cls": "c", "lvl": 1, "st": "active"}},
		{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 1, "st": "active", "pu": "x"}},
	}
	for pop, acct := range map[string]string{"ward": "cells", "insured": "nrho"} {
		for _, ag := range []string{"", "agr-1"} {
			items = append(items, store.Item{Kind: audit.Budget, Fields: audit.Object{"acct": acct}, Budget: &store.SetBudget{Agreement: ag, Population: pop, Rho: 1_000_000}})
		}
		items = append(items, store.Item{Kind: audit.Intent, Fields: fields(acct), Charge: &store.Charge{Agreement: "agr-1", Population: pop, Rho: 80_000, Most: 100_000}})
	}
	for _, it := range items {
		if a, err := s.Append(t.Context(), it); err != nil || a.Refused != "" {
			t.Fatalf("%s: %q, %v", it.Kind, a.Refused, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	status, out, errs := auditor("spend", "--dir", filepath.Dir(cfg.Path))
	if status != statusOK || !strings.Contains(out, "8.0000 cells  100.0000 cells") || !strings.Contains(out, "8.0000 PU") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}
