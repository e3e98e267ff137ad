package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrRecord: the record does not verify. The gateway must stop serving; a supervisor must not start it again.
var ErrRecord = errors.New("the audit log does not verify: examine it, do not restart")

// Verify checks the whole log while the gateway serves, through short read transactions: a start looks only at the end of
// it. It returns ErrRecord, with what is wrong, as soon as anything is; the caller stops serving then.
func (g *Gateway) Verify(ctx context.Context) error {
	start := time.Now()
	report, err := g.log.Verify(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // stopped in order
	case err != nil:
		g.operator.Error("ALARM: the audit log does not verify, serving stops", "err", err)
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	g.operator.Info("audit log verified", "entries", report.Size, "details", report.Details, "withheld", report.Withheld, "took", time.Since(start).Round(time.Millisecond))
	return nil
}
