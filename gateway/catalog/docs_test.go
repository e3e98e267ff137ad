package catalog

import (
	"os"
	"strings"
	"testing"
)

// TestDocs: the example of docs/catalog.md is a catalogue.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/catalog.md has no example")
	}
	d, err := Parse("docs/catalog.md", []byte(example), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Tables) != 5 || len(d.Joins) != 2 {
		t.Errorf("%d tables, %d joins", len(d.Tables), len(d.Joins))
	}
}
