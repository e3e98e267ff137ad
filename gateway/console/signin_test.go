package console

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jali/audit"
	"jali/gateway"
	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// origin is how browsers call the gateway of these tests.
const origin = "https://gw.test:8443"

// provided is a console whose people sign in at a real provider, in front of a real gateway.
type provided struct {
	*Handler
	t        *testing.T
	provider *oidctest.Provider
	by       *authority
	trusted  identity.TrustConfig
	clock    *clock
	told     *bytes.Buffer // the operator's log
}

func newProvided(t *testing.T, change func(*identity.WebConfig)) *provided {
	t.Helper()
	p := oidctest.Start(t, oidctest.Settings{
		Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: 600, Origin: origin,
		Groups: map[string][]string{"ada": {"researchers"}, "ben": {"board"}, "both": {"researchers", "board"}},
	})
	a := newAuthority(t)
	web := &identity.WebConfig{
		Client: "jali-console", Secret: func() string { return oidctest.Secret }, Return: origin + Callback, Home: origin + Prefix, Name: "Agency login", Scopes: []string{"jali"},
	}
	if change != nil {
		change(web)
	}
	a.config.Tokens = &identity.TokenConfig{
		Issuer: p.Issuer, Audience: "jali", Web: web,
		Groups: []identity.Group{{Name: "researchers", Role: identity.Researcher, Org: "University"}, {Name: "board", Role: identity.Regulator, Org: "Board"}},
	}
	if err := a.Trust.Reload(a.config); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "state")
	told := new(bytes.Buffer)
	operator := slog.New(slog.NewTextHandler(told, nil))
	if err := gateway.Init(t.Context(), gateway.InitConfig{Dir: dir, Origin: "audit.test/console/2026", Hosts: []string{"localhost"}, Now: time.Now, Operator: operator}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(t.Context(), gateway.Config{Dir: dir, Threads: 1, MemoryLimit: "256MB", Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close gateway: %v", err)
		}
	})
	c := &clock{time.Now()}
	return &provided{
		Handler: NewHandler(g, NewSessions(a.Trust, c.now), operator), t: t, provider: p, by: a, trusted: a.config, clock: c, told: told,
	}
}

// record counts sign-ins, and entries of failed ones, on record.
func (p *provided) record() (good, failed int) {
	p.t.Helper()
	ben := identity.Principal{Name: "ben", Org: "Board", Role: identity.Regulator, Key: "b"}
	found, err := p.gateway.Find(p.t.Context(), ben, gateway.Search{Kinds: []string{string(audit.Login)}})
	if err != nil || found.Next != nil {
		p.t.Fatalf("the record is not read: %v", err)
	}
	for _, e := range found.Entries {
		switch {
		case strings.Contains(string(e.Header), `"why":"ok"`):
			good++
		case strings.Contains(string(e.Header), `"why":"unknown-key"`):
			failed++
		}
	}
	return good, failed
}

// browser keeps cookies for the console, and for the provider.
type browser struct {
	on   *provided
	jar  http.CookieJar
	away *http.Client
	seen strings.Builder // everything the console sent it
}

func (p *provided) browser() *browser {
	p.t.Helper()
	here, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	there, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &browser{on: p, jar: here, away: &http.Client{Jar: there, Timeout: 20 * time.Second}}
}

// ask sends a request to the console, and keeps its cookies.
func (b *browser) ask(method, address string, header ...string) *http.Response {
	b.on.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.on.t.Fatal(err)
	}
	r := httptest.NewRequest(method, u.RequestURI(), nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	at := &url.URL{Scheme: "https", Host: "gw.test:8443", Path: "/"}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range b.jar.Cookies(at) {
		// The jar does not know who begins a request: a Strict cookie does not go where another site leads.
		if c.Name != cookie || r.Header.Get("Sec-Fetch-Site") != "cross-site" {
			r.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	b.on.ServeHTTP(w, r)
	response := w.Result()
	for _, c := range response.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-jali") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite < http.SameSiteLaxMode {
			b.on.t.Errorf("a cookie that is not kept to the host, or that scripts can read: %v", c)
		}
	}
	b.jar.SetCookies(at, response.Cookies())
	response.Header.Write(&b.seen)
	b.seen.WriteString(w.Body.String())
	return response
}

