package identity_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

var researchers = []identity.Group{
	{Name: "researchers", Role: identity.Researcher, Org: "University"},
	{Name: "board", Role: identity.Regulator, Org: "Board"},
}

// judge is a configuration for the provider, with a clock of the test.
func judge(t *testing.T, p *oidctest.Provider, clock *atomic.Int64, change func(*identity.TokenConfig)) *identity.Tokens {
	t.Helper()
	c := identity.TokenConfig{Issuer: p.Issuer, Audience: "jali", Groups: researchers}
	if change != nil {
		change(&c)
	}
	tokens, err := identity.NewTokens(identity.AtTime(c, func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// sign makes a token like the provider's, with another header or other claims.
func sign(t *testing.T, key jose.JSONWebKey, algorithm jose.SignatureAlgorithm, kind string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(kind)).WithHeader("kid", key.KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key.Key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	made, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := made.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokensOfAProvider(t *testing.T) {
	t.Parallel()
	key := oidctest.NewKey(t, "one")
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{key}, Groups: map[string][]string{"service": {"researchers", "staff"}}})
	clock := new(atomic.Int64)
	tokens := judge(t, p, clock, nil)
	ctx := t.Context()

	good := p.Token(t, "service", nil)
	who, err := tokens.Verify(ctx, good, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Principal{Name: "service", Org: "University", Role: identity.Researcher, Key: who.Key}
	if diff := cmp.Diff(want, who); diff != "" || len(who.Key) != 64 {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	claims := func(change map[string]any) map[string]any {
		now := time.Now().Unix()
		c := map[string]any{"iss": p.Issuer, "sub": "service", "aud": "jali", "iat": now, "exp": now + 300, "groups": []string{"researchers"}}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	if _, err := tokens.Verify(ctx, sign(t, key, jose.ES256, "at+jwt", claims(nil)), nil); err != nil {
		t.Fatalf("a token made like the provider's is refused, so the cases below would show nothing: %v", err)
	}
	forged := func(header string) string { // unsigned, or signed with what everybody knows
		body, _ := json.Marshal(claims(nil))
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
	}
	shared := jose.JSONWebKey{Key: []byte("the public key, taken as a shared secret, 32 bytes"), KeyID: "one"}
	stranger := oidctest.NewKey(t, "one")
	unknown := oidctest.NewKey(t, "nobody's")
	later := time.Now().Add(time.Hour).Unix()
	for name, c := range map[string]struct{ token, want string }{
		"empty":             {"", "algorithm"},
		"garbage":           {"a.b.c", "algorithm"},
		"too long":          {strings.Repeat("a", 20<<10), "longer"},
		"alg none":          {forged(`{"alg":"none","typ":"at+jwt","kid":"one"}`), "algorithm"},
		"alg HS256":         {sign(t, shared, jose.HS256, "at+jwt", claims(nil)), "algorithm"},
		"other key":         {sign(t, stranger, jose.ES256, "at+jwt", claims(nil)), "signature"},
		"unknown key id":    {sign(t, unknown, jose.ES256, "at+jwt", claims(nil)), "does not publish"},
		"cut":               {good[:len(good)-4], "signature"},
		"id token":          {sign(t, key, jose.ES256, "JWT", claims(nil)), "type"},
		"other audience":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"aud": []string{"other"}})), "audience"},
		"other issuer":      {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"iss": "https://evil.example"})), "issuer"},
		"expired":           {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"iat": 1000, "exp": 2000})), "expired"},
		"no expiry":         {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"exp": nil})), "when it ends"},
		"no issue":          {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"iat": nil})), "when it was issued"},
		"not yet":           {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"nbf": later})), "not valid yet"},
		"issued in future":  {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"iat": later, "exp": later + 60})), "not valid yet"},
		"lives for ever":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"exp": 1 << 35})), "lives longer"},
		"no subject":        {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"sub": nil})), "subject"},
		"two subjects":      {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"\u017fub": "mallory"})), "types"}, // a long s, which folds to s
		"an audience twice": {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"AUD": "jali"})), "types"},
		"no group":          {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"groups": nil})), "none of the token's groups"},
		"unmapped group":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"groups": []string{"Researchers"}})), "none of the token's groups"},
		"two roles":         {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"groups": []string{"board", "researchers"}})), "more than one"},
		"groups an object":  {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"groups": map[string]any{"researchers": true}})), "list of texts"},
		"invisible name":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"sub": "a\u200bb"})), "does not print"},
		"bound, no cert":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"cnf": map[string]any{"x5t#S256": "x"}})), "the connection has none"},
		"bound to a key":    {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"cnf": map[string]any{"jkt": "x"}})), "cannot check"},
		"bound to nothing":  {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"cnf": nil, "x": 1})), ""},
		"bound to null":     {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"cnf": json.RawMessage("null")})), "cannot check"},
		"expiry not number": {sign(t, key, jose.ES256, "at+jwt", claims(map[string]any{"exp": "tomorrow"})), "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokens.Verify(ctx, c.token, nil)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.Is(err, identity.ErrNoPrincipal) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			case err != nil && (strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "service")):
				t.Errorf("error repeats the token: %v", err)
			}
		})
	}

	t.Run("expires while it is known", func(t *testing.T) {
		clock.Store(int64(300*time.Second + 20*time.Second))
		defer clock.Store(0)
		if _, err := tokens.Verify(ctx, good, nil); err != nil {
			t.Errorf("refused within the skew: %v", err)
		}
		clock.Store(int64(340 * time.Second))
		if _, err := tokens.Verify(ctx, good, nil); !errors.Is(err, identity.ErrNoPrincipal) {
			t.Errorf("an expired token is believed: %v", err)
		}
	})
}

