package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

var (
	// ErrSignIn: the provider's answer is not one to this sign-in, or the provider did not make it good.
	ErrSignIn = errors.New("sign-in")
	// ErrDenied: the provider says that it does not let somebody in.
	ErrDenied = errors.New("the identity provider refused")
)

// Bounds on what an answer may hold.
const (
	maxCode = 4 << 10
	maxWord = 64
)

// WebConfig makes the gateway a client of the provider, for people who sign in with a browser. Client, Return, Home and Name are required.
type WebConfig struct {
	// Client is the gateway's id at the provider.
	Client string
	// Secret authenticates the gateway there (client_secret_basic). It is a function so that a configuration that is printed does not show it. Nil: a public
	// client, whose codes PKCE protects.
	Secret func() string
	// Return is the address to which the provider sends browsers back, as it is registered there; Home the page to which it sends who signed out.
	Return, Home string
	// Name is the provider's, for people.
	Name string
	// Scopes to ask for besides openid. Resource names this gateway to a provider that makes tokens for several (RFC 8707).
	Scopes   []string
	Resource string
}

func (w *WebConfig) check(c TokenConfig) error {
	if w.Client == "" || len(w.Client) > maxName {
		return errors.New("a client id is required")
	}
	for what, a := range map[string]string{"the address to return to": w.Return, "the address of the page": w.Home} {
		if err := checkAddress(a); err != nil || strings.ContainsAny(a, "?#") {
			return fmt.Errorf("%s is not a plain https address", what)
		}
	}
	if w.Secret != nil && w.Secret() == "" {
		return errors.New("the client's secret is empty")
	}
	for _, s := range w.Scopes { // RFC 6749, 3.3
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r > '~' }) {
			return fmt.Errorf("%q is no scope", s)
		}
	}
	switch {
	case c.Bound:
		return errors.New("a browser's token cannot be bound to a certificate, which certificate_bound demands")
	case c.Audience == w.Client && slices.ContainsFunc(c.Types, func(s string) bool { return !strings.EqualFold(s, "at+jwt") }):
		return errors.New("with these types of token the audience must not be the id of a client: its ID tokens would do")
	}
	return checkName("the provider's name", w.Name)
}

// Flow are the secrets of one sign-in. State comes back with the provider's answer, Nonce within the ID token; Verifier is never shown to the browser (RFC 7636).
// The caller makes them unguessable, keeps them to one browser, and gives each to Finish once.
type Flow struct{ State, Nonce, Verifier string }

// SignIn is the authorization code flow with PKCE at one provider (OpenID Connect Core 1.0, section 3.1; RFC 7636 with S256; RFC 9700). It has no memory.
type SignIn struct{ tokens *Tokens }

// Name of the provider, for people.
func (s *SignIn) Name() string { return s.tokens.config.Web.Name }

// ID is a digest of provider, client and return address: what was begun with another does not go on here.
func (s *SignIn) ID() [32]byte {
	c := s.tokens.config
	return sha256.Sum256(fmt.Appendf(nil, "jali sign-in 1\x00%q %q %q", c.Issuer, c.Web.Client, c.Web.Return))
}

// Address is where the browser begins.
func (s *SignIn) Address(ctx context.Context, f Flow) (string, error) {
	client, _, err := s.client(ctx)
	if err != nil {
		return "", err
	}
	return client.AuthCodeURL(f.State, append(s.resource(), oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier))...), nil
}

// Finish judges the answer with which the browser came back, fetches the tokens, and names who signed in by the same rules as every call: by the access token, which is
// returned with its end. Whether answer's state is f's is the caller's to check, since it keeps f. The error is ErrSignIn, ErrDenied, ErrNoPrincipal or ErrProvider and
// tells nothing of the answer but the provider's error code.
func (s *SignIn) Finish(ctx context.Context, f Flow, answer url.Values) (token string, who Principal, until time.Time, err error) {
	client, at, err := s.client(ctx)
	if err != nil {
		return "", who, until, err
	}
	code, err := s.code(at, answer)
	if err != nil {
		return "", who, until, err
	}
	ctx = oidc.ClientContext(ctx, s.tokens.keys.client)
	given, err := client.Exchange(ctx, code, append(s.resource(), oauth2.VerifierOption(f.Verifier))...)
	if err != nil {
		return "", who, until, exchangeError(err)
	}
	if given.Type() != "Bearer" {
		return "", who, until, fmt.Errorf("%w: the provider's token is of a type that this gateway cannot use", ErrSignIn)
	}
	id, _ := given.Extra("id_token").(string)
	key, err := s.tokens.person(ctx, id, f.Nonce, given.AccessToken)
	if err != nil {
		return "", who, until, err
	}
	if who, until, err = s.tokens.verify(ctx, given.AccessToken, nil); err != nil {
		return "", Principal{}, until, err
	}
	if who.Key != key {
		return "", Principal{}, until, fmt.Errorf("%w: the provider's two tokens are not of one person", ErrSignIn)
	}
	return given.AccessToken, who, until, nil
}

