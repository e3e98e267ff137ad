package console

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// Two tabs sign in at once; whichever comes back first, both open, and each lands where it began.
func TestSignInInTwoTabs(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	b := p.browser()
	one, two := b.begin("?return=/budget"), b.begin("?return=/catalogue")
	second := b.login(two, "ada")
	first := b.login(one, "ada")
	if got := b.lands(second); got != "/console/#/catalogue" {
		t.Errorf("the second tab lands at %q", got)
	}
	_, before := b.cookieNamed(cookie)
	if got := b.lands(first); got != "/console/#/budget" {
		t.Errorf("the first tab lands at %q", got)
	}
	if _, after := b.cookieNamed(cookie); after == before {
		t.Error("the earlier session goes on")
	}
	if who, _ := b.who(); who.Name != "ada" {
		t.Errorf("signed in: %+v", who)
	}
	// Tabs that are opened and left do not pile up in the browser's headers.
	for range 3 * mostCookies {
		p.clock.at = p.clock.at.Add(time.Second)
		b.begin("")
	}
	names, _ := b.cookieNamed(flowCookie)
	if len(names) != mostCookies {
		t.Errorf("%d cookies of sign-ins", len(names))
	}
	// The last is among them.
	if got := b.lands(b.login(b.begin(""), "ada")); got != Prefix {
		t.Errorf("the last tab lands at %q", got)
	}
}

// Whoever plants a session's name in a browser does not share what is opened later.
func TestSignInMakesNewSession(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	attacker, victim := p.browser(), p.browser()
	attacker.lands(attacker.login(attacker.begin(""), "ben"))
	_, planted := attacker.cookieNamed(cookie)
	here := &url.URL{Scheme: "https", Host: "gw.test:8443", Path: "/"}
	victim.jar.SetCookies(here, []*http.Cookie{{Name: cookie, Value: planted, Path: "/", Secure: true}})
	victim.lands(victim.login(victim.begin(""), "ada"))
	if _, now := victim.cookieNamed(cookie); now == planted {
		t.Fatal("the planted session goes on")
	}
	if who, _ := attacker.who(); who.Role != "" {
		t.Errorf("the attacker is %+v", who)
	}
}

// Signing in by a link ends what was signed in here before, too.
func TestLinkEndsSession(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	b := p.browser()
	b.lands(b.login(b.begin(""), "ada"))
	_, before := b.cookieNamed(cookie)
	code, _, err := p.sessions.Offer(p.by.connection(identity.Regulator))
	if err != nil {
		t.Fatal(err)
	}
	r := with(before)
	r.Method, r.URL.Path, r.Body = http.MethodPost, "/console/session", io.NopCloser(strings.NewReader(`{"code":"`+code+`"}`))
	r.Header.Set("Content-Type", "application/json")
	w := timed{httptest.NewRecorder()}
	p.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		t.Fatalf("the link opens nothing: %d %s", w.Code, w.Body)
	}
	if who, _ := b.who(); who.Role != "" {
		t.Errorf("the earlier session goes on: %+v", who)
	}
}

// timed is a recorder whose reading time can be limited, as that of a connection can.
type timed struct{ *httptest.ResponseRecorder }

func (timed) SetReadDeadline(time.Time) error { return nil }

// Sign-ins that open nothing take no place from those that do, and the others are taken once.
func TestFailedSignInIsForgotten(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	b := p.browser()
	for range 3 {
		b.lands(change(t, b.login(b.begin(""), "ada"), "code", "invented"))
	}
	if n := len(p.flows.used); n != 0 {
		t.Errorf("%d sign-ins that failed are remembered", n)
	}
	b.lands(b.login(b.begin(""), "ada"))
	if n := len(p.flows.used); n != 1 {
		t.Errorf("%d sign-ins are remembered", n)
	}
}

// A neighbour, another host of the domain, to whose requests the browser adds SameSite cookies, gets nothing by them.
func TestSessionIsOfOneOrigin(t *testing.T) {
	a := newAuthority(t)
	s := NewSessions(a.Trust, time.Now)
	session := signIn(t, s, a.connection(identity.Researcher))
	for site, want := range map[string]bool{"": true, "same-origin": true, "none": true, "same-site": false, "cross-site": false, "of tomorrow": false} {
		r := with(session)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if got := len(s.Attach(r).TLS.VerifiedChains) > 0; got != want {
			t.Errorf("%q: signed in %v, want %v", site, got, want)
		}
	}
}

