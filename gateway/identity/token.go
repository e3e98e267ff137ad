package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

var (
	// ErrProvider: tokens cannot be judged, because the identity provider's keys cannot be had. It says nothing about the token.
	ErrProvider = errors.New("identity provider cannot be reached")
	// ErrTokenConfig: the configuration of tokens is not usable.
	ErrTokenConfig = errors.New("token configuration")
)

// Limits of tokens.
const (
	maxToken    = 16 << 10
	maxSkew     = 5 * time.Minute
	maxLifetime = 24 * time.Hour
	maxCached   = 4096
)

// TokenConfig says whose access tokens are believed and what they make of somebody. Issuer, Audience and Groups are required; there is no default role.
type TokenConfig struct {
	// Issuer is the OpenID provider, as its discovery document and its tokens spell it. https, or http on a loopback address.
	Issuer string
	// Audience is this gateway's name at the provider: a token made for anybody else is refused.
	Audience string
	// CA are the authorities of the provider's own certificate, PEM. Empty: the system's.
	CA []byte
	// Algorithms that may sign (default ES256, ES384, EdDSA, PS256, RS256). "none" and those with shared keys are never among them.
	Algorithms []string
	// Types of token (JOSE header typ; default at+jwt, RFC 9068). A provider that calls access tokens JWT, as it calls ID tokens, needs JWT here; then Audience
	// must not be the id of a client, or its ID tokens would do.
	Types []string
	// NameClaim, OrgClaim and GroupsClaim name the claims (default sub, none, groups).
	NameClaim, OrgClaim, GroupsClaim string
	// Groups maps a group of the provider to a role, and to an organisation unless OrgClaim says it.
	Groups []Group
	// Skew is what clocks may differ (default 30 s, at most 5 min).
	Skew time.Duration
	// Lifetime is the longest a token may live from its issue (default 1 h, at most 24 h): it bounds how long somebody who was shut out still gets in.
	Lifetime time.Duration
	// Bound demands tokens bound to the client certificate of the connection (RFC 8705). Tokens that are bound are always checked.
	Bound bool
	// Web lets people sign in with a browser. Nil: they cannot.
	Web *WebConfig

	// now and wait are for tests: the clock, and how long the provider is left in peace after it was asked for keys.
	now  func() time.Time
	wait time.Duration
}

// Group maps a group of the provider.
type Group struct {
	Name string
	Role Role
	Org  string
}

// signing are the algorithms that may be configured: asymmetric ones.
var signing = []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}

func (c TokenConfig) withDefaults() (TokenConfig, error) {
	bad := func(format string, args ...any) (TokenConfig, error) {
		return c, fmt.Errorf("%w: %s", ErrTokenConfig, fmt.Sprintf(format, args...))
	}
	if err := checkAddress(c.Issuer); err != nil {
		return bad("issuer %v", err)
	}
	if c.Audience == "" || len(c.Groups) == 0 {
		return bad("audience and groups are required")
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}
	}
	for _, a := range c.Algorithms {
		if !slices.Contains(signing, a) {
			return bad("algorithm %q is not one of %s", a, strings.Join(signing, ", "))
		}
	}
	if len(c.Types) == 0 {
		c.Types = []string{"at+jwt"}
	}
	for _, g := range c.Groups {
		if _, err := ParseRole(string(g.Role)); err != nil || g.Name == "" {
			return bad("group %q: %v", g.Name, ErrRole)
		}
		if (g.Org == "") == (c.OrgClaim == "") {
			return bad("group %q: the organisation comes from the group or from a claim, one of both", g.Name)
		}
	}
	for d, v := range map[*string]string{&c.NameClaim: "sub", &c.GroupsClaim: "groups"} {
		if *d == "" {
			*d = v
		}
	}
	if c.Skew == 0 {
		c.Skew = 30 * time.Second
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	if c.Skew < 0 || c.Skew > maxSkew || c.Lifetime < 0 || c.Lifetime > maxLifetime {
		return bad("skew is at most %s, lifetime at most %s", maxSkew, maxLifetime)
	}
	if c.Web != nil {
		if err := c.Web.check(c); err != nil {
			return bad("sign-in with a browser: %v", err)
		}
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.wait == 0 {
		c.wait = 10 * time.Second
	}
	return c, nil
}

// checkAddress takes https, and http on a loopback address, where nobody is on the wire.
func checkAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("is not an https address")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (ip.IsLoopback() || u.Hostname() == "localhost") {
		return nil
	}
	return errors.New("is not an https address")
}

// checkPlace takes an address to which the provider points. A provider that is called by https does not point to plain HTTP, on our own loopback address neither: there other
// services listen, which would get codes and the client's secret.
func (c TokenConfig) checkPlace(s string) error {
	if err := checkAddress(s); err != nil {
		return err
	}
	plain := func(s string) bool { return strings.HasPrefix(strings.ToLower(s), "http:") }
	if plain(s) && !plain(c.Issuer) {
		return errors.New("is not an https address")
	}
	return nil
}

