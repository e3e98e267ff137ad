package engine

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// placeFormat names the encoding of <version>.postgres, the file beside the versions that are files which says where a version
// lies that is not. It holds no secret: the connection string stands elsewhere.
const placeFormat = "jali-postgres/1"

// Place is where the tables of a version lie in PostgreSQL, and as which role they are read.
type Place struct {
	Format string `json:"format"`
	Schema string `json:"schema"`
	Secret
}

// schemaOf names the schema of a version. The nonce is random, so no two versions share one.
func schemaOf(m Manifest) string { return "jali_" + hex.EncodeToString(m.Nonce[:8]) }

func placeFile(dir, version string) string { return filepath.Join(dir, version+".postgres") }

func (p Place) encode() []byte {
	out, err := json.Marshal(p)
	if err != nil {
		panic("engine: encode place: " + err.Error()) // it is made of strings
	}
	return append(out, '\n')
}

// FindPlace reads where a version lies in PostgreSQL; ok is false if it is a file of its own, or not there.
func FindPlace(dir string, m Manifest) (p Place, ok bool, err error) {
	text, err := os.ReadFile(placeFile(dir, m.Version()))
	if errors.Is(err, os.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("find data version: %w", err)
	}
	if p, err = parsePlace(text, m); err != nil {
		return Place{}, false, fmt.Errorf("find data version: %w: %s is damaged: attach the data again", err, filepath.Base(placeFile(dir, m.Version())))
	}
	return p, true, nil
}

// parsePlace reads what encode wrote for the version, strictly.
func parsePlace(text []byte, m Manifest) (p Place, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || d.More() || p.Format != placeFormat || p.Schema != schemaOf(m) || (p.File == "") == (p.Env == "") {
		return Place{}, ErrVersion
	}
	return p, nil
}

// CheckVersion checks that a version in a dataset's folder is the one that the manifest describes: a file byte by byte; of one in
// PostgreSQL only that its place is known, because its rows are checked once the server is reached.
func CheckVersion(dir string, m Manifest) error {
	if _, there, err := FindPlace(dir, m); there || err != nil {
		return err
	}
	return m.CheckFile(filepath.Join(dir, m.Version()+".duckdb"))
}

// OpenVersion checks a version in a dataset's folder and opens it, wherever it lies. Path of cfg is not read.
func OpenVersion(dir string, m Manifest, cfg Config) (*Engine, error) {
	if err := CheckVersion(dir, m); err != nil {
		return nil, err
	}
	place, there, err := FindPlace(dir, m)
	if err != nil {
		return nil, err
	}
	if there {
		return openPostgres(place, m, cfg)
	}
	cfg.Path = filepath.Join(dir, m.Version()+".duckdb")
	return Open(cfg)
}
