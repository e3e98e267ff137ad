package policy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// Bundle is policy that may decide: verified, compiled, probed and tested. It is immutable. Prepare makes one.
type Bundle struct {
	digest   [32]byte
	revision string
	tests    []TestResult
	purposes []Purpose

	verdict rego.PreparedEvalQuery // allow and obligations
	reasons rego.PreparedEvalQuery // asked only after a denial

	all   map[string]*ast.Module // with tests
	store storage.Store
}

// Digest is the SHA-256 of the bundle's bytes: its name in every decision and audit entry.
func (b *Bundle) Digest() [32]byte { return b.digest }

// Revision is what the bundle's manifest calls itself. For people; nothing depends on it.
func (b *Bundle) Revision() string { return b.revision }

// Tests are the bundle's own tests, all passed.
func (b *Bundle) Tests() []TestResult { return slices.Clone(b.tests) }

// Purposes are the purpose codes the bundle knows, sorted: what an agreement may name.
func (b *Bundle) Purposes() []Purpose { return slices.Clone(b.purposes) }

// Purpose is a code of the GA4GH Data Use Ontology or of Regulation (EU) 2025/327, Art. 53(1), or one of the custodian.
type Purpose struct{ Code, Label string }

// The two questions a bundle answers. A missing document leaves the first undefined, which denies.
const (
	verdictQuery = "allow = data.jali.authz.allow; obligations = data.jali.authz.obligations"
	reasonsQuery = "reasons = data.jali.authz.reasons"
)

// load verifies and compiles a bundle. Without sealed the signature is not looked at: only for what is compiled in and
// for a directory its author is working on.
func load(raw []byte, key *ecdsa.PublicKey, sealed bool) (*Bundle, error) {
	fsys, err := unpack(raw)
	if err != nil {
		return nil, err
	}
	reader := bundle.NewReader(bytes.NewReader(raw)).
		WithCapabilities(capabilities()).
		WithProcessAnnotations(true).
		WithRegoVersion(ast.RegoV1).
		WithSizeLimitBytes(maxBundleFile).
		WithLazyLoadingMode(false)
	if sealed {
		config, err := verification(key)
		if err != nil {
			return nil, err
		}
		if err := verify(fsys, config); err != nil {
			return nil, err
		}
		reader = reader.WithBundleVerificationConfig(config)
	} else {
		reader = reader.WithSkipBundleVerification(true)
	}
	if err := checkManifest(fsys); err != nil {
		return nil, err
	}
	contents, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	b := &Bundle{
		digest:   sha256.Sum256(raw),
		revision: contents.Manifest.Revision,
		purposes: purposes(contents.Data),
		all:      map[string]*ast.Module{},
		store:    inmem.NewFromObjectWithOpts(contents.Data, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false)),
	}
	deciding := map[string]*ast.Module{}
	for _, m := range contents.Modules {
		b.all[m.Path] = m.Parsed
		if !strings.HasSuffix(m.Path, testSuffix) {
			deciding[m.Path] = m.Parsed.Copy()
		}
	}
	return b, b.prepare(deciding)
}

// verify checks signature and digests before OPA parses any policy, so that a failure is told apart from a bad policy.
func verify(fsys files, config *bundle.VerificationConfig) error {
	text, ok := fsys[signaturesFile]
	if !ok {
		return fmt.Errorf("%w: the bundle is not signed", ErrSignature)
	}
	var sigs bundle.SignaturesConfig
	if err := json.Unmarshal(text, &sigs); err != nil || sigs.Plugin != "" && sigs.Plugin != "_default" {
		return fmt.Errorf("%w: %s is malformed", ErrSignature, signaturesFile)
	}
	signed, err := bundle.VerifyBundleSignature(sigs, config)
	if err != nil {
		return fmt.Errorf("%w: it was not made by this gateway's policy key", ErrSignature)
	}
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		if name == signaturesFile {
			continue
		}
		if signed[name].Algorithm != bundle.SHA256.String() {
			return fmt.Errorf("%w: file %q is not covered by SHA-256", ErrSignature, name)
		}
		if err := bundle.VerifyBundleFile(name, *bytes.NewBuffer(fsys[name]), signed); err != nil {
			return fmt.Errorf("%w: file %q was changed", ErrSignature, name)
		}
	}
	if len(signed) != 0 { // VerifyBundleFile takes out what it has seen
		return fmt.Errorf("%w: a signed file is missing", ErrSignature)
	}
	return nil
}

