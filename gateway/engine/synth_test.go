package engine

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"jali/gateway/catalog"
	"jali/gateway/synth"
)

// scheme generates and imports the synthetic scheme; tables empty: all.
func scheme(t testing.TB, dir string, persons int, tables ...string) (*catalog.Dataset, Manifest) {
	t.Helper()
	ds, err := catalog.Parse("scheme.yaml", synth.Catalog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	from := t.TempDir()
	paths, err := synth.Write(context.Background(), from, synth.Config{Persons: persons, Seed: 1, Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for _, p := range paths {
		files = append(files, File{Path: p})
	}
	generated := time.Since(start)
	start = time.Now()
	m, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: dir, Files: files, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d persons: generated in %v, imported in %v", persons, generated.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	return ds, m
}

func TestImportScheme(t *testing.T) {
	dir := t.TempDir()
	persons := 2000
	if s := os.Getenv("JALI_PERSONS"); s != "" {
		var err error
		if persons, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	ds, m := scheme(t, dir, persons)
	if n, _ := m.Rows("person"); n != int64(persons) || m.Persons != int64(persons) {
		t.Errorf("%d rows, %d persons", n, m.Persons)
	}
	openVersion(t, ds, dir, m)
	info, err := os.Stat(filepath.Join(dir, m.Version()+".duckdb"))
	if err != nil || info.Size() != m.Size || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info, err)
	}
}
