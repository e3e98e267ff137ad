package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
)

// ErrTest says that a bundle failed its own tests, or has none.
var ErrTest = errors.New("bundle failed its tests")

// TestResult is one test_ rule of a bundle.
type TestResult struct {
	Name string // package and rule
	Pass bool
	Err  error // why it could not be run, if it could not
}

// test runs every test_ rule of the bundle, in a compilation of its own with the same restrictions. Modules named
// *_test.rego take part here only; they are not there when a query is decided.
func (b *Bundle) test(ctx context.Context) ([]TestResult, error) {
	c, err := compiler()
	if err != nil {
		return nil, err
	}
	modules := make(map[string]*ast.Module, len(b.all))
	for name, m := range b.all {
		modules[name] = m.Copy()
	}
	txn, err := b.store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return nil, fmt.Errorf("test bundle: %w", err)
	}
	defer b.store.Abort(ctx, txn)
	results, err := tester.NewRunner().
		SetCompiler(c).
		SetStore(b.store).
		SetModules(modules).
		SetTimeout(patientTimeout).
		CapturePrintOutput(false).
		RaiseBuiltinErrors(true).
		RunTests(ctx, txn)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTest, err)
	}
	byName := map[string]TestResult{}
	for r := range results {
		name := strings.TrimPrefix(r.Package, "data.") + "." + r.Name
		byName[name] = TestResult{Name: name, Pass: r.Pass(), Err: r.Error}
	}
	var out []TestResult
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out, nil
}

// failed is an error unless there are tests and all passed; a skipped test did not pass.
func failed(results []TestResult) error {
	if len(results) == 0 {
		return fmt.Errorf("%w: it has none; a bundle brings test_ rules in *%s", ErrTest, testSuffix)
	}
	var names []string
	for _, r := range results {
		if !r.Pass {
			names = append(names, r.Name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s", ErrTest, strings.Join(names, ", "))
	}
	return nil
}