// begin goes to the provider, and returns its address.
func (b *browser) begin(query string) string {
	b.on.t.Helper()
	response := b.ask("GET", "/console/signin"+query)
	to := response.Header.Get("Location")
	if response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, b.on.provider.Issuer+"/") {
		b.on.t.Fatalf("the sign-in begins with %d at %q", response.StatusCode, to)
	}
	return to
}

// login types a name at the provider, and returns the answer.
func (b *browser) login(address, user string) string {
	b.on.t.Helper()
	answer, err := b.on.provider.SignIn(b.away, address, user)
	if err != nil {
		b.on.t.Fatal(err)
	}
	if !strings.HasPrefix(answer.String(), origin+Callback+"?") {
		b.on.t.Fatalf("the provider sends the browser to %s", answer)
	}
	return answer.String()
}

// lands is where an answer leads.
func (b *browser) lands(answer string) string {
	b.on.t.Helper()
	response := b.ask("GET", answer, "Sec-Fetch-Site", "cross-site")
	if response.StatusCode != http.StatusSeeOther || !strings.Contains(response.Header.Get("Cache-Control"), "no-store") {
		b.on.t.Errorf("the answer leads on with %d, kept: %q", response.StatusCode, response.Header.Get("Cache-Control"))
	}
	return response.Header.Get("Location")
}

// who asks who is signed in; the role is "" for nobody.
func (b *browser) who() (person, nobody) {
	b.on.t.Helper()
	response := b.ask("GET", "/console/session")
	var p person
	var n nobody
	var into any = &p
	if response.StatusCode != http.StatusOK {
		into = &n
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		b.on.t.Fatal(err)
	}
	return p, n
}

// cookieNamed is a cookie of the console's, "" if there is none.
func (b *browser) cookieNamed(prefix string) (names []string, value string) {
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "https", Host: "gw.test:8443", Path: "/"}) {
		if strings.HasPrefix(c.Name, prefix) {
			names, value = append(names, c.Name), c.Value
		}
	}
	return names, value
}

