package rpc

import (
	"math"
	"math/big"

	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/policy"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk/analysis"
)

func quoteNative(in *jaliv1.QuoteRequest) gateway.Request {
	return gateway.Request{
		Agreement: in.GetAgreement(), Purpose: in.GetPurpose(), Dataset: in.GetDataset(),
		SQL: in.GetSql(), Error: in.GetError(), ErrorFor: in.GetErrorFor(),
	}
}

func queryNative(in *jaliv1.QueryRequest) gateway.Request {
	return gateway.Request{
		Agreement: in.GetAgreement(), Purpose: in.GetPurpose(), Dataset: in.GetDataset(),
		SQL: in.GetSql(), Error: in.GetError(), ErrorFor: in.GetErrorFor(),
		RequestID: in.GetRequestId(), QuoteID: in.GetQuoteId(),
	}
}

func offerProto(o gateway.Offer) *jaliv1.QuoteResponse {
	out := &jaliv1.QuoteResponse{
		Allowed: o.Allowed, Reasons: reasonsProto(o.Reasons), QuoteId: o.ID,
		PricePu: int64(o.Price.Rho.PU()), Lines: linesProto(o.Price.Lines),
		Plan: planProto(o.Plan), Budget: remainingProto(o.Budget),
		Population: o.Population, Fits: o.Fits, Warnings: o.Warnings, Unit: o.Unit,
	}
	if !o.Expires.IsZero() {
		out.ExpiresAt = o.Expires.Unix()
	}
	for _, e := range o.Error95 {
		out.Error95 = append(out.Error95, &jaliv1.OutputError{Name: e.Name, Value: e.Value, Sizes: sizesProto(e.Sizes)})
	}
	for _, e := range o.Detectable {
		out.Detectable = append(out.Detectable, &jaliv1.OutputError{Name: e.Name, Value: e.Value, Sizes: sizesProto(e.Sizes)})
	}
	out.Hiding = sizesProto(o.Hiding)
	return out
}

func sizesProto(sizes []gateway.SizeError) []*jaliv1.SizeError {
	var out []*jaliv1.SizeError
	for _, s := range sizes {
		out = append(out, &jaliv1.SizeError{N: s.N, Value: s.Value})
	}
	return out
}

func planProto(p gateway.OfferPlan) *jaliv1.PlanSummary {
	return &jaliv1.PlanSummary{
		Dataset: p.Dataset, Version: p.Version, Formulation: p.Formulation, Mechanism: p.Mechanism, Columns: p.Columns,
		Cells: p.Cells, RowsPerPerson: p.RowsPerPerson, GroupsPerPerson: p.GroupsPerPerson, RowsPerGroup: p.RowsPerGroup,
		HideBelow: p.HideBelow, Hash: p.Hash,
	}
}

// linesProto shows sigma and half-width in output units; S2 stays exact, in scaled units.
func linesProto(lines []budget.Line) []*jaliv1.PriceLine {
	out := make([]*jaliv1.PriceLine, len(lines))
	for i, l := range lines {
		out[i] = &jaliv1.PriceLine{
			Name: l.Name, S2: integerText(l.S2), Sigma: l.Sigma2.Sigma() / math.Pow10(l.Dec), HalfWidth: scaled(l.E, l.Dec), NanoRho: int64(l.Rho),
		}
	}
	return out
}

func reasonsProto(reasons []policy.Reason) []*jaliv1.Reason {
	out := make([]*jaliv1.Reason, len(reasons))
	for i, r := range reasons {
		out[i] = &jaliv1.Reason{Code: r.Code, Text: r.Text, Hint: r.Hint}
	}
	return out
}

func remainingProto(r gateway.Remaining) *jaliv1.Budget {
	return &jaliv1.Budget{AgreementRemainingPu: int64(r.Agreement), PopulationRemainingPu: int64(r.Population)}
}

