package attacks

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// Sizes of the population: every cell is a population in small, with the same persons in it, so that one question grouped by cell is that
// many independent draws.
const (
	cells  = 2000 // of table trial, 20 persons each
	base   = 20
	plural = 300 // cells of table multi, whose persons are in all of its kinds
	kinds  = 10
	places = 100 // of table crypt, for encrypted questions
	blocks = 10  // of data set puzzle
	block  = 200 // persons in one, with a secret bit each
	bits   = 128 // public random attributes of each person of the puzzle
)

// outlier is what the target of each cell has for v, whose clip bounds are [0, 100].
const outlier = 1_000_000_000_000

// world is what the generator knows and the attacker does not, but for verdicts.
type world struct {
	secret  [cells]bool         // of the target in each cell of left
	others  [cells]int          // how many others in the cell have the secret
	halves  [cells]int          // how many persons of the cell, the target not counted, have half = 0
	puzzle  [blocks][block]bool // the secret bits
	traits  [blocks][block][bits]bool
	strange [blocks][block][bits]bool // as distributed, but of nobody in the data
}

// pairCatalogue is that of left and right, which differ in the target of each cell only: left has it.
const pairCatalogue = `catalogue: 1
dataset: NAME
title: Neighbours
description: made up
source: made up
population: POPULATION
class: health
level: 1
threshold_delta: 1e-8
tables:
  trial:
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      cell: {type: integer, role: group, sensitivity: low, codes: {from: 0, to: CELLS}}
      v: {type: integer, role: [measure, filter], sensitivity: low, bounds: [0, 1000000000000], clip: [0, 100]}
      dummy: {type: integer, role: filter, sensitivity: low, bounds: [0, 1000000]}
      half: {type: integer, role: group, sensitivity: low, codes: [0, 1]}
      target: {type: integer, role: group, sensitivity: low, codes: [0, 1]}
      secret: {type: integer, role: group, sensitivity: low, codes: [0, 1]}
      icd: {type: text, role: group, private_keys: true, sensitivity: low, pattern: '^[A-Z][0-9]{2}$'}
      note: {type: text, role: group, sensitivity: low, codes: [a, b, c]}
  multi:
    rows_per_person: KINDS
    unique: [[person_id, kind]]
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      plot: {type: integer, role: group, per_person: true, sensitivity: low, codes: {from: 0, to: PLURAL}}
      kind: {type: integer, role: group, sensitivity: low, codes: {from: 1, to: KINDS}}
      dummy: {type: integer, role: filter, sensitivity: low, bounds: [0, 1000000]}
`

// cryptCatalogue is of a pair for encrypted questions. Its answers leave as soon as they are ready.
const cryptCatalogue = `catalogue: 1
dataset: NAME
population: NAME
class: health
level: 1
slots: off
tables:
  crypt:
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      place: {type: integer, role: group, sensitivity: low, codes: {from: 0, to: 99}}
      code: {type: integer, role: group, sensitivity: low, codes: {from: 0, to: 9}}
      dummy: {type: integer, role: filter, sensitivity: low, bounds: [0, 1000000]}
`

// smallCatalogue is of two data sets about the same persons.
const smallCatalogue = `catalogue: 1
dataset: NAME
population: shared
class: health
level: 1
tables:
  person:
    rows_per_person: 1
    columns:
      person_id: {type: integer, role: person, sensitivity: low}
      age: {type: integer, role: [measure, filter], sensitivity: low, bounds: [0, 1000000]}
`

