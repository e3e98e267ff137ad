package identity_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// liar is a provider that answers as a case says. It holds the keys that the gateway trusts: what is tested is what a good signature does not excuse.
type liar struct {
	*httptest.Server
	key      jose.JSONWebKey
	document map[string]any // changes of the discovery document
	token    func(w http.ResponseWriter, r *http.Request)
	asked    []url.Values // of the token endpoint
}

func newLiar(t *testing.T) *liar {
	t.Helper()
	l := &liar{key: oidctest.NewKey(t, "one")}
	say := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			d := map[string]any{
				"issuer": l.URL, "jwks_uri": l.URL + "/keys", "authorization_endpoint": l.URL + "/auth?tenant=7", "token_endpoint": l.URL + "/token",
				"end_session_endpoint": l.URL + "/end", "authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"plain", "S256"},
			}
			for k, v := range l.document {
				if d[k] = v; v == nil {
					delete(d, k)
				}
			}
			say(w, d)
		case "/keys":
			say(w, map[string]any{"keys": []any{l.key.Public()}})
		case "/token":
			r.ParseForm()
			l.asked = append(l.asked, r.PostForm)
			l.token(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

const webClient = "console"

var flow = identity.Flow{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43)}

// signIn is how a gateway signs people in at the provider.
func (l *liar) signIn(t *testing.T) *identity.SignIn {
	t.Helper()
	s, err := identity.SignInBy(identity.TokenConfig{
		Issuer: l.URL, Audience: "jali", Groups: researchers,
		Web: &identity.WebConfig{Client: webClient, Return: "https://gw/console/callback", Home: "https://gw/console/", Name: "Liar", Resource: "urn:jali"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFinish(t *testing.T) {
	l := newLiar(t)
	now := time.Now().Unix()
	with := func(c, change map[string]any) map[string]any {
		out := map[string]any{}
		for k, v := range c {
			out[k] = v
		}
		for k, v := range change {
			if out[k] = v; v == nil {
				delete(out, k)
			}
		}
		return out
	}
	idClaims := map[string]any{"iss": l.URL, "sub": "ada", "aud": webClient, "iat": now, "exp": now + 60, "nonce": "n"}
	accessClaims := map[string]any{"iss": l.URL, "sub": "ada", "aud": "jali", "iat": now, "exp": now + 600, "groups": []string{"researchers"}}
	access := sign(t, l.key, jose.ES256, "at+jwt", accessClaims)
	id := func(change map[string]any) string { return sign(t, l.key, jose.ES256, "JWT", with(idClaims, change)) }
	sum := sha256.Sum256([]byte(access))
	hash := base64.RawURLEncoding.EncodeToString(sum[:16])
	stranger := oidctest.NewKey(t, "one")
	type tokens = map[string]any
	given := func(change tokens) tokens {
		return with(tokens{"token_type": "Bearer", "access_token": access, "id_token": id(nil), "expires_in": 600}, change)
	}
	for name, c := range map[string]struct {
		answer tokens
		want   error // nil: let in
		says   string
	}{
		"good":                  {given(nil), nil, ""},
		"scheme in other case":  {given(tokens{"token_type": "bearer"}), nil, ""},
		"its hash":              {given(tokens{"id_token": id(map[string]any{"at_hash": hash})}), nil, ""},
		"azp":                   {given(tokens{"id_token": id(map[string]any{"azp": webClient})}), nil, ""},
		"two audiences and azp": {given(tokens{"id_token": id(map[string]any{"aud": []string{webClient, "x"}, "azp": webClient})}), nil, ""},
		"no ID token":           {given(tokens{"id_token": nil}), identity.ErrSignIn, "missing"},
		"ID token a number":     {given(tokens{"id_token": 7}), identity.ErrSignIn, "missing"},
		"ID token long":         {given(tokens{"id_token": strings.Repeat("a", 20<<10)}), identity.ErrSignIn, "too long"},
		"ID token unsigned": {
			given(tokens{"id_token": "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(mustJSON(t, idClaims)) + "."}),
			identity.ErrSignIn, "not signed",
		},
		"ID token by another":    {given(tokens{"id_token": sign(t, stranger, jose.ES256, "JWT", idClaims)}), identity.ErrSignIn, "not signed"},
		"other nonce":            {given(tokens{"id_token": id(map[string]any{"nonce": "m"})}), identity.ErrSignIn, "another sign-in"},
		"no nonce":               {given(tokens{"id_token": id(map[string]any{"nonce": nil})}), identity.ErrSignIn, "another sign-in"},
		"other client":           {given(tokens{"id_token": id(map[string]any{"aud": "x"})}), identity.ErrSignIn, "not for this gateway"},
		"other azp":              {given(tokens{"id_token": id(map[string]any{"azp": "x"})}), identity.ErrSignIn, "another client"},
		"azp a number":           {given(tokens{"id_token": id(map[string]any{"azp": 7})}), identity.ErrSignIn, "another client"},
		"two audiences":          {given(tokens{"id_token": id(map[string]any{"aud": []string{webClient, "x"}})}), identity.ErrSignIn, "another client"},
		"other issuer":           {given(tokens{"id_token": id(map[string]any{"iss": "https://evil.example"})}), identity.ErrSignIn, "not signed"},
		"over":                   {given(tokens{"id_token": id(map[string]any{"exp": now - 60})}), identity.ErrSignIn, "time"},
		"never over":             {given(tokens{"id_token": id(map[string]any{"exp": nil})}), identity.ErrSignIn, ""},
		"of tomorrow":            {given(tokens{"id_token": id(map[string]any{"iat": now + 3600, "exp": now + 7200})}), identity.ErrSignIn, "time"},
		"other hash":             {given(tokens{"id_token": id(map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})}), identity.ErrSignIn, "another access token"},
		"of another person":      {given(tokens{"id_token": id(map[string]any{"sub": "ben"})}), identity.ErrSignIn, "one person"},
		"of nobody":              {given(tokens{"id_token": id(map[string]any{"sub": nil})}), identity.ErrSignIn, ""},
		"access token as ID":     {given(tokens{"id_token": sign(t, l.key, jose.ES256, "at+jwt", idClaims)}), identity.ErrSignIn, "not signed"},
		"ID as access token":     {given(tokens{"access_token": sign(t, l.key, jose.ES256, "JWT", accessClaims)}), identity.ErrNoPrincipal, "type"},
		"opaque access token":    {given(tokens{"access_token": "opaque"}), identity.ErrNoPrincipal, ""},
		"for another audience":   {given(tokens{"access_token": sign(t, l.key, jose.ES256, "at+jwt", with(accessClaims, map[string]any{"aud": webClient}))}), identity.ErrNoPrincipal, "audience"},
		"no role":                {given(tokens{"access_token": sign(t, l.key, jose.ES256, "at+jwt", with(accessClaims, map[string]any{"groups": nil}))}), identity.ErrNoPrincipal, "groups"},
		"bound to a certificate": {given(tokens{"access_token": sign(t, l.key, jose.ES256, "at+jwt", with(accessClaims, map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}))}), identity.ErrNoPrincipal, "certificate"},
		"type DPoP":              {given(tokens{"token_type": "DPoP"}), identity.ErrSignIn, "type"},
	} {
		t.Run(name, func(t *testing.T) {
			l.asked = nil
			l.token = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(c.answer)
			}
			token, who, until, err := l.signIn(t).Finish(t.Context(), flow, url.Values{"code": {"c"}, "iss": {l.URL}, "state": {"s"}})
			if !errors.Is(err, c.want) || err != nil && (token != "" || who != identity.Principal{} || !strings.Contains(err.Error(), c.says)) {
				t.Fatalf("%q %+v: error %v, want %v, %q", token, who, err, c.want, c.says)
			}
			if err != nil && (strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "eyJ")) {
				t.Errorf("the error repeats the answer: %v", err)
			}
			if err == nil && (token != access || who.Name != "ada" || who.Role != identity.Researcher || until.Unix() != now+600) {
				t.Errorf("let in as %+v until %v", who, until)
			}
			if len(l.asked) != 1 || l.asked[0].Get("code_verifier") != flow.Verifier || l.asked[0].Get("redirect_uri") != "https://gw/console/callback" || l.asked[0].Get("resource") != "urn:jali" || l.asked[0].Get("client_id") != webClient {
				t.Errorf("the provider was asked %v", l.asked)
			}
		})
	}
	for name, c := range map[string]struct {
		token func(w http.ResponseWriter, r *http.Request)
		want  error
		says  string
	}{
		"code used":  {refusing(400, `{"error":"invalid_grant","error_description":"eyJ secret"}`), identity.ErrSignIn, "invalid_grant"},
		"bad client": {refusing(401, `{"error":"invalid_client"}`), identity.ErrProvider, "invalid_client"},
		"away":       {refusing(503, `{"error":"invalid_grant"}`), identity.ErrProvider, ""},
		"garbage":    {refusing(200, `<html>eyJ`), identity.ErrProvider, ""},
		"evil word":  {refusing(400, `{"error":"<script>EVIL"}`), identity.ErrSignIn, ": script"},
		"to elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}, identity.ErrProvider, ""},
	} {
		t.Run("token endpoint "+name, func(t *testing.T) {
			l.token = c.token
			_, _, _, err := l.signIn(t).Finish(t.Context(), flow, url.Values{"code": {"c"}, "iss": {l.URL}})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "evil") {
				t.Errorf("error %v, want %v, %q", err, c.want, c.says)
			}
		})
	}
}

func refusing(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What a provider says of itself, and what the browser brings, is judged before anything is asked with a code.
func TestAnswer(t *testing.T) {
	l := newLiar(t)
	l.token = func(http.ResponseWriter, *http.Request) { t.Error("a code was sent") }
	good := url.Values{"code": {"c"}, "iss": {l.URL}, "state": {"s"}}
	for name, c := range map[string]struct {
		document map[string]any
		answer   url.Values
		want     error
	}{
		"another issuer":            {nil, url.Values{"code": {"c"}, "iss": {"https://evil.example"}}, identity.ErrSignIn},
		"no issuer":                 {nil, url.Values{"code": {"c"}}, identity.ErrSignIn},
		"an issuer not announced":   {map[string]any{"authorization_response_iss_parameter_supported": nil}, url.Values{"code": {"c"}, "iss": {"https://evil.example"}}, identity.ErrSignIn},
		"another issuer's error":    {nil, url.Values{"error": {"access_denied"}, "iss": {"https://evil.example"}}, identity.ErrSignIn},
		"an error":                  {nil, url.Values{"error": {"access_denied"}, "iss": {l.URL}}, identity.ErrDenied},
		"an error and a code":       {nil, url.Values{"error": {"access_denied"}, "code": {"c"}, "iss": {l.URL}}, identity.ErrDenied},
		"no code":                   {nil, url.Values{"iss": {l.URL}}, identity.ErrSignIn},
		"long code":                 {nil, url.Values{"code": {strings.Repeat("c", 5000)}, "iss": {l.URL}}, identity.ErrSignIn},
		"code twice":                {nil, url.Values{"code": {"c", "d"}, "iss": {l.URL}}, identity.ErrSignIn},
		"issuer twice":              {nil, url.Values{"code": {"c"}, "iss": {l.URL, "https://evil.example"}}, identity.ErrSignIn},
		"PKCE only plain":           {map[string]any{"code_challenge_methods_supported": []string{"plain"}}, good, identity.ErrProvider},
		"token endpoint plain HTTP": {map[string]any{"token_endpoint": "http://evil.example/token"}, good, identity.ErrProvider},
		"no token endpoint":         {map[string]any{"token_endpoint": nil}, good, identity.ErrProvider},
		"sign-in by script":         {map[string]any{"authorization_endpoint": "javascript:alert(1)"}, good, identity.ErrProvider},
		"endpoint a number":         {map[string]any{"authorization_endpoint": 7}, good, identity.ErrProvider},
	} {
		t.Run(name, func(t *testing.T) {
			l.document = c.document
			_, who, _, err := l.signIn(t).Finish(t.Context(), flow, c.answer)
			if !errors.Is(err, c.want) || who != (identity.Principal{}) || strings.Contains(err.Error(), "evil") {
				t.Errorf("%+v, error %v, want %v", who, err, c.want)
			}
		})
	}
	l.document = nil
	address, err := l.signIn(t).Address(t.Context(), flow)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(flow.Verifier))
	for name, want := range map[string]string{
		"tenant": "7", "state": "s", "nonce": "n", "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "resource": "urn:jali", "response_type": "code",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("asked with %s=%q, want %q", name, got, want)
		}
	}
	if strings.Contains(address, flow.Verifier) {
		t.Error("the verifier is shown to the browser")
	}
	for _, end := range []any{nil, "javascript:alert(1)", "http://evil.example/"} {
		l.document = map[string]any{"end_session_endpoint": end}
		if got := l.signIn(t).SignOut(t.Context()); got != "" {
			t.Errorf("signing out at %v leads to %q", end, got)
		}
	}
}

func TestWebConfigRefused(t *testing.T) {
	base := identity.TokenConfig{Issuer: "https://idp.example", Audience: "jali", Groups: researchers}
	good := identity.WebConfig{Client: webClient, Return: "https://gw/console/callback", Home: "https://gw/console/", Name: "Agency"}
	for name, change := range map[string]func(*identity.TokenConfig, *identity.WebConfig){
		"":                   func(*identity.TokenConfig, *identity.WebConfig) {},
		"no client":          func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Client = "" },
		"plain HTTP":         func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Return = "http://gw/console/callback" },
		"query":              func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Home += "?x=y" },
		"no name":            func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Name = "" },
		"invisible name":     func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Name = "a\u200bb" },
		"empty secret":       func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Secret = func() string { return "" } },
		"scope of two":       func(_ *identity.TokenConfig, w *identity.WebConfig) { w.Scopes = []string{"a b"} },
		"bound":              func(c *identity.TokenConfig, _ *identity.WebConfig) { c.Bound = true },
		"ID tokens would do": func(c *identity.TokenConfig, _ *identity.WebConfig) { c.Types, c.Audience = []string{"JWT"}, webClient },
	} {
		t.Run(name, func(t *testing.T) {
			c, w := base, good
			change(&c, &w)
			c.Web = &w
			if _, err := identity.NewTokens(c); (name == "") != (err == nil) || err != nil && !errors.Is(err, identity.ErrTokenConfig) {
				t.Errorf("error %v", err)
			}
		})
	}
}