// What somebody has under way ends when they sign out; what they do not, does not.
func TestRequestsEndWithSession(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	b := p.browser()
	b.lands(b.login(b.begin(""), "ada"))
	_, session := b.cookieNamed(cookie)
	other := p.browser()
	other.lands(other.login(other.begin(""), "ben"))
	_, others := other.cookieNamed(cookie)
	stream, theirs := p.sessions.Attach(with(session)), p.sessions.Attach(with(others))
	if stream.Context().Err() != nil {
		t.Fatal("ended before the session")
	}
	b.ask("DELETE", "/console/session")
	select {
	case <-stream.Context().Done():
	case <-time.After(10 * time.Second):
		t.Error("goes on after signing out")
	}
	if theirs.Context().Err() != nil {
		t.Error("another's request ended with it")
	}
}

// A session ends with its token, at once when the provider is no longer trusted or the group no longer stands for a role.
func TestSignInEnds(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	p.provider.Set(t, oidctest.Settings{TTL: 120})
	b := p.browser()
	b.lands(b.login(b.begin(""), "ada"))
	who, _ := b.who()
	p.clock.at = who.Until.Add(-time.Second)
	if who, _ := b.who(); who.Role == "" {
		t.Fatal("ended before its token")
	}
	p.clock.at = who.Until
	if who, _ := b.who(); who.Role != "" {
		t.Error("signed in after the token ended")
	}
	p.clock.at = time.Now()
	b.lands(b.login(b.begin(""), "ada")) // the provider remembers who it is
	if who, _ := b.who(); who.Role != identity.Researcher {
		t.Fatalf("signed in again: %+v", who)
	}
	for _, tt := range []struct {
		name   string
		change func(*identity.TrustConfig)
		want   identity.Role
	}{
		{"the group is another role's", func(c *identity.TrustConfig) {
			tokens := *c.Tokens
			tokens.Groups = []identity.Group{{Name: "researchers", Role: identity.Regulator, Org: "Board"}}
			c.Tokens = &tokens
		}, identity.Regulator},
		{"the group is nobody's", func(c *identity.TrustConfig) {
			tokens := *c.Tokens
			tokens.Groups = tokens.Groups[1:]
			c.Tokens = &tokens
		}, ""},
		{"no provider", func(c *identity.TrustConfig) { c.Tokens = nil }, ""},
		{"nobody signs in with a browser", func(c *identity.TrustConfig) {
			tokens := *c.Tokens
			tokens.Web = nil
			c.Tokens = &tokens
		}, ""},
		{"the gateway is another client", func(c *identity.TrustConfig) {
			tokens, web := *c.Tokens, *c.Tokens.Web
			web.Client, web.Secret = "jali-console-public", nil
			tokens.Web, c.Tokens = &web, &tokens
		}, ""},
		{"as it was", func(*identity.TrustConfig) {}, identity.Researcher},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := p.trusted
			tt.change(&c)
			if err := p.sessions.trust.Reload(c); err != nil {
				t.Fatal(err)
			}
			if who, _ := b.who(); who.Role != tt.want {
				t.Errorf("signed in as %q, want %q", who.Role, tt.want)
			}
		})
	}
	// What was begun with one client does not go on with another.
	answer := b.login(b.begin(""), "ada")
	c := p.trusted
	tokens, web := *c.Tokens, *c.Tokens.Web
	web.Client, web.Secret = "jali-console-public", nil
	c.Tokens, tokens.Web = &tokens, &web
	if err := p.sessions.trust.Reload(c); err != nil {
		t.Fatal(err)
	}
	if got := b.lands(answer); got != "/console/#problem="+problemFlow {
		t.Errorf("a sign-in goes on with another client: %q", got)
	}
}

// Nobody is sent elsewhere by an address of ours.
func TestPlaceOf(t *testing.T) {
	for in, want := range map[string]string{
		"/cases?kind=refused&since=2026-01-01": "/cases?kind=refused&since=2026-01-01",
		"/case/42":                             "/case/42",
		"/ask?x=%2F%2Fevil.example":            "/ask?x=%2F%2Fevil.example",
		"":                                     "",
		"cases":                                "",
		"https://evil.example/":                "",
		"code=" + strings.Repeat("A", 43):      "",
		"/a\r\nSet-Cookie: x=y":                "",
		"/\\evil.example":                      "",
		"/a b":                                 "",
		"/a#b":                                 "",
		"/\u202e":                              "",
		"/<script>":                            "",
		"/" + strings.Repeat("a", maxPlace):    "",
	} {
		if got := placeOf(in); got != want {
			t.Errorf("%q is the place %q, want %q", in, got, want)
		}
		if to := at(placeOf(in)); to != Prefix && !strings.HasPrefix(to, Prefix+"#/") {
			t.Errorf("%q leads to %q", in, to)
		}
	}
	// It stands behind #: what looks like another host there is no host.
	u, err := url.Parse("https://gw.test" + at(placeOf("//evil.example/x")))
	if err != nil || u.Host != "gw.test" || u.Path != Prefix {
		t.Errorf("leads to %v (%v)", u, err)
	}
}

