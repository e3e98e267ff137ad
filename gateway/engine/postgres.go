package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway/catalog"
)

// errUnchecked: the server has not been reached since the gateway started, or something about the version changed there. No row
// is read until all were checked again, which happens by itself.
var errUnchecked = errors.New("the version in PostgreSQL is not checked")

// ErrFence: the role may do what the engine must not be able to.
var ErrFence = errors.New("the role's grants are no fence")

// ErrRows: the rows in PostgreSQL are not those that were attached.
var ErrRows = errors.New("rows in PostgreSQL are not those of the version")

// postgres is a version in a schema of PostgreSQL that only the role of attach can change, and not without leaving a trace:
// every session compares the schema's seal with what it was when all rows were last digested.
type postgres struct {
	pool     *pgPool
	schema   string
	catalog  *catalog.Dataset
	version  Manifest
	operator *slog.Logger

	sealed atomic.Pointer[string] // nil: to be checked
	down   atomic.Bool            // a statement found no server, and none has run since
	again  time.Duration          // from one check of everything to the next
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// openPostgres opens a version. It does not wait for the server: the checks run in the background, and again after each change,
// until they pass. A query that comes before is not executed.
func openPostgres(place Place, m Manifest, cfg Config) (*Engine, error) {
	if m.Catalog != cfg.Catalog.Digest {
		return nil, fmt.Errorf("open data version: %w: attach the data again", ErrVersion)
	}
	if cfg.Threads <= 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	cfg.Threads = min(cfg.Threads, maxConnections)
	e := newEngine(cfg)
	p := newPostgres(place, m, cfg.Catalog, e.operator)
	p.start()
	e.instances, e.store, e.dialect, e.persons = nil, p, postgreSQL, m.Persons
	for _, t := range m.Tables {
		e.rows[t.Name] = t.Rows
	}
	return e, nil
}

func newPostgres(place Place, m Manifest, ds *catalog.Dataset, operator *slog.Logger) *postgres {
	return &postgres{
		pool: newPGPool(place.Secret, place.Schema), schema: place.Schema, catalog: ds, version: m, operator: operator,
		again: checkAgain, wake: make(chan struct{}, 1), cancel: func() {}, done: make(chan struct{}),
	}
}

// start has the version watched until close.
func (p *postgres) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.watch(ctx)
}

const (
	retrySoon = 250 * time.Millisecond
	retryLate = 10 * time.Second
	// checkAgain is how often rows and grants are looked at although nothing seems to have changed: the seal does not tell of a
	// role that has become a superuser, or of a damaged disk.
	checkAgain = 24 * time.Hour
)

// watch checks the version until the checks pass, again when a session finds the seal changed and once a day, and looks for a server
// that went.
func (p *postgres) watch(ctx context.Context) {
	defer close(p.done)
	pause := retrySoon
	daily := time.NewTicker(p.again)
	defer daily.Stop()
	for ctx.Err() == nil {
		var err error
		switch {
		case p.sealed.Load() == nil:
			err = p.check(ctx)
		case p.down.Load():
			err = p.ping(ctx)
		default:
			select {
			case <-p.wake:
				continue
			case <-ctx.Done():
				continue
			case <-daily.C:
			}
			if err = p.check(ctx); errors.Is(err, ErrRows) || errors.Is(err, ErrFence) {
				p.sealed.Store(nil)
			}
		}
		if err == nil {
			pause = retrySoon
			continue
		}
		p.operator.Error("data version not served", "dataset", p.catalog.ID, "cause", causeOf(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, retryLate)
	}
}

// rouse has watch look again.
func (p *postgres) rouse() {
	select {
	case p.wake <- struct{}{}:
	default: // it will
	}
}

func (p *postgres) ready() bool { return p.sealed.Load() != nil && !p.down.Load() }

// ping asks whether the server is back.
func (p *postgres) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err := p.pool.session(ctx, "SELECT 1", func(*pgconn.PgConn, [][][]byte) error { return nil })
	if err == nil {
		p.down.Store(false)
	}
	return err
}

// check digests all rows and, if they are the version's, remembers the seal under which they were.
func (p *postgres) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longestCheck)
	defer cancel()
	return p.pool.session(ctx, sealOf(p.schema), func(c *pgconn.PgConn, rows [][][]byte) error {
		seal, err := readSeal(rows)
		if err != nil {
			return err
		}
		if err := checkFence(ctx, c, p.schema); err != nil {
			return err
		}
		if err := alone(ctx, c, p.schema); err != nil {
			return err
		}
		if err := checkRows(ctx, c, p.catalog, p.version); err != nil {
			return err
		}
		p.sealed.Store(&seal)
		p.down.Store(false)
		return nil
	})
}

