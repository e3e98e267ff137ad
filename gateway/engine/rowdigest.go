package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"

	"jali/gateway/catalog"
)

// rowDigest is SHA-256 over all rows of a version in the order in which they were stored, whatever database they lie in:
//
//	"jali-rows/1\n", then per table  name \n  column type \n ... \n,  per row 1 and per column 0 for NULL, or 1 and the number
//	as 8 bytes, little-endian, or the text's length likewise and its bytes;  after the last row 2 and the number of rows
//
// Equal digests mean equal versions, so what was checked of one holds of the other.
type rowDigest struct {
	hash.Hash
	buf  []byte
	size int64
}

func newRowDigest() *rowDigest {
	d := &rowDigest{Hash: sha256.New()}
	d.text("jali-rows/1\n")
	return d
}

func (d *rowDigest) text(s string) {
	d.buf = append(d.buf[:0], s...)
	d.flush()
}

func (d *rowDigest) flush() {
	d.Write(d.buf)
	d.size += int64(len(d.buf))
	d.buf = d.buf[:0]
}

func (d *rowDigest) sum() (out [32]byte) {
	d.Sum(out[:0])
	return out
}

// loadedColumn is a column of a stored table: a name and how it is kept.
type loadedColumn struct {
	name string
	typ  string // DuckDB's
	from *catalog.Column
}

// loadedColumns lists all columns of a stored table, in order: the person, what the catalogue declares, shadows.
func loadedColumns(ds *catalog.Dataset, t *catalog.Table) []loadedColumn {
	var out []loadedColumn
	if !t.Public {
		out = append(out, loadedColumn{name: personColumn, typ: "INTEGER"})
	}
	for _, c := range storedColumns(t) {
		out = append(out, loadedColumn{c.Name, encodingOf(c).typ, c})
		if needsShadow(ds, c) {
			out = append(out, loadedColumn{shadowPrefix + c.Name, "VARCHAR", nil})
		}
	}
	return out
}

// table begins a table; its statement reads all columns of it.
func (d *rowDigest) table(t *catalog.Table, columns []loadedColumn) (statement, *tableDigest) {
	var head strings.Builder
	head.WriteString(t.Name + "\n")
	st := statement{}
	names := make([]string, len(columns))
	for i, c := range columns {
		fmt.Fprintf(&head, "%s %s\n", c.name, c.typ)
		names[i], st.types = quote(c.name), append(st.types, c.typ)
	}
	d.text(head.String() + "\n")
	st.sql = "SELECT " + strings.Join(names, ", ") + " FROM " + quote(t.Name)
	return st, &tableDigest{d: d, types: st.types}
}

// tableDigest takes the chunks of one table.
type tableDigest struct {
	d     *rowDigest
	types []string
	rows  int64
}

func (t *tableDigest) add(c chunk) error {
	n := c.size()
	columns := readColumns(c, t.types)
	for i := range n {
		t.d.buf = append(t.d.buf, 1)
		for j := range columns {
			x := &columns[j]
			switch {
			case !valid(x.mask, i):
				t.d.buf = append(t.d.buf, 0)
			case x.words != nil:
				b := x.words[i].bytes()
				t.d.buf = binary.LittleEndian.AppendUint64(append(t.d.buf, 1), uint64(len(b)))
				t.d.buf = append(t.d.buf, b...)
			default:
				t.d.buf = binary.LittleEndian.AppendUint64(append(t.d.buf, 1), uint64(x.numbers[i]))
			}
		}
	}
	t.rows += int64(n)
	t.d.flush()
	return nil
}

func (t *tableDigest) end() {
	t.d.buf = binary.LittleEndian.AppendUint64(append(t.d.buf, 2), uint64(t.rows))
	t.d.flush()
}

// readColumn is a column of a chunk made wide: words of texts, else numbers.
type readColumn struct {
	words   []textValue
	numbers []int64
	mask    *uint64
}

func readColumns(c chunk, types []string) []readColumn {
	out := make([]readColumn, len(types))
	for j, typ := range types {
		p, mask := c.vector(j)
		out[j].mask = mask
		if typ == "VARCHAR" {
			out[j].words = values[textValue](p, c.size())
			continue
		}
		out[j].numbers = make([]int64, c.size())
		widen(out[j].numbers, p, encoding{typ: typ})
	}
	return out
}
