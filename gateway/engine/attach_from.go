package engine

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway/catalog"
)

// fromPrefix begins the name of a table in a database where a file's path would stand. No path of a file that is read ends like it.
const fromPrefix = "postgres:"

// tablesFrom reads the tables of a schema in one transaction, so that all are of one moment. Only columns that the catalogue
// declares are read, and none of role never: the role needs no grant on others.
type tablesFrom struct {
	conn   *pgconn.PgConn
	schema string
}

func newTablesFrom(ctx context.Context, secret Secret, schema string) (*tablesFrom, error) {
	cfg, err := secret.config("", true)
	if err != nil {
		return nil, err
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, pgFault(ctx, "connect", err)
	}
	if _, err := c.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").ReadAll(); err != nil {
		discard(c)
		return nil, pgFault(ctx, "begin transaction", err)
	}
	return &tablesFrom{c, schema}, nil
}

func (f *tablesFrom) close() { discard(f.conn) }

func (f *tablesFrom) files(ds *catalog.Dataset) []File {
	var out []File
	for _, t := range ds.Tables {
		out = append(out, File{Path: fromPrefix + f.schema + "." + t.Name, Table: t.Name})
	}
	return out
}

// open reads one table as CSV, the form whose rows are checked. A line of a bad row is its place in the order in which PostgreSQL
// gave the rows, the header being line 1.
func (f *tablesFrom) open(ctx context.Context, t *catalog.Table) (source, error) {
	wanted := stagedColumns(t)
	names := make([]string, len(wanted))
	for i, c := range wanted {
		names[i] = quote(c.Name)
	}
	sql := "COPY (SELECT " + strings.Join(names, ", ") + " FROM " + quote(f.schema) + "." + quote(t.Name) + ") TO STDOUT WITH (FORMAT csv, HEADER true)"
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	s := &copySource{cancel: cancel, pipe: r, done: make(chan error, 1)}
	go func() {
		_, err := f.conn.CopyTo(ctx, w, sql)
		err = pgFault(ctx, "read table", err)
		w.CloseWithError(err)
		s.done <- err
	}()
	csv, err := readCSV(fromPrefix+f.schema+"."+t.Name, r, r, t, wanted)
	if err != nil {
		r.Close()
		cancel()
		if e := <-s.done; e != nil {
			return nil, fmt.Errorf("table %s.%s: %w", f.schema, t.Name, e)
		}
		return nil, err
	}
	s.source = csv
	return s, nil
}

// copySource is a CSV source over a COPY. When the COPY breaks, the reader meets its error in place of the next line, and the
// row there is bad: nothing is loaded.
type copySource struct {
	source
	cancel context.CancelFunc
	pipe   *io.PipeReader
	done   chan error
}

// close ends the COPY if it still runs, and waits until the connection is free.
func (s *copySource) close() {
	s.pipe.Close()
	s.cancel()
	<-s.done
}
