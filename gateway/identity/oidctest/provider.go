// Package oidctest starts a real OpenID provider on loopback for tests: oidc-provider, certified by the OpenID Foundation, run by Node.js (tools/oidc).
// Tests set its keys, accounts, groups, audience and lifetimes while it runs. Nothing here is for production: whoever begins a login is logged in, with any name.
package oidctest

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Secret is that of the clients "jali-console", and "service" and "bound", which take tokens for themselves. "jali-cli" is public: people log in through it.
const Secret = "a secret of the tests only"

// Settings of the provider. What is zero stays as it is.
type Settings struct {
	// Keys sign; the first one of the algorithm is used. All are published.
	Keys []jose.JSONWebKey `json:"keys,omitempty"`
	Alg  string            `json:"alg,omitempty"`
	// TTL of access tokens, in seconds.
	TTL int `json:"ttl,omitempty"`
	// User is who logs in, Groups what groups each account is in.
	User     string              `json:"user,omitempty"`
	Groups   map[string][]string `json:"groups,omitempty"`
	Audience string              `json:"audience,omitempty"`
	// Origin of a gateway whose console has the clients "jali-console", with Secret, and "jali-console-public". It is taken with Keys only.
	Origin string `json:"origin,omitempty"`
}

// Provider is a running one.
type Provider struct {
	Issuer string
	in     io.Writer
	out    *bufio.Reader
}

// Start runs a provider until the test ends. Where it is not installed the test is skipped.
func Start(t *testing.T, s Settings) *Provider {
	t.Helper()
	root, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if up := filepath.Dir(root); up != root {
			root = up
			continue
		}
		err = os.ErrNotExist
	}
	modules := filepath.Join(root, "build", "tools", "oidc")
	if _, statErr := os.Stat(filepath.Join(modules, "node_modules", "oidc-provider")); err != nil || statErr != nil {
		t.Skip("the OpenID provider of the tests is not installed: tools/setup.sh oidc")
	}
	source, err := os.ReadFile(filepath.Join(root, "tools", "oidc", "provider.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	// Node looks for modules beside the script; given as text it looks in the working directory.
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", "--input-type=module", "-e", string(source))
	cmd.Dir = modules
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Provider{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // killed with the test's context; its end says nothing
		if t.Failed() && log.Len() > 0 {
			t.Logf("provider: %s", log.String())
		}
	})
	p.Set(t, s)
	return p
}

// Set changes the provider. What it has issued stays issued; after a change of keys, logins cannot be renewed.
func (p *Provider) Set(t *testing.T, s Settings) {
	t.Helper()
	if err := json.NewEncoder(p.in).Encode(s); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := p.out.ReadBytes('\n')
		if err != nil {
			t.Fatalf("the provider ended: %v", err)
		}
		var answer struct{ Issuer string }
		if json.Unmarshal(line, &answer) == nil && answer.Issuer != "" { // it prints warnings too
			p.Issuer = answer.Issuer
			return
		}
	}
}

// NewKey makes a signing key.
func NewKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

// Token is an access token for a client of its own; certificate is DER, nil for a token that is not bound.
func (p *Provider) Token(t *testing.T, client string, certificate []byte) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {"urn:jali"}, "scope": {"jali"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(Secret))
	if certificate != nil {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		request.Header.Set("X-Test-Certificate", url.PathEscape(string(text)))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("the provider gives no token: %s %s %v", response.Status, answer.Error, err)
	}
	return answer.Token
}

var hidden = regexp.MustCompile(`<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"`)

// Confirm does what a person does in a browser with the code of a device: open the page, confirm, log in.
func (p *Provider) Confirm(code string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	page, err := read(browser.Get(p.Issuer + "/device?user_code=" + url.QueryEscape(code)))
	if err != nil {
		return err
	}
	for range 3 {
		form := url.Values{}
		for _, f := range hidden.FindAllStringSubmatch(page, -1) {
			form.Set(f[1], f[2])
		}
		if len(form) == 0 {
			break
		}
		form.Set("user_code", code)
		form.Set("confirm", "yes")
		if page, err = read(browser.PostForm(p.Issuer+"/device", form)); err != nil {
			return err
		}
	}
	if page != "done" {
		return fmt.Errorf("the login did not end well")
	}
	return nil
}

// Browse follows an authorization request to its end, as a browser does, the last redirect to the waiting program included.
func (p *Provider) Browse(address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	_, err = read((&http.Client{Jar: jar, Timeout: 20 * time.Second}).Get(address))
	return err
}

func read(response *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// SignIn does what a person does in a browser at an authorization request of a console's: type a name, or cancel where it is empty; who is signed in there already types
// nothing. It returns the address to which the provider sends the browser back, without going there.
func (p *Provider) SignIn(browser *http.Client, address, user string) (*url.URL, error) {
	c := *browser
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.Issuer+"/") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	response, err := c.Get(address)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		response.Body.Close()
		form := url.Values{"user": {user}}
		if user == "" {
			form.Set("cancel", "yes")
		}
		if response, err = c.PostForm(response.Request.URL.String(), form); err != nil {
			return nil, err
		}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSeeOther && response.StatusCode != http.StatusFound {
		body, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("the provider does not send the browser back: %s: %s", response.Status, body)
	}
	return response.Location()
}