// Tokens judges access tokens of one provider. It is safe for concurrent use and asks nobody until the first token comes.
type Tokens struct {
	config TokenConfig
	keys   *keySet

	mu    sync.Mutex
	known map[[32]byte]verified // tokens whose signature was verified with keys of the generation
}

// verified is what a token with a good signature says.
type verified struct {
	claims     claims
	generation uint64
}

// NewTokens checks a configuration.
func NewTokens(config TokenConfig) (*Tokens, error) {
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: askTime, ResponseHeaderTimeout: askTime, MaxResponseHeaderBytes: maxToken, IdleConnTimeout: time.Minute, MaxIdleConns: 2,
	}
	if len(c.CA) > 0 {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, fmt.Errorf("%w: ca has no certificate", ErrTokenConfig)
		}
	}
	return &Tokens{config: c, keys: newKeySet(c, transport), known: map[[32]byte]verified{}}, nil
}

// Verify names the holder of a token. leaf is the verified client certificate of the connection, nil if there is none. The error is ErrNoPrincipal or ErrProvider
// and says what is wrong, never what the token holds.
func (t *Tokens) Verify(ctx context.Context, token string, leaf *x509.Certificate) (Principal, error) {
	p, _, err := t.verify(ctx, token, leaf)
	return p, err
}

// verify also tells when the token ends.
func (t *Tokens) verify(ctx context.Context, token string, leaf *x509.Certificate) (Principal, time.Time, error) {
	if len(token) > maxToken {
		return Principal{}, time.Time{}, fmt.Errorf("%w: the token is longer than %d bytes", ErrNoPrincipal, maxToken)
	}
	c, err := t.read(ctx, token)
	if err != nil {
		return Principal{}, time.Time{}, err
	}
	// Time and binding are judged at every call: they change while the token is known.
	if err := errors.Join(c.inTime(t.config), c.boundTo(leaf, t.config.Bound)); err != nil {
		return Principal{}, time.Time{}, fmt.Errorf("%w: %w", ErrNoPrincipal, err)
	}
	p, err := c.principal(t.config)
	if err != nil {
		return Principal{}, time.Time{}, fmt.Errorf("%w: %w", ErrNoPrincipal, err)
	}
	return p, date(*c.expires), nil
}

// read verifies signature, type, issuer and audience, or remembers that it did while the provider's keys are the same.
func (t *Tokens) read(ctx context.Context, token string) (claims, error) {
	generation, err := t.keys.current(ctx)
	if err != nil {
		return claims{}, err
	}
	id := sha256.Sum256([]byte(token))
	t.mu.Lock()
	v, ok := t.known[id]
	t.mu.Unlock()
	if ok && v.generation == generation {
		return v.claims, nil
	}
	a := &attempt{keys: t.keys, algorithms: t.config.Algorithms, types: t.config.Types}
	parsed, err := oidc.NewVerifier(t.config.Issuer, a, &oidc.Config{
		ClientID: t.config.Audience, SupportedSigningAlgs: t.config.Algorithms, SkipExpiryCheck: true, // inTime judges it, with the configured skew
	}).Verify(ctx, token)
	switch {
	case a.err != nil:
		return claims{}, a.err
	case err != nil && !a.signed:
		return claims{}, fmt.Errorf("%w: not a token signed with an algorithm that is allowed", ErrNoPrincipal)
	case err != nil: // its text has issuer and audience of the token
		return claims{}, fmt.Errorf("%w: the token is of another issuer or for another audience", ErrNoPrincipal)
	}
	v = verified{generation: a.generation}
	if err := parsed.Claims(&v.claims); err != nil {
		return claims{}, fmt.Errorf("%w: the token's claims are not of their types", ErrNoPrincipal)
	}
	v.claims.Issuer, v.claims.Subject = parsed.Issuer, parsed.Subject
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxCached {
		clear(t.known)
	}
	t.known[id] = v
	return v.claims, nil
}

// attempt is the key set as one verification sees it. The library drops the cause of a failure, so it is kept here.
type attempt struct {
	keys              *keySet
	algorithms, types []string
	err               error
	signed            bool
	generation        uint64
}

// VerifySignature implements oidc.KeySet.
func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.verify(ctx, token)
	a.err = err
	return payload, err
}

func (a *attempt) verify(ctx context.Context, token string) ([]byte, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, name := range a.algorithms {
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, fmt.Errorf("%w: not a token signed with an algorithm that is allowed", ErrNoPrincipal)
	}
	header := jws.Signatures[0].Protected
	kind, _ := header.ExtraHeaders[jose.HeaderType].(string)
	// RFC 7515, 4.1.9: the prefix "application/" may be left out; media types ignore case.
	kind = strings.TrimPrefix(strings.ToLower(kind), "application/")
	if !slices.ContainsFunc(a.types, func(s string) bool { return strings.EqualFold(s, kind) }) {
		return nil, fmt.Errorf("%w: the token is not of an allowed type; it must be an access token", ErrNoPrincipal)
	}
	keys, generation, err := a.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if payload, err := jws.Verify(key); err == nil {
			a.signed, a.generation = true, generation
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: the token's signature is not by a key of the provider", ErrNoPrincipal)
}
