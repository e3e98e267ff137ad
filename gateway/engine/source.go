package engine

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"jali/gateway/catalog"
)

// File is one input of an import.
type File struct {
	Path  string
	Table string // empty: the base name without .csv, .csv.gz or .parquet
}

// suffixes of the formats that are read.
var suffixes = []string{".csv", ".csv.gz", ".parquet"}

// tableOf resolves the table of a file.
func tableOf(ds *catalog.Dataset, f File) (*catalog.Table, error) {
	if strings.HasPrefix(f.Path, fromPrefix) {
		if t := ds.Table(f.Table); t != nil {
			return t, nil
		}
	}
	base := filepath.Base(f.Path)
	stem, known := base, false
	for _, s := range suffixes {
		if strings.HasSuffix(base, s) {
			stem, known = strings.TrimSuffix(base, s), true
		}
	}
	if !known {
		return nil, misfit("file %s: unknown format: give .csv, .csv.gz or .parquet", base)
	}
	name := f.Table
	if name == "" {
		name = stem
	}
	t := ds.Table(name)
	if t == nil {
		return nil, misfit("file %s: the catalogue of %s has no table %q: rename the file or give --table", base, ds.ID, name)
	}
	return t, nil
}

// batch is some rows of a source: the fields of the wanted columns, row after row, and the line where each row begins.
type batch struct {
	fields []string
	lines  []int64
	bad    []BadRow // rows of this batch that could not be split into fields; they are not in fields
}

// batchRows is the size of a batch, DuckDB's vector size.
const batchRows = 2048

// source yields the rows of one file in order, with the wanted columns in the order asked for. It is not safe for concurrent use.
type source interface {
	// next returns io.EOF after the last batch.
	next(ctx context.Context) (*batch, error)
	close()
}

// matchHeader finds the wanted columns in a header. Every column of the table must be there but those of role never, and
// nothing else: a file of another shape is refused whole, because the catalogue does not say what its columns mean.
func matchHeader(t *catalog.Table, header []string, wanted []*catalog.Column) ([]int, error) {
	// Unknown names are told by place, not by text: in a file without a header line they would be the first person's values.
	var unknown []string
	for i, h := range header {
		if t.Column(h) == nil {
			unknown = append(unknown, strconv.Itoa(i+1))
		} else if slices.Contains(header[:i], h) {
			return nil, misfit("the header names column %s twice", h)
		}
	}
	if len(unknown) == len(header) {
		return nil, misfit("the first line names no column of table %s: it must be a header", t.Name)
	}
	at := make([]int, len(wanted))
	var missing []string
	for i, c := range wanted {
		if at[i] = slices.Index(header, c.Name); at[i] < 0 {
			missing = append(missing, c.Name)
		}
	}
	if len(unknown) > 0 {
		return nil, misfit("the header has names that table %s of the catalogue does not declare, at place %s: declare them (role never drops a column at import) or remove them", t.Name, strings.Join(unknown, ", "))
	}
	if len(missing) > 0 {
		return nil, misfit("the header lacks columns of table %s: %s", t.Name, strings.Join(missing, ", "))
	}
	return at, nil
}

// csvSource reads RFC 4180 CSV: UTF-8, comma, header line, empty field = NULL.
type csvSource struct {
	name   string
	file   io.Closer
	reader *csv.Reader
	at     []int
	done   bool
}

func openCSV(path string, t *catalog.Table, wanted []*catalog.Column) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in := io.Reader(bufio.NewReaderSize(f, 1<<20))
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(in)
		if err != nil {
			f.Close()
			return nil, misfit("not a gzip file")
		}
		in = bufio.NewReaderSize(z, 1<<20)
	}
	s, err := readCSV(path, in, f, t, wanted)
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// readCSV reads the header. file is closed with the source.
func readCSV(name string, in io.Reader, file io.Closer, t *catalog.Table, wanted []*catalog.Column) (*csvSource, error) {
	s := &csvSource{name: name, file: file}
	in, err := skipBOM(in)
	if err == nil {
		s.reader = csv.NewReader(in)
		s.reader.ReuseRecord = true
		var header []string
		if header, err = s.reader.Read(); err == nil {
			s.at, err = matchHeader(t, slices.Clone(header), wanted)
		} else {
			err = misfit("the file has no valid CSV header line")
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// skipBOM drops the UTF-8 byte order mark that spreadsheets write.
func skipBOM(in io.Reader) (io.Reader, error) {
	b := bufio.NewReader(in)
	head, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New("the file cannot be read")
	}
	if string(head) == "\ufeff" {
		_, err = b.Discard(3)
		return b, err
	}
	return b, nil
}

func (s *csvSource) next(ctx context.Context) (*batch, error) {
	if s.done {
		return nil, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &batch{fields: make([]string, 0, batchRows*len(s.at)), lines: make([]int64, 0, batchRows)}
	for len(b.lines) < batchRows {
		record, err := s.reader.Read()
		if errors.Is(err, io.EOF) {
			s.done = true
			break
		}
		if err != nil {
			var p *csv.ParseError
			bad := BadRow{File: s.name, Rule: string(ruleReadable)}
			if errors.As(err, &p) {
				bad.Line, bad.Rule = int64(p.StartLine), string(ruleQuotes)
			}
			if errors.Is(err, csv.ErrFieldCount) {
				bad.Rule = string(ruleFields)
				b.bad = append(b.bad, bad)
				continue
			}
			// After a broken quote or a damaged gzip stream nothing that follows can be trusted.
			b.bad = append(b.bad, bad)
			s.done = true
			break
		}
		line, _ := s.reader.FieldPos(0)
		b.lines = append(b.lines, int64(line))
		for _, at := range s.at {
			b.fields = append(b.fields, record[at])
		}
	}
	return b, nil
}

func (s *csvSource) close() { s.file.Close() }