func FuzzPlace(f *testing.F) {
	f.Add("/cases?kind=refused")
	f.Add("//evil.example")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse("https://gw.test" + at(placeOf(s)))
		if err == nil && (u.Host != "gw.test" || u.Path != Prefix || u.RawQuery != "") {
			t.Errorf("%q leads to %v", s, u)
		}
		if strings.ContainsAny(at(placeOf(s)), "\r\n \"<>\\") {
			t.Errorf("%q makes an address with what belongs in none", s)
		}
	})
}

// Requests that do not begin or end a sign-in of this gateway's.
func TestSignInRequests(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	bare := &Handler{sessions: NewSessions(newAuthority(t).Trust, time.Now), flows: newFlows(), files: files}
	for _, tt := range []struct {
		name         string
		on           *Handler
		method, path string
		site         string
		status       int
		to, body     string
	}{
		{"no provider", bare, "GET", "/console/signin", "", 404, "", "certificate"},
		{"no provider, answer", bare, "GET", "/console/callback?code=x&state=y", "", 404, "", "certificate"},
		{"posted", p.Handler, "POST", "/console/signin", "", 405, "", "not allowed"},
		{"answer posted", p.Handler, "POST", "/console/callback", "", 405, "", "not allowed"},
		{"begun by another site", p.Handler, "GET", "/console/signin", "cross-site", 303, "/console/", ""},
		{"begun by a neighbour", p.Handler, "GET", "/console/signin?return=/cases", "same-site", 303, "/console/", ""},
		{"begun by the page", p.Handler, "GET", "/console/signin", "same-origin", 303, p.provider.Issuer, ""},
		{"typed", p.Handler, "GET", "/console/signin", "none", 303, p.provider.Issuer, ""},
		{"answer to nothing", p.Handler, "GET", "/console/callback", "cross-site", 303, "/console/#problem=flow", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			w := httptest.NewRecorder()
			tt.on.ServeHTTP(w, r)
			to := w.Header().Get("Location")
			if w.Code != tt.status || !strings.HasPrefix(to, tt.to) || to != tt.to && tt.to == "/console/" || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%d to %q: %s", w.Code, to, w.Body.String())
			}
			if begun := strings.HasPrefix(to, "http"); begun != (len(w.Result().Cookies()) > 0) {
				t.Errorf("cookies %v", w.Result().Cookies())
			}
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), "form-action 'none'") {
				t.Error("no content security policy")
			}
		})
	}
}

// A provider that does not take this gateway's secret, or that is not there, is the operator's to know; the secret is nobody's.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	const wrong = "not the client's secret"
	p := newProvided(t, func(w *identity.WebConfig) { w.Secret = func() string { return wrong } })
	b := p.browser()
	if got := b.lands(b.login(b.begin("?return=/cases"), "ada")); got != "/console/#problem=provider/cases" {
		t.Errorf("lands at %q", got)
	}
	if told := p.told.String(); !strings.Contains(told, "invalid_client") || strings.Contains(told, wrong) {
		t.Errorf("the operator is told: %s", told)
	}
	c := p.trusted
	tokens := *c.Tokens
	c.Tokens, tokens.Issuer = &tokens, "http://127.0.0.1:1"
	if err := p.sessions.trust.Reload(c); err != nil {
		t.Fatal(err)
	}
	if got := b.ask("GET", "/console/signin?return=/cases").Header.Get("Location"); got != "/console/#problem=provider/cases" {
		t.Errorf("without a provider it leads to %q", got)
	}
	for range 50 {
		b.ask("GET", "/console/signin")
	}
	if lines := strings.Count(p.told.String(), "level=ERROR"); lines < 2 || lines > 5 {
		t.Errorf("strangers wrote %d lines of the operator's log", lines)
	}
	if good, failed := p.record(); good != 0 || failed != 0 {
		t.Errorf("on record: %d sign-ins and %d entries of failures", good, failed)
	}
	// Printing a configuration does not show the secret.
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if strings.Contains(fmt.Sprintf(verb, p.trusted.Tokens.Web), wrong) {
			t.Errorf("%s shows the secret", verb)
		}
	}
}

// Whoever hangs up while the provider is asked does not fill the operator's log with faults of the provider.
func TestHangingUpIsNoFault(t *testing.T) {
	t.Parallel()
	p := newProvided(t, nil)
	b := p.browser()
	answer, err := url.Parse(b.login(b.begin(""), "ada"))
	if err != nil {
		t.Fatal(err)
	}
	names, value := b.cookieNamed(flowCookie)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest(http.MethodGet, answer.RequestURI(), nil).WithContext(gone)
	r.AddCookie(&http.Cookie{Name: names[0], Value: value})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "/console/#problem="+problemProvider {
		t.Fatalf("leads to %q", got)
	}
	if strings.Contains(p.told.String(), "level=ERROR") {
		t.Errorf("the operator is told: %s", p.told)
	}
}

