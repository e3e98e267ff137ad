package sdk

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"jali/audit"
)

// ErrConfig matches every error about the client's own configuration.
var ErrConfig = errors.New("client configuration")

// Config says which gateway to ask and how to recognise it. CA, Cert, Key and VKeys each hold either the thing itself (PEM
// text, verifier key lines) or the path of a file with it.
type Config struct {
	// Endpoint is https://host:port. Required.
	Endpoint string
	// CA is the certificate authority the gateway's certificate must chain to. Empty: the system's.
	CA string
	// Cert and Key are the client certificate and its private key. A key file must not be readable by others. Required, unless there is a TokenFile.
	Cert, Key string
	// TokenFile is the path of what Login wrote. The token is renewed in time, and the file with it. With Cert and Key besides, a token may be bound to them.
	TokenFile string
	// VKeys are the log's verifier keys, one per line ("name+hash+key"), as the custodian handed them over out of band.
	// They are what a receipt is checked against: without them Query refuses before it sends anything. Catalogue, quotes
	// and balances work without.
	VKeys string
	// Seal is your own copy of the log's seal policy, or its path: which witnesses must have cosigned for a receipt to count as
	// sealed. Empty: no receipt is called sealed.
	Seal string
	// Keys is the directory for the keys of encrypted questions. Empty: $JALI_KEYS, else ~/.config/jali/keys. Files are for the owner
	// alone; Passphrase, if set, seals new ones besides and opens sealed ones.
	Keys, Passphrase string
	// Timeout bounds a call, retries included, whose context has no deadline. Zero: 60 s.
	Timeout time.Duration
	// Attempts is how often a call is tried while the gateway is unavailable. Zero: 5.
	Attempts int
	// Backoff is the wait after the first attempt; it doubles from one to the next, up to 3 s, each a random half more or
	// less. Zero: 100 ms.
	Backoff time.Duration
}

const (
	defaultTimeout  = 60 * time.Second
	defaultAttempts = 5
	defaultBackoff  = 100 * time.Millisecond
)

func configError(hint, format string, args ...any) error {
	return &GatewayError{Code: "CONFIG", Message: fmt.Sprintf(format, args...), Hint: hint, kind: ErrConfig}
}

// target turns Endpoint into a host:port. Only https is spoken.
func (c Config) target() (string, error) {
	const hint = "write it as https://host:port, e.g. https://gateway.example:8443"
	if c.Endpoint == "" {
		return "", configError(hint, "no endpoint given")
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return "", configError(hint, "endpoint %q is not an https address", c.Endpoint)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// tls builds the client side of mutual TLS 1.3.
func (c Config) tls(now time.Time) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13}
	if c.CA != "" {
		pem, err := pemOrFile("CA certificate", c.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, configError("name a PEM file with the gateway's CA certificate", "no CA certificate found in %s", source(c.CA))
		}
	}
	if c.Cert == "" && c.Key == "" && c.TokenFile != "" {
		return conf, nil
	}
	if c.Cert == "" || c.Key == "" {
		return nil, configError("name both; `jali-gateway client new` issues them with a profile", "a client certificate and its key are needed, or a token file")
	}
	cert, err := pemOrFile("client certificate", c.Cert)
	if err != nil {
		return nil, err
	}
	key, err := keyOrFile(c.Key)
	if err != nil {
		return nil, err
	}
	// The library's error is not wrapped: it may describe the key.
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, configError("take certificate and key from the same directory", "client certificate %s and key %s do not belong together or are damaged", source(c.Cert), source(c.Key))
	}
	if leaf := pair.Leaf; now.After(leaf.NotAfter) {
		return nil, configError("ask the custodian for a new one", "the client certificate expired on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	} else if now.Before(leaf.NotBefore) {
		return nil, configError("check this machine's clock", "the client certificate is valid only from %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

// vkeyLine is a note verifier key: name, 8 hex digits of key hash, base64 of algorithm and key.
var vkeyLine = regexp.MustCompile(`^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$`)

// quorum reads the seal policy; nil when there is none.
func (c Config) quorum() (*audit.Quorum, error) {
	if c.Seal == "" {
		return nil, nil
	}
	text := []byte(c.Seal)
	if !strings.Contains(c.Seal, "\n") {
		var err error
		if text, err = os.ReadFile(c.Seal); err != nil {
			return nil, configError("name the seal.policy that you agreed on with the witnesses", "read seal policy: %v", err)
		}
	}
	q, err := audit.ParseQuorum(text)
	if err != nil {
		return nil, configError("docs/operations.md, witnesses, describes the format", "read seal policy: %v", err)
	}
	return q, nil
}

// vkeys returns the pinned verifier keys, one per line; # starts a comment line. None when VKeys is empty.
func (c Config) vkeys() ([]string, error) {
	const hint = "name the vkeys file that came with the client certificate"
	if c.VKeys == "" {
		return nil, nil
	}
	text := c.VKeys
	if first, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); !vkeyLine.MatchString(strings.TrimSpace(first)) {
		b, err := os.ReadFile(c.VKeys)
		if err != nil {
			return nil, configError(hint, "read log verifier keys: %v", err)
		}
		text = string(b)
	}
	var keys []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !vkeyLine.MatchString(line) {
			return nil, configError(hint, "log verifier keys: a line is not of the form name+hash+key")
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, configError(hint, "log verifier keys: the list is empty")
	}
	return keys, nil
}

// pemOrFile returns PEM text given as such or as a path.
func pemOrFile(what, s string) ([]byte, error) {
	if strings.Contains(s, "-----BEGIN") {
		return []byte(s), nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, configError("check the path", "read %s: %v", what, err)
	}
	return b, nil
}

// keyOrFile is pemOrFile that refuses a key file others can read.
func keyOrFile(s string) ([]byte, error) {
	if strings.Contains(s, "-----BEGIN") {
		return []byte(s), nil
	}
	if info, err := os.Stat(s); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, configError(fmt.Sprintf("chmod 600 %s", s), "client key %s can be read by other users", s)
	}
	return pemOrFile("client key", s)
}

// source names where a setting came from without repeating PEM text.
func source(s string) string {
	if strings.Contains(s, "-----BEGIN") {
		return "(given inline)"
	}
	return s
}
