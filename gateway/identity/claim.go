package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// claims are what a verified token says: the times and the binding, which are judged at every call, and all others by name.
type claims struct {
	Issuer, Subject          string
	expires, issued, notSoon *float64 // RFC 7519 NumericDate
	confirm                  map[string]any
	other                    map[string]any
}

// UnmarshalJSON reads a claims object. A claim of a wrong type is an error: a token that is not understood is not believed.
func (c *claims) UnmarshalJSON(b []byte) error {
	var known struct {
		Expires *float64       `json:"exp"`
		Issued  *float64       `json:"iat"`
		NotSoon *float64       `json:"nbf"`
		Confirm map[string]any `json:"cnf"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c.other); err != nil {
		return err
	}
	// encoding/json, here and in the library that reads issuer and audience, takes "AUD" for "aud". Names of claims differ by case (RFC 7519, section 4): one that
	// could be taken for another is not understood, so it cannot stand in for it, where a provider lets somebody choose the names of claims.
	for name := range c.other {
		if slices.ContainsFunc(registered, func(r string) bool { return r != name && strings.EqualFold(r, name) }) {
			return errCase
		}
	}
	c.expires, c.issued, c.notSoon, c.confirm = known.Expires, known.Issued, known.NotSoon, known.Confirm
	if _, there := c.other["cnf"]; there && c.confirm == nil {
		c.confirm = map[string]any{} // null: bound to nothing, which nobody can prove
	}
	return nil
}

// registered are the claims that mean something to whoever reads a token here (RFC 7519, RFC 7800, OpenID Connect Core).
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "cnf", "nonce", "at_hash", "azp"}

var errCase = errors.New("a claim differs from another by case only")

func (c *claims) inTime(config TokenConfig) error {
	if c.expires == nil || c.issued == nil {
		return errors.New("the token does not say when it was issued and when it ends")
	}
	now := config.now()
	ends, from := date(*c.expires), date(*c.issued)
	switch {
	case !now.Before(ends.Add(config.Skew)):
		return errors.New("the token has expired")
	case now.Add(config.Skew).Before(from), c.notSoon != nil && now.Add(config.Skew).Before(date(*c.notSoon)):
		return errors.New("the token is not valid yet")
	case ends.Sub(from) > config.Lifetime:
		return errors.New("the token lives longer than this gateway allows")
	}
	return nil
}

// date reads a NumericDate. What is no number or beyond the calendar is the year 1: expired.
func date(seconds float64) time.Time {
	if !(seconds > 0 && seconds < 1<<40) {
		return time.Time{}
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// boundTo checks that a token that is bound to a certificate came over a connection of its holder (RFC 8705, section 3). Any other way of binding, like a DPoP key, cannot
// be checked here, and such a token is refused: taken as a bearer token it would lose what protects it.
func (c *claims) boundTo(leaf *x509.Certificate, demanded bool) error {
	if c.confirm == nil {
		if demanded {
			return errors.New("the token is not bound to a client certificate, which this gateway demands")
		}
		return nil
	}
	print, ok := c.confirm["x5t#S256"].(string)
	if !ok || len(c.confirm) != 1 {
		return errors.New("the token is bound in a way that this gateway cannot check")
	}
	if leaf == nil {
		return errors.New("the token is bound to a client certificate, and the connection has none")
	}
	sum := sha256.Sum256(leaf.Raw)
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(print), []byte(want)) != 1 {
		return errors.New("the token is bound to another client certificate")
	}
	return nil
}

// principal applies the mapping. All groups of a person that are mapped must say the same role and organisation: one that could be two is refused, because whichever
// were taken, the other was meant for something.
func (c *claims) principal(config TokenConfig) (Principal, error) {
	name, _ := c.other[config.NameClaim].(string)
	if c.Subject == "" {
		return Principal{}, errors.New("the token has no subject")
	}
	groups, err := texts(c.other[config.GroupsClaim])
	if err != nil {
		return Principal{}, err
	}
	org, _ := c.other[config.OrgClaim].(string)
	var found *Group
	for _, g := range config.Groups {
		if config.OrgClaim != "" {
			g.Org = org
		}
		if !groups[g.Name] {
			continue
		}
		if found != nil && (found.Role != g.Role || found.Org != g.Org) {
			return Principal{}, errors.New("the token's groups stand for more than one role or organisation here")
		}
		found = &g
	}
	if found == nil {
		return Principal{}, errors.New("none of the token's groups stands for a role here")
	}
	if err := errors.Join(checkName("the token's name", name), checkName("the token's organisation", found.Org)); err != nil {
		return Principal{}, err
	}
	return Principal{Name: name, Org: found.Org, Role: found.Role, Key: c.key()}, nil
}

// key is what a quote or an answer belongs to: the person at this provider, whatever key signs the tokens. The prefix keeps it apart from keys of certificates.
func (c *claims) key() string {
	key := sha256.Sum256(fmt.Appendf(nil, "jali token principal 1\x00%d:%s%s", len(c.Issuer), c.Issuer, c.Subject))
	return hex.EncodeToString(key[:])
}

// texts reads one text or a list of them.
func texts(v any) (map[string]bool, error) {
	out := map[string]bool{}
	switch v := v.(type) {
	case nil:
	case string:
		out[v] = true
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errors.New("the token's groups are not a list of texts")
			}
			out[s] = true
		}
	default:
		return nil, errors.New("the token's groups are not a list of texts")
	}
	return out, nil
}