// newWorld writes the files, from fixed seeds, and returns the data sets.
func newWorld(t *testing.T) (*world, []sdktest.Dataset) {
	t.Helper()
	w, dir := &world{}, t.TempDir()
	rng := rand.New(rand.NewPCG(20, 26))
	place := func(dataset, catalogue string, tables ...string) sdktest.Dataset {
		d := sdktest.Dataset{Catalog: filepath.Join(dir, dataset+".yaml")}
		if err := os.WriteFile(d.Catalog, []byte(catalogue), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			d.Files = append(d.Files, filepath.Join(dir, dataset, table+".csv"))
		}
		return d
	}
	var list []sdktest.Dataset
	w.draw(rng)
	for _, name := range []string{"left", "right"} {
		text := strings.NewReplacer("NAME", name, "POPULATION", name, "CELLS", fmt.Sprint(cells-1), "PLURAL", fmt.Sprint(plural-1), "KINDS", fmt.Sprint(kinds)).Replace(pairCatalogue)
		list = append(list, place(name, text, "trial", "multi"))
		w.writePair(t, filepath.Join(dir, name), name == "left")
		list = append(list, place("c"+name, strings.ReplaceAll(cryptCatalogue, "NAME", "c"+name), "crypt"))
		writeCrypt(t, filepath.Join(dir, "c"+name), name == "left")
	}
	columns := "      person_id: {type: integer, role: person, sensitivity: low}\n" +
		"      block: {type: integer, role: group, sensitivity: low, codes: {from: 0, to: 9}}\n      secret: {type: integer, role: group, sensitivity: low, codes: [0, 1]}\n"
	for i := range bits {
		columns += fmt.Sprintf("      b%d: {type: integer, role: group, sensitivity: low, codes: [0, 1]}\n", i)
	}
	list = append(list, place("puzzle", "catalogue: 1\ndataset: puzzle\npopulation: puzzle\nclass: health\nlevel: 1\ntables:\n  quiz:\n    rows_per_person: 1\n    columns:\n"+columns, "quiz"))
	w.writePuzzle(t, filepath.Join(dir, "puzzle"))
	for _, name := range []string{"shared", "alias"} {
		list = append(list, place(name, strings.ReplaceAll(smallCatalogue, "NAME", name), "person"))
		write(t, filepath.Join(dir, name, "person.csv"), "person_id,age", func(line func(...any)) {
			for i := range 300 {
				line(i, i%90)
			}
		})
	}
	return w, append(list, wardDataset(t, dir, place))
}

// draw makes the secrets.
func (w *world) draw(rng *rand.Rand) {
	for c := range cells {
		w.secret[c] = rng.IntN(2) == 1
	}
	for b := range blocks {
		for p := range block {
			w.puzzle[b][p] = rng.IntN(2) == 1
			for i := range bits {
				w.traits[b][p][i], w.strange[b][p][i] = rng.IntN(2) == 1, rng.IntN(2) == 1
			}
		}
	}
}

// writePair writes left (with targets) or right.
func (w *world) writePair(t *testing.T, dir string, targets bool) {
	rng := rand.New(rand.NewPCG(7, 7)) // the same persons in both
	write(t, filepath.Join(dir, "trial.csv"), "person_id,cell,v,dummy,half,target,secret,icd,note", func(line func(...any)) {
		for c := range cells {
			for p := range base {
				half, secret := rng.IntN(2), rng.IntN(2)
				if targets {
					w.others[c] += secret
					w.halves[c] += 1 - half
				}
				line(c*100+p, c, 50, 0, half, 0, secret, "I10", "a")
			}
			if targets {
				icd := "I10"
				if c == 0 {
					icd = "Z99" // the rare code of one person
				}
				line(c*100+base, c, outlier, 0, c%2, 1, digit(w.secret[c]), icd, "b")
			}
		}
	})
	write(t, filepath.Join(dir, "multi.csv"), "person_id,plot,kind,dummy", func(line func(...any)) {
		for c := range plural {
			for p := range base + digit(targets) {
				for k := range kinds {
					line(c*100+p, c, k+1, 0)
				}
			}
		}
	})
}

// writeCrypt writes the pair for encrypted questions.
func writeCrypt(t *testing.T, dir string, targets bool) {
	write(t, filepath.Join(dir, "crypt.csv"), "person_id,place,code,dummy", func(line func(...any)) {
		for c := range places {
			for p := range base {
				line(c*100+p, c, p%10, 0)
			}
			if targets {
				line(c*100+base, c, 3, 0)
			}
		}
	})
}

func (w *world) writePuzzle(t *testing.T, dir string) {
	header := "person_id,block,secret"
	for i := range bits {
		header += fmt.Sprintf(",b%d", i)
	}
	write(t, filepath.Join(dir, "quiz.csv"), header, func(line func(...any)) {
		for b := range blocks {
			for p := range block {
				fields := []any{b*block + p, b, digit(w.puzzle[b][p])}
				for i := range bits {
					fields = append(fields, digit(w.traits[b][p][i]))
				}
				line(fields...)
			}
		}
	})
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func write(t *testing.T, path, header string, rows func(line func(...any))) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriter(f)
	fmt.Fprintln(b, header)
	rows(func(fields ...any) {
		for i, x := range fields {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprint(b, x)
		}
		b.WriteByte('\n')
	})
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
