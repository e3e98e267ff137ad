// Package python_test runs the tests of the Python package against real gateways: the newest releases of what it needs, and the oldest.
package python_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// require names the environment variable that makes the absence of a client fatal.
const require = "JALI_REQUIRE_CLIENTS"

// poor is an agreement that can pay for nothing.
const poor = `id: agr-poor
version: 1
title: A budget of one unit
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006"]
datasets:
  - id: nhefs
    columns: [nhefs.*]
    sensitivity: [low, normal]
kinds: [aggregate]
mode: dp
budget:
  - population: nhefs
    pu: 1
    delta: 1e-7
min_error: 5
max_price_pu: 15727
per_hour: 1000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`

// cohort opens the generated scheme for encrypted questions too.
const cohort = `id: agr-cohort
version: 1
title: Encrypted questions on the generated scheme
state: active
parties: [Example Pharma]
purposes: ["DUO:0000006"]
datasets:
  - id: scheme
    columns: [person.*, enrolment.*, medical_claim.*, death.*]
    sensitivity: [low, normal, high]
kinds: [aggregate, encrypted]
mode: dp
budget:
  - population: scheme-insured
    pu: 100000
    delta: 1e-7
min_error: 5
max_price_pu: 15727
per_hour: 1000
valid_from: "2026-01-01"
valid_until: "2035-12-31"
`

// seen opens the files that only Python reads, so that the go command's test cache knows of them.
func seen(t *testing.T) {
	t.Helper()
	for _, root := range []string{".", "../../proto/jali", "../../third_party/proto", "../../audit/testdata", "../../crypto/cohort/clib", "../../examples/nhefs"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// absent skips a test that lacks a program, or fails it where all must be there.
func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv(require) != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func TestPython(t *testing.T) {
	seen(t)
	if _, ok := sdktest.Built(); !ok {
		absent(t, "no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	env := append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=src", "JALI_TEST_SCHEME="+scheme(t))
	if library := library(t); library != "" {
		env = append(env, "JALI_COHORT_LIBRARY="+library)
	}
	for _, lock := range []string{"requirements.lock", "requirements-floor.lock"} {
		t.Run(strings.TrimSuffix(lock, ".lock"), func(t *testing.T) {
			python := environment(t, lock)
			env := append(slices.Clip(env), "JALI_TEST_PROFILE="+nhefs(t)) // one each: what one run asked would be replayed to the other
			if lock == "requirements.lock" {
				run(t, env, python, "-m", "mypy", "--cache-dir=../../build/python/mypy")
			}
			run(t, env, python, "-m", "pytest")
		})
	}
}

// A wheel made from the tree installs and imports without the tree, with the shared library in it.
func TestWheel(t *testing.T) {
	seen(t)
	python := environment(t, "requirements.lock")
	out := t.TempDir()
	env := os.Environ()
	library := library(t)
	if library != "" {
		env = append(env, "JALI_COHORT_LIBRARY="+library)
	}
	run(t, env, python, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", out, ".")
	wheels, err := filepath.Glob(filepath.Join(out, "jali-*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("wheels: %v, %v", wheels, err)
	}
	run(t, os.Environ(), python, "-m", "pip", "install", "-q", "--no-deps", "--target", filepath.Join(out, "site"), wheels[0])
	check := `import jali, os, jali.cohort.session as s
assert jali.__file__.startswith(os.environ["PYTHONPATH"]), jali.__file__
assert os.path.exists(os.path.join(os.path.dirname(jali.__file__), "py.typed"))
if os.environ["WANT_LIBRARY"]: s.Library(str(s.library_path())).sizes("ecq1-a")`
	env = append(os.Environ(), "PYTHONPATH="+filepath.Join(out, "site"), "WANT_LIBRARY="+library, "JALI_COHORT_LIBRARY=")
	run(t, env, python, "-c", check)
}

// nhefs starts a gateway with the public data set of the examples and returns the directory of a researcher's profile.
func nhefs(t *testing.T) string {
	t.Helper()
	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rich := strings.Replace(string(text), "pu: 15727", "pu: 400000", 1)
	g := sdktest.Start(t, sdktest.Config{
		Datasets:   []sdktest.Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}},
		Agreements: []string{rich, poor},
	})
	return filepath.Dir(g.Researcher().Profile())
}

func scheme(t *testing.T) string {
	t.Helper()
	g := sdktest.Start(t, sdktest.Config{Persons: 2000, Agreements: []string{cohort}})
	// The list of the study that tests/test_cohort.py asks about: the generator's first 400 persons.
	var list strings.Builder
	for i := range 400 {
		fmt.Fprintln(&list, 1+i)
	}
	file := filepath.Join(t.TempDir(), "persons")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Run("study", "register", "--dir", g.Dir, "--agreement", g.Agreement, "--id", "arm", "--persons", file)
	return filepath.Dir(g.Researcher().Profile())
}

// library builds the shared library of encrypted questions; empty: there is no C compiler.
func library(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv(require) != "" {
			t.Fatal("no gcc: the library of encrypted questions cannot be built")
		}
		t.Log("no gcc on this machine: encrypted questions were not asked")
		return ""
	}
	path, err := filepath.Abs("../../build/python/libjali_cohort.so")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path, "jali/crypto/cohort/clib")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build library: %v\n%s", err, out)
	}
	return path
}

// environment is the interpreter of an environment with exactly what the lock file lists.
func environment(t *testing.T, lock string) string {
	t.Helper()
	cmd := exec.Command("../../tools/python.sh", lock)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		absent(t, "no environment of %s: %v\n%s", lock, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// run runs a program here and shows what it says when it fails.
func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
}
