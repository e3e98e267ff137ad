// Package jali_test holds the rules between packages as a test: docs/design/README.md says why each is there.
//
// Imports are parsed here, in process. A test that asked the go command would be cached with its old answer, because the go
// test cache does not see the files that go list reads.
package jali_test

import (
	"bytes"
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "jali"

// order lists all packages from the ground up, one line per layer: a package imports packages of lower lines only. A name
// ending in /... stands for all below it too; the longest name decides. A package that is not here fails the test: give it a
// place when you make it.
var order = [][]string{
	{"audit", "crypto/...", "examples", "gateway/catalog", "gateway/coarse", "gateway/engine/pgtest", "gateway/identity", "gateway/identity/oidctest", "policy/...", "proto/...", "sdk/stat"},
	{"audit/approval", "audit/export", "audit/timestamp", "crypto/cohort/client", "gateway/allowance", "gateway/budget", "gateway/protect", "gateway/synth", "sdk/analysis"},
	{"audit/store", "audit/timestamp/tsatest", "audit/wasm", "audit/witness", "crypto/cohort/client/clienttest", "crypto/cohort/clib", "crypto/cohort/wasm", "gateway/query"},
	{"gateway/engine"},
	{"gateway"},
	{"gateway/console"},
	{"gateway/pgwire/syscat"},
	{"gateway/pgwire", "gateway/rpc", "sdk"},
	{"sdk/sdktest"},
	{"attacks"},
	{"cmd/...", "tools/attacks", "tools/bench", "tools/mutants"},
	{"."},
}

// rule: packages in from never import any of never, neither directly nor, for packages of ours, through others of ours.
// Names are as in order; outside packages are prefixes of import paths, and "std:" marks the standard library.
type rule struct {
	from  string
	never []string
}

const (
	duckdb   = "github.com/duckdb/"
	pgquery  = "github.com/pganalyze/"
	pgconn   = "github.com/jackc/pgx/v5/pgconn"
	lattigo  = "github.com/tuneinsight/lattigo"
	opa      = "github.com/open-policy-agent/"
	bbolt    = "go.etcd.io/bbolt"
	grpc     = "google.golang.org/grpc"
	googleDP = "github.com/google/differential-privacy"
	roaring  = "github.com/RoaringBitmap/"
)

// never is the table "never imports" of the design.
var never = []rule{
	{"proto/...", []string{"ours"}},
	{"gateway/identity", []string{"ours"}},
	{"gateway/catalog", []string{"ours"}},
	{"policy/...", []string{"ours"}},
	{"crypto/...", []string{"ours"}},
	{"audit", []string{"ours", bbolt, grpc, "std:os", "std:net", "std:net/http", "std:database/sql"}},
	{"crypto/noise", []string{"std:math/rand", "std:math/rand/v2"}},
	{"gateway/rpc", []string{lattigo, opa, bbolt}},
	{"gateway/pgwire", []string{lattigo, opa, bbolt, grpc, "proto/..."}},
	// It knows the published catalogue and nothing else: no way to rows, ledgers or record.
	{"gateway/pgwire/syscat", []string{"gateway", "gateway/engine", "gateway/query", "gateway/protect", "audit/...", "policy/...", "proto/...", "std:os", "std:net", "std:net/http", "std:database/sql"}},
	{"gateway/query", []string{"gateway/engine", duckdb, "std:os", "std:net", "std:net/http", "std:database/sql"}},
	// crypto/noise besides audit: prices are computed from the very variance that is drawn.
	{"gateway/console", []string{"proto/...", grpc, lattigo, opa, bbolt}},
	{"gateway/budget", []string{"gateway/catalog", "gateway/engine", "gateway/identity", "gateway/protect", "gateway/query", "gateway", "gateway/rpc", "policy/...", "proto/...", "crypto/cohort"}},
	{"gateway/engine", []string{"policy/...", "audit/...", "gateway/rpc", "proto/..."}},
	{"gateway/protect", []string{"gateway/engine", "gateway/query", "audit/...", "policy/..."}},
	{"gateway", []string{"proto/...", grpc, lattigo, opa}},
	{"audit/store", []string{"gateway/...", "policy/...", "crypto/..."}},
	{"audit/export", []string{"gateway/...", "policy/...", "crypto/...", bbolt}},
	{"audit/witness", []string{"gateway/...", "policy/...", "crypto/..."}},
	{"sdk/stat", []string{"ours", "C", "std:os", "std:net", "std:time"}},
	{"sdk/analysis", []string{"C", "std:os", "std:net", "std:time", "audit/...", "proto/...", "crypto/..."}},
	{"sdk/...", []string{"gateway/...", "policy/...", "audit/store"}},
	// It attacks from outside: what it shares with what it attacks would be wrong in both.
	{"attacks", []string{"gateway/...", "policy/...", "crypto/...", "audit/store", "audit/witness"}},
	{"cmd/jali", []string{"gateway/...", "policy/..."}},
	// policy it may import: to repeat a decision takes the evaluator (docs/design/regulators-tools.md).
	// crypto/cohort it may reach: sdk has the client of encrypted questions, and to open one is to recompute its upload.
	{"cmd/jali-auditor", []string{"gateway/...", "crypto/noise"}},
	// Static binaries: no cgo package of ours or others is reached from them.
	{"cmd/jali", []string{duckdb, pgquery, "C"}},
	{"cmd/jali-auditor", []string{duckdb, pgquery, "C"}},
}

// transitive outside packages: reached through our packages they count too.
var transitive = []string{duckdb, pgquery, "C"}

// only: the one home of each heavy dependency.
var only = map[string][]string{
	lattigo: {"crypto/cohort", "crypto/federation"},
	opa:     {"policy/..."},
	bbolt:   {"audit/store", "audit/witness"},
	duckdb:  {"gateway/engine"},
	pgconn:  {"gateway/engine", "tools/bench"},
	// The second parses what clients ask of the system catalogue, which is no question about data.
	pgquery: {"gateway/query", "gateway/pgwire/syscat"},
	// Who is in which cell is exact data: sets of persons stay within the valve.
	roaring: {"gateway/protect"},
	// The oracle of our sampler, in test files only: they are not in this list of importers at all.
	googleDP: {},
}

// maxLines is for files of the product. Tests are tables of cases and may be somewhat longer.
const (
	maxLines     = 500
	maxTestLines = 600
)

func TestBoundaries(t *testing.T) {
	files, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("read %d files only: the walk is wrong", len(files))
	}
	for _, v := range check(files) {
		t.Error(v)
	}
}

