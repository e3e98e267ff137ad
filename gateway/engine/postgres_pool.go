package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgError is what is kept of an error of PostgreSQL or of the way there: SQLSTATE, or "" where the server said nothing. The
// message may quote values and is dropped here.
type pgError struct{ verb, code string }

func (e *pgError) Error() string {
	if e.code == "" {
		return e.verb + ": no connection to PostgreSQL"
	}
	return e.verb + ": PostgreSQL error " + e.code
}

// away reports whether the server is not there for the role, whatever it asks: no connection, no login (class 28), or the
// server goes or comes (57P, operator intervention).
func (e *pgError) away() bool {
	return e.code == "" || strings.HasPrefix(e.code, "57P") || strings.HasPrefix(e.code, "28")
}

// pgFault keeps what may be known of an error.
func pgFault(ctx context.Context, verb string, err error) error {
	if err == nil {
		return nil
	}
	if c := ctx.Err(); c != nil {
		return fmt.Errorf("%s: %w", verb, c)
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return &pgError{verb, e.Code}
	}
	return &pgError{verb: verb}
}

const (
	// maxConnections bounds the connections of one data version. Sessions wait for one another.
	maxConnections = 8
	// longestStatement is the server's own limit where the context has no deadline.
	longestStatement = 2 * time.Minute
)

// pgPool lends connections of one role. A connection serves one session at a time, in a transaction that can only read and
// sees one state of all tables.
type pgPool struct {
	secret  Secret
	schema  string
	idle    chan *pgconn.PgConn
	permits chan struct{}
}

func newPGPool(secret Secret, schema string) *pgPool {
	return &pgPool{secret: secret, schema: schema, idle: make(chan *pgconn.PgConn, maxConnections), permits: make(chan struct{}, maxConnections)}
}

// session lends a connection to f after the first statement, whose rows it gets. An idle connection on which that statement
// fails was lost while nobody used it: nothing was asked yet, so another is taken. One on which f failed is closed.
func (p *pgPool) session(ctx context.Context, first string, f func(c *pgconn.PgConn, rows [][][]byte) error) error {
	select {
	case p.permits <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.permits }()
	for {
		c, used, err := p.take(ctx)
		if err != nil {
			return err
		}
		rows, err := begin(ctx, c, first)
		if err != nil {
			discard(c)
			if used && ctx.Err() == nil {
				continue
			}
			return err
		}
		if err = f(c, rows); err == nil {
			_, err = c.Exec(ctx, "COMMIT").ReadAll()
			err = pgFault(ctx, "end transaction", err)
		}
		if err != nil {
			discard(c)
			return err
		}
		select {
		case p.idle <- c:
		default:
			discard(c)
		}
		return nil
	}
}

// take finds an idle connection or makes one.
func (p *pgPool) take(ctx context.Context) (c *pgconn.PgConn, used bool, err error) {
	select {
	case c = <-p.idle:
		return c, true, nil
	default:
	}
	cfg, err := p.secret.config(p.schema, true)
	if err != nil {
		return nil, false, err
	}
	c, err = pgconn.ConnectConfig(ctx, cfg)
	return c, false, pgFault(ctx, "connect", err)
}

// begin opens the transaction. The server ends a statement by itself a second after the gateway would, so that none goes on for
// a gateway that is gone.
func begin(ctx context.Context, c *pgconn.PgConn, first string) ([][][]byte, error) {
	limit := longestStatement
	if end, ok := ctx.Deadline(); ok {
		limit = max(time.Until(end), 0) + time.Second
	}
	results, err := c.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = "+
		strconv.FormatInt(limit.Milliseconds(), 10)+"; "+first).ReadAll()
	if err != nil {
		return nil, pgFault(ctx, "begin transaction", err)
	}
	return results[len(results)-1].Rows, nil
}

// discard closes a connection without waiting for the server.
func discard(c *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it is of no further use either way
}

// close closes the idle connections. No session may be running.
func (p *pgPool) close() {
	close(p.idle)
	for c := range p.idle {
		discard(c)
	}
}
