package sdk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoProfiles = `default: demo
profiles:
  demo:
    endpoint: https://127.0.0.1:8443
    ca: /abs/ca.pem
    cert: client.pem
    key: ~/client-key.pem
    vkeys: sub/vkeys
    agreement: agr-1
    purpose: DUO:0000042
    dataset: cms10k
  other:
    endpoint: https://gw.example
`

func TestLoadProfile(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	config := filepath.Join(dir, "config.yaml")
	write(t, config, twoProfiles)
	t.Setenv(ProfileEnv, config)
	client := filepath.Join(dir, "client")
	write(t, filepath.Join(client, "profile.yaml"), "profiles: {alice: {endpoint: 'https://alice.example', cert: c.pem}}\n")

	demo := Profile{
		Endpoint: "https://127.0.0.1:8443", CA: "/abs/ca.pem", Cert: filepath.Join(dir, "client.pem"),
		Key: filepath.Join(home, "client-key.pem"), VKeys: filepath.Join(dir, "sub", "vkeys"),
		Agreement: "agr-1", Purpose: "DUO:0000042", Dataset: "cms10k",
	}
	alice := Profile{Endpoint: "https://alice.example", Cert: filepath.Join(client, "c.pem")}
	for name, want := range map[string]Profile{
		"":                                    demo,
		"demo":                                demo,
		"other":                               {Endpoint: "https://gw.example"},
		client:                                alice,
		filepath.Join(client, "profile.yaml"): alice,
	} {
		got, err := LoadProfile(name)
		if err != nil {
			t.Errorf("LoadProfile(%q): %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("LoadProfile(%q) (-want +got):\n%s", name, diff)
		}
	}
	if _, err := LoadProfile("nobody"); !errors.Is(err, ErrConfig) || !strings.Contains(Hint(err), "demo, other") {
		t.Errorf("unknown profile: %v, hint %q", err, Hint(err))
	}

	t.Setenv(ProfileEnv, filepath.Join(dir, "absent.yaml"))
	if _, err := LoadProfile(""); !errors.Is(err, ErrNoProfile) {
		t.Errorf("no config file: got %v, want ErrNoProfile", err)
	}
	if _, err := LoadProfile("demo"); !errors.Is(err, ErrConfig) {
		t.Errorf("named profile without a config file: got %v, want ErrConfig", err)
	}
	t.Setenv(ProfileEnv, "")
	if path, err := ProfilePath(); err != nil || path != filepath.Join(home, ".config", "jali", "config.yaml") {
		t.Errorf("ProfilePath() = %q, %v", path, err)
	}
}

func TestParseProfilesIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"misspelt key":     "profiles: {a: {endpoint: 'https://x', vkey: v}}",
		"unknown top key":  "profile: a\nprofiles: {a: {endpoint: 'https://x'}}",
		"key twice":        "profiles:\n  a: {ca: x, ca: y}",
		"unknown default":  "default: b\nprofiles: {a: {endpoint: 'https://x'}}",
		"no profiles":      "default: a",
		"empty":            "",
		"not a map":        "- a",
		"number for a map": "profiles: 3",
	} {
		if _, err := parseProfiles([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseProfiles(f *testing.F) {
	f.Add(twoProfiles)
	f.Add("profiles: {a: {endpoint: &x 'https://x', ca: *x}}")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseProfiles([]byte(text))
		if err == nil && len(all.Profiles) == 0 {
			t.Error("accepted a file without profiles")
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A directory that client new wrote is found by its bare name, unless a profile has that name.
func TestLoadProfileBareDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("JALI_CONFIG", filepath.Join(dir, "none.yaml"))
	if err := os.Mkdir("ana", 0o700); err != nil {
		t.Fatal(err)
	}
	text := "default: ana\nprofiles:\n  ana:\n    endpoint: https://127.0.0.1:1\n"
	if err := os.WriteFile(filepath.Join("ana", "profile.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProfile("ana")
	if err != nil || p.Endpoint != "https://127.0.0.1:1" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := LoadProfile("bob"); err == nil {
		t.Error("a profile that does not exist was loaded")
	}
}
