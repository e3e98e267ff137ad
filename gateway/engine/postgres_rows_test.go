package engine

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"testing"
)

func be(n int64, width int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	return b[8-width:]
}

// TestPGRows: what PostgreSQL sends comes out of a chunk as it went in, NULLs and long texts too, and what does not fit its column
// fails the query.
func TestPGRows(t *testing.T) {
	types := []string{"INTEGER", "UTINYINT", "TINYINT", "USMALLINT", "SMALLINT", "UINTEGER", "BIGINT", "HUGEINT", "VARCHAR"}
	huge, _ := new(big.Int).SetString("-85070591730234615865843651857942052863", 10) // 1 - 2^126
	long := strings.Repeat("ß", 700)
	rows := [][][]byte{
		{be(7, 4), be(255, 2), be(-128, 2), be(65535, 4), be(math.MinInt16, 2), be(math.MaxUint32, 8), be(math.MinInt64, 8), []byte(huge.String()), []byte(long)},
		{be(math.MaxInt32, 4), nil, be(127, 2), nil, nil, be(0, 8), nil, nil, nil},
		{be(9, 4), be(0, 2), nil, be(0, 4), be(1, 2), nil, be(1, 8), []byte("0"), []byte("twelve bytes")},
		{be(9, 4), be(0, 2), nil, be(0, 4), be(1, 2), nil, be(1, 8), []byte("12"), []byte("")},
	}
	r := newPGRows(types)
	for i, row := range rows {
		if err := r.add(row); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	for j, typ := range types {
		p, mask := r.vector(j)
		for i, row := range rows {
			if valid(mask, i) != (row[j] != nil) {
				t.Fatalf("%s of row %d: NULL is lost or made up", typ, i)
			}
			if row[j] == nil {
				continue
			}
			switch typ {
			case "VARCHAR":
				if got := values[textValue](p, len(rows))[i].bytes(); !bytes.Equal(got, row[j]) {
					t.Errorf("text of row %d: %q", i, got)
				}
			case "HUGEINT":
				if got := values[hugeint](p, len(rows))[i].big().String(); got != string(row[j]) {
					t.Errorf("sum of row %d: %s", i, got)
				}
			default:
				if got := numberAt(p, i, encoding{typ: typ}); !bytes.Equal(be(got, len(row[j])), row[j]) {
					t.Errorf("%s of row %d: %d", typ, i, got)
				}
			}
		}
	}
	for _, c := range []struct {
		typ   string
		field []byte
	}{
		{"UTINYINT", be(256, 2)},
		{"UTINYINT", be(-1, 2)},
		{"TINYINT", be(128, 2)},
		{"USMALLINT", be(65536, 4)},
		{"UINTEGER", be(-1, 8)},
		{"INTEGER", be(1<<31, 8)},
		{"INTEGER", []byte{1, 2, 3}},
		{"BIGINT", nil},
		{"BIGINT", []byte{}},
		{"HUGEINT", []byte("1.5")},
		{"HUGEINT", []byte("NaN")},
		{"HUGEINT", []byte("85070591730234615865843651857942052864")},
	} {
		err := newPGRows([]string{c.typ}).add([][]byte{c.field})
		if want := c.field != nil; (err != nil) != want {
			t.Errorf("%s of %d bytes: %v", c.typ, len(c.field), err)
		}
	}
	if err := newPGRows(types).add(rows[0][1:]); err == nil {
		t.Error("a row that lacks a column was taken")
	}
}

// FuzzPGRows: no bytes from the server panic, and a number that is taken is the number that was sent.
func FuzzPGRows(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 0, 1})
	f.Add(uint8(7), []byte("-12"))
	f.Add(uint8(8), []byte("thirteen bytes"))
	types := []string{"INTEGER", "UTINYINT", "TINYINT", "USMALLINT", "SMALLINT", "UINTEGER", "BIGINT", "HUGEINT", "VARCHAR"}
	f.Fuzz(func(t *testing.T, which uint8, field []byte) {
		typ := types[int(which)%len(types)]
		r := newPGRows([]string{typ})
		if r.add([][]byte{field}) != nil || field == nil {
			return
		}
		p, mask := r.vector(0)
		switch {
		case !valid(mask, 0):
			t.Fatal("a value became NULL")
		case typ == "VARCHAR":
			if !bytes.Equal(values[textValue](p, 1)[0].bytes(), field) {
				t.Fatal("another text")
			}
		case typ == "HUGEINT":
			if want, ok := new(big.Int).SetString(string(field), 10); !ok || values[hugeint](p, 1)[0].big().Cmp(want) != 0 {
				t.Fatalf("%q became %v", field, values[hugeint](p, 1)[0].big())
			}
		default:
			if got := numberAt(p, 0, encoding{typ: typ}); !bytes.Equal(be(got, len(field)), field) {
				t.Fatalf("%x became %d", field, got)
			}
		}
	})
}

// FuzzPlace: a note of a place is read as it was written or refused.
func FuzzPlace(f *testing.F) {
	m := Manifest{Nonce: [32]byte{1, 2, 3}}
	f.Add(Place{placeFormat, schemaOf(m), Secret{File: "/etc/jali/reader.dsn"}}.encode())
	f.Add([]byte(`{"format":"jali-postgres/1","schema":"jali_0102030000000000","dsn_file":"a","dsn_env":"b"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePlace(text, m)
		if err != nil {
			return
		}
		if p.Schema != schemaOf(m) || (p.File == "") == (p.Env == "") {
			t.Fatalf("taken: %+v", p)
		}
		if again, err := parsePlace(p.encode(), m); err != nil || again != p {
			t.Fatalf("written again: %+v, %v", again, err)
		}
	})
}
