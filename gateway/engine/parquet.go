package engine

import (
	"context"
	"fmt"
	"io"
	"strings"

	"jali/gateway/catalog"
)

// parquetSource reads a Parquet file through DuckDB, each value in its text form, so that one set of checks judges every
// format. Integers, decimals, dates, booleans and strings have the same text as in CSV; floating point that prints with an
// exponent, timestamps and nested types do not and are refused value by value.
type parquetSource struct {
	connection *connection
	cursor     *cursor
	columns    int
	row        int64
}

func openParquet(ctx context.Context, c *connection, path string, t *catalog.Table, wanted []*catalog.Column) (source, error) {
	// DuckDB would take these for a pattern and read other files than the one named.
	if strings.ContainsAny(path, "*?[]{}") {
		return nil, misfit("file names with * ? [ ] { } are not read")
	}
	header, err := parquetHeader(ctx, c, path)
	if err != nil {
		return nil, err
	}
	if _, err := matchHeader(t, header, wanted); err != nil {
		return nil, err
	}
	cols := make([]string, len(wanted))
	for i, w := range wanted {
		cols[i] = "CAST(" + quote(w.Name) + " AS VARCHAR)"
	}
	rows, err := c.stream(ctx, "SELECT "+strings.Join(cols, ", ")+" FROM read_parquet(?, hive_partitioning = false)", path)
	if err != nil {
		return nil, err
	}
	return &parquetSource{connection: c, cursor: rows, columns: len(wanted)}, nil
}

func parquetHeader(ctx context.Context, c *connection, path string) ([]string, error) {
	rows, err := c.query(ctx, "SELECT name FROM parquet_schema(?) WHERE num_children IS NULL OR num_children = 0", path)
	if err != nil {
		return nil, misfit("not a Parquet file")
	}
	defer rows.close()
	var header []string
	for rows.next() {
		p, _ := rows.vector(0)
		for i := range values[textValue](p, rows.rows) {
			header = append(header, string(values[textValue](p, rows.rows)[i].bytes()))
		}
	}
	return header, rows.err
}

func (s *parquetSource) next(context.Context) (*batch, error) {
	if !s.cursor.next() {
		if s.cursor.err != nil {
			return nil, fmt.Errorf("read Parquet after row %d: %w", s.row, s.cursor.err)
		}
		return nil, io.EOF
	}
	n := s.cursor.rows
	b := &batch{fields: make([]string, n*s.columns), lines: make([]int64, n)}
	for i := range n {
		s.row++
		b.lines[i] = s.row
	}
	for c := range s.columns {
		p, mask := s.cursor.vector(c)
		texts := values[textValue](p, n)
		for i := range n {
			if valid(mask, i) {
				b.fields[i*s.columns+c] = string(texts[i].bytes())
			}
		}
	}
	return b, nil
}

func (s *parquetSource) close() {
	s.cursor.close()
	s.connection.close()
}
