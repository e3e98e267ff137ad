package stat

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocs: docs/statistics.md names every estimator, and its table of coverage has a line for every scenario and size.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || strings.HasSuffix(fn.Name.Name, "Tail") {
				continue
			}
			found++
			if !strings.Contains(page, fn.Name.Name) {
				t.Errorf("docs/statistics.md does not name %s", fn.Name.Name)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d estimators only: the walk is wrong", found)
	}
	line := func(name string, n, sigma float64) {
		want := fmt.Sprintf("| %s | %.0f | %g |", name, n, sigma)
		if !strings.Contains(page, want) {
			t.Errorf("docs/statistics.md has no coverage %q: run the command on that page", want)
		}
	}
	for _, s := range scenarios() {
		line(s.name, s.n, s.sigma)
	}
	for _, s := range nulls() {
		line(s.name, s.n, s.sigma)
	}
}
