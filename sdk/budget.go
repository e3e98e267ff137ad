package sdk

import (
	"context"
	"time"

	jaliv1 "jali/proto/jali/v1"
)

// BudgetReport is what an agreement has left and what spent it. 1 PU is 1e-5 of rho (zero-concentrated differential privacy).
type BudgetReport struct {
	Agreement string   `json:"agreement"`
	Ledgers   []Ledger `json:"ledgers"`
	// Charges are the agreement's own, newest first, at most 100.
	Charges []Charge `json:"charges"`
}

// Ledger is the agreement's budget on one population.
type Ledger struct {
	Population  string `json:"population"`
	CapPU       int64  `json:"cap_pu"`
	SpentPU     int64  `json:"spent_pu"`
	RemainingPU int64  `json:"remaining_pu"`
	// SpentEpsilon and CapEpsilon restate the amounts as epsilon at delta = 1e-7, rounded up, for display.
	SpentEpsilon float64 `json:"spent_epsilon"`
	CapEpsilon   float64 `json:"cap_epsilon"`
	// PopulationState is "sufficient", "low" or "exhausted".
	PopulationState string `json:"population_state"`
	// PopulationCapPU and PopulationSpentPU are nil unless the caller may see them.
	PopulationCapPU   *int64 `json:"population_cap_pu"`
	PopulationSpentPU *int64 `json:"population_spent_pu"`
	// Unit is what the amounts count: "cells" in mode sdc, where epsilon means nothing and is 0; empty: privacy units.
	Unit string `json:"unit,omitempty"`
}

// Charge is one paid question.
type Charge struct {
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	Population string    `json:"population"`
	PricePU    int64     `json:"price_pu"`
	// Outcome is RELEASE, FAILURE, INTERRUPTED or "open".
	Outcome string `json:"outcome"`
	Query   string `json:"query,omitempty"`
}

// Budget reports the balance of an agreement.
func (c *Client) Budget(ctx context.Context, agreement string) (*BudgetReport, error) {
	if agreement == "" {
		return nil, Query{}.check()
	}
	m, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.GetBudgetResponse, error) {
		return c.balances.GetBudget(ctx, &jaliv1.GetBudgetRequest{Agreement: agreement})
	})
	if err != nil {
		return nil, err
	}
	return budgetOf(m), nil
}

func budgetOf(m *jaliv1.GetBudgetResponse) *BudgetReport {
	report := &BudgetReport{Agreement: m.GetAgreement(), Ledgers: []Ledger{}, Charges: []Charge{}}
	for _, l := range m.GetLedgers() {
		ledger := Ledger{
			Population: l.GetPopulation(), CapPU: l.GetCapPu(), SpentPU: l.GetSpentPu(), RemainingPU: l.GetRemainingPu(),
			SpentEpsilon: l.GetSpentEpsilon(), CapEpsilon: l.GetCapEpsilon(), PopulationState: l.GetPopulationState(), Unit: l.GetUnit(),
		}
		// A population without a cap cannot exist, so no cap means not shown.
		if total, spent := l.GetPopulationCapPu(), l.GetPopulationSpentPu(); total > 0 {
			ledger.PopulationCapPU, ledger.PopulationSpentPU = &total, &spent
		}
		report.Ledgers = append(report.Ledgers, ledger)
	}
	for _, ch := range m.GetCharges() {
		report.Charges = append(report.Charges, Charge{
			Seq: ch.GetSeq(), Time: time.UnixMicro(ch.GetTime()).UTC(), Population: ch.GetPopulation(),
			PricePU: ch.GetPricePu(), Outcome: ch.GetOutcome(), Query: ch.GetQuery(),
		})
	}
	return report
}
