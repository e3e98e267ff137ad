package attacks

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/sdk"
	"jali/sdk/sdktest"
)

// wardCatalogue is of a population in mode sdc. Its answers leave as soon as they are ready.
const wardCatalogue = `catalogue: 1
dataset: ward
population: ward
mode: sdc
class: health
level: 1
slots: off
tables:
  patient:
    rows_per_person: 1
    unique: [[id]]
    columns:
      id: {type: integer, role: person, sensitivity: low}
      nr: {type: integer, role: filter, sensitivity: low, bounds: [0, 100000]}
      region: {type: text, role: group, sensitivity: low, codes: [north, east, south, west], open: true}
      grade: {type: integer, role: group, sensitivity: low, codes: {from: 0, to: 9}}
      ill: {type: integer, role: [group, measure], sensitivity: low, codes: [0, 1]}
      cost: {type: integer, role: measure, sensitivity: low, bounds: [0, 1000000]}
`

const (
	wardSize = 16_384
	smallest = 11 // persons in a cell that the default policy prints
	wardBase = 5  // what it rounds to
)

var regions = []string{"north", "east", "south", "west"}

// patient is a person of the ward, by rule: nr i. Grade 9 is rare, in two regions; one person costs more than all others.
func patient(i int) (region string, grade, ill, cost int) {
	region, grade, cost = regions[i%4], i%9, 100+i%50
	if r := i % 2048; r == 3 || r == 6 {
		grade = 9
	}
	if i%7 == 0 {
		ill = 1
	}
	if i == 5 {
		cost = 900_000
	}
	return region, grade, ill, cost
}

// wardDataset writes the ward.
func wardDataset(t *testing.T, dir string, place func(dataset, catalogue string, tables ...string) sdktest.Dataset) sdktest.Dataset {
	write(t, filepath.Join(dir, "ward", "patient.csv"), "id,nr,region,grade,ill,cost", func(line func(...any)) {
		for i := range wardSize {
			region, grade, ill, cost := patient(i)
			line(1000+i, i, region, grade, ill, cost)
		}
	})
	return place("ward", wardCatalogue, "patient")
}

// tally counts the ward by columns.
func tally(by string) map[string]float64 {
	out := map[string]float64{}
	for i := range wardSize {
		region, grade, ill, _ := patient(i)
		out[strings.TrimSpace(strings.NewReplacer("region", region, "grade", fmt.Sprint(grade), "ill", fmt.Sprint(ill), ",", "").Replace(by))]++
	}
	return out
}

// party is an organisation, or two that share an agreement: the memory of what was told is theirs, and an agreement of theirs is told 100 figures.
type party struct {
	*arena
	orgs      []string
	users     []*sdktest.Client
	agreement string
	version   int
}

// party registers an agreement for new organisations, with two users of the first and one of each other.
func (x *arena) party(t *testing.T, orgs ...string) *party {
	t.Helper()
	x.n++
	p := &party{arena: x, agreement: fmt.Sprintf("agr-ward-%d", x.n)}
	for _, o := range orgs {
		p.orgs = append(p.orgs, fmt.Sprintf("%s %d", o, x.n))
	}
	p.review(t)
	p.users = []*sdktest.Client{x.Client(fmt.Sprintf("uma%d", x.n), p.orgs[0], sdktest.Researcher), x.Client(fmt.Sprintf("ulf%d", x.n), p.orgs[0], sdktest.Researcher)}
	for i, o := range p.orgs[1:] {
		p.users = append(p.users, x.Client(fmt.Sprintf("lara%d-%d", x.n, i), o, sdktest.Researcher))
	}
	return p
}

