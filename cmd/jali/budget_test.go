package main

import (
	"bytes"
	"strings"
	"testing"

	"jali/sdk"
)

// Amounts carry the unit they are in: cells of mode sdc are no privacy units, and have no epsilon.
func TestBudgetUnits(t *testing.T) {
	show := func(units ...string) string {
		t.Helper()
		r := &sdk.BudgetReport{Agreement: "agr-1"}
		total, spent := int64(500), int64(20)
		for i, unit := range units {
			name := "p" + string(rune('1'+i))
			r.Ledgers = append(r.Ledgers, sdk.Ledger{Population: name, CapPU: 100, SpentPU: 7, RemainingPU: 93, CapEpsilon: 0.25, PopulationState: "low", PopulationCapPU: &total, PopulationSpentPU: &spent, Unit: unit})
			r.Charges = append(r.Charges, sdk.Charge{Seq: uint64(i), Population: name, PricePU: 7, Outcome: "RELEASE"})
		}
		var out bytes.Buffer
		if err := (&app{stdout: &out}).showBudget(r); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	dp, sdc, both := show(""), show("cells"), show("", "cells")
	for text, wants := range map[string]map[string]int{
		dp:   {"PU": 4, "cell": 0, "0.250": 1, "20 of 500 PU spent": 1},
		sdc:  {"PU": 0, "epsilon at": 0, "0.250": 0, "20 of 500 cells spent": 1, "no formal guarantee": 1},
		both: {"20 of 500 PU spent": 1, "20 of 500 cells spent": 1, "epsilon at": 1, "no formal guarantee": 1},
	} {
		for want, n := range wants {
			if got := strings.Count(text, want); got != n {
				t.Errorf("%q stands %d times, want %d, in\n%s", want, got, n, text)
			}
		}
	}
	if got := balance(sdk.Balance{AgreementRemainingPU: 5}, "cells"); got != "5 cells in the agreement" {
		t.Error(got)
	}
}
