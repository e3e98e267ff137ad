package catalog

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Limits of what is read. A catalogue is written by people; code lists are at most national classifications.
const (
	maxFile      = 4 << 20
	maxCodesFile = 64 << 20
	maxCodes     = 1_000_000
)

// Load reads a catalogue file. Code lists are read relative to its directory and cannot lie outside it.
func Load(path string) (*Dataset, error) {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	defer dir.Close()
	src, err := readAll(dir, filepath.Base(path), maxFile)
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	return Parse(path, src, func(p string) ([]byte, error) { return readAll(dir, p, maxCodesFile) })
}

func readAll(dir *os.Root, path string, limit int64) ([]byte, error) {
	f, err := dir.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// Parse reads a catalogue from memory. name is used in errors; open returns the content of a code list file named relative
// to the catalogue with forward slashes (nil: code list files are refused). A .gz name is decompressed here.
// The error joins every *Error found, up to 20.
func Parse(name string, src []byte, open func(path string) ([]byte, error)) (*Dataset, error) {
	r := &reader{file: name, lines: strings.Split(string(src), "\n")}
	if len(src) > maxFile {
		return nil, &Error{File: name, Msg: fmt.Sprintf("larger than %d bytes", maxFile), Hint: "put long code lists into CSV files"}
	}
	p := &parse{reader: r, open: open, nodes: map[any]position{}}
	root := r.root(src)
	var d *Dataset
	if root != nil {
		d = p.dataset(root)
	}
	if d != nil && len(r.errs) == 0 {
		p.check(d)
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	d.Digest = digest(d)
	return d, nil
}

// openCodes reads a code list file, decompressed.
func (p *parse) openCodes(path string) ([]byte, error) {
	if p.open == nil || !fs.ValidPath(path) {
		return nil, errors.New("the file must lie beside or below the catalogue")
	}
	b, err := p.open(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return b, err
	}
	z, err := gzip.NewReader(strings.NewReader(string(b)))
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(io.LimitReader(z, maxCodesFile+1))
	if err == nil && len(b) > maxCodesFile {
		err = fmt.Errorf("larger than %d bytes when decompressed", maxCodesFile)
	}
	return b, err
}

// slots reads the response ladder: `off`, or ascending durations.
func (p *parse) slots(o *object) []time.Duration {
	n := o.get("slots")
	if n == nil {
		return nil
	}
	if s, ok := scalarText(n); ok && (s == "off" || s == "false") {
		return []time.Duration{}
	}
	const hint = "write `slots: off` or for example `slots: [25ms, 100ms, 400ms]`"
	var all []time.Duration
	for _, s := range p.texts(n, "slots") {
		d, err := time.ParseDuration(s)
		if err != nil || d < time.Millisecond || d > time.Hour || len(all) > 0 && d <= slices.Max(all) {
			p.at(n, hint, "slots must be ascending durations from 1ms to 1h")
			return nil
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		p.at(n, hint, "slots is empty")
	}
	return all
}
