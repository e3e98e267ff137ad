package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// calibratePostgres is calibrate on the server that will answer, over the connection that will be used: its rows lie in a schema
// of their own, which is dropped. A crash leaves that schema; it holds nothing about anybody.
func calibratePostgres(ctx context.Context, owner *pgconn.PgConn, place Place, role string, threads int, tables []TableManifest) (scan, stream float64, err error) {
	rows := int64(50_000)
	for _, t := range tables {
		rows = max(rows, min(t.Rows, 500_000))
	}
	plan := generatedPlan()
	place.Schema = "jali_calibrate_" + strings.TrimPrefix(place.Schema, "jali_")
	s := quote(place.Schema)
	l := &loader{conn: owner, schema: place.Schema}
	if err := l.exec(ctx, "make generated rows", fmt.Sprintf(`CREATE SCHEMA %s;
		CREATE TABLE %s.claim AS SELECT (i / %d)::INTEGER AS _p, ((hashint4(i) & 2147483647) %% %d)::SMALLINT AS region, ((hashint4(-i) & 2147483647) %% %d)::SMALLINT AS cost
			FROM generate_series(0, %d - 1) AS r(i);
		CREATE INDEX ON %s.claim (_p); GRANT SELECT ON %s.claim TO %s; %s; ANALYZE %s.claim`,
		s, s, perPerson, regions, mostCost+1, rows, s, s, quote(role), usageOf(place.Schema, role), s)); err != nil {
		return 0, 0, err
	}
	defer func() {
		if e := l.drop(ctx); err == nil {
			err = e
		}
	}()
	e := newEngine(Config{Catalog: plan.Dataset, Threads: min(threads, maxConnections)})
	unsealed := &generatedRows{newPGPool(place.Secret, place.Schema)}
	e.store, e.dialect = unsealed, postgreSQL
	defer e.Close()
	e.holdGenerated(rows)
	return e.calibrate(ctx, plan, rows)
}

// generatedRows is a store of rows that nobody need protect, without the checks of a version.
type generatedRows struct{ pool *pgPool }

func (g *generatedRows) aggregate(ctx context.Context, st statement, read func(chunk) error) error {
	return g.pool.session(ctx, "SELECT 1", func(c *pgconn.PgConn, _ [][][]byte) error { return each(ctx, c, st, read) })
}

func (g *generatedRows) stream(ctx context.Context, st statement, read func(chunk) error) error {
	return g.aggregate(ctx, st, read)
}

func (*generatedRows) ready() bool { return true }

func (g *generatedRows) checkLockdown(context.Context) error { return nil }

func (g *generatedRows) close() error {
	g.pool.close()
	return nil
}