// longestCheck bounds a check of all rows.
const longestCheck = 6 * time.Hour

// sealOf reads what changes when anything about a schema's tables does, without reading a row: their files and sizes, and
// the row versions (xmin) of their definitions, of the triggers that refuse every change, and of all functions and operators of the schema: of the function that
// refuses, and of any that would stand before PostgreSQL's own. It costs about a millisecond.
func sealOf(schema string) string {
	of := `(SELECT oid FROM pg_namespace WHERE nspname = ` + literal(schema) + `)`
	return `SELECT concat_ws(' ', c.relname, c.oid, c.relfilenode, c.relkind, c.xmin, pg_relation_size(c.oid),
			(SELECT string_agg(concat_ws('/', oid, xmin), ',' ORDER BY oid) FROM pg_proc WHERE pronamespace = ` + of + `),
			(SELECT string_agg(concat_ws('/', oid, xmin), ',' ORDER BY oid) FROM pg_operator WHERE oprnamespace = ` + of + `), g.xmin, g.tgenabled)
		FROM pg_class c LEFT JOIN pg_trigger g ON g.tgrelid = c.oid AND g.tgname = 'sealed'
		WHERE c.relkind NOT IN ('i', 'I', 't') AND c.relnamespace = ` + of + ` ORDER BY 1`
}

// alone checks that a schema is as attach made it where the seal cannot tell: rows of tables elsewhere that inherit from the version's would be read with them, and
// functions and operators of the schema would be taken for PostgreSQL's own.
func alone(ctx context.Context, c *pgconn.PgConn, schema string) error {
	of := `(SELECT oid FROM pg_namespace WHERE nspname = ` + literal(schema) + `)`
	for _, sql := range []string{
		`SELECT 'x' FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relnamespace = ` + of,
		`SELECT 'x' FROM pg_proc WHERE pronamespace = ` + of + ` AND NOT (proname = '_refuse' AND pronargs = 0 AND prosrc = ` + literal(refuseBody) + `)`,
		`SELECT 'x' FROM pg_operator WHERE oprnamespace = ` + of,
	} {
		found, err := pgTexts(ctx, c, sql)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: something about the schema is not as it was made", ErrRows)
		}
	}
	return nil
}

func readSeal(rows [][][]byte) (string, error) {
	var b strings.Builder
	for _, row := range rows {
		if !strings.HasSuffix(string(row[0]), " A") { // ENABLE ALWAYS
			return "", fmt.Errorf("%w: a table is not sealed", ErrRows)
		}
		b.Write(row[0])
		b.WriteByte('\n')
	}
	if len(rows) == 0 {
		return "", fmt.Errorf("%w: the schema has no tables", ErrRows)
	}
	return b.String(), nil
}

func (p *postgres) run(ctx context.Context, st statement, read func(chunk) error) error {
	was := p.sealed.Load()
	if was == nil {
		return errUnchecked
	}
	err := p.pool.session(ctx, sealOf(p.schema), func(c *pgconn.PgConn, rows [][][]byte) error {
		if now, err := readSeal(rows); err != nil || now != *was {
			if p.sealed.CompareAndSwap(was, nil) {
				p.rouse()
			}
			return errUnchecked
		}
		return each(ctx, c, st, read)
	})
	var fault *pgError
	switch {
	case err == nil:
		p.down.Store(false)
	case errors.As(err, &fault) && fault.away(), errors.Is(err, ErrDSN):
		p.down.Store(true)
		p.rouse()
	}
	return err
}

func (p *postgres) aggregate(ctx context.Context, st statement, read func(chunk) error) error {
	return p.run(ctx, st, read)
}

func (p *postgres) stream(ctx context.Context, st statement, read func(chunk) error) error {
	return p.run(ctx, st, read)
}

func (p *postgres) close() error {
	p.cancel()
	<-p.done
	p.pool.close()
	return nil
}

// checkRows digests all rows of a version and compares them with the manifest.
func checkRows(ctx context.Context, c *pgconn.PgConn, ds *catalog.Dataset, m Manifest) error {
	if _, err := c.Exec(ctx, "SET LOCAL max_parallel_workers_per_gather = 0").ReadAll(); err != nil {
		return pgFault(ctx, "check rows", err)
	}
	d := newRowDigest()
	for _, held := range m.Tables {
		t := ds.Table(held.Name)
		if t == nil {
			return fmt.Errorf("check rows: %w", ErrVersion)
		}
		st, table := d.table(t, loadedColumns(ds, t))
		if err := each(ctx, c, st, table.add); err != nil {
			return fmt.Errorf("check rows: %w", err)
		}
		table.end()
	}
	if d.sum() != m.File || d.size != m.Size {
		return fmt.Errorf("check rows: %w: attach the data again", ErrRows)
	}
	return nil
}
