package sdk

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrLogin: the identity provider did not let somebody in, or could not be asked.
var ErrLogin = errors.New("login")

// Login is a way to get tokens from the custodian's identity provider, as a public client (RFC 8252): by a code that is typed on another device (RFC 8628), or in
// a browser on this machine, with PKCE (RFC 7636). Both write a token file, which Config.TokenFile names; it is renewed while the provider allows.
type Login struct {
	// Issuer is the provider, Client this program's id there. Required.
	Issuer, Client string
	// CA is the authority of the provider's certificate, PEM or a path. Empty: the system's.
	CA string
	// Resource names the gateway to providers that make tokens for several (RFC 8707). May be empty.
	Resource string
	// Scopes besides openid and offline_access.
	Scopes []string
	// File is the token file to write.
	File string
}

// Device shows an address and a code, and waits until somebody has typed it there and logged in.
func (l Login) Device(ctx context.Context, show func(address, code string)) error {
	ctx, config, err := l.prepare(ctx)
	if err != nil {
		return err
	}
	if config.Endpoint.DeviceAuthURL == "" {
		return fmt.Errorf("%w: the provider offers no login by a code; leave out --device", ErrLogin)
	}
	d, err := config.DeviceAuth(ctx, l.resource()...)
	if err != nil {
		return fmt.Errorf("%w: the provider gives no code: %s", ErrLogin, reason(err))
	}
	address := d.VerificationURIComplete
	if address == "" {
		address = d.VerificationURI
	}
	show(address, d.UserCode)
	t, err := config.DeviceAccessToken(ctx, d, l.resource()...)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrLogin, reason(err))
	}
	return l.save(config, t)
}

// Browser shows an address to open in a browser on this machine, and waits until it comes back to a port on loopback.
func (l Login) Browser(ctx context.Context, show func(address string)) error {
	ctx, config, err := l.prepare(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("%w: open a port for the answer: %w", ErrLogin, err)
	}
	config.RedirectURL = fmt.Sprintf("http://%s/callback", listener.Addr())
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	answers := make(chan url.Values, 1)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			// Whatever else comes to the port, another page of the browser above all, does not end the login.
			if r.URL.Path != "/callback" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			io.WriteString(w, "You may close this page and go back to the terminal.\n")
			select {
			case answers <- q:
			default:
			}
		}),
	}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(listener) }() // ends with Shutdown
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		server.Shutdown(ctx)
		<-served
	}()
	show(config.AuthCodeURL(state, append(l.resource(), oauth2.S256ChallengeOption(verifier))...))
	var q url.Values
	select {
	case q = <-answers:
	case <-ctx.Done():
		return fmt.Errorf("%w: nobody logged in: %w", ErrLogin, ctx.Err())
	}
	switch {
	case q.Get("error") != "":
		return fmt.Errorf("%w: the provider refused: %s", ErrLogin, word(q.Get("error")))
	case q.Has("iss") && q.Get("iss") != l.Issuer: // RFC 9207: an answer of another provider
		return fmt.Errorf("%w: the answer is of another provider", ErrLogin)
	}
	t, err := config.Exchange(ctx, q.Get("code"), append(l.resource(), oauth2.VerifierOption(verifier))...)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrLogin, reason(err))
	}
	return l.save(config, t)
}

// prepare asks the provider where its endpoints are.
func (l Login) prepare(ctx context.Context) (context.Context, *oauth2.Config, error) {
	if l.Issuer == "" || l.Client == "" || l.File == "" {
		return ctx, nil, configError("the custodian tells issuer and client id; put them into the profile", "login needs an issuer, a client id and a token file")
	}
	if u, err := url.Parse(l.Issuer); err != nil || u.Scheme != "https" && !loopback(u) {
		return ctx, nil, configError("it begins with https://", "issuer %q is not an https address", l.Issuer)
	}
	client, err := providerClient(l.CA)
	if err != nil {
		return ctx, nil, err
	}
	ctx = oidc.ClientContext(ctx, client)
	p, err := oidc.NewProvider(ctx, l.Issuer)
	if err != nil {
		return ctx, nil, fmt.Errorf("%w: the provider at %s does not answer, or calls itself by another name", ErrLogin, l.Issuer)
	}
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	for _, address := range []string{endpoint.AuthURL, endpoint.TokenURL, endpoint.DeviceAuthURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" && !loopback(u)) {
			return ctx, nil, fmt.Errorf("%w: the provider names an address that is not https", ErrLogin)
		}
	}
	return ctx, &oauth2.Config{ClientID: l.Client, Endpoint: endpoint, Scopes: append([]string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess}, l.Scopes...)}, nil
}

// loopback addresses have nobody on the wire.
func loopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

func (l Login) resource() []oauth2.AuthCodeOption {
	if l.Resource == "" {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("resource", l.Resource)}
}

func (l Login) save(config *oauth2.Config, t *oauth2.Token) error {
	f := tokenFile{Issuer: l.Issuer, Client: l.Client, Endpoint: config.Endpoint.TokenURL, CA: l.CA}
	f.take(t)
	return f.write(l.File)
}

// reason is the error code of an answer (RFC 6749, 5.2), or that there was none: other texts may hold secrets.
func reason(err error) string {
	var answer *oauth2.RetrieveError
	switch {
	case errors.As(err, &answer) && answer.ErrorCode != "":
		return "the provider refused: " + word(answer.ErrorCode)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "nobody logged in"
	}
	return "the provider does not answer"
}

// word keeps what an error code may consist of.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 60)]
}