// checkManifest comes after the signature and before OPA reads the policy by it.
func checkManifest(fsys files) error {
	var m bundle.Manifest
	if err := json.Unmarshal(fsys[manifestFile], &m); err != nil {
		return fmt.Errorf("%w: .manifest is missing or not JSON", ErrBundle)
	}
	if m.RegoVersion != nil && *m.RegoVersion != 1 || len(m.FileRegoVersions) > 0 {
		return fmt.Errorf("%w: .manifest: rego_version must be 1", ErrBundle)
	}
	if m.Roots == nil || !slices.Equal(*m.Roots, []string{"jali"}) {
		return fmt.Errorf(`%w: .manifest: roots must be ["jali"]`, ErrBundle)
	}
	if !revisionText.MatchString(m.Revision) {
		return fmt.Errorf("%w: .manifest: revision must be 1 to 255 of A-Z a-z 0-9 . _ : / @ + = -", ErrBundle)
	}
	return nil
}

// revisionText is what an audit header can hold.
var revisionText = regexp.MustCompile(`^[A-Za-z0-9._:/@+=-]{1,255}$`)

// compiler is strict (unused or shadowed names are errors), restricted, and knows the types of the input: a misspelt
// field does not compile.
func compiler() (*ast.Compiler, error) {
	var raw any
	if err := json.Unmarshal(inputSchemaJSON, &raw); err != nil {
		return nil, fmt.Errorf("parse input schema: %w", err)
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, raw)
	return ast.NewCompiler().
		WithCapabilities(capabilities()).
		WithStrict(true).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithEnablePrintStatements(false), nil
}

func (b *Bundle) prepare(deciding map[string]*ast.Module) error {
	c, err := compiler()
	if err != nil {
		return err
	}
	if c.Compile(deciding); c.Failed() {
		return fmt.Errorf("%w: %w", ErrBundle, c.Errors)
	}
	if err := checkEntrypoints(c); err != nil {
		return err
	}
	for query, to := range map[string]*rego.PreparedEvalQuery{verdictQuery: &b.verdict, reasonsQuery: &b.reasons} {
		*to, err = rego.New(
			rego.Query(query),
			rego.Compiler(c),
			rego.Capabilities(capabilities()),
			rego.Store(b.store),
			rego.StrictBuiltinErrors(true),
		).PrepareForEval(context.Background())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBundle, err)
		}
	}
	return nil
}

// checkEntrypoints wants the three documents, and allow to be false unless a rule says otherwise.
func checkEntrypoints(c *ast.Compiler) error {
	for _, name := range []string{"allow", "obligations", "reasons"} {
		rules := c.GetRulesWithPrefix(ast.MustParseRef("data.jali.authz." + name))
		if len(rules) == 0 {
			return fmt.Errorf("%w: package jali.authz does not define %s", ErrBundle, name)
		}
		if name != "allow" {
			continue
		}
		denied := slices.ContainsFunc(rules, func(r *ast.Rule) bool {
			return r.Default && r.Head.Value.Equal(ast.BooleanTerm(false))
		})
		if !denied {
			return fmt.Errorf(`%w: package jali.authz must say "default allow := false"`, ErrBundle)
		}
	}
	return nil
}

func purposes(data map[string]any) []Purpose {
	jali, _ := data["jali"].(map[string]any)
	known, _ := jali["purposes"].(map[string]any)
	var out []Purpose
	for _, code := range slices.Sorted(maps.Keys(known)) {
		entry, _ := known[code].(map[string]any)
		label, _ := entry["label"].(string)
		out = append(out, Purpose{Code: code, Label: label})
	}
	return out
}
