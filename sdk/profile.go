package sdk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// ProfileEnv names the environment variable that overrides where profiles are kept.
const ProfileEnv = "JALI_CONFIG"

// Profile is one named set of connection settings and defaults. Paths are absolute once loaded.
type Profile struct {
	Endpoint  string `yaml:"endpoint"`
	CA        string `yaml:"ca"`
	Cert      string `yaml:"cert"`
	Key       string `yaml:"key"`
	TokenFile string `yaml:"token_file"` // what jali login writes
	Issuer    string `yaml:"issuer"`     // the identity provider, for jali login
	ClientID  string `yaml:"client_id"`
	IssuerCA  string `yaml:"issuer_ca"`
	Resource  string `yaml:"resource"`
	VKeys     string `yaml:"vkeys"`
	Seal      string `yaml:"seal"` // seal.policy
	Agreement string `yaml:"agreement"`
	Purpose   string `yaml:"purpose"`
	Dataset   string `yaml:"dataset"`
}

// Config is the connection part of a profile.
func (p Profile) Config() Config {
	return Config{Endpoint: p.Endpoint, CA: p.CA, Cert: p.Cert, Key: p.Key, TokenFile: p.TokenFile, VKeys: p.VKeys, Seal: p.Seal}
}

// profiles is the file: a default and named profiles. Unknown keys are errors, so that a misspelt one is not silently
// an unset one.
type profiles struct {
	Default  string             `yaml:"default"`
	Profiles map[string]Profile `yaml:"profiles"`
}

// ProfilePath is where profiles are kept: $JALI_CONFIG, else ~/.config/jali/config.yaml.
func ProfilePath() (string, error) {
	if p := os.Getenv(ProfileEnv); p != "" {
		return p, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find profiles: %w", err)
	}
	return filepath.Join(home, ".config", "jali", "config.yaml"), nil
}

// ErrNoProfile is returned by LoadProfile when none was named and none is configured.
var ErrNoProfile = errors.New("no profile configured")

// LoadProfile finds a profile. Name is the name of a profile in ProfilePath; or the path of a profile file, or of a directory
// with profile.yaml in it (what `jali-gateway client new` writes), recognised by a path separator or a .yaml ending. Empty: the
// default profile, or the only one.
func LoadProfile(name string) (Profile, error) {
	path, err := ProfilePath()
	if err != nil {
		return Profile{}, err
	}
	if name != "" && !isPath(name) && !configured(path, name) {
		// A directory of `client new --out` named without ./: as it is typed the first time.
		if _, err := os.Stat(filepath.Join(name, "profile.yaml")); err == nil {
			name = "." + string(filepath.Separator) + name
		}
	}
	switch {
	case isPath(name):
		path, name = name, ""
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, "profile.yaml")
		}
	case name == "":
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return Profile{}, ErrNoProfile
		}
	}
	all, err := readProfiles(path)
	if err != nil {
		return Profile{}, err
	}
	if name == "" {
		name = all.Default
	}
	if name == "" && len(all.Profiles) == 1 {
		for name = range all.Profiles {
		}
	}
	p, ok := all.Profiles[name]
	if !ok {
		names := strings.Join(slices.Sorted(maps.Keys(all.Profiles)), ", ")
		if name == "" {
			return Profile{}, configError("set default: or name one; "+path+" has "+names, "no profile named and no default set")
		}
		return Profile{}, configError(path+" has "+names, "no profile %q", name)
	}
	return p, nil
}

// configured reports whether a profile of the name is in the file.
func configured(path, name string) bool {
	all, err := readProfiles(path)
	_, ok := all.Profiles[name]
	return err == nil && ok
}

// ProfileNames lists the configured profiles, sorted.
func ProfileNames() ([]string, error) {
	path, err := ProfilePath()
	if err != nil {
		return nil, err
	}
	all, err := readProfiles(path)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all.Profiles)), nil
}

func isPath(name string) bool {
	return strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || name == "." || name == ".."
}

func readProfiles(path string) (profiles, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return profiles{}, configError("`jali-gateway client new` writes one; or pass --endpoint --ca --cert --key --vkeys", "read profile: %v", err)
	}
	all, err := parseProfiles(text)
	if err != nil {
		return profiles{}, configError("see docs/cli.md, \"Profiles\"", "read profile %s: %v", path, err)
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return profiles{}, fmt.Errorf("read profile: %w", err)
	}
	home, _ := os.UserHomeDir() // without one, ~ stays as it is and opening the file says so
	for name, p := range all.Profiles {
		for _, field := range []*string{&p.CA, &p.Cert, &p.Key, &p.TokenFile, &p.IssuerCA, &p.VKeys, &p.Seal} {
			*field = resolve(*field, base, home)
		}
		all.Profiles[name] = p
	}
	return all, nil
}

// parseProfiles decodes the file strictly: unknown and duplicate keys are errors with line and column.
func parseProfiles(text []byte) (profiles, error) {
	var all profiles
	if err := yaml.UnmarshalWithOptions(text, &all, yaml.Strict()); err != nil {
		return profiles{}, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if len(all.Profiles) == 0 {
		return profiles{}, errors.New("no profiles in it")
	}
	if _, ok := all.Profiles[all.Default]; all.Default != "" && !ok {
		return profiles{}, fmt.Errorf("default %q is not among the profiles", all.Default)
	}
	return all, nil
}

// resolve makes a path of a profile absolute: ~/ is the home directory, anything relative is beside the file.
func resolve(p, base, home string) string {
	switch {
	case p == "" || filepath.IsAbs(p):
		return p
	case strings.HasPrefix(p, "~/") && home != "":
		return filepath.Join(home, p[2:])
	}
	return filepath.Join(base, p)
}
