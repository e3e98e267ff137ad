package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// ErrTrust: the files by which callers are recognised cannot be used.
var ErrTrust = errors.New("trust")

// TrustConfig names the files by which a gateway is recognised and recognises others.
type TrustConfig struct {
	// Certificate and Key are the server's, ClientCA the authorities that sign callers. PEM files.
	Certificate, Key, ClientCA string
	// Revoked is the file of revocation lists, for every authority in ClientCA. Empty: certificates are not revoked.
	Revoked string
	// Tokens is the identity provider. Nil: no tokens are taken.
	Tokens *TokenConfig
}

// Trust is by what callers are recognised, in all fronts of a gateway, and what they recognise it by. Reload replaces all of it at once, for connections that are open too: a principal is named
// at each call. It is safe for concurrent use.
type Trust struct{ state atomic.Pointer[trusted] }

// trusted is one reading of the files; it does not change.
type trusted struct {
	tls     *tls.Config
	roots   map[[32]byte]bool // SHA-256 of the authorities
	revoked *Revocations      // nil: no file is configured
	tokens  *Tokens           // nil: no provider is configured
	until   time.Time         // end of the server certificate
}

// LoadTrust reads the files.
func LoadTrust(config TrustConfig) (*Trust, error) {
	s, err := read(config)
	if err != nil {
		return nil, err
	}
	t := &Trust{}
	t.state.Store(s)
	return t, nil
}

// Reload reads the files again. On an error everything stays as it was.
func (t *Trust) Reload(config TrustConfig) error {
	s, err := read(config)
	if err != nil {
		return err
	}
	t.state.Store(s)
	return nil
}

func read(config TrustConfig) (*trusted, error) {
	pair, err := tls.LoadX509KeyPair(config.Certificate, config.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: load server certificate: %w", ErrTrust, err)
	}
	authorities, err := readCertificates(config.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("%w: read client authorities: %w", ErrTrust, err)
	}
	s := &trusted{roots: map[[32]byte]bool{}, until: pair.Leaf.NotAfter}
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a)
		s.roots[sha256.Sum256(a.Raw)] = true
	}
	if config.Revoked != "" {
		text, err := os.ReadFile(config.Revoked)
		if err != nil {
			return nil, fmt.Errorf("%w: read revocation lists: %w", ErrTrust, err)
		}
		if s.revoked, err = ParseRevocations(text, authorities); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTrust, err)
		}
	}
	if config.Tokens != nil {
		if s.tokens, err = NewTokens(*config.Tokens); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTrust, err)
		}
	}
	// TLS 1.3 only. A certificate is verified when given and not asked for by force, so that health stays open and tokens are possible; who is nobody is refused at each call.
	s.tls = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	return s, nil
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != typeCertificate {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate does not parse")
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("the file has no certificate")
	}
	return out, nil
}

// TLS is the configuration of a port that speaks the protocols (ALPN). Each handshake takes the files as they were read last.
func (t *Trust) TLS(protocols ...string) *tls.Config {
	now := func() *tls.Config {
		c := t.state.Load().tls.Clone()
		c.NextProtos = protocols
		// How an answer is cut into records must follow from its length, and not from how busy the connection was before.
		c.DynamicRecordSizingDisabled = true
		return c
	}
	c := now()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return now(), nil }
	return c
}

// Until is when the server certificate ends, and when the first revocation list does (zero: there is none).
func (t *Trust) Until() (certificate, revocations time.Time) {
	s := t.state.Load()
	if s.revoked != nil {
		revocations = s.revoked.Until()
	}
	return s.until, revocations
}

// TakesTokens reports whether a provider is configured.
func (t *Trust) TakesTokens() bool { return t.state.Load().tokens != nil }

// SignIn is how people sign in with a browser at the provider as it is configured now; nil: they cannot.
func (t *Trust) SignIn() *SignIn {
	tokens := t.state.Load().tokens
	if tokens == nil || tokens.config.Web == nil {
		return nil
	}
	return &SignIn{tokens}
}

// Certificate names the caller of a connection by its client certificate: FromTLS, by authorities that are trusted now, and not revoked.
func (t *Trust) Certificate(state tls.ConnectionState) (Principal, error) {
	p, err := FromTLS(state)
	if err != nil {
		return Principal{}, err
	}
	if _, err := t.state.Load().leaf(state); err != nil {
		return Principal{}, err
	}
	return p, nil
}

// leaf is the client certificate of the connection, checked again by what is trusted now; nil if there is none.
func (s *trusted) leaf(state tls.ConnectionState) (*x509.Certificate, error) {
	if !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return nil, nil
	}
	now := time.Now()
	err := errors.New("the client certificate is not by an authority of this gateway")
	for _, chain := range state.VerifiedChains {
		if len(chain) == 0 || !s.roots[sha256.Sum256(chain[len(chain)-1].Raw)] {
			continue
		}
		if now.Before(chain[0].NotBefore) || now.After(chain[0].NotAfter) {
			err = errors.New("the client certificate is not valid at this time")
			continue
		}
		if err = s.revocation(chain, now); err == nil {
			return chain[0], nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrNoPrincipal, err)
}

func (s *trusted) revocation(chain []*x509.Certificate, now time.Time) error {
	if s.revoked == nil {
		return nil
	}
	return s.revoked.check(chain, now)
}

// Token names the holder of an access token that came over a connection.
func (t *Trust) Token(ctx context.Context, state tls.ConnectionState, token string) (Principal, error) {
	s := t.state.Load()
	if s.tokens == nil {
		return Principal{}, fmt.Errorf("%w: this gateway takes no tokens", ErrNoPrincipal)
	}
	leaf, err := s.leaf(state)
	if err != nil {
		return Principal{}, err
	}
	return s.tokens.Verify(ctx, token, leaf)
}

// Bearer is Token for fronts whose connections show no client certificate: a bound token is refused there.
func (t *Trust) Bearer(ctx context.Context, token string) (Principal, error) {
	return t.Token(ctx, tls.ConnectionState{}, token)
}

// BearerUntil is Bearer for fronts with sessions: it tells when the token ends, and the session with it.
func (t *Trust) BearerUntil(ctx context.Context, token string) (Principal, time.Time, error) {
	s := t.state.Load()
	if s.tokens == nil {
		return Principal{}, time.Time{}, fmt.Errorf("%w: this gateway takes no tokens", ErrNoPrincipal)
	}
	return s.tokens.verify(ctx, token, nil)
}

// Caller names who calls: the holder of the token if the request has the header Authorization, else the holder of the certificate. A token that does not verify is never made good by a certificate.
func (t *Trust) Caller(ctx context.Context, state tls.ConnectionState, authorization []string) (Principal, error) {
	if len(authorization) == 0 {
		return t.Certificate(state)
	}
	if len(authorization) > 1 {
		return Principal{}, fmt.Errorf("%w: the request has more than one Authorization header", ErrNoPrincipal)
	}
	scheme, token, ok := strings.Cut(authorization[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: the scheme ignores case
		return Principal{}, fmt.Errorf("%w: the Authorization header is not of the form Bearer TOKEN", ErrNoPrincipal)
	}
	return t.Token(ctx, state, strings.TrimLeft(token, " "))
}