func TestProviderChanges(t *testing.T) {
	t.Parallel()
	one, two := oidctest.NewKey(t, "one"), oidctest.NewKey(t, "two")
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{one}, Groups: map[string][]string{"service": {"researchers"}}})
	clock := new(atomic.Int64)
	tokens := judge(t, p, clock, nil)
	ctx := t.Context()
	before := p.Token(t, "service", nil)
	if _, err := tokens.Verify(ctx, before, nil); err != nil {
		t.Fatal(err)
	}

	// A key is added and used: it is fetched when first seen, no sooner than the provider may be asked again.
	p.Set(t, oidctest.Settings{Keys: []jose.JSONWebKey{two}})
	after := p.Token(t, "service", nil)
	clock.Store(int64(2 * time.Second))
	if _, err := tokens.Verify(ctx, after, nil); err != nil {
		t.Errorf("a token of the new key is refused: %v", err)
	}
	// The old one was withdrawn in the same step: its tokens are dead although they were known.
	if _, err := tokens.Verify(ctx, before, nil); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("a token of the withdrawn key is believed: %v", err)
	}

	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {}}})
	if _, err := tokens.Verify(ctx, p.Token(t, "service", nil), nil); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("a token without the group is believed: %v", err)
	}
	p.Set(t, oidctest.Settings{Groups: map[string][]string{"service": {"researchers"}}, Audience: "another gateway"})
	if _, err := tokens.Verify(ctx, p.Token(t, "service", nil), nil); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("a token for another gateway is believed: %v", err)
	}
}

func TestProviderAway(t *testing.T) {
	t.Parallel()
	tokens, err := identity.NewTokens(identity.TokenConfig{Issuer: "http://127.0.0.1:1", Audience: "jali", Groups: researchers})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tokens.Verify(t.Context(), "a.b.c", nil)
	if !errors.Is(err, identity.ErrProvider) || errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("error %v, want only ErrProvider", err)
	}
}

func TestTokenBoundToCertificate(t *testing.T) {
	t.Parallel()
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, Groups: map[string][]string{"service": {"researchers"}, "bound": {"researchers"}}})
	leaf, other := leafOf(t), leafOf(t)
	token := p.Token(t, "bound", leaf.Raw)
	tokens := judge(t, p, new(atomic.Int64), nil)
	strict := judge(t, p, new(atomic.Int64), func(c *identity.TokenConfig) { c.Bound = true })
	for name, c := range map[string]struct {
		by    *identity.Tokens
		token string
		leaf  *x509.Certificate
		ok    bool
	}{
		"its certificate":          {tokens, token, leaf, true},
		"another":                  {tokens, token, other, false},
		"none":                     {tokens, token, nil, false},
		"demanded, its":            {strict, token, leaf, true},
		"demanded, not bound":      {strict, p.Token(t, "service", nil), leaf, false},
		"not demanded, not bound":  {tokens, p.Token(t, "service", nil), leaf, true},
		"its certificate, again":   {tokens, token, leaf, true},
		"another, after it passed": {tokens, token, other, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.by.Verify(t.Context(), c.token, c.leaf); (err == nil) != c.ok {
				t.Errorf("error %v, want one: %v", err, !c.ok)
			}
		})
	}
}

func leafOf(t *testing.T) *x509.Certificate {
	t.Helper()
	ca, _, err := identity.NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	made, err := ca.IssueClient("Ada", "University", identity.Researcher, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := made.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestTokenConfigRefused(t *testing.T) {
	good := identity.TokenConfig{Issuer: "https://idp.example", Audience: "jali", Groups: researchers}
	if _, err := identity.NewTokens(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identity.TokenConfig){
		"no issuer":      func(c *identity.TokenConfig) { c.Issuer = "" },
		"http":           func(c *identity.TokenConfig) { c.Issuer = "http://idp.example" },
		"no audience":    func(c *identity.TokenConfig) { c.Audience = "" },
		"no groups":      func(c *identity.TokenConfig) { c.Groups = nil },
		"none":           func(c *identity.TokenConfig) { c.Algorithms = []string{"none"} },
		"shared key":     func(c *identity.TokenConfig) { c.Algorithms = []string{"ES256", "HS256"} },
		"unknown role":   func(c *identity.TokenConfig) { c.Groups = []identity.Group{{Name: "a", Role: "admin", Org: "O"}} },
		"no org":         func(c *identity.TokenConfig) { c.Groups = []identity.Group{{Name: "a", Role: identity.Researcher}} },
		"two orgs":       func(c *identity.TokenConfig) { c.OrgClaim = "org" },
		"much skew":      func(c *identity.TokenConfig) { c.Skew = time.Hour },
		"long life":      func(c *identity.TokenConfig) { c.Lifetime = 48 * time.Hour },
		"ca no PEM":      func(c *identity.TokenConfig) { c.CA = []byte("x") },
		"issuer has key": func(c *identity.TokenConfig) { c.Issuer = "https://a:b@idp.example" },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := identity.NewTokens(c); !errors.Is(err, identity.ErrTokenConfig) {
				t.Errorf("error %v, want ErrTokenConfig", err)
			}
		})
	}
}

// FuzzToken: whatever text comes as a token, nothing panics and nobody is named: there is no provider to have signed it.
func FuzzToken(f *testing.F) {
	tokens, err := identity.NewTokens(identity.TokenConfig{Issuer: "http://127.0.0.1:1", Audience: "jali", Groups: researchers})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := tokens.Verify(context.Background(), token, nil); err == nil {
			t.Error("somebody is named")
		}
		if err := identity.CheckClaims([]byte(token)); err != nil && len(err.Error()) == 0 {
			t.Error("an error without a text")
		}
	})
}
