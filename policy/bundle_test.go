package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// edited is the default bundle's directory with some files replaced ("file": "") or one text in a file replaced.
func edited(t testing.TB, file string, oldNew ...string) fstest.MapFS {
	t.Helper()
	fsys, err := readDir(Source())
	if err != nil {
		t.Fatal(err)
	}
	dir := fstest.MapFS{}
	for name, b := range fsys {
		dir[name] = &fstest.MapFile{Data: b}
	}
	if file == "" {
		return dir
	}
	if len(oldNew) == 1 {
		dir[file] = &fstest.MapFile{Data: []byte(oldNew[0])}
		return dir
	}
	src := string(fsys[file])
	changed := strings.Replace(src, oldNew[0], oldNew[1], 1)
	if changed == src {
		t.Fatalf("%s does not hold %q", file, oldNew[0])
	}
	dir[file] = &fstest.MapFile{Data: []byte(changed)}
	return dir
}

// seal packs and signs without any check, as an attacker's or a careless tool would.
func seal(t testing.TB, dir fstest.MapFS, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	fsys := files{}
	for name, f := range dir {
		fsys[name] = f.Data
	}
	var err error
	if key != nil {
		if fsys[signaturesFile], err = sign(fsys, key); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := pack(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBuildIsReproducible(t *testing.T) {
	key := newKey(t)
	one, err := Build(Source(), key)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Build(Source(), key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two builds of the same directory with the same key differ")
	}
	p, err := Open(Config{Bundle: one, VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	if g, reasons, err := p.Decide(ctx, probeInput()); err != nil || !g.Valid(present()) {
		t.Errorf("Decide = %v, %v", reasons, err)
	}
	if a, b := openDefault(t).Digest(), openDefault(t).Digest(); a != b || a == p.Digest() {
		t.Error("the digest does not name the bundle's bytes")
	}
	if len(p.Active().Tests()) < 15 || p.Active().Revision() != "default-1" {
		t.Error("tests or revision are not told")
	}
}

// A bundle signed by OPA's own code is accepted: an agency may build with the opa command.
func TestOPASignature(t *testing.T) {
	key := newKey(t)
	unsigned, err := defaultBundle()
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.NewReader(bytes.NewReader(unsigned)).WithSkipBundleVerification(true).Read()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err := b.GenerateSignature(bundle.NewSigningConfig(text, "ES256", ""), "any", true); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if err := bundle.NewWriter(&raw).UseModulePath(true).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Bundle: raw.Bytes(), VerifyKey: &key.PublicKey}); err != nil {
		t.Error(err)
	}
}

func TestActivateRefuses(t *testing.T) {
	key := newKey(t)
	p, err := Open(Config{VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	before := p.Digest()
	good := edited(t, "")

	tampered := func(name string, edit func([]byte) []byte) []byte {
		fsys, err := unpack(seal(t, good, key))
		if err != nil {
			t.Fatal(err)
		}
		if fsys[name] = edit(bytes.Clone(fsys[name])); fsys[name] == nil {
			delete(fsys, name)
		}
		raw, err := pack(fsys)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	rule := func(text string) fstest.MapFS {
		return edited(t, "extra.rego", "package jali.authz\n\n"+text+"\n")
	}
	plus := func(dir fstest.MapFS, name, text string) fstest.MapFS {
		dir = maps.Clone(dir)
		dir[name] = &fstest.MapFile{Data: []byte(text)}
		return dir
	}
	// allowAll keeps a test that passes, so that only the probes stand against it.
	allowAll := fstest.MapFS{
		manifestFile:     good[manifestFile],
		"a.rego":         {Data: []byte("package jali.authz\n\ndefault allow := false\n\nallow if input.now > 0\n\nobligations := {\"min_cohort\": 1, \"max_cells\": 1}\n\nreasons := []\n")},
		"a_test.rego":    {Data: []byte("package jali.authz_test\n\ntest_true if true\n")},
		"jali/data.json": {Data: []byte("{}")},
	}

	for _, tt := range []struct {
		name string
		raw  []byte
		want error
		text string
	}{
		{"unsigned", seal(t, good, nil), ErrSignature, "not signed"},
		{"another key", seal(t, good, newKey(t)), ErrSignature, "not made by"},
		{"changed policy", tampered("authz.rego", func(b []byte) []byte { return append(b, "\nallow := true\n"...) }), ErrSignature, "authz.rego"},
		{"changed data", tampered("data.json", func(b []byte) []byte { return bytes.Replace(b, []byte("100000"), []byte("900000"), 1) }), ErrSignature, "data.json"},
		{"changed manifest", tampered(manifestFile, func(b []byte) []byte { return bytes.Replace(b, []byte("default-1"), []byte("default-2"), 1) }), ErrSignature, manifestFile},
		{"file added", tampered("b.rego", func([]byte) []byte { return []byte("package jali.authz\n\nallow := true\n") }), ErrSignature, "b.rego"},
		{"file removed", tampered("authz_test.rego", func([]byte) []byte { return nil }), ErrSignature, "missing"},
		{"signature garbled", tampered(signaturesFile, func(b []byte) []byte { b[len(b)-10] ^= 1; return b }), ErrSignature, "not made by"},
		{"signature no JSON", tampered(signaturesFile, func([]byte) []byte { return []byte("{") }), ErrSignature, "malformed"},
		{"no archive", []byte("hello"), ErrBundle, "not a .tar.gz"},
		{"cut short", seal(t, good, key)[:2000], ErrBundle, "damaged"},
		{"file twice", twice(t), ErrBundle, "twice"},
		{"bomb", bomb(t), ErrBundle, "bytes"},
		{"outside path", archive(t, "../x.rego", ""), ErrBundle, "irregular path"},
		{"other kind of file", seal(t, plus(good, "x.yaml", "a: 1"), key), ErrBundle, "x.yaml"},
		{"WebAssembly", seal(t, plus(good, "policy.wasm", "x"), key), ErrBundle, "policy.wasm"},
		{"patch", seal(t, plus(good, "patch.json", "{}"), key), ErrBundle, "patch.json"},
		{"roots", seal(t, edited(t, manifestFile, `{"roots": [""]}`), key), ErrBundle, "roots"},
		{"rego version", seal(t, edited(t, manifestFile, `{"roots": ["jali"], "rego_version": 0}`), key), ErrBundle, "rego_version"},
		{"revision", seal(t, edited(t, manifestFile, `{"revision": "a b", "roots": ["jali"]}`), key), ErrBundle, "revision"},
		{"misspelt field", seal(t, edited(t, "authz.rego", "input.agreement.state", "input.agreement.sate"), key), ErrBundle, "sate"},
		{"wrong type", seal(t, rule("x if startswith(input.now, \"1\")"), key), ErrBundle, "extra.rego"},
		{"unused variable", seal(t, rule("x if y := input.now"), key), ErrBundle, "unused"},
		{"no default", seal(t, edited(t, "authz.rego", "default allow := false\n", ""), key), ErrBundle, "default allow"},
		{"default true", seal(t, edited(t, "authz.rego", "default allow := false", "default allow := true"), key), ErrBundle, "default allow"},
		{"no obligations", seal(t, edited(t, "authz.rego", "obligations :=", "duties :="), key), ErrBundle, "obligations"},
		{"allows everything", seal(t, allowAll, key), ErrProbe, "another organisation"},
		{"forgets the hours", seal(t, edited(t, "authz.rego", "	\"hours\",\n", ""), key), ErrProbe, "before its hours"},
		{"fails a test", seal(t, edited(t, "data.json", `"min_cohort": 10`, `"min_cohort": 9`), key), ErrTest, "test_cohort_default"},
		{"no tests", seal(t, func() fstest.MapFS { d := edited(t, ""); delete(d, "authz_test.rego"); return d }(), key), ErrTest, "none"},
		{"skips a test", seal(t, edited(t, "authz_test.rego", "test_cohort_default", "todo_test_cohort_default"), key), ErrTest, "todo_test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Activate(tt.raw)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Activate = %v; want %v: %s", err, tt.want, tt.text)
			}
			if p.Digest() != before {
				t.Fatal("a refused bundle became active")
			}
		})
	}
	t.Run("no key", func(t *testing.T) {
		if _, err := openDefault(t).Activate(seal(t, good, key)); !errors.Is(err, ErrSignature) {
			t.Errorf("Activate = %v; want ErrSignature", err)
		}
	})
}

func TestRemovedBuiltins(t *testing.T) {
	key := newKey(t)
	p, err := Open(Config{VerifyKey: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{
		`http.send({"method": "GET", "url": "http://localhost"})`,
		`net.lookup_ip_addr("localhost")`,
		`opa.runtime()`,
		`rand.intn("x", 10)`,
		`time.now_ns()`,
		`uuid.rfc4122("x")`,
		`trace("x")`,
		`rego.parse_module("x", "package x")`,
		`io.jwt.decode_verify("x", {})`,
		`io.jwt.encode_sign({}, {}, {})`,
		`io.jwt.encode_sign_raw("x", "x", "x")`,
		`providers.aws.sign_req({}, {}, 1)`,
	} {
		name, _, _ := strings.Cut(call, "(")
		t.Run(name, func(t *testing.T) {
			dir := edited(t, "extra.rego", "package jali.authz\n\nx := "+call+"\n")
			_, err := p.Activate(seal(t, dir, key))
			if !errors.Is(err, ErrBundle) || !strings.Contains(err.Error(), "undefined function "+name) {
				t.Errorf("Activate = %v; want an undefined function", err)
			}
		})
	}
	// An upgrade of OPA that brings a new source of randomness or of the outside must not widen what is left.
	for _, b := range capabilities().Builtins {
		if b.Nondeterministic {
			t.Errorf("%s is not deterministic", b.Name)
		}
	}
	if net := capabilities().AllowNet; net == nil || len(net) != 0 {
		t.Error("a bundle may reach the network for schemas")
	}
}

// TestTestsDoNotDecide: modules of tests are not part of the policy that decides.
func TestTestsDoNotDecide(t *testing.T) {
	key := newKey(t)
	dir := edited(t, "more_test.rego", "package jali.authz\n\nallow if input.purpose == \"DUO:0000004\"\n")
	in := probeInput()
	in.Purpose = "DUO:0000004"
	p, err := Open(Config{Bundle: seal(t, dir, key), VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	if g, _, err := p.Decide(ctx, in); err != nil || g.Valid(present()) {
		t.Errorf("a rule of a test module allowed a query (error %v)", err)
	}
}

// TestBadBundlesDeny: what a signed and tested bundle gets wrong at run time denies, and tells the operator where
// without a value of the input.
func TestBadBundlesDeny(t *testing.T) {
	const mark = "agr-canary"
	key := newKey(t)
	condition := "input.agreement.id == \"" + mark + "\""
	for _, tt := range []struct {
		name string
		dir  fstest.MapFS
		want error
	}{
		{"conflict", edited(t, "extra.rego", "package jali.authz\n\nobligations := {\"min_cohort\": 1, \"max_cells\": 1} if "+condition+"\n"), ErrEval},
		{"builtin error", edited(t, "extra.rego", "package jali.authz\n\npassed contains \"x\" if to_number(input.agreement.id) == 1\n\npassed contains \"x\" if "+condition+"\n"), ErrEval},
		{"zero cohort", edited(t, "authz.rego", "\"min_cohort\": max(cohorts)", "\"min_cohort\": max(cohorts) * lenient"), ErrEval},
		{"too slow", edited(t, "authz.rego", "allow if passed == required", "allow if {\n\tpassed == required\n\tnot slow\n}\n\nslow if {\n\t"+condition+
			"\n\tsome a in numbers.range(1, 10000)\n\tsome b in numbers.range(1, 10000)\n\ta * b == 0\n}"), ErrTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.dir
			switch tt.name {
			case "builtin error":
				// All ids but the marked one are numbers in this bundle's world.
				dir["extra.rego"] = &fstest.MapFile{Data: []byte("package jali.authz\n\npassed contains \"role\" if {\n\t" + condition +
					"\n\tto_number(input.agreement.id) == 1\n}\n")}
			case "zero cohort":
				dir["extra.rego"] = &fstest.MapFile{Data: []byte("package jali.authz\n\ndefault lenient := 1\n\nlenient := 0 if " + condition + "\n")}
			}
			p, err := Open(Config{Bundle: seal(t, dir, key), VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == ErrTimeout {
				p.timeout = 50 * time.Millisecond
			}
			in := probeInput()
			in.Agreement.ID = mark
			g, _, err := p.Decide(ctx, in)
			if !errors.Is(err, tt.want) || g.Valid(present()) {
				t.Fatalf("Decide = %v; want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), mark) {
				t.Errorf("the error quotes the input: %v", err)
			}
			// The same bundle still decides other inputs: with more time, the machine may be busy.
			p.timeout = patientTimeout
			if g, reasons, err := p.Decide(ctx, probeInput()); err != nil || !g.Valid(present()) {
				t.Errorf("Decide of another agreement = %v, %v; want a grant", reasons, err)
			}
		})
	}
}

// TestUndefinedDenies: an allow without obligations is no allow, and a refusal without reasons still has one.
func TestUndefinedDenies(t *testing.T) {
	key := newKey(t)
	dir := edited(t, "authz.rego", "\"min_cohort\": max(cohorts)", "\"min_cohort\": max({n | some n in cohorts; input.agreement.id != \"agr-canary\"})")
	dir["authz.rego"].Data = bytes.Replace(dir["authz.rego"].Data, []byte("cohorts contains data.jali.limits.min_cohort"),
		[]byte("cohorts contains data.jali.limits.min_cohort if input.agreement.id != \"agr-canary\""), 1)
	p, err := Open(Config{Bundle: seal(t, dir, key), VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	in := probeInput()
	in.Agreement.ID = "agr-canary"
	g, reasons, err := p.Decide(ctx, in)
	if err != nil || g.Valid(present()) || len(reasons) != 1 || reasons[0] != unexplained {
		t.Errorf("Decide = %v, %v; want a refusal without explanation", reasons, err)
	}
}

// TestHotReload swaps bundles under load: each decision is wholly of one bundle.
func TestHotReload(t *testing.T) {
	key := newKey(t)
	p, err := Open(Config{VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	strict := edited(t, "data.json", `"min_cohort": 10`, `"min_cohort": 33`)
	delete(strict, "authz_test.rego")
	strict["s_test.rego"] = &fstest.MapFile{Data: []byte("package jali.s_test\n\ntest_denied if not data.jali.authz.allow with input as {}\n")}
	one, err := p.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.Prepare(seal(t, strict, key))
	if err != nil {
		t.Fatal(err)
	}
	cohort := map[[32]byte]int64{one.Digest(): 10, two.Digest(): 33}
	seen := make([]map[[32]byte]bool, 4)
	var wg sync.WaitGroup
	for i := range seen {
		seen[i] = map[[32]byte]bool{}
		wg.Go(func() {
			for range 300 {
				g, reasons, err := p.Decide(ctx, probeInput())
				if err != nil || !g.Valid(present()) {
					t.Errorf("Decide = %v, %v", reasons, err)
					return
				}
				if g.Obligations().MinCohort != cohort[g.Bundle()] {
					t.Error("a grant mixes two bundles")
				}
				seen[i][g.Bundle()] = true
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for n := 0; ; n++ {
		select {
		case <-done:
			both := map[[32]byte]bool{}
			for _, s := range seen {
				maps.Copy(both, s)
			}
			if len(both) != 2 {
				t.Error("only one of the bundles decided")
			}
			return
		default:
			p.Swap([]*Bundle{one, two}[n%2])
			time.Sleep(time.Millisecond)
		}
	}
}

// archive is a .tar.gz of files in the order given: name, content, name, content.
func archive(t testing.TB, nameContent ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for i := 0; i < len(nameContent); i += 2 {
		content := nameContent[i+1]
		if err := tw.WriteHeader(&tar.Header{Name: nameContent[i], Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func twice(t testing.TB) []byte {
	return archive(t, "a.rego", "package jali.a\n", "/a.rego", "package jali.b\n")
}

// bomb is small packed and 64 MiB unpacked.
func bomb(t testing.TB) []byte {
	return archive(t, "data.json", strings.Repeat(" ", 64<<20))
}