// answerProto sends the canonical result, the view as indices into it, and the view's rows once more, typed. Indices fit: an answer has far fewer rows than
// maxAnswer has bytes.
func answerProto(a gateway.Answer) *jaliv1.QueryResponse {
	out := &jaliv1.QueryResponse{
		Result: a.Result, HiddenGroups: int64(a.Released.HiddenGroups), PricePu: int64(a.Price.Rho.PU()),
		Budget: remainingProto(a.Budget), Replayed: a.Replayed, Receipt: a.Receipt, Decision: a.Decision, SlotsOff: a.SlotOff, Notes: a.Notes,
	}
	if a.Derived != nil {
		out.Analysis = a.Analysis
		derivedProto(out, *a.Derived)
		return out
	}
	for _, c := range a.View.Columns {
		column := a.Released.Columns[c.Index]
		out.ViewColumns = append(out.ViewColumns, &jaliv1.ViewColumn{Name: c.Name, Index: int32(c.Index)})
		out.Columns = append(out.Columns, &jaliv1.ResultColumn{Name: c.Name, Role: column.Role, Unit: column.Unit})
	}
	for _, i := range a.View.Rows {
		out.ViewRows = append(out.ViewRows, int32(i))
		out.Rows = append(out.Rows, rowProto(a.Released.Rows[i], a.View.Columns))
	}
	return out
}

// derivedProto sends the table of a table function: labels as text, figures as numbers, unset where there is none.
func derivedProto(out *jaliv1.QueryResponse, d analysis.Derived) {
	for _, c := range d.Columns {
		role := protect.RoleMeasure
		if c.Label {
			role = protect.RoleGroup
		}
		out.Columns = append(out.Columns, &jaliv1.ResultColumn{Name: c.Name, Role: role, Unit: c.Unit})
	}
	for _, row := range d.Rows {
		line := &jaliv1.ResultRow{}
		for _, v := range row {
			cell := &jaliv1.ResultValue{}
			switch x := v.(type) {
			case string:
				cell.Value = &jaliv1.ResultValue_Text{Text: x}
			case float64:
				cell.Value = &jaliv1.ResultValue_Number{Number: x}
			}
			line.Values, line.Error95 = append(line.Values, cell), append(line.Error95, &jaliv1.ResultValue{})
		}
		out.Rows = append(out.Rows, line)
	}
	out.Notes = append(out.Notes, d.Notes...)
}

func rowProto(row protect.Row, columns []protect.ViewColumn) *jaliv1.ResultRow {
	out := &jaliv1.ResultRow{Hidden: row.Hidden}
	for _, c := range columns {
		out.Values = append(out.Values, cellProto(row.Values[c.Index]))
		out.Error95 = append(out.Error95, cellProto(row.Error95[c.Index]))
	}
	return out
}

// cellProto gives an exact integer as an integer and any other number as a double: the exact decimal is in the canonical result. Both take eight bytes.
func cellProto(c protect.Cell) *jaliv1.ResultValue {
	switch {
	case c.Absent:
		return &jaliv1.ResultValue{}
	case c.Label != nil:
		return labelProto(*c.Label)
	case c.Fixed != nil && c.Dec == 0 && c.Fixed.IsInt64():
		return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Integer{Integer: c.Fixed.Int64()}}
	case c.Fixed != nil:
		return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Number{Number: scaled(c.Fixed, c.Dec)}}
	}
	return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Number{Number: c.Float}}
}

// labelProto gives group labels as people write them; only integers stay numbers. NULL, the group "other", is unset.
func labelProto(v catalog.Value) *jaliv1.ResultValue {
	switch v.Kind {
	case catalog.Null:
		return &jaliv1.ResultValue{}
	case catalog.Int:
		return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Integer{Integer: v.N}}
	}
	return &jaliv1.ResultValue{Value: &jaliv1.ResultValue_Text{Text: v.String()}}
}

// scaled is n / 10^decimals, correctly rounded once. Nil is 0.
func scaled(n *big.Int, decimals int) float64 {
	if n == nil {
		return 0
	}
	f, _ := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)).Float64()
	return f
}

func integerText(n *big.Int) string {
	if n == nil {
		return ""
	}
	return n.String()
}
