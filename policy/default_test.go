package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

func TestDefaultBundleChecks(t *testing.T) {
	if err := Check(Source()); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultBundleTests(t *testing.T) {
	results, err := Test(ctx, Source())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) < 15 {
		t.Errorf("only %d tests ran", len(results))
	}
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			if !r.Pass {
				t.Errorf("failed: %v", r.Err)
			}
		})
	}
}

var update = flag.Bool("update", false, "write the default bundle's Rego as opa fmt lays it out")

// TestDefaultBundleFormat tells the layout wanted; -update writes it.
func TestDefaultBundleFormat(t *testing.T) {
	fsys, err := readDir(Source())
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range fsys {
		if !strings.HasSuffix(name, ".rego") {
			continue
		}
		want, err := format.SourceWithOpts(name, src, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if string(want) == string(src) {
			continue
		}
		if !*update {
			t.Errorf("%s is not as opa fmt writes it; go test -run Format -update ./policy mends it", name)
		} else if err := os.WriteFile(filepath.Join("bundle", name), want, 0o644); err != nil {
			t.Error(err)
		}
	}
}

func TestDefaultBundleIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/agreements.md")
	if err != nil {
		t.Fatal(err)
	}
	purposes := openDefault(t).Active().Purposes()
	if len(purposes) != 10 {
		t.Errorf("%d purposes; want 4 of DUO and 6 of EHDS", len(purposes))
	}
	for _, p := range purposes {
		if !strings.Contains(string(doc), "| `"+p.Code+"` | "+p.Label) {
			t.Errorf("docs/agreements.md does not list %s as %q", p.Code, p.Label)
		}
	}
}
