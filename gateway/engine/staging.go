package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"jali/gateway/catalog"
)

// Staging holds the checked rows of an import, in the order of the files, until persons have ordinals. A staging table has
// _at, the place of the row (file number * 2^40 + line), the person key if the table has its own, and the stored columns.
const (
	placeColumn = "_at"
	placeShift  = 40
)

// stagedColumns lists what a table's staging holds besides _at.
func stagedColumns(t *catalog.Table) []*catalog.Column {
	cols := storedColumns(t)
	if !t.Public && t.Via == nil {
		cols = append([]*catalog.Column{t.Column(t.PersonKey)}, cols...)
	}
	return cols
}

func stagedName(t *catalog.Table) string { return `staging.` + quote(t.Name) }

// stage checks the rows of the files of one table and appends the good ones to its staging table.
type stage struct {
	table    *catalog.Table
	columns  []*catalog.Column
	checkers []*checker
	appender duckdb.Appender
	types    []duckdb.LogicalType
	chunk    duckdb.DataChunk
	total    int64
	bad      *DataError
	progress func(table string, rows int64)
}

func newStage(ctx context.Context, c *connection, t *catalog.Table, bad *DataError, progress func(string, int64)) (*stage, error) {
	s := &stage{table: t, columns: stagedColumns(t), bad: bad, progress: progress}
	defs := []string{placeColumn + " BIGINT"}
	for _, col := range s.columns {
		k := newChecker(col)
		s.checkers = append(s.checkers, k)
		typ := k.typ
		if k.key && k.kind != texts {
			typ = "BIGINT"
		}
		defs = append(defs, quote(col.Name)+" "+typ)
	}
	if err := c.exec(ctx, "CREATE TABLE "+stagedName(t)+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return nil, err
	}
	if duckdb.AppenderCreateExt(c.h, "staging", "main", t.Name, &s.appender) != duckdb.StateSuccess {
		duckdb.AppenderDestroy(&s.appender)
		return nil, &duckError{verb: "stage rows"}
	}
	for i := range len(defs) {
		s.types = append(s.types, duckdb.AppenderColumnType(s.appender, duckdb.IdxT(i)))
	}
	s.chunk = duckdb.CreateDataChunk(s.types)
	return s, nil
}

// read checks and appends one file. The reader runs ahead in its own goroutine, because splitting and checking cost alike.
func (s *stage) read(ctx context.Context, file int, name string, src source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, failed := make(chan *batch, 4), make(chan error, 1)
	go func() {
		defer close(batches)
		for {
			b, err := src.next(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					failed <- err
				}
				return
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range batches { // until the reader has let go of the source
		}
	}()
	for b := range batches {
		for _, r := range b.bad {
			r.File = name
			s.bad.add(r)
		}
		if err := s.check(int64(file)<<placeShift, name, b); err != nil {
			return err
		}
		if s.progress != nil {
			s.progress(s.table.Name, s.total)
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// check appends the rows of a batch column by column; a row that breaks a rule is reported and leaves a hole that is never
// used, because then the import fails.
func (s *stage) check(file int64, name string, b *batch) error {
	n, width := len(b.lines), len(s.columns)
	if n == 0 {
		return nil
	}
	place := values[int64](duckdb.VectorGetData(duckdb.DataChunkGetVector(s.chunk, 0)), n)
	for i, line := range b.lines {
		place[i] = file | line
	}
	for c, k := range s.checkers {
		v := duckdb.DataChunkGetVector(s.chunk, duckdb.IdxT(c+1))
		report := func(i int, broken rule) {
			s.bad.add(BadRow{File: name, Line: b.lines[i], Column: s.columns[c].Name, Rule: string(broken)})
		}
		var nulls *nullMask
		if k.kind == texts {
			for i := range n {
				field := b.fields[i*width+c]
				null, broken := k.text(field)
				switch {
				case broken != "":
					report(i, broken)
				case null:
					nulls = nulls.set(v, i)
				default:
					duckdb.UnsafeVectorAssignStringElementLen(v, duckdb.IdxT(i), unsafe.Slice(unsafe.StringData(field), len(field)))
				}
			}
			continue
		}
		put := numberWriter(duckdb.VectorGetData(v), k)
		for i := range n {
			x, null, broken := k.number(b.fields[i*width+c])
			switch {
			case broken != "":
				report(i, broken)
			case null:
				nulls = nulls.set(v, i)
			default:
				put(i, x)
			}
		}
	}
	s.total += int64(n)
	if len(s.bad.Rows) > 0 {
		duckdb.DataChunkReset(s.chunk)
		return nil
	}
	duckdb.DataChunkSetSize(s.chunk, duckdb.IdxT(n))
	if duckdb.AppendDataChunk(s.appender, s.chunk) != duckdb.StateSuccess {
		return &duckError{verb: "stage rows"}
	}
	duckdb.DataChunkReset(s.chunk)
	return nil
}

// nullMask is a vector's validity mask made writable.
type nullMask struct{ mask unsafe.Pointer }

func (m *nullMask) set(v duckdb.Vector, i int) *nullMask {
	if m == nil {
		duckdb.VectorEnsureValidityWritable(v)
		m = &nullMask{duckdb.VectorGetValidity(v)}
	}
	*(*uint64)(unsafe.Add(m.mask, i>>6<<3)) &^= 1 << (i & 63)
	return m
}

// numberWriter writes checked numbers into a vector of the column's type. The checks before it are why no cast can truncate.
func numberWriter(p unsafe.Pointer, k *checker) func(i int, n int64) {
	if k.key {
		return func(i int, n int64) { values[int64](p, batchRows)[i] = n }
	}
	switch k.typ {
	case "TINYINT":
		return func(i int, n int64) { values[int8](p, batchRows)[i] = int8(n) }
	case "SMALLINT":
		return func(i int, n int64) { values[int16](p, batchRows)[i] = int16(n) }
	case "INTEGER":
		return func(i int, n int64) { values[int32](p, batchRows)[i] = int32(n) }
	case "UTINYINT":
		return func(i int, n int64) { values[uint8](p, batchRows)[i] = uint8(n) }
	case "USMALLINT":
		return func(i int, n int64) { values[uint16](p, batchRows)[i] = uint16(n) }
	case "UINTEGER":
		return func(i int, n int64) { values[uint32](p, batchRows)[i] = uint32(n) }
	}
	return func(i int, n int64) { values[int64](p, batchRows)[i] = n }
}

// finish makes the staged rows visible.
func (s *stage) finish() error {
	if duckdb.AppenderClose(s.appender) != duckdb.StateSuccess {
		return &duckError{verb: "stage rows"}
	}
	return nil
}

func (s *stage) close() {
	duckdb.DestroyDataChunk(&s.chunk)
	for i := range s.types {
		duckdb.DestroyLogicalType(&s.types[i])
	}
	duckdb.AppenderDestroy(&s.appender)
}

// place turns _at back into file and line.
func place(files []string, at int64) (file string, line int64) {
	return files[at>>placeShift], at & (1<<placeShift - 1)
}

// openSource opens a file by its suffix. Its connection is its own, so that it can stream while rows are appended.
func openSource(ctx context.Context, db *database, path string, t *catalog.Table) (source, error) {
	base := filepath.Base(path)
	var src source
	var err error
	if strings.HasSuffix(path, ".parquet") {
		var c *connection
		if c, err = db.connect(); err == nil {
			if src, err = openParquet(ctx, c, path, t, stagedColumns(t)); err != nil {
				c.close()
			}
		}
	} else {
		src, err = openCSV(path, t, stagedColumns(t))
	}
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", base, err)
	}
	return src, nil
}
