package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway/identity"
)

// FlowLife is how long somebody may take at the identity provider.
const FlowLife = 10 * time.Minute

// Bounds. Beginning a sign-in costs the gateway no memory; what comes back does, and a question to the provider, so that is limited by network.
const (
	mostUsed     = 20_000 // sign-ins that came back within FlowLife
	mostNetworks = 10_000
	mostCookies  = 4 // sign-ins that one browser has open: tabs
	perNetwork   = rate.Limit(1)
	networkBurst = 30
	sweepEvery   = 10 * time.Second
)

// flowCookie begins the names of the cookies of sign-ins under way; the first letters of the state follow. SameSite=Lax, because the answer comes from another site.
const flowCookie = "__Host-jali-flow-"

const stateTag = 8

// errFlow: an answer to no sign-in of this browser. errBusy: there are too many.
var (
	errFlow = errors.New("the sign-in was not begun in this browser, is too old, or was used")
	errBusy = errors.New("too many sign-ins")
)

// flows are the sign-ins at the identity provider that are under way. What one of them needs lies with its browser: a cookie holds a random seed, when the sign-in
// ends and where to go then, and state, nonce and PKCE verifier are derived from it under a key of this process. So strangers who begin sign-ins without end
// take nothing away from others, and a changed cookie has another state. What is kept here is what has come back, so that it comes once.
type flows struct {
	key [32]byte

	mu       sync.Mutex
	used     map[[32]byte]time.Time
	networks map[netip.Prefix]*rate.Limiter
	swept    time.Time
}

func newFlows() *flows {
	f := &flows{used: map[[32]byte]time.Time{}, networks: map[netip.Prefix]*rate.Limiter{}}
	rand.Read(f.key[:]) // never fails
	return f
}

// errText: a cookie that is none of ours.
var errText = errors.New("a cookie of no sign-in")

// begun is what a flow's cookie says: when the sign-in ends, where the browser goes afterwards, and the name of the session that it had when it began and that ends with
// the new one (empty: none). The browser does not show that session when it comes back from the provider: its cookie is SameSite=Strict.
type begun struct {
	ends   time.Time
	place  string
	before []byte
}

// begin starts a sign-in at the provider id.
func (f *flows) begin(id [32]byte, place string, before []byte, now time.Time) (identity.Flow, *http.Cookie) {
	seed, _ := secret()
	text := seed + "." + strconv.FormatInt(now.Add(FlowLife).Unix(), 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(place)) + "." + base64.RawURLEncoding.EncodeToString(before)
	flow := f.derive(id, text)
	return flow, &http.Cookie{
		Name: flowCookie + flow.State[:stateTag], Value: text, Path: "/", MaxAge: int(FlowLife.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// derive makes the three secrets: each 256 bits, in 43 letters of base64url, as RFC 7636 wants its verifier.
func (f *flows) derive(id [32]byte, text string) identity.Flow {
	of := func(label string) string {
		m := hmac.New(sha256.New, f.key[:])
		m.Write([]byte(label + "\x00"))
		m.Write(id[:])
		m.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	return identity.Flow{State: of("state"), Nonce: of("nonce"), Verifier: of("verifier")}
}

// finish finds the sign-in that a request is the answer to, once. name is its cookie, to be taken back.
func (f *flows) finish(id [32]byte, r *http.Request, now time.Time) (flow identity.Flow, was begun, name string, err error) {
	states := r.URL.Query()["state"]
	if len(states) != 1 || len(states[0]) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return flow, was, "", errFlow
	}
	c, err := r.Cookie(flowCookie + states[0][:stateTag])
	if err != nil {
		return flow, was, "", errFlow
	}
	flow = f.derive(id, c.Value)
	if subtle.ConstantTimeCompare([]byte(flow.State), []byte(states[0])) != 1 {
		return identity.Flow{}, was, "", errFlow
	}
	// Only this process can have made the text: its state is ours.
	was, err = split(c.Value)
	if err != nil || !now.Before(was.ends) {
		return identity.Flow{}, was, c.Name, errFlow
	}
	if err := f.use(used(flow), addressOf(r), was.ends, now); err != nil {
		return identity.Flow{}, was, c.Name, err
	}
	return flow, was, c.Name, nil
}

// used is the name under which a sign-in that came back is kept.
func used(flow identity.Flow) [32]byte { return sha256.Sum256([]byte(flow.State)) }

// release forgets a sign-in that came back and opened nothing: what somebody sends with an invented code, from many networks, would else fill the places of those who mean it.
// Coming back again it opens nothing either, unless the provider says so: the code is spent there.
func (f *flows) release(flow identity.Flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.used, used(flow))
}

// split reads the text of a flow's cookie. One that does not parse has ended.
func split(text string) (was begun, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return begun{}, errText
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return begun{}, errText
	}
	place, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return begun{}, errText
	}
	before, err := base64.RawURLEncoding.Strict().DecodeString(parts[3])
	if err != nil || len(before) != 0 && len(before) != sha256.Size {
		return begun{}, errText
	}
	return begun{time.Unix(seconds, 0), string(place), before}, nil
}

// use marks a sign-in as come back. Where no more fit in, none is taken: what was used must not be forgotten before it ends.
func (f *flows) use(name [32]byte, from netip.Addr, ends, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.used[name]; there {
		return errFlow
	}
	f.sweep(now)
	if !f.allow(networkOf(from), now) || len(f.used) >= mostUsed {
		return errBusy
	}
	f.used[name] = ends
	return nil
}

func (f *flows) allow(network netip.Prefix, now time.Time) bool {
	l := f.networks[network]
	if l == nil {
		if len(f.networks) >= mostNetworks {
			return false
		}
		l = rate.NewLimiter(perNetwork, networkBurst)
		f.networks[network] = l
	}
	return l.AllowN(now, 1)
}

// sweep forgets what is over: not at every answer, since it looks at all.
func (f *flows) sweep(now time.Time) {
	if now.Sub(f.swept) < sweepEvery {
		return
	}
	f.swept = now
	for n, end := range f.used {
		if !now.Before(end) {
			delete(f.used, n)
		}
	}
	for n, l := range f.networks {
		if l.TokensAt(now) >= networkBurst { // as full as a new one
			delete(f.networks, n)
		}
	}
}

// networkOf is the part of an address that one party has: /24 and /48.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // an address that is none is the zero prefix, one network
	return p
}

// surplus names the cookies of the oldest sign-ins of a browser beyond what it may have open beside a new one. Each cookie is sent with every request, and headers are bounded.
func surplus(r *http.Request) []string {
	var open []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, flowCookie) {
			open = append(open, c)
		}
	}
	slices.SortFunc(open, func(a, b *http.Cookie) int {
		x, _ := split(a.Value) // one that is none of ours is the oldest
		y, _ := split(b.Value)
		return y.ends.Compare(x.ends)
	})
	var out []string
	for i, c := range open {
		if i >= mostCookies-1 {
			out = append(out, c.Name)
		}
	}
	return out
}

// maxPlace bounds the place to return to.
const maxPlace = 512

// placeOf reads the parameter return: a place of the console as it stands behind #, like /cases?kind=refused. It is never more than that: whatever it says, the browser
// goes to Prefix, and what is no place is the first page.
func placeOf(s string) string {
	if len(s) > maxPlace || !strings.HasPrefix(s, "/") {
		return ""
	}
	for _, c := range []byte(s) {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/?&=%+-_.~:,", rune(c)) {
			return ""
		}
	}
	return s
}

// at is the address of a place of the console, on this host.
func at(place string) string {
	if place == "" {
		return Prefix
	}
	return Prefix + "#" + place
}