// file is one source file of the module.
type file struct {
	name      string
	pkg       string   // directory, "." for the root
	imports   []string // ours without the module's name
	ours      []bool
	test      bool
	generated bool
	lines     int
	marks     []int // lines with a mark of unfinished work
}

var (
	generated  = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)
	text       = []string{".go", ".md", ".proto", ".rego", ".sh", ".yaml", ".yml"}
)

// load reads every text file of the module; Go files with their imports, whatever their build tags but for those never built.
func load(fsys fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "build", "node_modules", "third_party", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir // a module of its own: tools
			}
			return nil
		}
		if !slices.Contains(text, path.Ext(name)) {
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f := file{name: name, pkg: path.Dir(name), lines: bytes.Count(src, []byte("\n")), generated: generated.Match(src)}
		for i, line := range bytes.Split(src, []byte("\n")) {
			if unfinished.Match(line) {
				f.marks = append(f.marks, i+1)
			}
		}
		if path.Ext(name) == ".go" {
			f.test = strings.HasSuffix(name, "_test.go")
			if !buildable(src) {
				return nil
			}
			if err := f.parse(src); err != nil {
				return err
			}
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// buildable is false for files that no build of the product includes: tags ignore and deps.
func buildable(src []byte) bool {
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, "package ") {
			break
		}
		if constraint.IsGoBuild(line) {
			x, err := constraint.Parse(strings.TrimSpace(line))
			return err != nil || x.Eval(func(tag string) bool { return tag != "ignore" && tag != "deps" }) ||
				x.Eval(func(tag string) bool { return false })
		}
	}
	return true
}

func (f *file) parse(src []byte) error {
	ast, err := parser.ParseFile(token.NewFileSet(), f.name, src, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, s := range ast.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			return err
		}
		rest, ours := strings.CutPrefix(p, module+"/")
		f.imports = append(f.imports, rest)
		f.ours = append(f.ours, ours)
	}
	return nil
}

