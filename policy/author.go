package policy

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Check does for a bundle's directory what activation will do, but signature and tests: contents, manifest, strict
// compilation with the restricted builtins and the input's types, entry points, probes. It also wants opa fmt's layout.
func Check(dir fs.FS) error {
	_, err := check(dir)
	return err
}

// Test runs the tests of a bundle's directory. A failed test is in the results, not in the error.
func Test(ctx context.Context, dir fs.FS) ([]TestResult, error) {
	b, err := check(dir)
	if err != nil {
		return nil, err
	}
	return b.test(ctx)
}

// Build checks, tests, packs and signs a bundle's directory. The same directory and key give the same bytes.
func Build(dir fs.FS, key *ecdsa.PrivateKey) ([]byte, error) {
	results, err := Test(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	if err := failed(results); err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	fsys, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	if fsys[signaturesFile], err = sign(fsys, key); err != nil {
		return nil, err
	}
	return pack(fsys)
}

func check(dir fs.FS) (*Bundle, error) {
	fsys, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	for name, src := range fsys {
		if err := checkFormat(name, src); err != nil {
			return nil, err
		}
	}
	raw, err := pack(fsys)
	if err != nil {
		return nil, err
	}
	b, err := load(raw, nil, false)
	if err != nil {
		return nil, fmt.Errorf("check bundle: %w", err)
	}
	if err := b.probe(context.Background()); err != nil {
		return nil, fmt.Errorf("check bundle: %w", err)
	}
	return b, nil
}

func checkFormat(name string, src []byte) error {
	if name == manifestFile || len(name) < 5 || name[len(name)-5:] != ".rego" {
		return nil
	}
	want, err := format.SourceWithOpts(name, src, format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBundle, err)
	}
	if string(want) != string(src) {
		return fmt.Errorf("%w: file %q is not formatted; run opa fmt -w on it", ErrBundle, name)
	}
	return nil
}
