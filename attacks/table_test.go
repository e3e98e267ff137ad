package attacks

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every attack has a test that exists; every number from 1 to 46 is there, in order, once.
func TestTable(t *testing.T) {
	next, seen := 1, map[string]bool{}
	for _, a := range Table {
		if n, err := strconv.Atoi(a.Number); err == nil {
			if n != next {
				t.Errorf("attack %d stands where %d should", n, next)
			}
			next++
		}
		if seen[a.Number] || a.Name == "" || a.Criterion == "" || len(a.Tests) == 0 {
			t.Errorf("attack %s is incomplete, or there twice", a.Number)
		}
		seen[a.Number] = true
		for _, ref := range a.Tests {
			pkg, name, ok := strings.Cut(ref, " ")
			if !ok || !declares(t, filepath.Join("..", pkg), name) {
				t.Errorf("attack %s: there is no test %s", a.Number, ref)
			}
		}
	}
	if next != 47 {
		t.Errorf("the numbered attacks end at %d, not 46", next-1)
	}
}

func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	of := regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if of.Match(b) {
			return true
		}
	}
	return false
}
