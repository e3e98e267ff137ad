package catalog

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scheme uses every feature of the format once.
const scheme = `# A small insurance scheme.
catalogue: 1
dataset: scheme
title: A scheme
source: typed in for tests
population: insured
class: health
level: 2
slots: [25ms, 100ms]
threshold_delta: 1e-8
tables:
  person:
    description: one row per person
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      sex: {type: integer, role: group, sensitivity: low, codes: {1: male, 2: female}}
      region_id: {type: integer, role: filter, sensitivity: low}
      birth_date:
        type: date
        role: date
        sensitivity: normal
        bounds: [1900-01-01, 2020-12-31]
        bands:
          birth_year: {year: [1900, 2020]}
          era: {cuts: [1900-01-01, 1950-01-01, 2021-01-01]}
      national_no: {role: never, sensitivity: high}
  claim:
    rows_per_person: 40
    groups_per_person: 4
    rows_per_group: 10
    unique: [[claim_no], [person_id, seq]]
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      claim_no: {type: integer, role: filter, sensitivity: low}
      seq: {type: integer, role: [filter, group], sensitivity: low, codes: {from: 1, to: 3}}
      drg: {type: text, role: group, sensitivity: normal, private_keys: true, pattern: '^[0-9]{3}$'}
      cost:
        type: decimal
        decimals: 2
        unit: EUR
        role: measure
        nullable: true
        sensitivity: normal
        bounds: [-100, 1000.50]
        clip: [0, 500]
        bands:
          cost_band: {cuts: [0, 10.5, 500], labels: [low, high]}
  diagnosis:
    via: {table: claim, key: claim_no}
    rows_per_person: 400
    unique: [[claim_no, pos], [person_id, pos]]
    columns:
      claim_no: {type: integer, role: filter, sensitivity: low}
      pos: {type: integer, role: [measure, filter], sensitivity: low, bounds: [1, 10]}
      icd:
        type: text
        role: group
        sensitivity: high
        codes: {file: codes/icd.csv.gz, column: code, label: text}
        bands:
          chapter: {prefix: 1, labels: {J: lungs, I: heart}}
      yn: {type: text, role: group, sensitivity: low, codes: [no, "yes", 007, {code: x, label: unknown}]}
  region:
    public: true
    unique: [[region_id]]
    columns:
      region_id: {type: integer, role: filter, sensitivity: low}
      state: {type: text, role: group, sensitivity: low, codes: [N, S]}
joins:
  - claim.claim_no = diagnosis.claim_no
  - person.region_id = region.region_id
`

func gz(t testing.TB, s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func codeFiles(t testing.TB) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		switch path {
		case "codes/icd.csv.gz":
			return gz(t, "\ufeffcode,text\nJ20,\"Acute bronchitis, any\"\nI50,Heart failure\n"), nil
		case "codes/twice.csv":
			return []byte("code\nJ20\nJ20\n"), nil
		}
		return nil, fs.ErrNotExist
	}
}

