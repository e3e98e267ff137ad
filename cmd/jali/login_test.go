package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jali/gateway/identity/oidctest"
	"jali/sdk/sdktest"
)

// screenOf is what a command writes while it waits for a person.
type screenOf struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screenOf) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screenOf) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A researcher without a certificate logs in at a real provider and asks a real gateway; without the group, no more.
func TestLoginAndAsk(t *testing.T) {
	if _, ok := sdktest.Built(); !ok {
		t.Skip("no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, User: "ana", Groups: map[string][]string{"ana": {"pharma"}}})
	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g := sdktest.Start(t, sdktest.Config{
		Datasets:   []sdktest.Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}},
		Agreements: []string{string(text)},
		ServerConfig: map[string]string{
			"issuer: \"\"":   "issuer: " + p.Issuer,
			"audience: \"\"": "audience: jali",
			"groups: []":     "groups: [{group: pharma, role: researcher, org: Example Pharma}]",
		},
	})
	home := t.TempDir()
	profile := filepath.Join(home, "profile.yaml")
	keys := filepath.Join(g.Dir, "vkeys")
	if err := os.WriteFile(profile, []byte(strings.Join([]string{
		"profiles:", "  ana:", "    endpoint: " + g.Endpoint, "    ca: " + filepath.Join(g.Dir, "keys", "ca", "ca.pem"), "    vkeys: " + keys,
		"    token_file: token.json", "    issuer: " + p.Issuer, "    client_id: jali-cli", "    resource: urn:jali",
		"    agreement: " + g.Agreement, "    purpose: " + g.Purpose, "",
	}, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(want int) string {
		t.Helper()
		var out, problems bytes.Buffer
		if code := run([]string{"--profile", profile, "query", "--error", "50", "SELECT COUNT(*) AS n FROM nhefs"}, strings.NewReader(""), &out, &problems); code != want {
			t.Fatalf("exit status %d, want %d: %s", code, want, problems.String())
		}
		return problems.String()
	}
	if said := ask(statusUsage); !strings.Contains(said, "jali login") {
		t.Errorf("without a token the advice is %q", said)
	}
	login := func() {
		t.Helper()
		shown := &screenOf{}
		done := make(chan int, 1)
		go func() {
			done <- run([]string{"--profile", profile, "login", "--scope", "jali"}, strings.NewReader(""), shown, shown)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		browsed := false
		for {
			if _, address, ok := strings.Cut(shown.String(), "machine:\n"); ok && strings.HasSuffix(address, "\n") && !browsed {
				browsed = true
				if err := p.Browse(strings.TrimSpace(address)); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case code := <-done:
				if code != statusOK {
					t.Fatalf("login: exit status %d: %s", code, shown)
				}
				return
			case <-ctx.Done():
				t.Fatalf("nobody logged in: %s", shown)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	login()
	ask(statusOK)
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"ana": {"staff"}}})
	login()
	ask(statusDenied)
}
