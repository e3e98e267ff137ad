package rpc

import (
	"context"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// budgets serves BudgetService.
type budgets struct {
	jaliv1.UnimplementedBudgetServiceServer
	gateway *gateway.Gateway
}

func (s *budgets) GetBudget(ctx context.Context, in *jaliv1.GetBudgetRequest) (*jaliv1.GetBudgetResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	report, err := s.gateway.Budget(ctx, who, in.GetAgreement())
	if err != nil {
		return nil, err
	}
	return budgetProto(report), nil
}

func budgetProto(r gateway.BudgetReport) *jaliv1.GetBudgetResponse {
	out := &jaliv1.GetBudgetResponse{Agreement: r.Agreement}
	for _, l := range r.Ledgers {
		out.Ledgers = append(out.Ledgers, &jaliv1.Ledger{
			Population: l.Population, CapPu: int64(l.Cap), SpentPu: int64(l.Spent), RemainingPu: int64(l.Remaining),
			SpentEpsilon: l.SpentEpsilon, CapEpsilon: l.CapEpsilon, PopulationState: l.PopulationState,
			PopulationCapPu: int64(l.PopulationCap), PopulationSpentPu: int64(l.PopulationSpent),
		})
	}
	for _, c := range r.Charges {
		out.Charges = append(out.Charges, &jaliv1.Charge{
			Seq: c.Seq, Time: c.Time, Population: c.Population, PricePu: int64(c.Price), Outcome: c.Outcome, Query: c.Query,
		})
	}
	return out
}