func TestParse(t *testing.T) {
	d, err := Parse("scheme.yaml", []byte(scheme), codeFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != "scheme" || d.Population != "insured" || d.Mode != ModeDP || d.Level != 2 || d.Class != "health" || d.ThresholdDelta != 1e10 {
		t.Errorf("dataset = %+v", d)
	}
	if diff := cmp.Diff([]time.Duration{25 * time.Millisecond, 100 * time.Millisecond}, d.Slots); diff != "" {
		t.Error(diff)
	}
	day := func(s string) int64 {
		n, err := ParseDay(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	want := &Table{
		Name: "claim", PersonKey: "person_id", RowsPerPerson: 40, GroupsPerPerson: 4, RowsPerGroup: 10,
		Unique: [][]string{{"claim_no"}, {"person_id", "seq"}},
		Columns: []*Column{
			{Name: "person_id", Table: "claim", Type: Integer, Roles: []Role{RolePerson}, Sensitivity: "low"},
			{Name: "claim_no", Table: "claim", Type: Integer, Roles: []Role{RoleFilter}, Sensitivity: "low", Lo: minInt, Hi: maxInt, ClipLo: minInt, ClipHi: maxInt},
			{Name: "seq", Table: "claim", Type: Integer, Roles: []Role{RoleFilter, RoleGroup}, Sensitivity: "low", Codes: []Value{IntValue(1), IntValue(2), IntValue(3)}, Lo: 1, Hi: 3, ClipLo: 1, ClipHi: 3},
			{Name: "drg", Table: "claim", Type: Text, Roles: []Role{RoleGroup}, Sensitivity: "normal", PrivateKeys: true, Matching: matching("^[0-9]{3}$"), Pattern: "^[0-9]{3}$"},
			{
				Name: "cost", Table: "claim", Type: Decimal, Decimals: 2, Unit: "EUR", Roles: []Role{RoleMeasure}, Nullable: true, Sensitivity: "normal",
				Lo: -10000, Hi: 100050, ClipLo: 0, ClipHi: 50000,
				Bands: []*Band{{Name: "cost_band", Column: "cost", Kind: BandCuts, Labels: []Value{StringValue("low"), StringValue("high")}, Cuts: []int64{0, 1050, 50000}}},
			},
		},
	}
	if diff := cmp.Diff(want, d.Table("claim")); diff != "" {
		t.Error(diff)
	}
	birth := d.Table("person").Column("birth_date")
	if birth.Lo != day("1900-01-01") || birth.Hi != day("2020-12-31") || len(birth.Bands[0].Labels) != 121 {
		t.Errorf("birth_date = %+v", birth)
	}
	if diff := cmp.Diff([]Value{StringValue("1900-01-01..1949-12-31"), StringValue("1950-01-01..2020-12-31")}, birth.Bands[1].Labels); diff != "" {
		t.Error(diff)
	}
	icd, chapter := d.Table("diagnosis").Band("chapter")
	if diff := cmp.Diff([]Value{StringValue("J20"), StringValue("I50")}, icd.Codes); diff != "" {
		t.Error(diff)
	}
	if icd.Labels["J20"] != "Acute bronchitis, any" || chapter.Prefix != 1 || chapter.Names["I"] != "heart" {
		t.Errorf("labels = %v, chapter = %+v", icd.Labels, chapter)
	}
	if diff := cmp.Diff([]Value{StringValue("no"), StringValue("yes"), StringValue("007"), StringValue("x")}, d.Table("diagnosis").Column("yn").Codes); diff != "" {
		t.Error(diff)
	}
	if k := d.Table("diagnosis").PersonKey; k != "person_id" {
		t.Errorf("person key through via = %q", k)
	}
}

// TestRefuse changes one thing in the scheme; each must be refused, at the line of the change, with the message.
func TestRefuse(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "title: A scheme", "titel: A scheme", `no key "titel"`},
		{"unknown column key", "unit: EUR", "units: EUR", "did you mean unit?"},
		{"duplicate key", "class: health", "class: health\nclass: x", "already defined"},
		{"tabs", "title: A scheme", "title:\tA\n\tscheme: 1", "not valid YAML"},
		{"anchor", "title: A scheme", "title: &a A scheme", "single value"},
		{"version", "catalogue: 1", "catalogue: 2", "unknown catalogue format"},
		{"no population", "population: insured\n", "", "no population"},
		{"mode", "level: 2", "mode: none", "unknown mode of protection"},
		{"open in dp", "private_keys: true", "private_keys: true, open: true", "belongs to mode sdc"},
		{"private keys in sdc", "level: 2", "mode: sdc", "mode sdc has no private keys"},
		{"level", "level: 2", "level: 3", "from 1 to 2"},
		{"slots", "slots: [25ms, 100ms]", "slots: [100ms, 25ms]", "ascending"},
		{"upper case", "      sex:", "      Sex:", "column name is not valid"},
		{"homoglyph", "      sex:", "      s\u0435x:", "column name is not valid"},
		{"reserved", "      sex:", "      group:", "reserved word"},
		{"band as column", "birth_year:", "sex:", "used twice"},
		{"no delta", "threshold_delta: 1e-8\n", "", "no threshold_delta"},
		{"delta zero", "threshold_delta: 1e-8", "threshold_delta: 0", "between 1e-18 and 1e-3"},
		{"delta one", "threshold_delta: 1e-8", "threshold_delta: 1", "between 1e-18 and 1e-3"},
		{"delta tiny", "threshold_delta: 1e-8", "threshold_delta: 1e-19", "between 1e-18 and 1e-3"},
		{"delta NaN", "threshold_delta: 1e-8", "threshold_delta: .nan", "single value"},
		{"no role", "role: [measure, filter], ", "", "has no role"},
		{"bad role", "role: [measure, filter]", "role: [measure, weight]", "unknown role"},
		{"never and group", "{role: never,", "{role: [never, group],", "stand alone"},
		{"no sensitivity", "pos: {type: integer, role: [measure, filter], sensitivity: low", "pos: {type: integer, role: [measure, filter]", "no sensitivity"},
		{"no type", "pos: {type: integer,", "pos: {", "has no type"},
		{"bad type", "pos: {type: integer,", "pos: {type: real,", "unknown type"},
		{"no decimals", "        decimals: 2\n", "", "has no decimals"},
		{"decimals", "decimals: 2", "decimals: 7", "from 0 to 6"},
		{"bound too precise", "1000.50", "1000.505", "more than 2 decimals"},
		{"bounds swapped", "[-100, 1000.50]", "[1000.50, -100]", "above the upper"},
		{"clip outside", "clip: [0, 500]", "clip: [0, 5000]", "outside the bounds"},
		{"measure unbounded", ", bounds: [1, 10]", "", "measure without bounds"},
		{"measure too wide", "bounds: [1, 10]", "bounds: [1, 2000000000000]", "within 2^40"},
		{"bad date", "1900-01-01, 2020-12-31", "1900-01-01, 2020-02-30", "not a date"},
		{"group without domain", ", codes: {1: male, 2: female}", "", "without a domain"},
		{"code twice", "codes: [N, S]", "codes: [N, N]", "listed twice"},
		{"empty code", "codes: [N, S]", "codes: [N, '']", "not a value"},
		{"null code", "codes: [N, S]", "codes: [N, ~]", "not a value"},
		{"text code in integer", "{1: male, 2: female}", "{1: male, f: female}", "not a whole number"},
		{"range without to", "{from: 1, to: 3}", "{from: 1}", "needs from and to"},
		{"range too long", "{from: 1, to: 3}", "{from: 1, to: 3000000}", "1 to 1000000"},
		{"codes file above", "file: codes/icd.csv.gz", "file: ../icd.csv", "beside or below"},
		{"codes file absent", "file: codes/icd.csv.gz", "file: other.csv", "read code list"},
		{"codes file column", "column: code, label: text", "column: kode, label: text", "lacks a named column"},
		{"codes file twice", "file: codes/icd.csv.gz, column: code, label: text", "file: codes/twice.csv, column: code", "listed twice"},
		{"pattern", "'^[0-9]{3}$'", "'^[0-9'", "invalid pattern"},
		{"pattern open", "'^[0-9]{3}$'", "'^1|2$'", "invalid pattern"},
		{"cuts descend", "cuts: [0, 10.5, 500]", "cuts: [0, 500, 10.5]", "must ascend"},
		{"labels short", "labels: [low, high]", "labels: [low]", "wrong number of labels"},
		{"labels equal", "labels: [low, high]", "labels: [low, low]", "invalid label"},
		{"prefix length", "{J: lungs, I: heart}", "{J2: lungs}", "declared length"},
		{"year of text", "chapter: {prefix: 1, labels: {J: lungs, I: heart}}", "chapter: {year: [1, 2]}", "needs a date column"},
		{"two kinds", "era: {cuts:", "era: {year: [1900, 1901], cuts:", "must say how"},
		{"no rows per person", "    rows_per_person: 40\n", "", "no rows_per_person"},
		{"groups above rows", "groups_per_person: 4", "groups_per_person: 41", "from 1 to 40"},
		{"public with rows", "    public: true\n", "    public: true\n    rows_per_person: 1\n", "has no meaning"},
		{"public left out", "    public: true\n", "    rows_per_person: 1\n", "no person key"},
		{"public with person", "region_id: {type: integer, role: filter, sensitivity: low}\n      state", "region_id: {type: integer, role: person, sensitivity: low}\n      state", "public but has a person key"},
		{"two persons", "claim_no: {type: integer, role: filter, sensitivity: low}\n      seq", "claim_no: {type: integer, role: person, sensitivity: low}\n      seq", "two person keys"},
		{"person nullable", "person_id: {type: integer, role: person, sensitivity: low}\n      claim_no", "person_id: {type: integer, role: person, nullable: true, sensitivity: low}\n      claim_no", "nothing else"},
		{"person types differ", "person_id: {type: integer, role: person, sensitivity: low}\n      claim_no", "person_id: {type: text, role: person, sensitivity: low}\n      claim_no", "differ in type"},
		{"via unknown", "via: {table: claim,", "via: {table: claims,", "does not lead to a person"},
		{"via not unique", "unique: [[claim_no], [person_id, seq]]", "unique: [[person_id, seq]]", "does not identify one row"},
		{"unique unknown", "[person_id, seq]", "[person_id, sek]", "no column sek"},
		{"unique nullable", "[person_id, seq]", "[person_id, cost]", "proves nothing"},
		{"join syntax", "- claim.claim_no = diagnosis.claim_no", "- claim.claim_no == diagnosis.claim_no", "one equality"},
		{"join unknown", "- claim.claim_no = diagnosis.claim_no", "- claim.claim_no = diagnoses.claim_no", "unknown table"},
		{"join never", "person.region_id = region.region_id", "person.national_no = region.region_id", "cannot use"},
		{"join public not unique", "    unique: [[region_id]]\n", "", "no unique key"},
		{"join types", "person.region_id = region.region_id", "person.birth_date = region.region_id", "differ in type"},
		{"private key without role", "role: group, sensitivity: normal, private_keys", "role: filter, sensitivity: normal, private_keys", "does not fit"},
		{"group date", "        role: date", "        role: [date, group]", "grouped by their bands"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.Count(scheme, tc.old) != 1 {
				t.Fatalf("%q occurs %d times", tc.old, strings.Count(scheme, tc.old))
			}
			_, err := Parse("scheme.yaml", []byte(strings.Replace(scheme, tc.old, tc.new, 1)), codeFiles(t))
			if err == nil {
				t.Fatal("accepted")
			}
			if !errors.Is(err, ErrCatalog) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error does not say %q:\n%v", tc.want, err)
			}
		})
	}
}

