package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"
	"time"

	"jali/gateway/identity"
)

// Lifetimes.
const (
	CodeLife    = 5 * time.Minute
	SessionLife = 8 * time.Hour
	SessionIdle = 30 * time.Minute
)

// Bounds on what lives in memory, of all and of each person: the oldest goes first, and of somebody who has too many the own ones do, so that nobody signs the
// others out by signing in again and again.
const (
	mostCodes    = 1000
	mostSessions = 1000
	mostOwn      = 20
)

// cookie is the name of the session cookie. Browsers take a __Host- cookie only over TLS, from the host itself, for all its paths.
const cookie = "__Host-jali"

// ErrCode: a one-time code is unknown, used or too old. Which of them is not told.
var ErrCode = errors.New("the sign-in link is not valid: it works once, within five minutes")

// Sessions are the people signed in with a browser. It is safe for concurrent use.
type Sessions struct {
	trust *identity.Trust
	now   func() time.Time

	mu       sync.Mutex
	codes    map[[32]byte]code
	sessions map[[32]byte]*session
}

// code waits for the browser that was given it.
type code struct {
	state   tls.ConnectionState
	of      holder
	expires time.Time
}

// holder is whose a code or session is, for the bounds.
type holder struct{ name, org string }

// session is a client certificate or an access token, for a browser.
type session struct {
	state       tls.ConnectionState // zero: a token
	token       func() string       // nil: a certificate. A function, so that a session that is printed does not show it
	client      [32]byte            // of a token: the provider and client by which somebody signed in, identity.SignIn.ID
	ends        time.Time           // of the certificate or the token
	of          holder
	began, used time.Time
	over        chan struct{} // closed when the session is forgotten
}

// NewSessions makes an empty set. trust judges callers, as it does in all fronts; now is the clock.
func NewSessions(trust *identity.Trust, now func() time.Time) *Sessions {
	return &Sessions{trust: trust, now: now, codes: map[[32]byte]code{}, sessions: map[[32]byte]*session{}}
}

// Offer makes a one-time code for the holder of the certificate of a connection.
func (s *Sessions) Offer(state tls.ConnectionState) (text string, expires time.Time, err error) {
	who, err := s.trust.Certificate(state)
	if err != nil {
		return "", time.Time{}, err
	}
	of := holder{who.Name, who.Org}
	text, name := secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for n, c := range s.codes {
		if !now.Before(c.expires) {
			delete(s.codes, n)
		}
	}
	age := func(c code) time.Time { return c.expires }
	forget := func(n [32]byte) { delete(s.codes, n) }
	evict(s.codes, forget, mostOwn, func(c code) bool { return c.of == of }, age)
	evict(s.codes, forget, mostCodes, anybody, age)
	expires = now.Add(CodeLife)
	s.codes[name] = code{certificateOf(state), of, expires}
	return text, expires, nil
}

// Redeem takes a code, once, and returns a session for it. admit is called with the principal before the session exists, to put it on record: an error
// of it is returned, and the code is spent all the same.
func (s *Sessions) Redeem(text string, admit func(identity.Principal) error) (token string, err error) {
	name, ok := nameOf(text)
	if !ok {
		return "", ErrCode
	}
	s.mu.Lock()
	c, known := s.codes[name]
	delete(s.codes, name)
	now := s.now()
	s.mu.Unlock()
	if !known || !now.Before(c.expires) {
		return "", ErrCode
	}
	who, err := s.trust.Certificate(c.state)
	if err != nil {
		return "", err
	}
	if err := admit(who); err != nil {
		return "", err
	}
	return s.begin(session{state: c.state, ends: c.state.VerifiedChains[0][0].NotAfter, of: c.of}, now), nil
}

// Enter makes a session of an access token that was obtained for this browser, by the sign-in of this identity.SignIn.ID, and judged. admit is as for Redeem.
func (s *Sessions) Enter(client [32]byte, access string, who identity.Principal, ends time.Time, admit func(identity.Principal) error) (token string, err error) {
	if err := admit(who); err != nil {
		return "", err
	}
	return s.begin(session{token: func() string { return access }, client: client, ends: ends, of: holder{who.Name, who.Org}}, s.now()), nil
}

// begin keeps a session under a name that nobody had before: whoever planted a cookie in the browser does not know it.
func (s *Sessions) begin(x session, now time.Time) string {
	token, name := secret()
	x.began, x.used, x.over = now, now, make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, old := range s.sessions {
		if old.ended(now) {
			s.forget(n)
		}
	}
	age := func(x *session) time.Time { return x.used }
	evict(s.sessions, s.forget, mostOwn, func(old *session) bool { return old.of == x.of }, age)
	evict(s.sessions, s.forget, mostSessions, anybody, age)
	s.sessions[name] = &x
	return token
}

