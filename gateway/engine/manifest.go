package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// manifestFormat names the encoding; a reader refuses every other.
const manifestFormat = "jali-manifest/1"

// Manifest describes one data version. Its digest is the version's name, so whoever knows the name can check the file, and the
// random Nonce keeps the name from telling whether two versions hold the same rows. Row counts are in it: it is a detail of the
// audit entry that activates the version, which can be erased, and never part of the entry itself.
type Manifest struct {
	Dataset    string
	Population string
	Class      string
	Level      int
	Catalog    [32]byte // digest of the catalogue the rows were checked against
	Nonce      [32]byte
	Created    time.Time // UTC, whole seconds
	File       [32]byte  // SHA-256 of the DuckDB file
	Size       int64     // its bytes
	Persons    int64     // ordinals are below this
	Tables     []TableManifest
	// ScanNS and StreamNS are nanoseconds per row of a grouped sum by plain aggregation and by the person-ordered stream,
	// measured at import on generated rows. Response slots are chosen by them.
	ScanNS, StreamNS float64
}

// TableManifest is one stored table.
type TableManifest struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// manifestJSON is the stored form: fixed field order, no spaces, one line.
type manifestJSON struct {
	Format     string          `json:"format"`
	Dataset    string          `json:"dataset"`
	Population string          `json:"population"`
	Class      string          `json:"class"`
	Level      int             `json:"level"`
	Catalog    string          `json:"catalog"`
	Nonce      string          `json:"nonce"`
	Created    string          `json:"created"`
	File       string          `json:"file"`
	Size       int64           `json:"size"`
	Persons    int64           `json:"persons"`
	Tables     []TableManifest `json:"tables"`
	ScanNS     float64         `json:"scan_ns"`
	StreamNS   float64         `json:"stream_ns"`
}

// Encode is the manifest's one encoding.
func (m Manifest) Encode() []byte {
	out, err := json.Marshal(manifestJSON{
		Format: manifestFormat, Dataset: m.Dataset, Population: m.Population, Class: m.Class, Level: m.Level,
		Catalog: hex.EncodeToString(m.Catalog[:]), Nonce: hex.EncodeToString(m.Nonce[:]),
		Created: m.Created.UTC().Format(time.RFC3339), File: hex.EncodeToString(m.File[:]), Size: m.Size,
		Persons: m.Persons, Tables: m.Tables, ScanNS: m.ScanNS, StreamNS: m.StreamNS,
	})
	if err != nil {
		panic("engine: encode manifest: " + err.Error()) // only a NaN could do this, and Import stores none
	}
	return out
}

// Version is the version's name: base64url(SHA-256(Encode())).
func (m Manifest) Version() string {
	sum := sha256.Sum256(m.Encode())
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Rows is the number of rows of a table; ok is false if the version does not hold it.
func (m Manifest) Rows(table string) (n int64, ok bool) {
	for _, t := range m.Tables {
		if t.Name == table {
			return t.Rows, true
		}
	}
	return 0, false
}

// ErrManifest: the text is not a manifest.
var ErrManifest = errors.New("not a data version manifest")

// ParseManifest reads what Encode wrote, and nothing else: a text that would encode differently is refused.
func ParseManifest(text []byte) (Manifest, error) {
	var j manifestJSON
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return Manifest{}, fmt.Errorf("%w: invalid JSON", ErrManifest)
	}
	if j.Format != manifestFormat {
		return Manifest{}, fmt.Errorf("%w: format is not %s", ErrManifest, manifestFormat)
	}
	m := Manifest{
		Dataset: j.Dataset, Population: j.Population, Class: j.Class, Level: j.Level, Size: j.Size, Persons: j.Persons,
		Tables: j.Tables, ScanNS: j.ScanNS, StreamNS: j.StreamNS,
	}
	for _, f := range []struct {
		name, text string
		to         *[32]byte
	}{{"catalog", j.Catalog, &m.Catalog}, {"nonce", j.Nonce, &m.Nonce}, {"file", j.File, &m.File}} {
		b, err := hex.DecodeString(f.text)
		if err != nil || len(b) != 32 {
			return Manifest{}, fmt.Errorf("%w: %s is not 32 bytes of hexadecimal", ErrManifest, f.name)
		}
		copy(f.to[:], b)
	}
	var err error
	if m.Created, err = time.Parse(time.RFC3339, j.Created); err != nil {
		return Manifest{}, fmt.Errorf("%w: created is not a time", ErrManifest)
	}
	if !bytes.Equal(m.Encode(), text) {
		return Manifest{}, fmt.Errorf("%w: not in canonical form", ErrManifest)
	}
	return m, nil
}

// ErrFile: the file is not the one the manifest describes.
var ErrFile = errors.New("data file does not match its manifest")

// CheckFile reads the whole file and compares size and digest.
func (m Manifest) CheckFile(path string) error {
	sum, size, err := digestFile(path)
	if err != nil {
		return fmt.Errorf("check data file: %w", err)
	}
	if size != m.Size || sum != m.File {
		return fmt.Errorf("check data file: %w: restore it from a backup or import the data again", ErrFile)
	}
	return nil
}

func digestFile(path string) (sum [32]byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, size, err
}
