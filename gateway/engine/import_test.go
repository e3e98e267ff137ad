package engine

import (
	"math/rand/v2"
	"testing"
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
	e := openVersion(t, ds, dir, m)
	if e.persons != 50 {
		t.Errorf("persons = %d", e.persons)
	}
	t.Logf("%+v", m)
}
