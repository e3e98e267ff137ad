package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// ErrBundle says that bytes are not a bundle this gateway accepts: archive, contents or Rego.
var ErrBundle = errors.New("bundle is not acceptable")

// Limits of a bundle, checked before anything in it is parsed.
const (
	maxBundleFiles = 256
	maxBundleFile  = 1 << 20
	maxBundleBytes = 8 << 20 // packed, and again unpacked
)

const (
	manifestFile   = ".manifest"
	signaturesFile = ".signatures.json"
	dataFile       = "data.json"
	testSuffix     = "_test.rego"
)

// files are a bundle's contents by slash-separated path.
type files map[string][]byte

// acceptFile keeps a bundle to what is decided on and signed. WebAssembly, plans, patches and YAML have no use here.
func acceptFile(name string) error {
	switch base := path.Base(name); {
	case !fs.ValidPath(name):
		return fmt.Errorf("%w: a file has an irregular path", ErrBundle)
	case name == manifestFile, name == signaturesFile, base == dataFile:
		return nil
	case strings.HasSuffix(base, ".rego") && !strings.HasPrefix(base, "."):
		return nil
	}
	return fmt.Errorf("%w: file %q: a bundle holds *.rego, data.json and .manifest only", ErrBundle, name)
}

// readDir collects a bundle's directory. Files of other kinds are an error, not skipped: nobody should believe that they count.
func readDir(dir fs.FS) (files, error) {
	fsys := files{}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name == signaturesFile {
			return fmt.Errorf("%w: the directory holds a signature; it is made anew when the bundle is built", ErrBundle)
		}
		if err := acceptFile(name); err != nil {
			return err
		}
		if len(fsys) == maxBundleFiles {
			return fmt.Errorf("%w: more than %d files", ErrBundle, maxBundleFiles)
		}
		b, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		if len(b) > maxBundleFile {
			return fmt.Errorf("%w: file %q is longer than %d bytes", ErrBundle, name, maxBundleFile)
		}
		fsys[name] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read bundle directory: %w", err)
	}
	return fsys, nil
}

// pack writes the same bytes for the same files, whatever the machine: sorted, no times, no owners. Gzip only stores:
// what a compressor emits may change between Go releases, and the digest of the bundle with it.
func pack(fsys files) ([]byte, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err != nil {
		return nil, fmt.Errorf("pack bundle: %w", err)
	}
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(fsys[name])), Format: tar.FormatUSTAR}
		if err := tw.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack bundle: %w", err)
		}
		if _, err := tw.Write(fsys[name]); err != nil {
			return nil, fmt.Errorf("pack bundle: %w", err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		return nil, fmt.Errorf("pack bundle: %w", err)
	}
	return b.Bytes(), nil
}

// unpack opens an archive within the limits. It trusts nothing: the signature has not been verified yet.
func unpack(b []byte) (files, error) {
	if len(b) > maxBundleBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrBundle, maxBundleBytes)
	}
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%w: not a .tar.gz", ErrBundle)
	}
	tr := tar.NewReader(io.LimitReader(zr, 2*maxBundleBytes))
	fsys, total := files{}, 0
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: the archive is damaged", ErrBundle)
		}
		name := strings.TrimPrefix(h.Name, "/") // "opa build" writes /data.json
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("%w: the archive holds something that is no plain file", ErrBundle)
		}
		if err := acceptFile(name); err != nil {
			return nil, err
		}
		if _, twice := fsys[name]; twice {
			return nil, fmt.Errorf("%w: file %q is there twice", ErrBundle, name)
		}
		content, err := io.ReadAll(io.LimitReader(tr, maxBundleFile+1))
		if err != nil {
			return nil, fmt.Errorf("%w: the archive is damaged", ErrBundle)
		}
		total += len(content)
		if len(content) > maxBundleFile || total > maxBundleBytes || len(fsys) == maxBundleFiles {
			return nil, fmt.Errorf("%w: at most %d files, %d bytes each, %d bytes together", ErrBundle, maxBundleFiles, maxBundleFile, maxBundleBytes)
		}
		fsys[name] = content
	}
	return fsys, nil
}