// A session that is printed does not show its token.
func TestTokenNotPrinted(t *testing.T) {
	s := NewSessions(newAuthority(t).Trust, time.Now)
	if _, err := s.Enter([32]byte{}, "a token", identity.Principal{}, time.Now().Add(time.Hour), admitAll); err != nil {
		t.Fatal(err)
	}
	for _, x := range s.sessions {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if strings.Contains(fmt.Sprintf(verb, *x), "a token") {
				t.Errorf("%s shows the token", verb)
			}
		}
	}
}

// Strangers who begin sign-ins take no memory; who comes back too often waits, and only those of the same network do.
func TestSignInsAreBounded(t *testing.T) {
	f, now := newFlows(), time.Now()
	for range 1000 {
		f.begin([32]byte{}, "/cases", nil, now)
	}
	if len(f.used)+len(f.networks) != 0 {
		t.Error("beginning a sign-in is remembered")
	}
	name := func(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }
	here, neighbour, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("198.51.100.1")
	taken := 0
	for i := range 3 * networkBurst {
		if f.use(name(i), here, now.Add(FlowLife), now) == nil {
			taken++
		}
	}
	if taken != networkBurst {
		t.Errorf("%d answers of one network are taken at once, want %d", taken, networkBurst)
	}
	if err := f.use(name(-1), neighbour, now.Add(FlowLife), now); err != errBusy {
		t.Errorf("its neighbour: %v", err)
	}
	if err := f.use(name(-2), there, now.Add(FlowLife), now); err != nil {
		t.Errorf("another network: %v", err)
	}
	if err := f.use(name(-1), neighbour, now.Add(FlowLife), now.Add(2*time.Second)); err != nil {
		t.Errorf("its neighbour, later: %v", err)
	}
	// Many networks: memory has an end, and what was used stays used until its own end.
	first := name(-2)
	for i := range mostUsed + 2*mostNetworks {
		network := i / 3
		f.use(name(1000+i), netip.AddrFrom4([4]byte{10, byte(network >> 8), byte(network), 1}), now.Add(FlowLife), now)
	}
	if len(f.used) != mostUsed || len(f.networks) != mostNetworks {
		t.Errorf("%d answers and %d networks are remembered", len(f.used), len(f.networks))
	}
	later := now.Add(FlowLife - time.Second)
	if err := f.use(first, there, later, later); err != errFlow {
		t.Errorf("an answer is taken again: %v", err)
	}
	later = now.Add(FlowLife + 2*time.Second)
	if err := f.use(name(-3), there, later.Add(FlowLife), later); err != nil {
		t.Errorf("when all is over: %v", err)
	}
}

func FuzzFlowCookie(f *testing.F) {
	flows, now := newFlows(), time.Now()
	f.Add("a.1.Yg.", strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, text, state string) {
		r := httptest.NewRequest(http.MethodGet, "/console/callback", nil)
		r.URL.RawQuery = url.Values{"state": {state}}.Encode()
		if len(state) >= stateTag {
			r.AddCookie(&http.Cookie{Name: flowCookie + state[:stateTag], Value: text})
		}
		if _, _, _, err := flows.finish([32]byte{}, r, now); err == nil {
			t.Errorf("an invented cookie and state are taken: %q %q", text, state)
		}
		if was, err := split(text); err != nil && !was.ends.IsZero() {
			t.Errorf("%q is no sign-in that has not ended", text)
		}
	})
}

// A cookie and a state belong to one provider, client and process.
func TestFlowIsOfOneProvider(t *testing.T) {
	now := time.Now()
	mine, theirs := [32]byte{1}, [32]byte{2}
	f := newFlows()
	flow, c := f.begin(mine, "/cases", []byte(strings.Repeat("n", 32)), now)
	r := httptest.NewRequest(http.MethodGet, "/console/callback?state="+flow.State, nil)
	r.AddCookie(c)
	if _, _, _, err := f.finish(theirs, r, now); err != errFlow {
		t.Errorf("with another provider: %v", err)
	}
	if _, _, _, err := newFlows().finish(mine, r, now); err != errFlow {
		t.Errorf("after a restart: %v", err)
	}
	if got, was, name, err := f.finish(mine, r, now); err != nil || got != flow || was.place != "/cases" || string(was.before) != strings.Repeat("n", 32) || name != c.Name {
		t.Errorf("its own: %v, %+v, %q", err, was, name)
	}
	if len(flow.State) != 43 || len(flow.Verifier) != 43 || flow.State == flow.Nonce || flow.Nonce == flow.Verifier || strings.Contains(c.Value, flow.Verifier) {
		t.Error("the three secrets are not apart")
	}
}
