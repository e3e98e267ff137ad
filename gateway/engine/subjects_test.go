package engine

import (
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// The value of a listed person is what the definition gives on that person's rows alone; nobody else's row is in it.
func TestSubjectsAreTheDefinition(t *testing.T) {
	ds, ctx := parseFixture(t), context.Background()
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 11))
		sheets, dir := makeRows(r, 12), t.TempDir()
		m, err := importSheets(t, ds, dir, sheets, nil, "person", "event", "diagnosis", "area")
		if err != nil {
			t.Fatal(err)
		}
		e, b := openVersion(t, ds, dir, m), newBrute(t, ds, sheets)
		reg, err := OpenRegister(dir)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for key := range ordinalsOf(t, dir, sheets) {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		keys = append(keys, "nobody", "p9999")
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		listed := keys[:len(keys)-3] // some persons with rows are on no list
		var tags []Tag
		for _, key := range listed {
			tags = append(tags, reg.Tag(key))
		}
		ordinals, err := reg.Ordinals(ctx, tags)
		if err != nil {
			t.Fatal(err)
		}
		want := ordinalsOf(t, dir, sheets)
		for i, key := range listed {
			if n, known := want[key]; !known && ordinals[i] != -1 || known && ordinals[i] != n {
				t.Fatalf("%s has ordinal %d", key, ordinals[i])
			}
		}
		d := &drawer{r, ds}
		for range 40 {
			p := d.plan()
			p.GroupBy, p.Domains, p.Private, p.Bounds.Groups = nil, nil, false, 1
			found, err := e.subjects(ctx, p, ordinals)
			if err != nil {
				t.Fatalf("%v\nplan %s", err, show(p))
			}
			for slot, key := range listed {
				alone := (&brute{ds: ds, tables: b.of(key)}).run(p, [32]byte{}, want)
				for item := range p.Items {
					if diff := cmp.Diff(alone.Values[item][0], found.Values[item][slot], compareCells); diff != "" {
						t.Fatalf("%s, item %d (-definition +engine):\n%s\nplan %s", key, item, diff, show(p))
					}
				}
			}
		}
	}
}

// of keeps one person's rows, and the public ones.
func (b *brute) of(person string) map[string][]bruteRow {
	out := map[string][]bruteRow{}
	for name, rows := range b.tables {
		for _, row := range rows {
			if row.person == "" || row.person == person {
				out[name] = append(out[name], row)
			}
		}
	}
	return out
}

func TestSubjectsRefusePlans(t *testing.T) {
	e, ds := small(t)
	for name, change := range map[string]func(*query.Plan){
		"groups": func(p *query.Plan) {
			p.GroupBy = []query.ColumnRef{{Column: ds.Table("event").Column("kind")}}
		},
		"several groups":  func(p *query.Plan) { p.Bounds.Groups = 2 },
		"no clip":         func(p *query.Plan) { p.Items[0].Hi = nil },
		"other catalogue": func(p *query.Plan) { p.Dataset = &catalog.Dataset{} },
	} {
		p := countPlan(ds, "event")
		p.Items[0].Lo, p.Items[0].Hi = new(big.Int), big.NewInt(12)
		if _, err := e.RunSubjects(t.Context(), p, []int32{0, -1, 5}); err != nil {
			t.Fatal(err)
		}
		change(p)
		if _, err := e.RunSubjects(t.Context(), p, []int32{0}); !errors.Is(err, ErrExecute) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := countPlan(ds, "event")
	p.Items[0].Lo, p.Items[0].Hi = new(big.Int), big.NewInt(12)
	if _, err := e.RunSubjects(t.Context(), p, []int32{3, 3}); !errors.Is(err, ErrExecute) {
		t.Errorf("a person in two slots: %v", err)
	}
}

// A register of another name does not know the tags; without its files there is none.
func TestRegister(t *testing.T) {
	ds, one, two := parseFixture(t), t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		if _, err := OpenRegister(dir); !errors.Is(err, ErrRegister) {
			t.Errorf("no files: %v", err)
		}
		if _, err := importSheets(t, ds, dir, makeRows(rand.New(rand.NewPCG(5, 5)), 10), nil, "person"); err != nil {
			t.Fatal(err)
		}
	}
	a, err := OpenRegister(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenRegister(two)
	if err != nil {
		t.Fatal(err)
	}
	tag := a.Tag("p0000")
	if a.Name() == b.Name() || tag == b.Tag("p0000") || TagOf(tag.Append(nil)) != tag {
		t.Error("registers or tags are not told apart")
	}
	if n, err := b.Ordinals(t.Context(), []Tag{tag, b.Tag("nobody")}); err != nil || n[0] != -1 || n[1] != -1 {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := a.Ordinals(t.Context(), []Tag{tag, tag}); !errors.Is(err, ErrRegister) {
		t.Errorf("a tag twice: %v", err)
	}
	if !TextPersons(ds) {
		t.Error("the fixture has text keys")
	}
}
