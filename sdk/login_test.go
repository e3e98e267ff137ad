package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jali/gateway/identity/oidctest"
)

func loginAt(t *testing.T, p *oidctest.Provider) Login {
	t.Helper()
	return Login{Issuer: p.Issuer, Client: "jali-cli", Resource: "urn:jali", Scopes: []string{"jali"}, File: filepath.Join(t.TempDir(), "token.json")}
}

func provider(t *testing.T, ttl int) *oidctest.Provider {
	t.Helper()
	return oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: ttl, User: "ada", Groups: map[string][]string{"ada": {"researchers"}}})
}

// soon bounds what waits for a person.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestLogin(t *testing.T) {
	t.Parallel()
	p := provider(t, 300)
	for name, by := range map[string]func(Login) error{
		"browser": func(l Login) error {
			return l.Browser(soon(t), func(address string) {
				u, err := url.Parse(address)
				if err != nil || u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("state") == "" {
					t.Errorf("the request has no PKCE or no state: %v", err)
				}
				// What is not the provider's answer does not end the login.
				back := u.Query().Get("redirect_uri")
				for _, q := range []string{"", "?code=x", "?code=x&state=y", "?error=access_denied"} {
					if r, err := http.Get(back + q); err != nil || r.StatusCode != http.StatusNotFound {
						t.Errorf("%q: %v %v", q, r, err)
					}
				}
				go func() {
					if err := p.Browse(address); err != nil {
						t.Errorf("browse: %v", err)
					}
				}()
			})
		},
		"device": func(l Login) error {
			return l.Device(soon(t), func(address, code string) {
				if !strings.HasPrefix(address, p.Issuer) || code == "" {
					t.Errorf("address %q, code %q", address, code)
				}
				go func() {
					if err := p.Confirm(code); err != nil {
						t.Errorf("confirm: %v", err)
					}
				}()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := loginAt(t, p)
			if err := by(l); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(l.File)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			f, err := readToken(l.File)
			if err != nil || f.Refresh == "" || strings.Count(f.Access, ".") != 2 || time.Until(f.Expires) > 5*time.Minute {
				t.Errorf("token file: %v, ends in %s", err, time.Until(f.Expires))
			}
		})
	}
}

func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	p := provider(t, 20) // less than early: every call renews
	l := loginAt(t, p)
	if err := l.Browser(soon(t), func(address string) {
		go func() {
			if err := p.Browse(address); err != nil {
				t.Errorf("browse: %v", err)
			}
		}()
	}); err != nil {
		t.Fatal(err)
	}
	before, err := readToken(l.File)
	if err != nil {
		t.Fatal(err)
	}
	p.Set(t, oidctest.Settings{TTL: 300})
	// Programs that share the file: one of them renews, and all go on with what it got.
	var group sync.WaitGroup
	tokens := make([]string, 4)
	for i := range tokens {
		group.Go(func() {
			b := &bearer{path: l.File, current: before}
			got, err := b.GetRequestMetadata(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			tokens[i] = got["authorization"]
		})
	}
	group.Wait()
	for _, got := range tokens {
		if got != tokens[0] || got == "Bearer "+before.Access {
			t.Error("the token was not renewed once for all")
		}
	}
	after, err := readToken(l.File)
	if err != nil || "Bearer "+after.Access != tokens[0] {
		t.Errorf("the file does not have the new token: %v", err)
	}
	// A login that the provider has ended ends here, with advice and without the token.
	after.Expires, after.Refresh = time.Now(), "not one of the provider"
	if err := after.write(l.File); err != nil {
		t.Fatal(err)
	}
	_, err = (&bearer{path: l.File, current: after}).GetRequestMetadata(t.Context())
	if err == nil || !strings.Contains(err.Error(), "jali login") || strings.Contains(err.Error(), after.Refresh) {
		t.Errorf("error %v", err)
	}
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	p := provider(t, 300)
	for name, c := range map[string]struct {
		change func(*Login)
		want   error
	}{
		"unknown client": {func(l *Login) { l.Client = "nobody" }, ErrLogin},
		"other issuer":   {func(l *Login) { l.Issuer = p.Issuer + "/other" }, ErrLogin},
		"http issuer":    {func(l *Login) { l.Issuer = "http://192.0.2.1" }, ErrConfig},
		"no file":        {func(l *Login) { l.File = "" }, ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			l := loginAt(t, p)
			c.change(&l)
			if err := l.Device(soon(t), func(string, string) {}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	t.Run("nobody comes", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := loginAt(t, p).Browser(ctx, func(string) {}); !errors.Is(err, ErrLogin) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTokenFileRefused(t *testing.T) {
	good := tokenFile{Format: tokenFormat, Access: "a.b.c", Expires: time.Now().Add(time.Hour)}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		"good": {string(text), 0o600, true}, "others read": {string(text), 0o644, false}, "empty": {"", 0o600, false},
		"other version": {strings.Replace(string(text), "/1", "/2", 1), 0o600, false}, "no token": {`{"format":"jali-token/1"}`, 0o600, false},
	} {
		path := filepath.Join(t.TempDir(), "token.json")
		if err := errors.Join(os.WriteFile(path, []byte(c.text), c.mode), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := readToken(path); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Dial(t.Context(), Config{Endpoint: "https://localhost:1", TokenFile: path}); (err == nil) != c.ok {
			t.Errorf("%s: dial: %v", name, err)
		}
	}
}
