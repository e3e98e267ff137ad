package synth

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// generate returns the files as plain text by table.
func generate(t testing.TB, cfg Config) map[string]string {
	t.Helper()
	paths, err := Write(context.Background(), t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(p, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(p), ".")
		out[name] = string(b)
	}
	return out
}

// golden is SHA-256 over the tables of 1,000 persons, seed 1, uncompressed, in the order of TableNames. It changes only with
// a deliberate change of the generated data, which the changelog then names.
const golden = "67919d5a2fce951ce68f88357bca5e5fe19738fa213a411e26827125047da579"

func TestGolden(t *testing.T) {
	h := sha256.New()
	files := generate(t, Config{Persons: 1000, Seed: 1})
	for _, name := range TableNames() {
		io.WriteString(h, name+"\n"+files[name])
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != golden {
		t.Errorf("digest of 1,000 persons = %s, want %s", got, golden)
	}
}

func TestBytesDoNotDependOnWorkersOrFormat(t *testing.T) {
	a := generate(t, Config{Persons: 5000, Seed: 3, Workers: 1})
	b := generate(t, Config{Persons: 5000, Seed: 3, Workers: 3, Plain: true})
	for name := range a {
		if a[name] != b[name] {
			t.Errorf("%s differs", name)
		}
	}
	if c := generate(t, Config{Persons: 5000, Seed: 4}); c["person"] == a["person"] {
		t.Error("another seed gave the same persons")
	}
}

func TestPrefix(t *testing.T) {
	few, many := generate(t, Config{Persons: 700, Seed: 1}), generate(t, Config{Persons: 7000, Seed: 1})
	for name := range few {
		if !strings.HasPrefix(many[name], few[name]) {
			t.Errorf("%s of 700 persons does not begin %s of 7,000", name, name)
		}
	}
}

func TestCatalogParses(t *testing.T) {
	ds, err := catalog.Parse("scheme.yaml", Catalog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tab := range tables {
		c := ds.Table(tab.name)
		if c == nil {
			t.Fatalf("no table %s", tab.name)
		}
		for _, col := range strings.Split(tab.header, ",") {
			if c.Column(col) == nil {
				t.Errorf("no column %s.%s", tab.name, col)
			}
		}
	}
}

// TestMarginals checks the documented shares on 20,000 persons. The data are fixed, so nothing is left to chance.
func TestMarginals(t *testing.T) {
	files := generate(t, Config{Persons: 20_000, Seed: 1})
	rows := func(name string) int { return strings.Count(files[name], "\n") - 1 }
	perPerson := func(name string) float64 { return float64(rows(name)) / 20_000 }
	for _, c := range []struct {
		name   string
		lo, hi float64
	}{
		{"person", 1, 1}, {"enrolment", 2.9, 3}, {"pension", 0.55, 0.8}, {"medical_claim", 9, 12}, {"drug_claim", 8, 14}, {"death", 0.02, 0.05},
	} {
		if got := perPerson(c.name); got < c.lo || got > c.hi {
			t.Errorf("%s: %.3f rows per person, want %v to %v", c.name, got, c.lo, c.hi)
		}
	}
	// Elderly marginals of cms180k: diabetes .379 of the chronic flags, here through the number of conditions.
	var old, women, conditions float64
	for line := range strings.Lines(files["person"]) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if f[0] == "person_id" || f[2] > "1959" {
			continue
		}
		old++
		if f[1] == "f" {
			women++
		}
		conditions += float64(f[5][0] - '0')
		if len(f[5]) == 2 {
			conditions += 9 + float64(f[5][1]-'0')
		}
	}
	if share := women / old; share < 0.54 || share > 0.575 {
		t.Errorf("share of women at 65 and over = %.3f, want 0.5552", share)
	}
	if mean := conditions / old; mean < 2.0 || mean > 2.45 {
		t.Errorf("conditions per person at 65 and over = %.3f, want 2.22 (the sum of the shares)", mean)
	}
}

// TestNormal compares the fixed-point normal with its moments over an even grid.
func TestNormal(t *testing.T) {
	const n = 1 << 20
	var sum, squares int64
	for i := range uint64(n) {
		z := normal(i << 44)
		sum += z
		squares += z * z
	}
	if mean := sum / n; mean < -5 || mean > 5 {
		t.Errorf("mean = %d/10,000", mean)
	}
	if v := squares / n; v < 98_000_000 || v > 102_000_000 {
		t.Errorf("variance = %d, want 10^8", v)
	}
}

func TestExp(t *testing.T) {
	for _, c := range []struct{ x, want int64 }{
		{0, 1000}, {10_000, 2718}, {-10_000, 367}, {23_026, 10_000}, {-70_000, 0}, {100_000, 22_026_465}, {200_000, 485_165_195_409},
	} {
		if got := exp(c.x); got < c.want-c.want/20_000-1 || got > c.want+c.want/20_000+1 {
			t.Errorf("exp(%d) = %d, want %d", c.x, got, c.want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, cfg := range []Config{{}, {Persons: -1}, {Persons: MaxPersons + 1}, {Persons: 1, Tables: []string{"persons"}}} {
		if _, err := Write(context.Background(), t.TempDir(), cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Write(ctx, t.TempDir(), Config{Persons: 1_000_000}); err == nil {
		t.Error("cancelled: no error")
	}
}

func TestProgress(t *testing.T) {
	var seen []int
	if _, err := Write(context.Background(), t.TempDir(), Config{Persons: 5000, Tables: []string{"person"}, Progress: func(n int) { seen = append(seen, n) }}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen[2] != 5000 {
		t.Errorf("progress = %v", seen)
	}
}

func BenchmarkClaims(b *testing.B) {
	b.ReportAllocs()
	var buf []byte
	var lines int
	for i := range b.N {
		buf = medicalRows(buf[:0], makePerson(1, uint64(i+1)))
		lines += bytes.Count(buf, []byte("\n"))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(1, lines)), "ns/claim")
}
