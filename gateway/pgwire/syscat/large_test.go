package syscat

import (
	"path/filepath"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// What clients ask stays within the bounds of a query when all example catalogues are open, twice over: more columns than an agency shows somebody.
func TestLarge(t *testing.T) {
	files, err := filepath.Glob("../../../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := sample(t)
	c.Selected = nil
	columns := 0
	for _, f := range files {
		if filepath.Base(f) == "agreement.yaml" || strings.Contains(filepath.Base(f), "agreement") {
			continue
		}
		ds, err := catalog.Load(f)
		if err != nil {
			continue // other files of an example
		}
		c.Open = append(c.Open, ds)
		for _, table := range ds.Tables {
			columns += len(columnsOf(table))
		}
	}
	c.Open = append(c.Open, c.Open...)
	if columns *= 2; columns < 600 {
		t.Fatalf("%d columns only", columns)
	}
	for _, sql := range recorded(t) {
		if _, err := c.Query(t.Context(), sql); err != nil && !strings.Contains(sql, "pg_authid") && !strings.Contains(err.Error(), "21000") {
			t.Errorf("%d columns: %v\n%.300s", columns, err, sql)
		}
	}
}