// SignOut is where the provider ends its own session (OpenID Connect RP-Initiated Logout 1.0), "" where it does not offer that. The ID token is not sent along as a hint: no
// token goes through the browser. So the provider asks whether the person means it.
func (s *SignIn) SignOut(ctx context.Context) string {
	at, err := s.tokens.keys.found(ctx)
	if err != nil || s.tokens.config.checkPlace(at.EndSession) != nil {
		return ""
	}
	u, err := url.Parse(at.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", s.tokens.config.Web.Client)
	q.Set("post_logout_redirect_uri", s.tokens.config.Web.Home)
	u.RawQuery = q.Encode()
	return u.String()
}

// client is the gateway at the provider's places as they are now.
func (s *SignIn) client(ctx context.Context) (*oauth2.Config, places, error) {
	at, err := s.tokens.keys.found(ctx)
	if err != nil {
		return nil, at, err
	}
	if errors.Join(s.tokens.config.checkPlace(at.Authorization), s.tokens.config.checkPlace(at.Token)) != nil {
		return nil, at, fmt.Errorf("%w: it does not say where people sign in", ErrProvider)
	}
	// A provider that lists nothing may do it all the same (RFC 8414 makes the list optional); the nonce binds the code as well.
	if len(at.Challenges) > 0 && !slices.Contains(at.Challenges, "S256") {
		return nil, at, fmt.Errorf("%w: it does not offer PKCE with S256", ErrProvider)
	}
	w := s.tokens.config.Web
	c := &oauth2.Config{
		ClientID: w.Client, RedirectURL: w.Return, Scopes: append([]string{oidc.ScopeOpenID}, w.Scopes...),
		Endpoint: oauth2.Endpoint{AuthURL: at.Authorization, TokenURL: at.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
	if w.Secret != nil {
		c.ClientSecret, c.Endpoint.AuthStyle = w.Secret(), oauth2.AuthStyleInHeader
	}
	return c, at, nil
}

func (s *SignIn) resource() []oauth2.AuthCodeOption {
	if r := s.tokens.config.Web.Resource; r != "" {
		return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("resource", r)}
	}
	return nil
}

// code reads an authorization response. Whose it is comes first: an error of another provider is none of this one's (RFC 9207, 2.4).
func (s *SignIn) code(at places, answer url.Values) (string, error) {
	for _, name := range []string{"code", "iss", "error", "state"} { // RFC 6749, 3.1: none more than once
		if len(answer[name]) > 1 {
			return "", fmt.Errorf("%w: the answer says something twice", ErrSignIn)
		}
	}
	if (at.Names || answer.Has("iss")) && answer.Get("iss") != s.tokens.config.Issuer {
		return "", fmt.Errorf("%w: the answer is not of this provider", ErrSignIn)
	}
	if answer.Has("error") {
		return "", fmt.Errorf("%w: %s", ErrDenied, word(answer.Get("error")))
	}
	code := answer.Get("code")
	if code == "" || len(code) > maxCode {
		return "", fmt.Errorf("%w: the answer has no code", ErrSignIn)
	}
	return code, nil
}

// exchangeError keeps of a failure the provider's error code (RFC 6749, 5.2): other texts may hold secrets.
func exchangeError(err error) error {
	var answer *oauth2.RetrieveError
	switch {
	case !errors.As(err, &answer) || answer.Response.StatusCode >= 500 || answer.ErrorCode == "":
		return fmt.Errorf("%w: it gives no token", ErrProvider)
	case answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client":
		return fmt.Errorf("%w: it does not accept this gateway as a client: %s", ErrProvider, word(answer.ErrorCode))
	}
	return fmt.Errorf("%w: the provider does not take the code: %s", ErrSignIn, word(answer.ErrorCode))
}

// word keeps what an error code may consist of.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r == '_' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), maxWord)]
}

// person verifies the ID token of a sign-in (OpenID Connect Core 1.0, 3.1.3.7) and returns the key of whom it is about. It opens nothing: it shows that the tokens are an
// answer to this very sign-in, and to this client.
func (t *Tokens) person(ctx context.Context, id, nonce, access string) (string, error) {
	bad := func(what string) (string, error) { return "", fmt.Errorf("%w: the ID token %s", ErrSignIn, what) }
	if id == "" || len(id) > maxToken {
		return bad("is missing, or too long")
	}
	client := t.config.Web.Client
	a := &attempt{keys: t.keys, algorithms: t.config.Algorithms, types: []string{"JWT", ""}}
	parsed, err := oidc.NewVerifier(t.config.Issuer, a, &oidc.Config{
		ClientID: client, SupportedSigningAlgs: t.config.Algorithms, SkipExpiryCheck: true, // judged below, with the configured skew
	}).Verify(ctx, id)
	switch {
	case errors.Is(a.err, ErrProvider):
		return "", a.err
	case err != nil:
		return bad("is not signed by the provider, or not for this gateway")
	}
	var c claims
	if err := parsed.Claims(&c); err != nil {
		return bad("has claims that are not of their types")
	}
	c.Issuer, c.Subject = parsed.Issuer, parsed.Subject
	now := t.config.now()
	azp, there := c.other["azp"] // of another type than text: not the client either
	switch {
	case nonce == "" || subtle.ConstantTimeCompare([]byte(parsed.Nonce), []byte(nonce)) != 1:
		return bad("is of another sign-in")
	case there && azp != client, !there && len(parsed.Audience) > 1:
		return bad("is for another client")
	case c.expires == nil || c.issued == nil || !now.Before(date(*c.expires).Add(t.config.Skew)) || now.Add(t.config.Skew).Before(date(*c.issued)):
		return bad("is not valid at this time")
	case c.Subject == "":
		return bad("has no subject")
	case parsed.AccessTokenHash != "" && parsed.VerifyAccessToken(access) != nil:
		return bad("is of another access token")
	}
	return c.key(), nil
}
