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
	callers callers
}

func (s *budgets) GetBudget(ctx context.Context, in *jaliv1.GetBudgetRequest) (*jaliv1.GetBudgetResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	report, err := s.gateway.Budget(ctx, who, in.GetAgreement())
	if err != nil {
		return nil, err
	}
	return budgetProto(report), nil
}

func (s *budgets) ListAgreements(ctx context.Context, _ *jaliv1.ListAgreementsRequest) (*jaliv1.ListAgreementsResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	out := &jaliv1.ListAgreementsResponse{}
	for _, a := range s.gateway.Agreements(who) {
		one := &jaliv1.Agreement{
			Id: a.ID, Version: a.Version, Title: a.Title, State: a.State, Parties: a.Parties, Purposes: a.Purposes, Kinds: a.Kinds, Mode: a.Mode,
			ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil, MinError: a.MinError, MaxPricePu: a.MaxPricePU,
		}
		for _, d := range a.Datasets {
			one.Datasets = append(one.Datasets, d.ID)
		}
		out.Agreements = append(out.Agreements, one)
	}
	return out, nil
}

func budgetProto(r gateway.BudgetReport) *jaliv1.GetBudgetResponse {
	out := &jaliv1.GetBudgetResponse{Agreement: r.Agreement}
	for _, l := range r.Ledgers {
		out.Ledgers = append(out.Ledgers, &jaliv1.Ledger{
			Population: l.Population, CapPu: int64(l.Cap), SpentPu: int64(l.Spent), RemainingPu: int64(l.Remaining),
			SpentEpsilon: l.SpentEpsilon, CapEpsilon: l.CapEpsilon, PopulationState: l.PopulationState,
			PopulationCapPu: int64(l.PopulationCap), PopulationSpentPu: int64(l.PopulationSpent), Unit: l.Unit,
		})
	}
	for _, c := range r.Charges {
		out.Charges = append(out.Charges, &jaliv1.Charge{
			Seq: c.Seq, Time: c.Time, Population: c.Population, PricePu: int64(c.Price), Outcome: c.Outcome, Query: c.Query,
		})
	}
	return out
}
