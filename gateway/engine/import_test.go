package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
)

func TestImportRoundTrip(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	s := makeRows(rand.New(rand.NewPCG(1, 2)), 50)
	m, err := importSheets(t, ds, dir, s, nil, "person", "event", "diagnosis", "area")
	if err != nil {
		t.Fatal(err)
	}
	for name, sheet := range s {
		if n, ok := m.Rows(name); !ok || n != int64(len(sheet.rows)) {
			t.Errorf("%s has %d rows (%v), want %d", name, n, ok, len(sheet.rows))
		}
	}
	if m.Catalog != ds.Digest || m.Population != "insured" || m.Persons != 50 || m.ScanNS <= 0 || m.StreamNS <= 0 {
		t.Errorf("manifest = %+v", m)
	}
	if err := m.CheckFile(filepath.Join(dir, m.Version()+".duckdb")); err != nil {
		t.Error(err)
	}
	e := openVersion(t, ds, dir, m)
	if e.persons != 50 {
		t.Errorf("persons = %d", e.persons)
	}
	// Neither a person key nor a dropped column is in the file.
	text, err := os.ReadFile(filepath.Join(dir, m.Version()+".duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"person_id", "p0000", "p7919", `a "quoted" note`} {
		if bytes.Contains(text, []byte(hidden)) {
			t.Errorf("the version holds %q", hidden)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".import-*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// stored dumps a table as text, person ordinals included.
func stored(t *testing.T, e *Engine, table string) string {
	t.Helper()
	var out []string
	err := e.plain.session(func(c *connection) error {
		rows, err := c.query(context.Background(), "SELECT x::VARCHAR FROM "+quote(table)+" x")
		if err != nil {
			return err
		}
		defer rows.close()
		for rows.next() {
			p, _ := rows.vector(0)
			for i := range values[textValue](p, rows.rows) {
				out = append(out, string(values[textValue](p, rows.rows)[i].bytes()))
			}
		}
		return rows.err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// TestImportKeepsOtherTables imports one table anew: the others are carried over, and persons keep their ordinals.
func TestImportKeepsOtherTables(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	s := makeRows(rand.New(rand.NewPCG(3, 2)), 40)
	first, err := importSheets(t, ds, dir, s, nil, "person", "event", "diagnosis")
	if err != nil {
		t.Fatal(err)
	}
	s["person"].rows = append(s["person"].rows, []string{"1", "newcomer", "", "a1", "", "", ""})
	second, err := importSheets(t, ds, dir, s, &first, "person", "area")
	if err != nil {
		t.Fatal(err)
	}
	a, b := openVersion(t, ds, dir, first), openVersion(t, ds, dir, second)
	for _, table := range []string{"event", "diagnosis"} {
		if diff := cmp.Diff(stored(t, a, table), stored(t, b, table)); diff != "" {
			t.Errorf("%s changed:\n%s", table, diff)
		}
	}
	old, fresh := strings.Split(stored(t, a, "person"), "\n"), strings.Split(stored(t, b, "person"), "\n")
	if len(fresh) != len(old)+1 || !slices.Equal(old, fresh[:len(old)]) {
		t.Errorf("persons were renumbered")
	}
	if b.persons != a.persons+1 {
		t.Errorf("persons = %d, then %d", a.persons, b.persons)
	}
	for _, c := range []struct {
		tables []string
		active *Manifest
		want   string
	}{
		{[]string{"event"}, &second, "import both"},                                                // diagnosis would keep ordinals of the old events
		{[]string{"diagnosis"}, nil, "import both"},                                                // no event to find persons in
		{[]string{"area"}, &Manifest{Tables: make([]TableManifest, 2)}, "import all tables again"}, // other catalogue
	} {
		if _, err := importSheets(t, ds, dir, s, c.active, c.tables...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.tables, err, c.want)
		}
	}
	if _, err := importSheets(t, ds, dir, s, &second, "diagnosis"); err != nil {
		t.Errorf("diagnosis through the carried events: %v", err)
	}
}

// canary stands in every bad value: no error may repeat it.
const canary = "CANARY"

func TestImportNamesBadRows(t *testing.T) {
	ds := parseFixture(t)
	for _, c := range []struct {
		name, table, csv string
		line             int64
		column, rule     string
	}{
		{"integer", "event", "p1,CANARY,1,A1,ab,1,0,1,1", 3, "event_no", string(ruleInteger)},
		{"integer too large", "event", "p1,9223372036854775808,1,A1,ab,1,0,1,1", 3, "event_no", string(ruleInteger)},
		{"code", "event", "p1,9,1,CANARY,ab,1,0,1,1", 3, "kind", string(ruleCode)},
		{"number code", "event", "p1,9,13,A1,ab,1,0,1,1", 3, "seq", string(ruleCode)},
		{"pattern", "event", "p1,9,1,A1,CANARY,1,0,1,1", 3, "ward", string(rulePattern)},
		{"bounds", "event", "p1,9,1,A1,ab,1,0,100001,1", 3, "cost", string(ruleBounds)},
		{"missing", "event", "p1,9,1,A1,ab,,0,1,1", 3, "room", string(ruleMissing)},
		{"missing person", "event", ",9,1,A1,ab,1,0,1,1", 3, "person_id", string(ruleMissing)},
		{"fields", "event", "p1,9,1,A1,ab,1,0,1,1,CANARY", 3, "", string(ruleFields)},
		{"quotes", "event", `p1,9,1,A1,"ab"CANARY,1,0,1,1`, 3, "", string(ruleQuotes)},
		{"unique", "event", "p1,1,2,A1,ab,1,0,1,1", 3, "", "repeats the unique event_no of another row"},
		{"unique with the person", "event", "p0,9,1,A1,ab,1,0,1,1", 3, "", "repeats the unique person_id, seq of another row"},
		{"date", "person", "1,p1,north,a1,1950-02-30,1,n", 3, "born", string(ruleDate)},
		{"date bounds", "person", "1,p1,north,a1,1919-12-31,1,n", 3, "born", string(ruleBounds)},
		{"decimal", "person", "1,p1,north,a1,,1e3,n", 3, "income", string(ruleDecimal)},
		{"unique person", "person", "1,p0,north,a1,,1,n", 3, "", "repeats the unique person_id of another row"},
		{"text", "person", "1,p\x00CANARY,north,a1,,1,n", 3, "person_id", string(ruleText)},
		{"not UTF-8", "person", "1,\xff,north,a1,,1,n", 3, "person_id", string(ruleText)},
		{"via", "diagnosis", "77,1,J20", 3, "", "has no row of the same event_no in table event (via)"},
		{"after a quoted newline", "area", "a1,N,J20,2001\n\"a\nCANARY\",N,J20,2001\nb1,CANARY,I50,2001", 4, "area", string(rulePattern)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, from := t.TempDir(), t.TempDir()
			good := map[string]string{
				"person": "sex,person_id,region,area,born,income,note\n1,p0,north,a1,1950-01-01,1,n\n",
				"event":  "person_id,event_no,seq,kind,ward,room,flag,cost,big\np0,1,1,A1,ab,1,0,1,1\n",
				"area":   "area,state,icd,year\na0,N,J20,2000\n", "diagnosis": "event_no,pos,icd\n1,1,J20\n",
			}
			good[c.table] += c.csv + "\n"
			var files []File
			for _, table := range []string{"person", "event", "diagnosis", "area"} {
				files = append(files, File{Path: writeFile(t, filepath.Join(from, table+".csv"), good[table])})
			}
			_, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: dir, Files: files})
			var bad *DataError
			if !errors.As(err, &bad) || !errors.Is(err, ErrData) {
				t.Fatalf("error = %v", err)
			}
			got := bad.Rows[0]
			want := BadRow{filepath.Join(from, c.table+".csv"), c.line, c.column, c.rule}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the value: %v", err)
			}
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left {
				if n := f.Name(); n != ".lock" && n != secretFile {
					t.Errorf("left behind: %s", n)
				}
			}
		})
	}
}

func TestImportPerPerson(t *testing.T) {
	ds, err := catalog.Parse("c.yaml", []byte(`catalogue: 1
dataset: d
population: p
class: health
tables:
  t:
    rows_per_person: 3
    columns:
      id: {type: integer, role: person, sensitivity: low}
      sex: {type: text, role: group, sensitivity: low, per_person: true, nullable: true, codes: [f, m]}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for rows, ok := range map[string]bool{
		"1,f\n1,f\n2,m\n3,\n3,\n": true, "1,f\n2,f\n1,m\n": false, "1,f\n1,\n": false, "1,f\n1,f\n1,f\n1,f\n": false,
	} {
		path := writeFile(t, filepath.Join(t.TempDir(), "t.csv"), "id,sex\n"+rows)
		if _, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: []File{{Path: path}}}); (err == nil) != ok {
			t.Errorf("%q: %v", rows, err)
		}
	}
}

func TestImportRefusesFiles(t *testing.T) {
	ds := parseFixture(t)
	from := t.TempDir()
	file := func(name, text string) File { return File{Path: writeFile(t, filepath.Join(from, name), text)} }
	header := "area,state,icd,year\n"
	for _, c := range []struct {
		name string
		file File
		want string
	}{
		{"unknown table", file("elsewhere.csv", header), "no table"},
		{"unknown format", file("area.txt", header), "unknown format"},
		{"undeclared column", file("area.csv", "area,state,icd,year,CANARY\n"), "does not declare, at place 5"},
		{"missing column", file("area.csv.gz", "area,state,icd\n"), "lacks columns of table area: year"},
		{"no header", File{Path: writeFile(t, filepath.Join(from, "h.csv"), "CANARY,N,J20,2001\n"), Table: "area"}, "must be a header"},
		{"column twice", File{Path: writeFile(t, filepath.Join(from, "t.csv"), "area,state,icd,year,year\n"), Table: "area"}, "twice"},
		{"empty", File{Path: writeFile(t, filepath.Join(from, "e.csv"), ""), Table: "area"}, "no valid CSV header"},
		{"not gzip", File{Path: rename0(t, file("x.csv", header).Path, filepath.Join(from, "z.csv.gz")), Table: "area"}, "not a gzip file"},
		{"not parquet", File{Path: writeFile(t, filepath.Join(from, "p.parquet"), header), Table: "area"}, "not a Parquet file"},
		{"missing file", File{Path: filepath.Join(from, "nowhere.csv"), Table: "area"}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: []File{c.file}})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

func rename0(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestImportCountsFurtherBadRows(t *testing.T) {
	ds := parseFixture(t)
	var b strings.Builder
	b.WriteString("area,state,icd,year\n")
	for range 100 {
		b.WriteString("a1,CANARY,J20,1\n")
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "area.csv"), b.String())
	_, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: []File{{Path: path}}})
	var bad *DataError
	if !errors.As(err, &bad) || len(bad.Rows) != maxBadRows || bad.More != 200-maxBadRows {
		t.Errorf("error = %v", err)
	}
}

// A damaged gzip stream ends the import, whatever came before.
func TestImportTruncatedGzip(t *testing.T) {
	ds := parseFixture(t)
	path := writeFile(t, filepath.Join(t.TempDir(), "area.csv.gz"), "area,state,icd,year\n"+strings.Repeat("a1,N,J20,2001\n", 1000))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-12], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: []File{{Path: path}}}); !errors.Is(err, ErrData) {
		t.Errorf("error = %v", err)
	}
}

func TestImportTakesTurns(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	s := makeRows(rand.New(rand.NewPCG(3, 2)), 5)
	if _, err := importSheets(t, ds, dir, s, nil, "area"); !errors.Is(err, ErrBusy) {
		t.Errorf("error = %v, want ErrBusy", err)
	}
	f.Close()
	// What a crash left is removed.
	crashed := filepath.Join(dir, workPrefix+"crashed")
	if err := os.Mkdir(crashed, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := importSheets(t, ds, dir, s, nil, "area"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(crashed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", crashed, err)
	}
}

func TestImportCancelled(t *testing.T) {
	ds, dir := parseFixture(t), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	path := writeFile(t, filepath.Join(t.TempDir(), "area.csv"), "area,state,icd,year\n"+strings.Repeat("a1,N,J20,2001\n", 200_000))
	_, err := Import(ctx, ImportConfig{Catalog: ds, Dir: dir, Files: []File{{Path: path}}, Progress: func(string, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestImportParquet imports the same rows from Parquet, typed, and from CSV: the stored tables are equal.
func TestImportParquet(t *testing.T) {
	ds := parseFixture(t)
	s := makeRows(rand.New(rand.NewPCG(9, 2)), 30)
	from := t.TempDir()
	db, err := openDatabase("", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	types := map[string]string{
		"person": "{'sex':'TINYINT','born':'DATE','income':'DECIMAL(12,3)'}", "event": "{'event_no':'BIGINT','seq':'INTEGER','cost':'INTEGER'}",
	}
	var files []File
	for _, table := range []string{"person", "event"} {
		csv := writeFile(t, filepath.Join(from, table+".csv"), s[table].csv())
		parquet := filepath.Join(from, table+".parquet")
		if err := c.exec(context.Background(), fmt.Sprintf("COPY (SELECT * FROM read_csv(%s, header=true, all_varchar=true, types=%s)) TO %s (FORMAT parquet)", literal(csv), types[table], literal(parquet))); err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Path: parquet})
	}
	dir := t.TempDir()
	a, err := importSheets(t, ds, dir, s, nil, "person", "event")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: dir, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"person", "event"} {
		if diff := cmp.Diff(stored(t, openVersion(t, ds, dir, a), table), stored(t, openVersion(t, ds, dir, b), table)); diff != "" {
			t.Errorf("%s: (-csv +parquet)\n%s", table, diff)
		}
	}
	// A bad row is named by its number.
	s["event"].rows[2][7] = "999999"
	csv := writeFile(t, filepath.Join(from, "event.csv"), s["event"].csv())
	if err := c.exec(context.Background(), fmt.Sprintf("COPY (SELECT * FROM read_csv(%s, header=true, all_varchar=true)) TO %s (FORMAT parquet)", literal(csv), literal(filepath.Join(from, "event.parquet")))); err != nil {
		t.Fatal(err)
	}
	_, err = Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: files})
	var bad *DataError
	if !errors.As(err, &bad) || bad.Rows[0].Line != 3 || bad.Rows[0].Column != "cost" {
		t.Errorf("error = %v", err)
	}
}

// TestImportShared imports the reference data where they lie beside the checkout.
func TestImportShared(t *testing.T) {
	shared := "../../../shared/data/demo/cms10k"
	if _, err := os.Stat(shared); err != nil {
		t.Skip("no reference data beside the repository")
	}
	ds, err := catalog.Load("../../examples/cms10k/cms10k.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for _, table := range []string{"beneficiary", "beneficiary_year", "inpatient_claim", "inpatient_diagnosis"} {
		files = append(files, File{Path: filepath.Join(shared, table+".csv.gz")})
	}
	m, err := Import(context.Background(), ImportConfig{Catalog: ds, Dir: t.TempDir(), Files: files})
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int64{"beneficiary": 10_000, "beneficiary_year": 29_566, "inpatient_claim": 5_775, "inpatient_diagnosis": 46_590} {
		if n, _ := m.Rows(table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
}
