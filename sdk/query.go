package sdk

import (
	"context"
	"crypto/rand"
	"fmt"

	jaliv1 "jali/proto/jali/v1"
)

// Query is one question.
type Query struct {
	// Agreement and Purpose say under which contract and for what (a GA4GH DUO or EHDS code). Required.
	Agreement, Purpose string
	// Dataset may be empty when the agreement has only one.
	Dataset string
	// SQL is a SELECT of the restricted subset (docs/sql.md).
	SQL string
	// Error is the accuracy asked for: the half-width at 95 %, a positive decimal. It sets the price. For counts in rows or
	// persons, for sums in the output's unit. Required.
	Error string
	// ErrorFor overrides Error for output columns by name.
	ErrorFor map[string]string
	// QuoteID binds the price of a quote. Quote ignores it.
	QuoteID string
	// RequestID is the idempotency key: the same id under the same agreement is answered and charged once. Query makes one
	// when it is empty. Keep it to ask again after ErrUnavailable from another process.
	RequestID string
}

// check refuses what the gateway would refuse too, before anything is sent.
func (q Query) check() error {
	missing := func(what, hint string) error {
		return &QueryError{Code: "INVALID", Message: "no " + what + " given", Hint: hint}
	}
	switch {
	case q.Agreement == "":
		return missing("agreement", "name the agreement you ask under (--agreement), e.g. agr-7f3c; the custodian who registered it knows its id")
	case q.Purpose == "":
		return missing("purpose", "name a purpose the agreement allows (--purpose), e.g. DUO:0000042")
	case q.SQL == "":
		return missing("SQL", "ask for aggregates, e.g. SELECT COUNT(*) FROM person")
	case q.Error == "":
		return missing("accuracy", "say how accurate the answer must be (--error): the half-width at 95 %, e.g. --error 50; smaller costs more")
	}
	return nil
}

// Query asks, verifies the receipt, and only then hands the answer over. It is charged unless it is a replay.
//
// While the gateway is unavailable it asks again with the same request id. A context that ends does not undo a charge: the
// gateway finishes and stores the answer, and asking the same again returns it free.
func (c *Client) Query(ctx context.Context, q Query) (*Result, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if len(c.vkeys) == 0 {
		return nil, configError("pin the log's verifier keys (--vkeys, or vkeys: in the profile)", "without the log's verifier keys no answer can be verified, so none is asked for")
	}
	if q.RequestID == "" {
		q.RequestID = rand.Text()
	}
	answer, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.QueryResponse, error) {
		return c.queries.Query(ctx, &jaliv1.QueryRequest{
			Agreement: q.Agreement, Purpose: q.Purpose, Dataset: q.Dataset, Sql: q.SQL,
			Error: q.Error, ErrorFor: q.ErrorFor, RequestId: q.RequestID, QuoteId: q.QuoteID,
		})
	})
	if err != nil {
		return nil, err
	}
	receipt, err := c.verify(q, answer)
	if err != nil {
		return nil, &ReceiptError{Reason: err, UnverifiedReceipt: answer.GetReceipt(), UnverifiedResult: answer.GetResult()}
	}
	result, err := resultOf(answer)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	result.Receipt, result.RequestID = receipt, q.RequestID
	return result, nil
}

// resultOf decodes the recorded bytes of an answer whose receipt has verified.
func resultOf(answer *jaliv1.QueryResponse) (*Result, error) {
	if len(answer.GetAnalysis()) > 0 {
		return derivedOf(answer)
	}
	t, err := decodeTable(answer.GetResult())
	if err != nil {
		return nil, err
	}
	v := view{rows: answer.GetViewRows()}
	for _, column := range answer.GetViewColumns() {
		v.names, v.columns = append(v.names, column.GetName()), append(v.columns, column.GetIndex())
	}
	columns, rows, error95, err := t.apply(v)
	if err != nil {
		return nil, err
	}
	return &Result{
		Columns: columns, Rows: rows, Error95: error95,
		HiddenGroups: t.hidden,
		Protection:   t.protection,
		PricePU:      answer.GetPricePu(),
		Budget:       balanceOf(answer.GetBudget()),
		Replayed:     answer.GetReplayed(),
		SlotsOff:     answer.GetSlotsOff(),
		Notes:        answer.GetNotes(),
		Raw:          answer.GetResult(),
	}, nil
}

func balanceOf(b *jaliv1.Budget) Balance {
	balance := Balance{AgreementRemainingPU: b.GetAgreementRemainingPu()}
	if n := b.GetPopulationRemainingPu(); b != nil && n >= 0 {
		balance.PopulationRemainingPU = &n
	}
	return balance
}
