package engine

import (
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// fixture is a small scheme that uses every way a column can be stored.
const fixture = `catalogue: 1
dataset: fixture
population: insured
class: health
threshold_delta: 1e-8
tables:
  person:
    rows_per_person: 1
    unique: [[person_id]]
    columns:
      person_id: {type: text, role: person, sensitivity: low}
      sex: {type: integer, role: group, sensitivity: low, per_person: true, codes: {1: male, 2: female}}
      region: {type: text, role: group, sensitivity: low, nullable: true, codes: [north, east, south, west]}
      area: {type: text, role: [filter], sensitivity: low, codes: [a1, b1, b2]}
      born:
        type: date
        role: date
        nullable: true
        sensitivity: normal
        bounds: [1920-01-01, 2020-12-31]
        bands:
          born_year: {year: [1930, 2010]}
          era: {cuts: [1920-01-01, 1950-01-01, 1990-01-01], labels: [old, middle]}
      income:
        type: decimal
        decimals: 2
        role: measure
        nullable: true
        sensitivity: normal
        bounds: [-1000, 100000]
        clip: [0, 50000]
        bands:
          income_band: {cuts: [0, 100.5, 20000], labels: [low, high]}
      note: {role: never, sensitivity: high}
  event:
    rows_per_person: 12
    groups_per_person: 2
    rows_per_group: 3
    unique: [[event_no], [person_id, seq]]
    columns:
      person_id: {type: text, role: person, sensitivity: low}
      event_no: {type: integer, role: filter, sensitivity: low}
      seq: {type: integer, role: [filter, group], sensitivity: low, codes: {from: 1, to: 12}}
      kind:
        type: text
        role: group
        sensitivity: low
        nullable: true
        codes: [A1, A2, B1, B2, C9]
        bands:
          class: {prefix: 1, labels: [A, B]}
      ward:
        type: text
        role: group
        private_keys: true
        nullable: true
        sensitivity: normal
        pattern: '^[a-zéß ",]{1,24}$'
        bands:
          wing: {prefix: 2, labels: [ab, ba, é]}
      room: {type: integer, role: group, private_keys: true, sensitivity: normal, bounds: [-5, 5]}
      flag: {type: integer, role: [group, measure], sensitivity: low, codes: [0, 1]}
      cost: {type: integer, role: measure, nullable: true, sensitivity: normal, bounds: [-100, 100000], clip: [-50, 300]}
      big: {type: integer, role: measure, sensitivity: normal, bounds: [-1099511627776, 1099511627776]}
  diagnosis:
    via: {table: event, key: event_no}
    rows_per_person: 40
    unique: [[event_no, pos], [person_id, event_no, pos]]
    columns:
      event_no: {type: integer, role: filter, sensitivity: low}
      pos: {type: integer, role: [filter, group], sensitivity: low, codes: {from: 1, to: 4}}
      icd: {type: text, role: group, sensitivity: high, codes: [J20, J21, I50, I51]}
  area:
    public: true
    unique: [[area], [icd, year]]
    columns:
      area: {type: text, role: filter, sensitivity: low, pattern: '^[a-z][0-9]$'}
      state: {type: text, role: group, sensitivity: low, codes: [N, S]}
      icd: {type: text, role: filter, sensitivity: low, codes: [I50, I51, J20, J21]}
      year: {type: integer, role: filter, sensitivity: low, bounds: [2000, 2020]}
joins:
  - person.area = area.area
  - diagnosis.icd = area.icd
  - diagnosis.event_no = event.event_no
`

func parseFixture(t testing.TB) *catalog.Dataset {
	t.Helper()
	ds, err := catalog.Parse("fixture.yaml", []byte(fixture), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// rows of a table as text, in the order of header.
type sheet struct {
	header []string
	rows   [][]string
}

// makeRows draws a population. Everything about it depends on r only.
func makeRows(r *rand.Rand, persons int) map[string]*sheet {
	pick := func(nullable int, of ...string) string {
		if nullable > 0 && r.IntN(nullable) == 0 {
			return ""
		}
		return of[r.IntN(len(of))]
	}
	s := map[string]*sheet{
		"person":    {header: []string{"sex", "person_id", "region", "area", "born", "income", "note"}},
		"event":     {header: []string{"person_id", "event_no", "seq", "kind", "ward", "room", "flag", "cost", "big"}},
		"diagnosis": {header: []string{"event_no", "pos", "icd"}},
		"area":      {header: []string{"area", "state", "icd", "year"}},
	}
	add := func(table string, fields ...string) { s[table].rows = append(s[table].rows, fields) }
	no := 0
	for i := range persons {
		id := fmt.Sprintf("p%04d", i*7919%10007)
		if r.IntN(10) > 0 { // some persons have events only
			add("person", pick(0, "1", "2"), id, pick(6, "north", "east", "south", "west"), pick(0, "a1", "b1", "b2"),
				pick(8, "1920-01-01", "1949-12-31", "1950-01-01", "1975-02-28", "1989-12-31", "2000-02-29", "2020-12-31"),
				pick(8, "-999.99", "-0.01", "0", "12.345", "100.50", "100.49", "60000", "49999.995"), pick(2, "secret", `a "quoted" note`))
		}
		for seq := range r.IntN(13) {
			no++
			add("event", id, fmt.Sprint(no), fmt.Sprint(seq+1), pick(7, "A1", "A2", "B1", "B2", "C9"),
				pick(7, "ab", "abc", "ba x", "é", "zz", `q"x`, "a,b", "a very long ward name"), fmt.Sprint(r.IntN(5)-2), pick(0, "0", "1"),
				pick(5, "-100", "-50", "0", "1", "299", "301", "100000"), pick(0, "-1099511627776", "1099511627776", "3", "-7"))
			for pos := range r.IntN(3) {
				add("diagnosis", fmt.Sprint(no), fmt.Sprint(pos+1), pick(0, "J20", "J21", "I50", "I51"))
			}
		}
	}
	add("area", "a1", "N", "J20", "2001")
	add("area", "b1", "S", "I50", "2001")
	add("area", "b2", "S", "I51", "2002")
	return s
}

func csvField(s string) string {
	if strings.ContainsAny(s, ",\"\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

func (s *sheet) csv() string {
	var b strings.Builder
	for _, row := range append([][]string{s.header}, s.rows...) {
		for i, f := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(csvField(f))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// writeFile writes a file, compressed if its name says so.
func writeFile(t testing.TB, path, text string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if strings.HasSuffix(path, ".gz") {
		z := gzip.NewWriter(f)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return path
}

// importSheets imports tables from CSV files.
func importSheets(t testing.TB, ds *catalog.Dataset, dir string, s map[string]*sheet, active *Manifest, tables ...string) (Manifest, error) {
	t.Helper()
	from := t.TempDir()
	var files []File
	for i, name := range tables {
		suffix := ".csv"
		if i%2 == 1 {
			suffix = ".csv.gz"
		}
		files = append(files, File{Path: writeFile(t, filepath.Join(from, name+suffix), s[name].csv())})
	}
	return Import(context.Background(), ImportConfig{Catalog: ds, Dir: dir, Files: files, Active: active, Threads: 2})
}

func openVersion(t testing.TB, ds *catalog.Dataset, dir string, m Manifest) *Engine {
	t.Helper()
	e, err := Open(Config{Path: filepath.Join(dir, m.Version()+".duckdb"), Catalog: ds, TempDir: t.TempDir(), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
