package engine

import (
	"context"
	"unsafe"
)

// store is where the tables of a data version lie, as the engine needs it: instances of DuckDB on a file, or connections to
// PostgreSQL. It runs statements that the engine generated and nothing else.
type store interface {
	// aggregate runs a statement that takes rows together, stream one whose rows the loop reads in the order of persons. read is
	// called for each chunk of rows; an error of it ends the statement.
	aggregate(ctx context.Context, st statement, read func(chunk) error) error
	stream(ctx context.Context, st statement, read func(chunk) error) error
	// ready reports whether a statement may be expected to run, as far as is known without trying.
	ready() bool
	// checkLockdown tries what a store must refuse.
	checkLockdown(ctx context.Context) error
	close() error
}

// statement is generated SQL with what the asker's literals are bound to. types are DuckDB's names of how each column of the
// result lies in a chunk.
type statement struct {
	sql   string
	args  []any
	types []string
}

// chunk is at most batchRows rows of a result, column by column. A column is the address of its values and its validity mask
// (nil: no NULL), laid out as DuckDB's vectors are. Both are valid until the call that got the chunk returns.
type chunk interface {
	size() int
	vector(i int) (unsafe.Pointer, *uint64)
}

// instances are the DuckDB instances of one file.
type instances struct {
	plain   *pool // aggregations, on all threads
	ordered *pool // shares of streams: one thread, so that the goroutine that loops over rows also computes them
	scratch string
}

func (*instances) ready() bool { return true }

func (s *instances) aggregate(ctx context.Context, st statement, read func(chunk) error) error {
	return s.plain.session(func(c *connection) error {
		rows, err := c.query(ctx, st.sql, st.args...)
		if err != nil {
			return err
		}
		return rows.each(read)
	})
}

func (s *instances) stream(ctx context.Context, st statement, read func(chunk) error) error {
	return s.ordered.session(func(c *connection) error {
		rows, err := c.stream(ctx, st.sql, st.args...)
		if err != nil {
			return err
		}
		return rows.each(read)
	})
}

// each reads all chunks and closes the cursor.
func (r *cursor) each(read func(chunk) error) error {
	defer r.close()
	for r.next() {
		if err := read(r); err != nil {
			return err
		}
	}
	return r.err
}

func (r *cursor) size() int { return r.rows }
