package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jali/gateway"
	"jali/gateway/console"
	"jali/gateway/identity"
)

// identityConfig is an OpenID provider and what its tokens make of somebody: identity.TokenConfig in YAML.
type identityConfig struct {
	Issuer     string        `yaml:"issuer"`
	Audience   string        `yaml:"audience"`
	CA         string        `yaml:"ca"` // PEM file, relative to the state directory
	Algorithms []string      `yaml:"algorithms"`
	Types      []string      `yaml:"types"`
	Name       string        `yaml:"name_claim"`
	Org        string        `yaml:"org_claim"`
	Group      string        `yaml:"groups_claim"`
	Groups     []groupConfig `yaml:"groups"`
	Skew       time.Duration `yaml:"skew"`
	Lifetime   time.Duration `yaml:"lifetime"`
	Bound      bool          `yaml:"certificate_bound"`
	Console    signInConfig  `yaml:"console"`
}

// signInConfig makes the gateway a client of the provider, for people who sign in to the console: identity.WebConfig in YAML.
type signInConfig struct {
	Client   string   `yaml:"client_id"`
	Secret   string   `yaml:"secret_file"` // relative to the state directory
	Origin   string   `yaml:"origin"`
	Name     string   `yaml:"name"`
	Scopes   []string `yaml:"scopes"`
	Resource string   `yaml:"resource"`
}

// groupConfig maps a group of the provider.
type groupConfig struct {
	Group string `yaml:"group"`
	Role  string `yaml:"role"`
	Org   string `yaml:"org"`
}

// limitsConfig bounds how fast each principal may call.
type limitsConfig struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"`
}

// tracesConfig says where traces go.
type tracesConfig struct {
	Endpoint string  `yaml:"endpoint"` // host:port of an OTLP collector, gRPC
	CA       string  `yaml:"ca"`       // PEM file, relative to the state directory
	Plain    bool    `yaml:"plain"`    // without TLS, to a loopback address only
	Sample   float64 `yaml:"sample"`   // part of the calls that is traced
}

// beside makes a path of the configuration one beside the state directory's files.
func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// trust says by what callers of a state directory are recognised.
func (c config) trust(dir string) (identity.TrustConfig, error) {
	layout := gateway.Layout(dir)
	t := identity.TrustConfig{Certificate: layout.ServerCert(), Key: layout.ServerKey(), ClientCA: layout.CACert(), Revoked: beside(dir, c.Revoked)}
	i := c.Identity
	if i.Issuer == "" {
		if i.Audience != "" || len(i.Groups) > 0 || i.Console.given() {
			return t, usage("docs/operations.md, people who log in", "config.yaml: identity has no issuer")
		}
		return t, nil
	}
	tokens := identity.TokenConfig{
		Issuer: i.Issuer, Audience: i.Audience, Algorithms: i.Algorithms, Types: i.Types, NameClaim: i.Name, OrgClaim: i.Org, GroupsClaim: i.Group,
		Skew: i.Skew, Lifetime: i.Lifetime, Bound: i.Bound,
	}
	for _, g := range i.Groups {
		tokens.Groups = append(tokens.Groups, identity.Group{Name: g.Group, Role: identity.Role(g.Role), Org: g.Org})
	}
	if i.CA != "" {
		text, err := os.ReadFile(beside(dir, i.CA))
		if err != nil {
			return t, usage("name a PEM file with the authority of the provider's certificate", "config.yaml: identity.ca: %w", err)
		}
		tokens.CA = text
	}
	var err error
	if tokens.Web, err = i.Console.client(dir); err != nil {
		return t, err
	}
	t.Tokens = &tokens
	return t, nil
}

func (c signInConfig) given() bool {
	return c.Client != "" || c.Secret != "" || c.Origin != "" || c.Name != "" || len(c.Scopes) > 0 || c.Resource != ""
}

// client is nil where nobody signs in to the console at the provider.
func (c signInConfig) client(dir string) (*identity.WebConfig, error) {
	const hint = "docs/console.md, signing in with your agency's identity provider"
	if !c.given() {
		return nil, nil
	}
	if c.Client == "" || c.Origin == "" || c.Name == "" {
		return nil, usage(hint, "config.yaml: identity.console needs client_id, origin and name")
	}
	u, err := url.Parse(c.Origin)
	if err != nil || u.Scheme != "https" || u.Host == "" || c.Origin != "https://"+u.Host {
		return nil, usage("as browsers call the gateway, https://gateway.agency.example:8443, without a path", "config.yaml: identity.console.origin is not an origin")
	}
	w := &identity.WebConfig{
		Client: c.Client, Name: c.Name, Scopes: c.Scopes, Resource: c.Resource,
		Return: c.Origin + console.Callback, Home: c.Origin + console.Prefix,
	}
	if c.Secret == "" {
		return w, nil
	}
	secret, err := readSecret(beside(dir, c.Secret))
	if err != nil {
		return nil, err
	}
	w.Secret = func() string { return secret }
	return w, nil
}

// maxSecret bounds the secret of a client: a file that is longer is another one.
const maxSecret = 4 << 10

// readSecret reads the secret of a client at the provider. It refuses a file that others can read, as that of a DSN: whoever has the secret is this gateway there.
func readSecret(path string) (string, error) {
	const key = "config.yaml: identity.console.secret_file"
	refused := func(err error) (string, error) {
		return "", usage("name a file that holds the secret of the client at the provider, and nothing else", key+": %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return refused(err)
	}
	defer f.Close()
	info, err := f.Stat() // of the file that is read, whatever the name means a moment later
	if err != nil {
		return refused(err)
	}
	if !info.Mode().IsRegular() {
		return refused(errors.New("it is no file"))
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", usage("chmod 0600 it, and take a new secret at the provider: others may have read this one", key+": others can read or write %s", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return refused(err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" || len(text) > maxSecret || strings.ContainsAny(secret, "\r\n\x00") {
		return refused(errors.New("it is empty, or more than one line"))
	}
	return secret, nil
}

// loadTrust reads the files by which callers are recognised.
func loadTrust(dir string, c config) (*identity.Trust, error) {
	t, err := c.trust(dir)
	if err != nil {
		return nil, err
	}
	trust, err := identity.LoadTrust(t)
	if err != nil {
		return nil, &coded{code: exitFailed, err: fmt.Errorf("recognise callers: %w", err), hint: "docs/operations.md, certificates, and people who log in"}
	}
	return trust, nil
}
