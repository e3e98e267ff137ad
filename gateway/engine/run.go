package engine

import (
	"context"
	"errors"
	"fmt"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// ErrExecute is wrapped by every error of Run. What it wraps besides is a class of failure, never a value or an engine's
// message; a context's error is kept so that the caller can tell a missed slot.
var ErrExecute = errors.New("query failed in the engine")

// errPlan: the plan asks for what this engine does not do. The planner makes no such plan.
var errPlan = errors.New("plan not supported")

// errOrder: rows did not come in person order, or a person came with more rows than were proved. The query is stopped,
// because a person seen twice would be given two quotas.
var errOrder = errors.New("person order or row bound violated")

// Run executes a plan. key decides which groups count for persons with more groups than the plan's bound; it must be fresh
// for each query and secret. The cells found are sealed: only protect opens them.
//
// Public keys give Values over the whole domain; a NULL or unlisted value falls into the domain's NULL label, and where a
// domain has none the row does not count. Private keys give the keys that occur, sorted.
func (e *Engine) Run(ctx context.Context, plan *query.Plan, key [32]byte) (protect.Raw, error) {
	e.life.RLock()
	defer e.life.RUnlock()
	cells, err := e.run(ctx, plan, key)
	if err == nil {
		return protect.NewRaw(cells), nil
	}
	if c := ctx.Err(); c != nil {
		err = c
	}
	e.operator.Error("query not executed", "form", plan.Form, "cause", causeOf(err))
	return protect.Raw{}, fmt.Errorf("%w: %w", ErrExecute, err)
}

func (e *Engine) run(ctx context.Context, plan *query.Plan, key [32]byte) (protect.Cells, error) {
	if e.closed {
		return protect.Cells{}, errClosed
	}
	if err := e.admit(plan); err != nil {
		return protect.Cells{}, err
	}
	if plan.Form == query.F0 && plan.Bounds.Proved && clipImplied(plan) {
		cells, err := e.aggregate(ctx, plan)
		if !errors.Is(err, errStreamOnly) {
			return cells, err
		}
	}
	return e.bounded(ctx, plan, key)
}

// admit refuses plans over other data than this version holds.
func (e *Engine) admit(plan *query.Plan) error {
	if plan.Dataset == nil || plan.Dataset.Digest != e.catalog.Digest || plan.Bounds.Groups < 1 || plan.Bounds.PerCol < 1 || len(plan.Domains) != len(plan.GroupBy) {
		return errPlan
	}
	var err error
	plan.EachFrom(func(tables []query.TableRef, _ []int64) {
		private := false
		for _, t := range tables {
			if _, held := e.rows[t.Table.Name]; !held && t.Sub == nil {
				err = fmt.Errorf("%w: table %s is not in this version", errPlan, t.Table.Name)
			}
			private = private || !t.Table.Public
		}
		if !private {
			err = fmt.Errorf("%w: no private table", errPlan)
		}
	})
	return err
}

// causeOf is what an operator may read.
func causeOf(err error) string {
	var d *duckError
	var p *pgError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &d) && d.outOfMemory():
		return "out of memory"
	case errors.As(err, &d):
		return d.Error()
	case errors.As(err, &p):
		return p.Error()
	case errors.Is(err, errUnchecked), errors.Is(err, ErrDSN), errors.Is(err, ErrFence), errors.Is(err, ErrRows):
		return err.Error()
	case errors.Is(err, errPlan), errors.Is(err, errOrder), errors.Is(err, errClosed), errors.Is(err, errRange), errors.Is(err, errKeys):
		return err.Error()
	}
	return "other"
}