// Attach gives a request of a signed-in browser the certificate or the token of its session, so that from here on it is a request of that one's holder. Whether it
// is still trusted is asked where the request is answered, each time anew.
// A request that has a certificate or a token of its own, or no session, or that another origin's page makes, is returned as it is. One that is attached ends with the session, as if the browser had hung up: a stream
// would go on for an hour after somebody signed out.
func (s *Sessions) Attach(r *http.Request) *http.Request {
	if r.TLS == nil || len(r.TLS.VerifiedChains) > 0 || len(r.Header.Values("Authorization")) > 0 || elsewhere(r) {
		return r
	}
	found, _ := s.find(r)
	if found == nil {
		return r
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer cancel()
		select {
		case <-found.over:
		case <-ctx.Done(): // net/http ends it with the request
		}
	}()
	with := r.Clone(ctx)
	if found.token != nil {
		with.Header.Set("Authorization", "Bearer "+found.token())
		return with
	}
	state := *r.TLS
	state.PeerCertificates, state.VerifiedChains = found.state.PeerCertificates, found.state.VerifiedChains
	with.TLS = &state
	return with
}

// elsewhere tells whether a page of another origin made the browser send a request. SameSite cookies come along from neighbours, other hosts of one domain: they could not read an
// answer, but measure it, and make somebody ask.
func elsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// End forgets the session of a request, and tells whether it was a token's.
func (s *Sessions) End(r *http.Request) (provided bool) {
	name, ok := cookieOf(r)
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.sessions[name]
	s.forget(name)
	return x != nil && x.token != nil
}

// end forgets the session of this name, if there is one.
func (s *Sessions) end(name []byte) {
	if len(name) != sha256.Size {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget([32]byte(name))
}

// forget takes a session out, and ends the requests under way that are its own. The caller holds mu.
func (s *Sessions) forget(name [32]byte) {
	if x := s.sessions[name]; x != nil {
		delete(s.sessions, name)
		close(x.over)
	}
}

// stands tells whether people sign in now as this session began: where the operator took the provider or the gateway's client there away, or named another, it opens nothing.
func (s *Sessions) stands(x *session) bool {
	if x.token == nil {
		return true
	}
	in := s.trust.SignIn()
	return in != nil && in.ID() == x.client
}

// find returns a request's session and when it ends at the latest.
func (s *Sessions) find(r *http.Request) (*session, time.Time) {
	name, ok := cookieOf(r)
	if !ok {
		return nil, time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, now := s.sessions[name], s.now()
	if x == nil {
		return nil, time.Time{}
	}
	if x.ended(now) {
		s.forget(name)
		return nil, time.Time{}
	}
	if !s.stands(x) {
		return nil, time.Time{}
	}
	x.used = now
	until := x.began.Add(SessionLife)
	if x.ends.Before(until) {
		until = x.ends
	}
	return x, until
}

func (x *session) ended(now time.Time) bool {
	return now.Sub(x.began) >= SessionLife || now.Sub(x.used) >= SessionIdle || !now.Before(x.ends)
}

// certificateOf keeps of a connection what names its caller.
func certificateOf(state tls.ConnectionState) tls.ConnectionState {
	return tls.ConnectionState{HandshakeComplete: true, PeerCertificates: state.PeerCertificates, VerifiedChains: state.VerifiedChains}
}

// secret draws 256 random bits and the name under which they are kept. A look-up by hash tells a guesser nothing by its time.
func secret() (text string, name [32]byte) {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), sha256.Sum256(b[:])
}

func nameOf(text string) (name [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 32 {
		return name, false
	}
	return sha256.Sum256(b), true
}

func cookieOf(r *http.Request) (name [32]byte, ok bool) {
	c, err := r.Cookie(cookie)
	if err != nil {
		return name, false
	}
	return nameOf(c.Value)
}

func anybody[V any](V) bool { return true }

// evict makes room for one more among those that count.
func evict[V any](m map[[32]byte]V, forget func([32]byte), most int, counts func(V) bool, age func(V) time.Time) {
	for {
		var oldest [32]byte
		n := 0
		for name, v := range m {
			if !counts(v) {
				continue
			}
			if n++; n == 1 || age(v).Before(age(m[oldest])) {
				oldest = name
			}
		}
		if n < most {
			return
		}
		forget(oldest)
	}
}
