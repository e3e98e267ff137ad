package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keys lists the leaves of a configuration.
func keys(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + keyOf(f)
		switch {
		case f.Type.Kind() == reflect.Struct:
			out = append(out, keys(f.Type, name+".")...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			out = append(out, keys(f.Type.Elem(), name+"[].")...)
		default:
			out = append(out, name)
		}
	}
	return out
}

// Every key of config.yaml has a row in docs/operations.md, and every row is a key.
func TestConfigIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## config.yaml\n")
	if !ok {
		t.Fatal("docs/operations.md has no section config.yaml")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]*\\| [^|]{4,}\\|$")
	var documented []string
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}
	known := keys(reflect.TypeFor[config](), "")
	slices.Sort(known)
	slices.Sort(documented)
	if diff := cmp.Diff(known, documented); diff != "" {
		t.Errorf("keys of config.yaml and rows of docs/operations.md (-key +row):\n%s", diff)
	}
	for _, r := range reloadable {
		if !slices.ContainsFunc(known, func(k string) bool { return k == r || strings.HasPrefix(k, r+".") || strings.HasPrefix(k, r+"[") }) {
			t.Errorf("reloadable: %q is no key", r)
		}
	}
}

// What init writes is what loadConfig reads.
func TestConfigRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := defaultConfig()
	if err := want.write(dir + "/config.yaml"); err != nil {
		t.Fatal(err)
	}
	got, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	// An empty list and none are the same in the file.
	if changed := changed(reflect.ValueOf(want), reflect.ValueOf(got), ""); len(changed) > 0 && !slices.Equal(changed, []string{"identity.algorithms", "identity.types", "identity.groups", "identity.console.scopes"}) {
		t.Errorf("differ: %q", changed)
	}
}

func TestConfigRefused(t *testing.T) {
	const provider = "identity: {issuer: 'https://x', audience: jali, groups: [{group: g, role: researcher, org: o}], "
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":     {"identity:\n  isuer: https://x\n", "isuer"},
		"audience alone":  {"identity:\n  audience: x\n", "no issuer"},
		"unknown role":    {"identity: {issuer: 'https://x', audience: x, groups: [{group: g, role: admin, org: o}]}\n", "role"},
		"http issuer":     {"identity: {issuer: 'http://x', audience: x, groups: [{group: g, role: researcher, org: o}]}\n", "https"},
		"console alone":   {"identity: {console: {client_id: c}}\n", "no issuer"},
		"console, part":   {provider + "console: {client_id: c}}\n", "origin and name"},
		"console key":     {provider + "console: {client: c}}\n", "client"},
		"console path":    {provider + "console: {client_id: c, name: n, origin: 'https://g/x'}}\n", "origin"},
		"console http":    {provider + "console: {client_id: c, name: n, origin: 'http://g'}}\n", "origin"},
		"console secret":  {provider + "console: {client_id: c, name: n, origin: 'https://g', secret_file: nothing}}\n", "secret_file"},
		"console scope":   {provider + "console: {client_id: c, name: n, origin: 'https://g', scopes: ['a b']}}\n", "scope"},
		"console bound":   {provider + "certificate_bound: true, console: {client_id: c, name: n, origin: 'https://g'}}\n", "certificate_bound"},
		"log format":      {"log_format: xml\n", "log_format"},
		"no list":         {"revoked: nothing.pem\n", "revocation"},
		"traces far away": {"traces: {endpoint: '192.0.2.1:4317', plain: true}\n", "loopback"},
		"traces no port":  {"traces: {endpoint: 'localhost'}\n", "endpoint"},
		"traces sample":   {"traces: {endpoint: 'localhost:4317', sample: 2}\n", "sample"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(dir+"/config.yaml", []byte("format: jali-config/1\n"+c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			files(t, dir)
			cfg, err := loadConfig(dir)
			if err == nil {
				_, err = loadTrust(dir, cfg)
			}
			if err == nil {
				_, _, err = cfg.Traces.tracer(t.Context(), dir, operatorLog(cfg.LogLevel))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || hintOf(err) == "" {
				t.Errorf("error %v (hint %q), want %q", err, hintOf(err), c.want)
			}
		})
	}
}

// What docs/console.md says about an identity provider is a configuration that works.
func TestConsoleConfigIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "\n    identity:\n")
	if !ok {
		t.Fatal("docs/console.md has no identity:")
	}
	block, _, _ = strings.Cut(block, "\n\n")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"config.yaml":      "format: jali-config/1\nidentity:\n" + strings.ReplaceAll("\n"+block, "\n    ", "\n") + "\n",
		"keys/oidc.secret": "a secret\r\n",
	} {
		if err := os.MkdirAll(filepath.Dir(dir+"/"+name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files(t, dir)
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := loadTrust(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	if in := trust.SignIn(); in == nil || in.Name() != "Example Agency" {
		t.Errorf("people sign in at %v", in)
	}
	given, err := c.trust(dir)
	if err != nil {
		t.Fatal(err)
	}
	if w := given.Tokens.Web; w.Secret() != "a secret" || w.Return != "https://gateway.agency.example:8443/console/callback" {
		t.Errorf("the secret ends with a line, or the browser returns to %q", w.Return)
	}
}

// What has a log and no config.yaml is an earlier log, or damaged: nobody is told to make a new one over it.
func TestNotAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	_, err := loadConfig(dir)
	if err == nil || !strings.Contains(hintOf(err), "jali-gateway init") {
		t.Errorf("an empty directory: %v, hint %q", err, hintOf(err))
	}
	if err := os.WriteFile(filepath.Join(dir, "audit.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = loadConfig(dir); err == nil || !strings.Contains(hintOf(err), "jali-auditor: verify --dir") || strings.Contains(hintOf(err), "init") {
		t.Errorf("an earlier log: %v, hint %q", err, hintOf(err))
	}
}