// check applies all rules. Test files may look into any package, so the rules on imports are for the others.
func check(files []file) []string {
	var found []string
	reach := closure(files)
	for _, f := range files {
		limit := maxLines
		if f.test {
			limit = maxTestLines
		}
		if f.lines > limit && !f.generated && slices.Contains([]string{".go", ".rego"}, path.Ext(f.name)) {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d: one idea per file", f.name, f.lines, limit))
		}
		for _, line := range f.marks {
			found = append(found, fmt.Sprintf("%s:%d marks unfinished work: finish it or open an issue", f.name, line))
		}
		if path.Ext(f.name) != ".go" || f.test {
			continue
		}
		if rank(f.pkg) < 0 {
			found = append(found, fmt.Sprintf("%s: package %s has no place in the order of packages", f.name, f.pkg))
			continue
		}
		for i, p := range f.imports {
			if f.ours[i] && rank(p) >= rank(f.pkg) {
				found = append(found, fmt.Sprintf("%s imports %s, which does not lie below it", f.name, p))
			}
			for dep, homes := range only {
				if !f.ours[i] && strings.HasPrefix(p, dep) && !slices.ContainsFunc(homes, func(h string) bool { return covers(h, f.pkg) }) {
					found = append(found, fmt.Sprintf("%s imports %s, which only %v may", f.name, p, homes))
				}
			}
		}
	}
	for pkg, via := range reach {
		for _, r := range never {
			if !covers(r.from, pkg) {
				continue
			}
			for _, n := range r.never {
				for p, how := range via {
					if forbidden(r.from, n, p, how) {
						found = append(found, fmt.Sprintf("package %s imports %s (%s): never", pkg, strings.TrimPrefix(p, "ours:"), how))
					}
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// direct is how a package imports what its own files name.
const direct = "directly"

func forbidden(from, n, p, how string) bool {
	own, ours := strings.CutPrefix(p, "ours:")
	std, isStd := strings.CutPrefix(n, "std:")
	switch {
	case n == "ours":
		return ours && !covers(from, own)
	case isStd:
		return !ours && how == direct && p == std
	case ours:
		return covers(n, own)
	default:
		return strings.HasPrefix(p, n) && (how == direct || slices.Contains(transitive, n)) && !isOurs(n)
	}
}

// isOurs tells our package names from import paths of others: those have a dot in their first part, or are C.
func isOurs(n string) bool {
	first, _, _ := strings.Cut(n, "/")
	return n != "C" && !strings.Contains(first, ".")
}

// closure is, for each package of ours, all it imports, and how: directly or through which package of ours.
func closure(files []file) map[string]map[string]string {
	edges := map[string]map[string]string{}
	for _, f := range files {
		if path.Ext(f.name) != ".go" || f.test {
			continue
		}
		if edges[f.pkg] == nil {
			edges[f.pkg] = map[string]string{}
		}
		for i, p := range f.imports {
			if f.ours[i] {
				p = "ours:" + p
			}
			edges[f.pkg][p] = direct
		}
	}
	all := map[string]map[string]string{}
	for pkg := range edges {
		seen := map[string]string{}
		var visit func(at, how string)
		visit = func(at, how string) {
			for p := range edges[at] {
				if old, ok := seen[p]; ok && (old == direct || how != direct) {
					continue
				}
				seen[p] = how
				if own, ours := strings.CutPrefix(p, "ours:"); ours {
					visit(own, "through "+own)
				}
			}
		}
		visit(pkg, direct)
		all[pkg] = seen
	}
	return all
}

// covers reports whether a name of the tables stands for a package.
func covers(name, pkg string) bool {
	base, all := strings.CutSuffix(name, "/...")
	return pkg == base || all && strings.HasPrefix(pkg, base+"/")
}

// rank is the layer of a package, -1 if it has none.
func rank(pkg string) int {
	best, at := -1, -1
	for i, layer := range order {
		for _, n := range layer {
			if covers(n, pkg) && len(strings.TrimSuffix(n, "/...")) > best {
				best, at = len(strings.TrimSuffix(n, "/...")), i
			}
		}
	}
	return at
}

// TestCheckFinds plants one violation at a time.
func TestCheckFinds(t *testing.T) {
	src := func(pkg string, imports ...string) *fstest.MapFile {
		b := "package " + pkg + "\n"
		for _, i := range imports {
			b += fmt.Sprintf("import _ %q\n", i)
		}
		return &fstest.MapFile{Data: []byte(b)}
	}
	tests := []struct {
		name  string
		files fstest.MapFS
		want  string // part of the only violation; empty: none
	}{
		{"clean", fstest.MapFS{
			"gateway/query/q.go": src("query", "jali/gateway/catalog", pgquery+"pg_query_go/v6"), "gateway/catalog/c.go": src("catalog", "os"),
		}, ""},
		{"upward", fstest.MapFS{"gateway/engine/e.go": src("engine", "jali/gateway")}, "does not lie below"},
		{"sideways", fstest.MapFS{"gateway/budget/b.go": src("budget", "jali/audit/store")}, "does not lie below"},
		{"unplaced", fstest.MapFS{"gateway/utils/u.go": src("utils")}, "no place"},
		{"ours", fstest.MapFS{"audit/a.go": src("audit", "jali/gateway/catalog")}, "audit imports gateway/catalog"},
		{"random", fstest.MapFS{"crypto/noise/n.go": src("noise", "math/rand/v2")}, "math/rand/v2"},
		{"os in the planner", fstest.MapFS{"gateway/query/q.go": src("query", "os")}, "imports os"},
		{"lattigo elsewhere", fstest.MapFS{"sdk/s.go": src("sdk", lattigo+"/v6/core")}, "which only"},
		{"opa elsewhere", fstest.MapFS{"cmd/jali-gateway/m.go": src("main", opa+"opa/v1/rego")}, "which only"},
		{"bbolt elsewhere", fstest.MapFS{"cmd/jali-gateway/m.go": src("main", bbolt)}, "which only"},
		{"oracle in the product", fstest.MapFS{"crypto/noise/n.go": src("noise", googleDP+"/go/v3/noise")}, "which only"},
		{"oracle in a test", fstest.MapFS{"crypto/noise/n_test.go": src("noise", googleDP+"/go/v3/noise")}, ""},
		{"grpc in the path", fstest.MapFS{"gateway/g.go": src("gateway", grpc+"/codes")}, "imports google.golang.org/grpc/codes"},
		{"grpc beside the path", fstest.MapFS{"gateway/rpc/g.go": src("rpc", grpc+"/codes")}, ""},
		{"policy through another", fstest.MapFS{
			"cmd/jali/m.go": src("main", "jali/sdk"), "sdk/s.go": src("sdk", "jali/audit"), "audit/a.go": src("audit"),
			"cmd/jali-auditor/m.go": src("main", "jali/sdk/sdktest"), "sdk/sdktest/s.go": src("sdktest", "jali/crypto/noise"), "crypto/noise/n.go": src("noise"),
		}, "package cmd/jali-auditor imports crypto/noise (through sdk/sdktest)"},
		{"cgo", fstest.MapFS{"cmd/jali/m.go": src("main", "C")}, "imports C"},
		{"long", fstest.MapFS{"sdk/s.go": {Data: []byte("package sdk\n" + strings.Repeat("\n", maxLines))}}, "lines"},
		{"long test", fstest.MapFS{"sdk/s_test.go": {Data: []byte("package sdk\n" + strings.Repeat("\n", maxTestLines))}}, "lines"},
		{"long but generated", fstest.MapFS{"proto/p.go": {Data: []byte("// Code generated by x. DO NOT EDIT.\n\npackage p\n" + strings.Repeat("\n", maxLines))}}, ""},
		{"unfinished", fstest.MapFS{"docs/d.md": {Data: []byte("a\nTO" + "DO b\n")}}, "docs/d.md:2"},
		{"tagged", fstest.MapFS{"sdk/s.go": {Data: []byte("//go:build windows\n\npackage sdk\n\nimport _ \"jali/cmd/jali\"\n")}}, "does not lie below"},
		{"never built", fstest.MapFS{"deps.go": {Data: []byte("//go:build deps\n\npackage x\n\nimport _ \"" + bbolt + "\"\n")}}, ""},
		{"other module", fstest.MapFS{"tools/x/go.mod": {}, "tools/x/m.go": src("main", bbolt)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, err := load(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			got := check(files)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("found %q, want nothing", got)
			case tt.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.want) }):
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
