package engine

import (
	"context"
	"time"

	"jali/gateway/query"
)

// calibrate measures nanoseconds per row, wall time, of a grouped sum by plain aggregation and by the person-ordered stream
// on generated rows: response slots are chosen by these figures and public table sizes, never by how long real rows took.
// The rows are the worst case of section 6.4: keys uniform, so that a person touches almost as many groups as it has rows.
func calibrate(ctx context.Context, threads int, tables []TableManifest) (scan, stream float64, err error) {
	rows := int64(200_000)
	for _, t := range tables {
		rows = max(rows, min(t.Rows, 2_000_000))
	}
	e, plan, err := generated(ctx, threads, rows)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	return e.calibrate(ctx, plan, rows)
}

// calibrate measures both kinds of query on generated rows.
func (e *Engine) calibrate(ctx context.Context, plan *query.Plan, rows int64) (scan, stream float64, err error) {
	for i, run := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := e.aggregate(ctx, plan); return err },
		func(ctx context.Context) error { _, err := e.bounded(ctx, plan, [32]byte{}); return err },
	} {
		best := time.Duration(1<<63 - 1)
		for range 3 {
			start := time.Now()
			if err := run(ctx); err != nil {
				return 0, 0, err
			}
			best = min(best, time.Since(start))
		}
		ns := float64(best.Nanoseconds()) / float64(rows)
		if i == 0 {
			scan = ns
		} else {
			stream = ns
		}
	}
	return scan, stream, nil
}
