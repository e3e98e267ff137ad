package query

import (
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// schemeYAML is a small insurance scheme with every kind of table, column, band and join.
const schemeYAML = `
catalogue: 1
dataset: scheme
population: insured
class: health
threshold_delta: 1e-8
tables:
  person:
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      sex: {type: integer, role: group, sensitivity: low, codes: {1: male, 2: female}}
      race: {type: text, role: group, nullable: true, sensitivity: high, codes: [white, black, other]}
      age: {type: integer, role: [measure, filter], sensitivity: low, bounds: [0, 110], bands: {age_band: {cuts: [0, 18, 65, 111]}, adult: {cuts: [18, 111], labels: ['18+']}}}
      region_id: {type: integer, role: filter, sensitivity: low, bounds: [1, 9]}
      birth_date: {type: date, role: date, sensitivity: normal, bounds: [1900-01-01, 2010-12-31], bands: {birth_year: {year: [1900, 2010]}}}
      death_date: {type: date, role: date, nullable: true, sensitivity: normal, bounds: [2000-01-01, 2020-12-31], bands: {death_year: {year: [2000, 2020]}}}
      national_no: {role: never, sensitivity: high}
  enrolment:
    rows_per_person: 5
    unique: [[person_id, year]]
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      year: {type: integer, role: group, sensitivity: low, codes: {from: 2008, to: 2010}}
      state: {type: integer, role: group, sensitivity: low, codes: {from: 1, to: 54}}
      diabetes: {type: integer, role: [group, measure], sensitivity: high, codes: [0, 1]}
      cohort: {type: text, role: group, per_person: true, sensitivity: low, codes: [a, b]}
      income: {type: decimal, decimals: 2, role: measure, nullable: true, unit: EUR, sensitivity: normal, bounds: [-1000, 100000], clip: [0, 50000.50]}
  claim:
    rows_per_person: 40
    groups_per_person: 4
    rows_per_group: 10
    unique: [[claim_no]]
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      claim_no: {type: integer, role: filter, sensitivity: low}
      drg: {type: text, role: group, sensitivity: normal, private_keys: true, pattern: '^[0-9]{3}$'}
      ward: {type: integer, role: group, sensitivity: normal, codes: {from: 100, to: 199}}
      days: {type: integer, role: [measure, filter], nullable: true, sensitivity: normal, bounds: [0, 366]}
      cost: {type: integer, role: measure, sensitivity: normal, bounds: [0, 1000000]}
      status: {type: integer, role: filter, sensitivity: low, codes: [1, 2]}
      note: {type: text, role: filter, nullable: true, sensitivity: high}
  diagnosis:
    via: {table: claim, key: claim_no}
    rows_per_person: 400
    unique: [[claim_no, pos]]
    columns:
      claim_no: {type: integer, role: filter, sensitivity: low}
      pos: {type: integer, role: [measure, filter], sensitivity: low, bounds: [1, 10]}
      icd: {type: text, role: group, sensitivity: high, codes: {file: icd.csv, column: code, label: text}, bands: {chapter: {prefix: 1, labels: [A, J]}}}
  region:
    public: true
    unique: [[region_id]]
    columns:
      region_id: {type: integer, role: filter, sensitivity: low, bounds: [1, 9]}
      state_name: {type: text, role: group, sensitivity: low, codes: [north, south]}
  icd_name:
    public: true
    unique: [[code, edition]]
    columns:
      code: {type: text, role: filter, sensitivity: low}
      edition: {type: integer, role: filter, sensitivity: low}
joins:
  - claim.claim_no = diagnosis.claim_no
  - person.region_id = region.region_id
  - diagnosis.icd = icd_name.code
`

// icdCSV has 3 x 30 codes: more than a short domain, some outside the chapters that the band declares.
func icdCSV() []byte {
	var b strings.Builder
	b.WriteString("code,text\n")
	for _, c := range []string{"A", "J", "Z"} {
		for i := range 30 {
			b.WriteString(c + strconv.Itoa(10+i) + ",x\n")
		}
	}
	return []byte(b.String())
}

func scheme(t testing.TB) *catalog.Dataset {
	t.Helper()
	d, err := catalog.Parse("scheme.yaml", []byte(schemeYAML), func(p string) ([]byte, error) {
		if p == "icd.csv" {
			return icdCSV(), nil
		}
		return nil, fs.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func compile(t testing.TB, d *catalog.Dataset, sql string) *Plan {
	t.Helper()
	p, err := Compile(d, sql)
	if err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
	return p
}
