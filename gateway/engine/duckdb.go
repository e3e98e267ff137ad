package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// The engine talks to DuckDB's C API through the bindings that duckdb-go itself is built on, for one reason: the stream of
// section 6.3 reads column vectors where DuckDB left them. On 10 M rows this costs half the CPU of the Arrow interface and a
// tenth of database/sql, and it needs no build tag.

// database is an open DuckDB instance, connection one session of it. A connection serves one statement at a time.
type (
	database   struct{ h duckdb.Database }
	connection struct{ h duckdb.Connection }
)

// duckError is what is kept of an error of DuckDB: its class. The message may quote values and is dropped here.
type duckError struct {
	verb  string
	class duckdb.ErrorType
}

func (e *duckError) Error() string {
	return e.verb + ": database error class " + fmt.Sprint(int(e.class))
}

// outOfMemory reports whether the memory limit ended the statement.
func (e *duckError) outOfMemory() bool { return e.class == duckdb.ErrorTypeOutOfMemory }

// openDatabase opens a file, or an in-memory database for path "".
func openDatabase(path string, options map[string]string) (*database, error) {
	var config duckdb.Config
	if duckdb.CreateConfig(&config) != duckdb.StateSuccess {
		duckdb.DestroyConfig(&config)
		return nil, &duckError{verb: "configure database"}
	}
	defer duckdb.DestroyConfig(&config)
	for name, value := range options {
		if duckdb.SetConfig(config, name, value) != duckdb.StateSuccess {
			return nil, fmt.Errorf("configure database: option %s refused", name)
		}
	}
	var db database
	var message string
	if duckdb.OpenExt(path, &db.h, config, &message) != duckdb.StateSuccess {
		duckdb.Close(&db.h)
		return nil, &duckError{verb: "open database"}
	}
	return &db, nil
}

func (d *database) close() { duckdb.Close(&d.h) }

func (d *database) connect() (*connection, error) {
	var c connection
	if duckdb.Connect(d.h, &c.h) != duckdb.StateSuccess {
		return nil, &duckError{verb: "connect"}
	}
	return &c, nil
}

func (c *connection) close() { duckdb.Disconnect(&c.h) }

// exec runs one statement and drops its result.
func (c *connection) exec(ctx context.Context, sql string, args ...any) error {
	rows, err := c.query(ctx, sql, args...)
	if err != nil {
		return err
	}
	rows.close()
	return nil
}

// execAll runs statements in order and stops at the first error.
func (c *connection) execAll(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if err := c.exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// query runs one statement. Its result is materialised by DuckDB before the call returns.
func (c *connection) query(ctx context.Context, sql string, args ...any) (*cursor, error) {
	return c.start(ctx, duckdb.PendingPrepared, sql, args)
}

// stream runs one statement whose rows are computed as they are fetched.
func (c *connection) stream(ctx context.Context, sql string, args ...any) (*cursor, error) {
	return c.start(ctx, duckdb.PendingPreparedStreaming, sql, args)
}

func (c *connection) start(ctx context.Context, pend func(duckdb.PreparedStatement, *duckdb.PendingResult) duckdb.State, sql string, args []any) (*cursor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &cursor{ctx: ctx, stop: c.interruptOn(ctx)}
	if err := r.open(c, pend, sql, args); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// interruptOn interrupts the connection's statement when the context ends, again and again until stop is called: DuckDB
// forgets an interrupt that arrives before the statement starts. stop returns when no interrupt can follow.
func (c *connection) interruptOn(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			duckdb.Interrupt(c.h)
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(ended)
		<-stopped
	})
}

// cursor walks the chunks of a result. A chunk's vectors are valid until the next call of next or close.
type cursor struct {
	ctx       context.Context
	stop      func()
	statement duckdb.PreparedStatement
	pending   duckdb.PendingResult
	result    duckdb.Result
	started   bool
	chunk     duckdb.DataChunk
	rows      int
	err       error
}