// review registers the next version of the agreement, as a custodian does who has looked at what was not released.
func (p *party) review(t *testing.T) {
	t.Helper()
	p.version++
	text := fmt.Sprintf("id: %s\nversion: %d\ntitle: Attack\nstate: active\nparties: [%s]\npurposes: [\"DUO:0000042\"]\ndatasets:\n  - {id: ward, columns: [patient.*], sensitivity: [low]}\n"+
		"kinds: [aggregate]\nmode: sdc\nbudget:\n  - {population: ward, cells: 100}\nmin_error: 2\nmax_price_pu: 1000\nper_hour: 1000000\nvalid_from: 2020-01-01\nvalid_until: 2099-12-31\n",
		p.agreement, p.version, strings.Join(p.orgs, ", "))
	path := filepath.Join(p.Files, fmt.Sprintf("%s-%d.yaml", p.agreement, p.version))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Try("agreement", "add", "--dir", p.Dir, path); err != nil {
		t.Fatal(err)
	}
}

// spent is how many cells the agreement's ledger says are.
func (p *party) spent(t *testing.T) int64 {
	t.Helper()
	b, err := p.users[0].Budget(t.Context(), p.agreement)
	if err != nil || len(b.Ledgers) != 1 {
		t.Fatalf("%v, %v", b, err)
	}
	return b.Ledgers[0].SpentPU
}

// told asks as one of the users. Nil: charged, and nothing is released.
func (p *party) told(t *testing.T, user int, sql string) map[string]float64 {
	t.Helper()
	r, err := p.users[user%len(p.users)].Query(t.Context(), sdk.Query{Agreement: p.agreement, Purpose: "DUO:0000042", Dataset: "ward", Error: "2", SQL: sql})
	if errors.Is(err, sdk.ErrNoAnswer) {
		return nil
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, sdk.Hint(err))
	}
	out := map[string]float64{}
	last := len(r.Columns) - 1
	for i, row := range r.Rows {
		var key []string
		for _, v := range row[:last] {
			key = append(key, v.String())
		}
		if y, ok := r.Float(i, r.Columns[last].Name); ok {
			out[strings.Join(key, " ")] = y
		}
	}
	return out
}

func groupBy(what, by string) string {
	if by == "" {
		return "SELECT " + what + " AS y FROM patient"
	}
	return "SELECT " + by + ", " + what + " AS y FROM patient GROUP BY " + by
}

// narrowest is the attacker's arithmetic on the tables region x grade, region, grade and total: bounds of the cells are tightened by every printed sum until
// nothing moves. It tells how many withheld cells have persons in them, and how many persons the narrowest interval of one of them leaves open.
func narrowest(printed map[string]map[string]float64, half float64) (withheld int, least float64) {
	table, all := printed["region, grade"], tally("region, grade")
	lo, hi := map[string]float64{}, map[string]float64{}
	var cells []string
	for _, region := range regions {
		for grade := range 10 {
			c := fmt.Sprintf("%s %d", region, grade)
			cells = append(cells, c)
			lo[c], hi[c] = 0, wardSize
			if v, ok := table[c]; ok {
				lo[c], hi[c] = v-half, v+half
			}
		}
	}
	for moved := true; moved; {
		moved = false
		for _, by := range []string{"region", "grade", ""} {
			for key, v := range printed[by] {
				var of []string
				low, high := 0.0, 0.0
				for _, c := range cells {
					region, grade, _ := strings.Cut(c, " ")
					if by == "" || key == region || key == grade {
						of = append(of, c)
						low, high = low+lo[c], high+hi[c]
					}
				}
				// Each cell is what the others of the sum leave, from the bounds as they were.
				from, to := map[string]float64{}, map[string]float64{}
				for _, c := range of {
					from[c], to[c] = v-half-(high-hi[c]), v+half-(low-lo[c])
				}
				for _, c := range of {
					if from[c] > lo[c]+1e-6 {
						lo[c], moved = from[c], true
					}
					if to[c] < hi[c]-1e-6 {
						hi[c], moved = to[c], true
					}
				}
			}
		}
	}
	least = math.Inf(1)
	for _, c := range cells {
		if _, shown := table[c]; !shown && all[c] > 0 {
			withheld++
			least = min(least, math.Floor(hi[c])-math.Ceil(max(0, lo[c]))+1)
		}
	}
	return withheld, least
}
