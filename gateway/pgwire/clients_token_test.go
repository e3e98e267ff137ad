package pgwire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"jali/gateway/identity/oidctest"
)

// TestTokenClients: psql and psycopg without a certificate send a real provider's token as their password. The session ends with the token.
func TestTokenClients(t *testing.T) {
	if testing.Short() {
		t.Skip("starts other programs")
	}
	needs(t, "psql")
	p := oidctest.Start(t, oidctest.Settings{
		Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: 600, Groups: map[string][]string{"service": {"pharma"}},
	})
	o := open(t, "[100ms]", map[string]string{
		`issuer: ""`: "issuer: " + p.Issuer, `audience: ""`: "audience: jali", "groups: []": "groups: [{group: pharma, role: researcher, org: Example Pharma}]",
		"skew: 30s": "skew: 1s",
	})
	good := p.Token(t, "service", nil)
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {"others"}}})
	groupless := p.Token(t, "service", nil)
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {"pharma"}}, TTL: 6})
	// libpq takes a certificate's file that is not there for none.
	none := filepath.Join(t.TempDir(), "none")
	with := func(token string) []string {
		return []string{"PGSSLCERT=" + none, "PGSSLKEY=" + none, "PGUSER=anybody", "PGPASSWORD=" + token}
	}
	const ask = "SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk"

	if out, ok := o.runIn(t, with(good), "", "psql", "-X", "-w", "-c", ask); !ok || !strings.Contains(out, "(2 rows)") {
		t.Errorf("psql with a token: %v\n%s", ok, out)
	}
	for name, token := range map[string]string{"spoilt": good[:len(good)-8], "without its group": groupless, "no token": "secret"} {
		out, ok := o.runIn(t, with(token), "", "psql", "-X", "-w", "-c", ask)
		if ok {
			t.Errorf("%s: psql was let in\n%s", name, out)
		}
		want(t, name, out, "FATAL:  the token is not accepted", "HINT:  ask your identity provider for a new access token")
	}
	brief := p.Token(t, "service", nil)
	out, ok := o.runIn(t, with(brief), ask+";\n\\! sleep 8\n"+ask+";\n", "psql", "-X", "-w", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=1")
	if ok || !strings.Contains(out, "(2 rows)") {
		t.Errorf("psql beyond its token's end: %v\n%s", ok, out)
	}
	want(t, "a token that ended", out, "ERROR:  28P01: the token is not accepted, or not any more", "HINT:")
	if out, ok := o.runIn(t, with(brief), "", "psql", "-X", "-w", "-c", ask); ok {
		t.Errorf("psql was let in with a token that has ended\n%s", out)
	}

	python, err := os.ReadFile(tools + "/clients/python")
	if err != nil {
		absent(t, "no Python environment: build/tools/clients/python")
	}
	program := strings.TrimSpace(string(python))
	out, ok = o.runIn(t, with(good), "", program, scripts+"/client.py", "token")
	if !ok {
		t.Error("psycopg failed")
	}
	want(t, "psycopg", out, `["rows", [2, "int"]]`)
	out, _ = o.runIn(t, with(brief), "", program, scripts+"/client.py", "token")
	want(t, "psycopg, a token that ended", out, `["not connected", [true, true]]`)

	for _, secret := range []string{good[:20], "secret", "service"} {
		if strings.Contains(o.Log(), secret) {
			t.Errorf("the operator's log holds a token or a name: %s", secret)
		}
	}
}