var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.`)

// Somebody signs in at the provider, is who the token says, and signs out here and there. No token comes to the browser.
func TestSignInAtProvider(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*identity.WebConfig)
	}{
		{"with a secret", nil},
		{"public client", func(w *identity.WebConfig) { w.Client, w.Secret = "jali-console-public", nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProvided(t, tt.change)
			b := p.browser()
			if _, n := b.who(); n.Provider != "Agency login" {
				t.Errorf("the page is not told where to sign in: %+v", n)
			}
			to := b.begin("?return=" + url.QueryEscape("/cases?kind=refused"))
			asked, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"response_type": "code", "redirect_uri": origin + Callback, "code_challenge_method": "S256", "scope": "openid jali"} {
				if got := asked.Query().Get(name); got != want {
					t.Errorf("asked with %s=%q, want %q", name, got, want)
				}
			}
			if got := b.lands(b.login(to, "ada")); got != "/console/#/cases?kind=refused" {
				t.Errorf("lands at %q", got)
			}
			who, _ := b.who()
			if who.Name != "ada" || who.Org != "University" || who.Role != identity.Researcher || who.How != "provider" {
				t.Errorf("signed in: %+v", who)
			}
			if left := who.Until.Sub(p.clock.now()); left <= 0 || left > 10*time.Minute+time.Second {
				t.Errorf("the session ends in %v, its token lives 10 minutes", left)
			}
			// A request of the page is the token's, wherever it goes.
			_, session := b.cookieNamed(cookie)
			r := p.sessions.Attach(with(session))
			caller, err := p.sessions.trust.Caller(t.Context(), *r.TLS, r.Header.Values("Authorization"))
			if err != nil || caller.Name != "ada" || caller.Role != identity.Researcher {
				t.Errorf("the page's requests are of %+v (%v)", caller, err)
			}
			// A token of the request's own is not made good by the session.
			r = with(session)
			r.Header.Set("Authorization", "Bearer x")
			if got := p.sessions.Attach(r).Header.Get("Authorization"); got != "Bearer x" {
				t.Error("a session takes the place of a token that was sent")
			}
			if names, _ := b.cookieNamed(flowCookie); len(names) > 0 {
				t.Errorf("cookies are left over: %q", names)
			}
			response := b.ask("DELETE", "/console/session")
			var out struct{ Continue string }
			if err := json.NewDecoder(response.Body).Decode(&out); err != nil || !strings.HasPrefix(out.Continue, p.provider.Issuer+"/") || !strings.Contains(out.Continue, url.QueryEscape(origin+Prefix)) {
				t.Errorf("signing out goes on at %q (%v)", out.Continue, err)
			}
			if who, _ := b.who(); who.Role != "" || signedIn(p.sessions, session) {
				t.Error("signed in after signing out")
			}
			if response := b.ask("DELETE", "/console/session"); response.StatusCode != http.StatusNoContent {
				t.Errorf("signing out twice: %d", response.StatusCode)
			}
			if found := token.FindString(b.seen.String()); found != "" {
				t.Error("a token was sent to the browser")
			}
			for _, leak := range []string{oidctest.Secret, "ada"} {
				if strings.Contains(p.told.String(), leak) {
					t.Errorf("the operator's log holds %q", leak)
				}
			}
			if good, failed := p.record(); good != 1 || failed != 0 {
				t.Errorf("on record: %d sign-ins and %d entries of failures", good, failed)
			}
		})
	}
}

// change replaces parameters of an address; "" removes one.
func change(t *testing.T, address string, with ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i+1 < len(with); i += 2 {
		if q.Del(with[i]); with[i+1] != "" {
			q.Set(with[i], with[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// What is not the answer to a sign-in of this very browser, from this very provider, about somebody who has a role here, opens nothing and is on record.
func TestSignInRefused(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	for _, tt := range []struct {
		name string
		// answer makes what the browser comes back with.
		answer func(b *browser) string // opens nothing yet
		want   string
	}{
		{"no state", func(b *browser) string { return change(t, b.login(b.begin(""), "ada"), "state", "") }, problemFlow},
		{"wrong state", func(b *browser) string {
			return change(t, b.login(b.begin(""), "ada"), "state", strings.Repeat("A", 43))
		}, problemFlow},
		{"state that only begins well", func(b *browser) string {
			answer := b.login(b.begin(""), "ada")
			u, _ := url.Parse(answer)
			return change(t, answer, "state", u.Query().Get("state")[:stateTag]+strings.Repeat("A", 43-stateTag))
		}, problemFlow},
		{"state twice", func(b *browser) string { return b.login(b.begin(""), "ada") + "&state=x" }, problemFlow},
		{"another browser's", func(*browser) string {
			other := p.browser()
			return other.login(other.begin(""), "ada")
		}, problemFlow},
		{"changed cookie", func(b *browser) string {
			answer := b.login(b.begin("?return=/cases"), "ada")
			names, value := b.cookieNamed(flowCookie)
			b.jar.SetCookies(&url.URL{Scheme: "https", Host: "gw.test:8443", Path: "/"}, []*http.Cookie{{Name: names[0], Value: value + "QQ", Path: "/", Secure: true}})
			return answer
		}, problemFlow},
		{"too late", func(b *browser) string {
			answer := b.login(b.begin(""), "ada")
			p.clock.at = p.clock.at.Add(FlowLife)
			t.Cleanup(func() { p.clock.at = time.Now() })
			return answer
		}, problemFlow},
		{"used, cookie put back", func(b *browser) string {
			answer := b.login(b.begin(""), "ada")
			names, value := b.cookieNamed(flowCookie)
			if got := b.lands(answer); got != Prefix {
				t.Errorf("the first time it leads to %q", got)
			}
			b.ask("DELETE", "/console/session")
			b.jar.SetCookies(&url.URL{Scheme: "https", Host: "gw.test:8443", Path: "/"}, []*http.Cookie{{Name: names[0], Value: value, Path: "/", Secure: true}})
			return answer
		}, problemFlow},
		{"code used before", func(b *browser) string {
			first := b.login(b.begin(""), "ada")
			second := b.login(b.begin(""), "ada")
			if got := b.lands(first); got != Prefix {
				t.Errorf("the first time it leads to %q", got)
			}
			b.ask("DELETE", "/console/session")
			u, _ := url.Parse(first)
			return change(t, second, "code", u.Query().Get("code"))
		}, problemFlow},
		{"code of another's sign-in", func(b *browser) string {
			other := p.browser()
			u, _ := url.Parse(other.login(other.begin(""), "ben"))
			return change(t, b.login(b.begin(""), "ada"), "code", u.Query().Get("code"))
		}, problemFlow},
		{"invented code", func(b *browser) string { return change(t, b.login(b.begin(""), "ada"), "code", "invented") }, problemFlow},
		{"no code", func(b *browser) string { return change(t, b.login(b.begin(""), "ada"), "code", "") }, problemFlow},
		{"another nonce", func(b *browser) string { return b.login(change(t, b.begin(""), "nonce", "mine"), "ada") }, problemFlow},
		{"no nonce", func(b *browser) string { return b.login(change(t, b.begin(""), "nonce", ""), "ada") }, problemFlow},
		{"another challenge", func(b *browser) string {
			return b.login(change(t, b.begin(""), "code_challenge", strings.Repeat("A", 43)), "ada")
		}, problemFlow},
		{"no PKCE", func(b *browser) string {
			return b.login(change(t, b.begin(""), "code_challenge", "", "code_challenge_method", ""), "ada")
		}, problemDenied},
		{"another issuer", func(b *browser) string {
			return change(t, b.login(b.begin(""), "ada"), "iss", "https://evil.example")
		}, problemFlow},
		{"no issuer", func(b *browser) string { return change(t, b.login(b.begin(""), "ada"), "iss", "") }, problemFlow},
		{"cancelled", func(b *browser) string { return b.login(b.begin(""), "") }, problemDenied},
		{"no role", func(b *browser) string { return b.login(b.begin(""), "stranger") }, problemPerson},
		{"two roles", func(b *browser) string { return b.login(b.begin(""), "both") }, problemPerson},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Each case has the allowance of a network of its own.
			p.flows.networks = newFlows().networks
			b := p.browser()
			got := b.lands(tt.answer(b))
			if place, ok := strings.CutPrefix(got, "/console/#problem="+tt.want); !ok || place != "" && !strings.HasPrefix(place, "/") {
				t.Errorf("leads to %q, want problem %q", got, tt.want)
			}
			if who, _ := b.who(); who.Role != "" {
				t.Errorf("signed in as %+v", who)
			}
			if strings.Contains(got, "evil") || strings.Contains(got, "stranger") {
				t.Errorf("the page's address repeats the answer: %s", got)
			}
		})
	}
	if strings.Contains(p.told.String(), "level=ERROR") {
		t.Errorf("what a browser does is told to the operator as a fault:\n%s", p.told)
	}
	// Two of the cases begin with a good sign-in. Failures are counted, one entry a minute.
	if good, failed := p.record(); good != 2 || failed != 1 {
		t.Errorf("on record: %d sign-ins and %d entries of failures", good, failed)
	}
}
