package pgwire

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/identity"
	"jali/gateway/pgwire/syscat"
)

// kind says, for the operator, what a statement was.
func (st *statement) kind() string {
	switch verb := st.verb(); verb {
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		return "transaction"
	case "set", "reset", "show", "discard", "deallocate", "close", "unlisten":
		return "setting"
	case "explain":
		return "quote"
	case "select", "with", "values", "table":
		if st.system() {
			return "catalogue"
		}
	}
	return "query"
}

// edits are those that every statement that goes to the planner takes.
func (st *statement) edits() []edit {
	switch st.kind() {
	case "query", "quote":
		return st.unquoted()
	}
	return nil
}

// errPanic stands for a panic while a statement ran: its text may quote anything, so nothing of it is kept.
var errPanic = errors.New("panic")

// run answers a statement. It returns when the client cancels, too: the gateway then finishes, and records, what it has begun.
func (s *session) run(ctx context.Context, e edited) (r result, err error) {
	who, err := s.allowed()
	if err != nil {
		return result{}, err
	}
	ctx, stop := context.WithTimeout(ctx, s.Longest)
	defer stop()
	ctx, ended := s.cancels.begin(ctx, s.id)
	defer ended()
	st := e.statement
	if tag, ok := s.transaction(st); ok {
		return result{tag: tag}, nil
	}
	switch st.verb() {
	case "set", "reset":
		return s.assign(st)
	case "show":
		return s.show(ctx, who, st)
	case "discard":
		if st.word(1) == "all" {
			s.prepared.clear()
			if err := s.reset([]token{{kind: word, text: "all"}}); err != nil {
				return result{}, err
			}
		}
		return result{tag: "DISCARD " + clip(upper(st.word(1)))}, nil
	case "deallocate":
		s.prepared.deallocate(st)
		return result{tag: "DEALLOCATE"}, nil
	case "close":
		return result{tag: "CLOSE CURSOR"}, nil
	case "unlisten":
		return result{tag: "UNLISTEN"}, nil
	case "explain":
		offer, err := s.quote(ctx, who, e.explained())
		return explained(offer), err
	}
	if st.kind() == "catalogue" {
		return s.catalogue(ctx, who, e.sql)
	}
	if s.set.on(setQuote) {
		offer, err := s.quote(ctx, who, e.sql)
		return quotedRows(offer), err
	}
	return s.question(ctx, who, e.sql)
}

// describe tells the columns of a statement without running it; nil: it gives no rows.
func (s *session) describe(ctx context.Context, e edited, sample func(*catalog.Dataset) string) ([]column, error) {
	who, err := s.allowed()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, s.Longest)
	defer stop()
	ctx, ended := s.cancels.begin(ctx, s.id)
	defer ended()
	st := e.statement
	switch st.kind() {
	case "transaction":
		return nil, nil
	case "setting":
		if st.verb() == "show" {
			return s.shown(st), nil
		}
		return nil, nil
	case "quote":
		return planColumns, nil
	case "catalogue": // reads no data and costs nothing: its columns are those of its answer
		r, err := s.catalogue(ctx, who, e.sql)
		return r.columns, err
	}
	if s.set.on(setQuote) {
		return quoteColumns, nil
	}
	req, err := s.set.request(e.sql)
	if err != nil {
		return nil, err
	}
	shapes, err := s.Gateway.Describe(ctx, who, req, sample)
	if err != nil {
		return nil, err
	}
	return shaped(shapes, s.set.on(setIntervals)), nil
}

// question asks the gateway.
func (s *session) question(ctx context.Context, who identity.Principal, sql string) (result, error) {
	req, err := s.set.request(sql)
	if err != nil {
		return result{}, err
	}
	s.set.used()
	a, err := await(ctx, s.server, func() (gateway.Answer, error) { return s.Gateway.Answer(ctx, who, req) })
	if err != nil {
		return result{}, err
	}
	s.last = &gateway.Answer{Receipt: a.Receipt, Result: a.Result, Decision: a.Decision, Price: a.Price}
	return answered(a, s.set.on(setIntervals)), nil
}

// quote asks for a price.
func (s *session) quote(ctx context.Context, who identity.Principal, sql string) (gateway.Offer, error) {
	req, err := s.set.request(sql)
	if err != nil {
		return gateway.Offer{}, err
	}
	return await(ctx, s.server, func() (gateway.Offer, error) { return s.Gateway.Quote(ctx, who, req) })
}

// await waits for the gateway or for the end of ctx, whichever comes first.
func await[T any](ctx context.Context, s *server, ask func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	s.running.Go(func() {
		o := outcome{err: errPanic}
		defer func() {
			if r := recover(); r != nil {
				s.Operator.Error("statement panicked", "type", fmt.Sprintf("%T", r))
			}
			done <- o
		}()
		value, err := ask()
		o = outcome{value, err}
	})
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		select {
		case o := <-done:
			return o.value, o.err
		default:
		}
		var none T
		return none, ctx.Err()
	}
}

// catalogue answers a question about what exists, from the catalogues open to the caller. The evaluation may outlive the statement for a moment when that is
// canceled: so it has a copy of the settings, and keeps its turn until it has really ended.
func (s *session) catalogue(ctx context.Context, who identity.Principal, sql string) (result, error) {
	c := syscat.Catalogue{
		User: s.user, Database: s.database, Version: "PostgreSQL " + serverVersion, Schema: publicSchema,
		Settings: maps.Clone(s.set.values), Selected: s.Gateway.Covered(who, s.set.values[setAgreement], s.set.values[setDataset]), Backend: int64(s.id),
	}
	if c.Selected == nil {
		c.Open = s.Gateway.Datasets(who)
	}
	ended, err := s.limits.turn(ctx, s.mine)
	if err != nil {
		return result{}, err
	}
	answer, err := await(ctx, s.server, func() (syscat.Answer, error) {
		defer ended()
		return c.Query(ctx, sql)
	})
	if err != nil {
		return result{}, err
	}
	r := result{columns: []column{}, rows: answer.Rows, tag: fmt.Sprintf("SELECT %d", len(answer.Rows))}
	for _, x := range answer.Columns {
		r.columns = append(r.columns, column{x.Name, x.OID})
	}
	return r, nil
}
