package console_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"jali/audit"
	"jali/gateway/identity/oidctest"
	"jali/sdk/sdktest"
)

// atProvider is what signin.mjs prints.
type atProvider struct {
	Away, Errors, Policy, Axe []string
	Offered, Asked            string
	Cancelled                 struct{ Problem, Text, Hash string }
	Stranger, Chinese         string
	Landed, Person            string
	Session                   struct{ Name, Org, Role, How string }
	Cookies                   []struct {
		Name, SameSite, Path string
		HTTPOnly, Secure     bool
	}
	Stored string
	Answer struct {
		Receipt string
		Rows    int
	}
	Out   string
	After int
	Again bool
}

// Somebody signs in at a real provider in a real browser, asks as a researcher, and signs out. The gateway is a client with a secret, configured as docs/console.md says.
func TestSignInInBrowser(t *testing.T) {
	node := node(t)
	keys := []jose.JSONWebKey{oidctest.NewKey(t, "one")}
	p := oidctest.Start(t, oidctest.Settings{Keys: keys, TTL: 900, Groups: map[string][]string{"ana": {"pharma"}}})
	g := sdktest.Start(t, sdktest.Config{ServerConfig: map[string]string{
		"issuer: \"\"": "issuer: " + p.Issuer, "audience: \"\"": "audience: jali", "groups: []": "groups: [{group: pharma, role: researcher, org: Example Pharma}]",
	}})
	// The gateway's address is known once it serves, and each must know the other's.
	p.Set(t, oidctest.Settings{Keys: keys, Origin: g.Endpoint})
	path := filepath.Join(g.Dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"client_id: \"\"": "client_id: jali-console", "secret_file: \"\"": "secret_file: oidc.secret", "origin: \"\"": "origin: " + g.Endpoint, "name: \"\"": "name: Agency login", "scopes: []": "scopes: [jali]",
	} {
		_, console, ok := bytes.Cut(text, []byte("\n  console:\n"))
		if !ok || !bytes.Contains(console, []byte("    "+from)) {
			t.Fatalf("config.yaml has no %q for the console:\n%s", from, text)
		}
		text = bytes.Replace(text, []byte("    "+from), []byte("    "+to), 1)
	}
	for name, content := range map[string][]byte{path: text, filepath.Join(g.Dir, "oidc.secret"): []byte(oidctest.Secret + "\n")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.Restart()

	got := signInInBrowser(t, node, map[string]any{"origin": g.Endpoint, "sql": "SELECT sex, COUNT(*) AS n FROM person GROUP BY sex"})
	for what, found := range map[string][]string{"error in the page": got.Errors, "breach of the content security policy": got.Policy, "axe": got.Axe} {
		for _, f := range found {
			t.Errorf("%s: %s", what, f)
		}
	}
	if len(got.Away) == 0 || slices.ContainsFunc(got.Away, func(s string) bool { return s != "navigation "+p.Issuer }) {
		t.Errorf("asked elsewhere: %q", got.Away)
	}
	wants(t, "the button", got.Offered, "Sign in with Agency login")
	if !strings.HasPrefix(got.Asked, p.Issuer+"/") {
		t.Errorf("the name is typed at %s", got.Asked)
	}
	if c := got.Cancelled; c.Problem != "denied" || c.Hash != "#/budget" || !strings.Contains(c.Text, "Agency login did not let you in") {
		t.Errorf("cancelled: %+v", c)
	}
	wants(t, "the page for a stranger, in Korean", got.Stranger, "Agency login", "역할")
	wants(t, "the page in Chinese", got.Chinese, "通过 Agency login 登录", "角色")
	if got.Landed != "#/budget" || !strings.Contains(got.Person, "ana") {
		t.Errorf("landed at %q as %q", got.Landed, got.Person)
	}
	if s := got.Session; s.Name != "ana" || s.Org != "Example Pharma" || s.Role != "researcher" || s.How != "provider" {
		t.Errorf("the session: %+v", s)
	}
	if len(got.Cookies) != 1 || !got.Cookies[0].HTTPOnly || !got.Cookies[0].Secure || got.Cookies[0].SameSite != "Strict" || got.Cookies[0].Name != "__Host-jali" || got.Cookies[0].Path != "/" {
		t.Errorf("cookies: %+v", got.Cookies)
	}
	for _, secret := range []string{"eyJ", "__Host", "code=", "state="} {
		if strings.Contains(got.Stored, secret) {
			t.Errorf("the page can read %q: %s", secret, got.Stored)
		}
	}
	if got.Answer.Receipt != "verified" || got.Answer.Rows < 2 {
		t.Errorf("the answer: %+v", got.Answer)
	}
	if !strings.HasPrefix(got.Out, p.Issuer+"/") || strings.Contains(got.Out, "eyJ") || got.After != 401 || !got.Again {
		t.Errorf("signed out at %s, after it %d", got.Out, got.After)
	}
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	// One that was refused, later ones within a minute are counted, and one that was not.
	if n := log.Count(audit.Login); n != 2 {
		t.Errorf("%d entries of sign-ins", n)
	}
}

func signInInBrowser(t *testing.T, node string, config map[string]any) atProvider {
	t.Helper()
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"tools": tools, "shots": screenshots} {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		config[name] = absolute
	}
	config["chromium"] = chromium
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "signin.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(node, "testdata/signin.mjs", path)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, errs.String())
	}
	var got atProvider
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	return got
}
