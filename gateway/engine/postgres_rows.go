package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
)

// errLayout: PostgreSQL returned something else than the statement asks for. Nothing of the answer is used.
var errLayout = fmt.Errorf("%w: column of another type", errPlan)

// pgRows lays the rows of a result out as DuckDB's vectors, so that one loop reads both. Rows come over the wire as they are
// computed; at most batchRows are held.
type pgRows struct {
	columns []pgColumn
	n       int
}

// pgColumn is one column of a chunk: its values in a buffer of 8-byte words, and which are not NULL.
type pgColumn struct {
	typ   string
	width int
	buf   []uint64
	mask  []uint64
	nulls bool
	long  [][]byte // texts that do not fit in place: buf holds their addresses, this holds them
}

var widths = map[string]int{
	"TINYINT": 1, "UTINYINT": 1, "SMALLINT": 2, "USMALLINT": 2, "INTEGER": 4, "UINTEGER": 4, "BIGINT": 8, "HUGEINT": 16, "VARCHAR": 16,
}

func newPGRows(types []string) *pgRows {
	r := &pgRows{columns: make([]pgColumn, len(types))}
	for i, typ := range types {
		w := widths[typ]
		r.columns[i] = pgColumn{typ: typ, width: w, buf: make([]uint64, batchRows*w/8), mask: make([]uint64, batchRows/64)}
	}
	r.reset()
	return r
}

func (r *pgRows) reset() {
	r.n = 0
	for i := range r.columns {
		c := &r.columns[i]
		c.nulls, c.long = false, nil
		for j := range c.mask {
			c.mask[j] = ^uint64(0)
		}
	}
}

func (r *pgRows) size() int { return r.n }

func (r *pgRows) vector(i int) (unsafe.Pointer, *uint64) {
	c := &r.columns[i]
	if c.nulls {
		return unsafe.Pointer(&c.buf[0]), &c.mask[0]
	}
	return unsafe.Pointer(&c.buf[0]), nil
}

// formats asks for 128-bit sums as digits and for all else in binary.
func formats(types []string) []int16 {
	out := make([]int16, len(types))
	for i, typ := range types {
		if typ != "HUGEINT" {
			out[i] = 1
		}
	}
	return out
}

// each runs a statement on a connection and reads all its rows.
func each(ctx context.Context, c *pgconn.PgConn, st statement, read func(chunk) error) error {
	args := make([][]byte, len(st.args))
	for i, arg := range st.args {
		switch v := arg.(type) {
		case int64:
			args[i] = strconv.AppendInt(nil, v, 10)
		case string:
			args[i] = []byte(v)
		default:
			return fmt.Errorf("bind parameter %d: unsupported type %T", i+1, arg)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	result := c.ExecParams(ctx, st.sql, args, nil, nil, formats(st.types))
	rows := newPGRows(st.types)
	err := rows.fill(result, read)
	if err != nil {
		stop() // else closing would read to the end
		_, _ = result.Close()
		return err
	}
	_, err = result.Close()
	return pgFault(ctx, "fetch rows", err)
}

func (r *pgRows) fill(result *pgconn.ResultReader, read func(chunk) error) error {
	for result.NextRow() {
		if err := r.add(result.Values()); err != nil {
			return err
		}
		if r.n == batchRows {
			if err := read(r); err != nil {
				return err
			}
			r.reset()
		}
	}
	// A stream that broke ends like one that is complete. Its error shows in Close, after which nothing of it counts.
	if r.n > 0 {
		return read(r)
	}
	return nil
}

func (r *pgRows) add(fields [][]byte) error {
	if len(fields) != len(r.columns) {
		return errLayout
	}
	for i := range r.columns {
		if !r.columns[i].put(r.n, fields[i]) {
			return errLayout
		}
	}
	r.n++
	return nil
}

// put lays one value out; false if it is not of the column's type.
func (c *pgColumn) put(i int, field []byte) bool {
	if field == nil {
		c.nulls = true
		c.mask[i>>6] &^= 1 << (i & 63)
		if c.width == 16 {
			c.buf[2*i], c.buf[2*i+1] = 0, 0
		} else {
			return c.number(i, 0)
		}
		return true
	}
	switch c.typ {
	case "VARCHAR":
		c.text(i, field)
		return true
	case "HUGEINT":
		n, ok := new(big.Int).SetString(string(field), 10)
		if !ok || n.BitLen() > 126 {
			return false
		}
		wide := int128Of(n)
		c.buf[2*i], c.buf[2*i+1] = wide.lo, uint64(wide.hi)
		return true
	}
	switch len(field) {
	case 2:
		return c.number(i, int64(int16(binary.BigEndian.Uint16(field))))
	case 4:
		return c.number(i, int64(int32(binary.BigEndian.Uint32(field))))
	case 8:
		return c.number(i, int64(binary.BigEndian.Uint64(field)))
	}
	return false
}

// number stores n in the column's width; false if it does not fit.
func (c *pgColumn) number(i int, n int64) bool {
	p := unsafe.Pointer(&c.buf[0])
	switch c.typ {
	case "TINYINT":
		return narrow(values[int8](p, batchRows), i, n)
	case "UTINYINT":
		return narrow(values[uint8](p, batchRows), i, n)
	case "SMALLINT":
		return narrow(values[int16](p, batchRows), i, n)
	case "USMALLINT":
		return narrow(values[uint16](p, batchRows), i, n)
	case "INTEGER":
		return narrow(values[int32](p, batchRows), i, n)
	case "UINTEGER":
		return narrow(values[uint32](p, batchRows), i, n)
	}
	c.buf[i] = uint64(n)
	return true
}

func narrow[T int8 | uint8 | int16 | uint16 | int32 | uint32](to []T, i int, n int64) bool {
	to[i] = T(n)
	return int64(to[i]) == n
}

// text stores a string as textValue reads it: the length, then up to 12 bytes in place, else a prefix and an address. long keeps
// what is addressed alive, and Go does not move it.
func (c *pgColumn) text(i int, field []byte) {
	c.buf[2*i], c.buf[2*i+1] = 0, 0
	at := unsafe.Pointer(&c.buf[2*i])
	*(*uint32)(at) = uint32(len(field))
	if len(field) <= 12 {
		copy(values[byte](unsafe.Add(at, 4), 12), field)
		return
	}
	kept := append([]byte(nil), field...)
	c.long = append(c.long, kept)
	copy(values[byte](unsafe.Add(at, 4), 4), kept)
	c.buf[2*i+1] = uint64(uintptr(unsafe.Pointer(&kept[0])))
}
