package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrOpenDoor: the engine ran a statement that its lock-down must refuse. The build is not safe to use.
var ErrOpenDoor = errors.New("the engine's lock-down does not hold")

// forbidden are statements a locked-down engine refuses: reading and writing files, other databases, extensions, options, rows.
// %s is a file that exists and could be read. (The engine may always read its own database file.)
var forbidden = []string{
	"SELECT * FROM read_text('%s')",
	"SELECT * FROM read_csv('%s')",
	"SELECT * FROM read_blob('%s')",
	"SELECT * FROM glob('%s')",
	"SELECT * FROM '%s.parquet'",
	"COPY (SELECT 1) TO '%s.out'",
	"ATTACH '%s.db' AS other",
	"EXPORT DATABASE '%s.export'",
	"INSTALL httpfs",
	"LOAD httpfs",
	"SET enable_external_access = true",
	"SET threads = 1",
	"SET lock_configuration = false",
	"PRAGMA memory_limit = '1GB'",
	"CREATE TABLE door (a INTEGER)",
	"DELETE FROM _version",
}

// CheckLockdown tries what must be refused. The statements are ours and constant; no data is read.
func (e *Engine) CheckLockdown(ctx context.Context) error { return e.store.checkLockdown(ctx) }

// checkLockdown tries both instances.
func (e *instances) checkLockdown(ctx context.Context) error {
	probe := filepath.Join(e.scratch, "probe.csv")
	if err := os.WriteFile(probe, []byte("a,b\n1,2\n"), 0o600); err != nil {
		return fmt.Errorf("check lock-down: %w", err)
	}
	defer os.Remove(probe)
	for _, instance := range []*pool{e.plain, e.ordered} {
		for _, form := range forbidden {
			statement := strings.ReplaceAll(form, "%s", probe)
			err := instance.session(func(c *connection) error { return c.execAll(ctx, statement) })
			if err == nil {
				return fmt.Errorf("%w: it ran %q", ErrOpenDoor, form)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