func TestErrorShowsPlace(t *testing.T) {
	_, err := Parse("scheme.yaml", []byte(strings.Replace(scheme, "unit: EUR", "units: EUR", 1)), codeFiles(t))
	const want = "scheme.yaml:41:9: column claim.cost has no key \"units\"\n" +
		"   41 |         units: EUR\n" +
		"                ^\n" +
		"  hint: did you mean unit?"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestDigest: what means the same has the same digest, and any change of meaning another one.
func TestDigest(t *testing.T) {
	base, err := Parse("a", []byte(scheme), codeFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	same, err := Parse("b", []byte("# moved down a line\n"+strings.Replace(scheme, "codes: [N, S]", "codes: [N, \"S\"]", 1)), codeFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	if base.Digest != same.Digest {
		t.Error("comments and quotes change the digest")
	}
	for _, c := range [][2]string{
		{"bounds: [1, 10]", "bounds: [1, 11]"},
		{"2: female", "2: women"},
		{"codes: [N, S]", "codes: [S, N]"},
		{"rows_per_group: 10", "rows_per_group: 9"},
		{"population: insured", "population: others"},
		{"1e-8", "2e-8"},
		{"slots: [25ms, 100ms]", "slots: off"},
		{"slots: [25ms, 100ms]\n", ""},
		{"[[claim_no], [person_id, seq]]", "[[claim_no]]"},
		{"- person.region_id = region.region_id", ""},
		{"nullable: true", "nullable: false"},
		{"sensitivity: high\n        codes", "sensitivity: low\n        codes"},
		{"cuts: [0, 10.5, 500]", "cuts: [0, 10, 500]"},
	} {
		d, err := Parse("c", []byte(strings.Replace(scheme, c[0], c[1], 1)), codeFiles(t))
		if err != nil {
			t.Fatalf("%q: %v", c[1], err)
		}
		if d.Digest == base.Digest {
			t.Errorf("%q -> %q keeps the digest", c[0], c[1])
		}
	}
	other, err := Parse("d", []byte(scheme), func(string) ([]byte, error) { return gz(t, "code,text\nI50,Heart failure\n"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if other.Digest == base.Digest {
		t.Error("a changed code list file keeps the digest")
	}
}

// FuzzParse: no text may crash the reader, and what is accepted is accepted again with the same digest.
func FuzzParse(f *testing.F) {
	f.Add(scheme)
	f.Add("catalogue: 1\ndataset: a\npopulation: p\nclass: c\ntables: {t: {rows_per_person: 1, columns: {p: {type: text, role: person, sensitivity: low}}}}")
	f.Add("a: &x [*x]")
	f.Add("? [a]: b\n- c")
	open := codeFiles(f)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse("fuzz", []byte(s), open)
		if err != nil {
			return
		}
		again, err := Parse("fuzz", []byte(s), open)
		if err != nil || again.Digest != d.Digest {
			t.Fatalf("second reading differs: %v", err)
		}
	})
}

// TestOpen: in mode sdc a column may be open, and a catalogue in which it is differs from one in which it is not.
func TestOpen(t *testing.T) {
	const text = `catalogue: 1
dataset: d
population: d
mode: sdc
class: c
tables:
  t:
    rows_per_person: 1
    columns:
      id: {type: integer, role: person, sensitivity: low}
      sex: {type: integer, role: group, sensitivity: low, codes: [0, 1]}
`
	closed, err := Parse("d.yaml", []byte(text), nil)
	if err != nil || closed.Mode != ModeSDC {
		t.Fatalf("%+v, %v", closed, err)
	}
	open, err := Parse("d.yaml", []byte(strings.Replace(text, "codes: [0, 1]", "codes: [0, 1], open: true", 1)), nil)
	if err != nil || !open.Tables[0].Columns[1].Open || open.Digest == closed.Digest {
		t.Errorf("%+v, %v", open, err)
	}
}
