package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someManifest() Manifest {
	return Manifest{
		Dataset: "d", Population: "p", Class: "health", Level: 1, Catalog: [32]byte{1}, Nonce: [32]byte{2}, File: [32]byte{3}, Size: 4, Persons: 5,
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Tables: []TableManifest{{"t", 6}}, ScanNS: 7.5, StreamNS: 25.125,
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m := someManifest()
	got, err := ParseManifest(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	if len(m.Version()) != 43 || m.Version() != got.Version() {
		t.Errorf("version %s, then %s", m.Version(), got.Version())
	}
	other := m
	other.Nonce[0]++
	if other.Version() == m.Version() {
		t.Error("the nonce does not change the version")
	}
}

func TestParseManifestRefuses(t *testing.T) {
	good := string(someManifest().Encode())
	for _, bad := range []string{
		"", "{}", "null", good + " ", " " + good, good + good,
		strings.Replace(good, manifestFormat, "jali-manifest/2", 1),
		strings.Replace(good, `"size":4`, `"size":"4"`, 1),
		strings.Replace(good, `"size":4`, `"size":4,"more":1`, 1),
		strings.Replace(good, `"size":4`, `"size":4,"size":5`, 1),
		strings.Replace(good, `"catalog":"01`, `"catalog":"`, 1),
		strings.Replace(good, "2026-01-02T03:04:05Z", "2026-01-02", 1),
		strings.Replace(good, "2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", 1),
	} {
		if _, err := ParseManifest([]byte(bad)); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(someManifest().Encode())
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err == nil && !bytes.Equal(m.Encode(), text) {
			t.Fatalf("%s encodes to %s", text, m.Encode())
		}
	})
}

func TestCheckFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v")
	if err := os.WriteFile(path, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := someManifest()
	var err error
	if m.File, m.Size, err = digestFile(path); err != nil {
		t.Fatal(err)
	}
	if err := m.CheckFile(path); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("rowz"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.CheckFile(path); !errors.Is(err, ErrFile) {
		t.Errorf("changed file: %v", err)
	}
	if err := m.CheckFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}
