package query

import (
	"os"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// TestDocs: every example of docs/sql.md compiles against the example of docs/catalog.md.
func TestDocs(t *testing.T) {
	blocks := func(path, language string) []string {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, part := range strings.Split(string(page), "```"+language+"\n")[1:] {
			block, _, _ := strings.Cut(part, "```")
			all = append(all, block)
		}
		return all
	}
	d, err := catalog.Parse("docs/catalog.md", []byte(blocks("../../docs/catalog.md", "yaml")[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	examples := blocks("../../docs/sql.md", "sql")
	if len(examples) < 10 {
		t.Errorf("%d examples", len(examples))
	}
	for _, sql := range examples {
		if _, err := Compile(d, sql); err != nil {
			t.Errorf("%s\n%v", sql, err)
		}
	}
}