func (r *cursor) open(c *connection, pend func(duckdb.PreparedStatement, *duckdb.PendingResult) duckdb.State, sql string, args []any) error {
	if duckdb.Prepare(c.h, sql, &r.statement) != duckdb.StateSuccess {
		return &duckError{verb: "prepare statement"}
	}
	for i, arg := range args {
		n := duckdb.IdxT(i + 1)
		var state duckdb.State
		switch v := arg.(type) {
		case int64:
			state = duckdb.BindInt64(r.statement, n, v)
		case string:
			state = duckdb.BindVarcharLength(r.statement, n, v, duckdb.IdxT(len(v)))
		default:
			return fmt.Errorf("bind parameter %d: unsupported type %T", i+1, arg)
		}
		if state != duckdb.StateSuccess {
			return &duckError{verb: "bind parameter"}
		}
	}
	if pend(r.statement, &r.pending) != duckdb.StateSuccess {
		return r.failure("plan statement")
	}
	r.started = true
	if duckdb.ExecutePending(r.pending, &r.result) != duckdb.StateSuccess {
		return r.failure("execute statement")
	}
	return nil
}

// next fetches the next chunk that has rows.
func (r *cursor) next() bool {
	for r.err == nil {
		duckdb.DestroyDataChunk(&r.chunk)
		if r.err = r.ctx.Err(); r.err != nil {
			return false
		}
		r.chunk = duckdb.FetchChunk(r.result)
		if r.chunk.Ptr == nil {
			// The end of a stream and its failure look alike here: only the result knows which it was.
			if duckdb.ResultErrorType(&r.result) != duckdb.ErrorTypeInvalid || duckdb.ResultError(&r.result) != "" {
				r.err = r.failure("fetch rows")
			}
			return false
		}
		if r.rows = int(duckdb.DataChunkGetSize(r.chunk)); r.rows > 0 {
			return true
		}
	}
	return false
}

func (r *cursor) failure(verb string) error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	e := &duckError{verb: verb}
	if r.started {
		e.class = duckdb.ResultErrorType(&r.result)
	}
	return e
}

func (r *cursor) close() {
	r.stop()
	duckdb.DestroyDataChunk(&r.chunk)
	duckdb.DestroyResult(&r.result)
	duckdb.DestroyPending(&r.pending)
	duckdb.DestroyPrepare(&r.statement)
}

// vector is column i of the current chunk: the address of its values and its validity mask (nil: no NULL).
func (r *cursor) vector(i int) (unsafe.Pointer, *uint64) {
	v := duckdb.DataChunkGetVector(r.chunk, duckdb.IdxT(i))
	return duckdb.VectorGetData(v), (*uint64)(duckdb.VectorGetValidity(v))
}

// values views n values of type T that DuckDB owns.
func values[T any](p unsafe.Pointer, n int) []T { return unsafe.Slice((*T)(p), n) }

// valid reports whether row i is not NULL.
func valid(mask *uint64, i int) bool {
	return mask == nil || *(*uint64)(unsafe.Add(unsafe.Pointer(mask), i>>6<<3))>>(i&63)&1 == 1
}

// textValue is DuckDB's string: its length, then up to 12 bytes in place, else a 4-byte prefix and the address of all bytes
// (duckdb.h, duckdb_string_t).
type textValue [2]uint64

func (t *textValue) bytes() []byte {
	n := *(*uint32)(unsafe.Pointer(t))
	if n <= 12 {
		return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(t), 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(unsafe.Pointer(t), 8)), n)
}

// int64s collects the first columns of every row of a small result. NULL is refused.
func (r *cursor) int64s(columns int) ([][]int64, error) {
	var out [][]int64
	for r.next() {
		base := len(out)
		for range r.rows {
			out = append(out, make([]int64, columns))
		}
		for c := range columns {
			p, mask := r.vector(c)
			for i, v := range values[int64](p, r.rows) {
				if !valid(mask, i) {
					return nil, errors.New("read rows: unexpected NULL")
				}
				out[base+i][c] = v
			}
		}
	}
	return out, r.err
}
