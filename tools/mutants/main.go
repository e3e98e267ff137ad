// Command mutants is the mutation gate: each patch of attacks/mutants makes the source worse in one way; it is applied to a copy of the source,
// and one of the tests it names must fail. It prints the test that did, and ends with status 1 when a mutant lives or a patch applies no more.
//
//	go run ./tools/mutants -only '0[1-9]' -out build/mutants.md
//
// A patch begins with the lines "Mutant: NAME" and "Killed by: PACKAGE TEST; PACKAGE TEST", the likeliest killer first. A mutant that does not
// build proves nothing, and counts as alive. First of all the killers run on the unchanged copy, where they must pass.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", ".", "regular expression of patch names")
	out := flag.String("out", "build/mutants.md", "report")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// mutant is one patch.
type mutant struct {
	file, name string
	killers    []string
	diff       []byte
}

func run(ctx context.Context, only, out string) error {
	want, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	mutants, err := load("attacks/mutants", want)
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "jali-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := clone(ctx, root); err != nil {
		return err
	}
	if err := healthy(ctx, root, mutants); err != nil {
		return err
	}
	report := strings.Builder{}
	fmt.Fprintf(&report, "%s\n\n| mutant | | killed by | s |\n|---|---|---|---|\n", time.Now().UTC().Format(time.DateOnly))
	killed := 0
	for _, m := range mutants {
		began := time.Now()
		killer, err := m.kill(ctx, root)
		if err != nil {
			return fmt.Errorf("%s: %w", m.file, err)
		}
		verdict := killer
		if killer == "" {
			verdict = "**alive**"
		} else {
			killed++
		}
		number, _, _ := strings.Cut(m.file, "-")
		fmt.Fprintf(&report, "| %s | %s | %s | %.0f |\n", number, m.name, verdict, time.Since(began).Seconds())
		fmt.Printf("%s  %-44s %-60s %.0f s\n", number, m.name, verdict, time.Since(began).Seconds())
	}
	fmt.Printf("mutants killed: %d of %d\n", killed, len(mutants))
	fmt.Fprintf(&report, "\nKilled: %d of %d.\n", killed, len(mutants))
	if err := errors.Join(os.MkdirAll(filepath.Dir(out), 0o755), os.WriteFile(out, []byte(report.String()), 0o644)); err != nil {
		return err
	}
	if killed < len(mutants) {
		return fmt.Errorf("%d mutants live", len(mutants)-killed)
	}
	return nil
}

// load reads the patches, in order.
func load(dir string, want *regexp.Regexp) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no patches in %s (%w)", dir, err)
	}
	var list []mutant
	for _, f := range files {
		if !want.MatchString(filepath.Base(f)) {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		m := mutant{file: filepath.Base(f), diff: text}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "Mutant: "); ok {
				m.name = strings.TrimSpace(name)
			}
			if tests, ok := strings.CutPrefix(line, "Killed by: "); ok {
				for t := range strings.SplitSeq(tests, ";") {
					m.killers = append(m.killers, strings.TrimSpace(t))
				}
			}
		}
		if m.name == "" || len(m.killers) == 0 {
			return nil, fmt.Errorf("%s: no lines Mutant and Killed by", m.file)
		}
		list = append(list, m)
	}
	return list, nil
}

// clone copies what is committed: a mutant is one of what a release would be.
func clone(ctx context.Context, root string) error {
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", "HEAD")
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", root)
	pipe, err := archive.StdoutPipe()
	if err != nil {
		return err
	}
	unpack.Stdin = pipe
	if err := unpack.Start(); err != nil {
		return err
	}
	if err := archive.Run(); err != nil {
		return fmt.Errorf("copy source: %w", err)
	}
	return unpack.Wait()
}

// healthy runs all killers on the unchanged copy, or no failure would mean anything.
func healthy(ctx context.Context, root string, mutants []mutant) error {
	tests := map[string][]string{}
	var order []string
	for _, m := range mutants {
		for _, k := range m.killers {
			pkg, name, _ := strings.Cut(k, " ")
			if tests[pkg] == nil {
				order = append(order, pkg)
			}
			if !slices.Contains(tests[pkg], name) {
				tests[pkg] = append(tests[pkg], name)
			}
		}
	}
	for _, pkg := range order {
		for _, pattern := range together(tests[pkg]) {
			failed, text, err := test(ctx, root, pkg, pattern)
			if err != nil {
				return err
			}
			if failed {
				return fmt.Errorf("tests of %s fail on the unchanged source:\n%s", pkg, text)
			}
		}
	}
	return nil
}

// together are the patterns that run all of some tests. A subtest, "TestName/sub", goes by itself: within parentheses go test takes the slash for a letter, and
// would run nothing.
func together(names []string) []string {
	var whole, out []string
	for _, name := range names {
		if strings.Contains(name, "/") {
			out = append(out, "^"+name+"$")
		} else {
			whole = append(whole, name)
		}
	}
	if len(whole) > 0 {
		out = append(out, "^("+strings.Join(whole, "|")+")$")
	}
	return out
}

// kill applies the patch, runs the killers until one fails, and takes the patch back.
func (m mutant) kill(ctx context.Context, root string) (killer string, err error) {
	apply := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "git", append([]string{"apply"}, args...)...)
		cmd.Dir, cmd.Stdin = root, bytes.NewReader(m.diff)
		// The copy lies outside of any repository, or git apply would look for its paths in that.
		cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(root))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the patch does not apply: %w\n%s", err, out)
		}
		return nil
	}
	if err := apply(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, apply("-R")) }()
	for _, k := range m.killers {
		pkg, name, _ := strings.Cut(k, " ")
		failed, text, err := test(ctx, root, pkg, "^"+name+"$")
		if err != nil {
			return "", err
		}
		if failed {
			if bytes.Contains(text, []byte("[build failed]")) {
				fmt.Fprintf(os.Stderr, "%s does not build:\n%s", m.file, text)
				return "", nil
			}
			return k, nil
		}
	}
	return "", nil
}

// none is what go test says when a pattern matches nothing: such a killer never kills.
var none = []byte("no tests to run")

// test reports whether the tests fail. A process that ends by itself in a crash has failed too.
func test(ctx context.Context, root, pkg, run string) (failed bool, text []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-p", "1", "-timeout", "10m", "-run", run, "./"+pkg)
	cmd.Dir = root
	// Programs are those of the copy, never ones built before, and never where tests of others would find them (sdktest keeps what it
	// builds in the user's cache).
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return false, nil, fmt.Errorf("find build cache: %w", err)
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "JALI_BIN=") && !strings.HasPrefix(v, "JALI_GATEWAY=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOCACHE="+strings.TrimSpace(string(cache)), "XDG_CACHE_HOME="+filepath.Join(root, "build", "cache"))
	text, err = cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return false, text, fmt.Errorf("run tests of %s: %w", pkg, err)
	}
	if bytes.Contains(text, none) {
		return false, text, fmt.Errorf("%s in %s: %s", run, pkg, none)
	}
	return err != nil, text, nil
}
