package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tokenFormat is the version of token files.
const tokenFormat = "jali-token/1"

// early is how long before its end a token is renewed.
const early = 30 * time.Second

// tokenFile is what Login.Save writes: tokens, and all it takes to renew them. It is a secret: mode 0600, replaced by rename.
type tokenFile struct {
	Format   string    `json:"format"`
	Issuer   string    `json:"issuer"`
	Client   string    `json:"client_id"`
	Endpoint string    `json:"token_endpoint"`
	CA       string    `json:"ca,omitempty"` // path
	Access   string    `json:"access_token"`
	Refresh  string    `json:"refresh_token,omitempty"`
	Expires  time.Time `json:"expires"`
}

func readToken(path string) (tokenFile, error) {
	const again = "log in again: jali login"
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tokenFile{}, configError("log in: jali login", "there is no token file %s", path)
	}
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return tokenFile{}, configError("chmod 600 "+path+"; if others may have read it, log in again", "token file %s can be read by other users", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return tokenFile{}, configError(again, "read token file: %v", err)
	}
	var f tokenFile
	if err := json.Unmarshal(text, &f); err != nil || f.Format != tokenFormat || f.Access == "" { // the parser's text may hold a token
		return tokenFile{}, configError(again, "token file %s is damaged or of another version", path)
	}
	return f, nil
}

// write replaces the file. A crash leaves the old one or the new one; a temporary file that stays behind is 0600 too.
func (f tokenFile) write(path string) error {
	f.Format = tokenFormat
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".token-*") // made with 0600
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	_, err = next.Write(append(text, '\n'))
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write token file: %w", err), os.Remove(next.Name()))
	}
	return nil
}

// bearer gives calls the token of a file and renews it in time. Two programs that share a file do not spend one refresh token twice: whoever renews holds a lock and
// looks into the file first.
type bearer struct {
	path string

	mu      sync.Mutex
	current tokenFile
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b *bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Until(b.current.Expires) < early {
		if err := b.renew(ctx); err != nil {
			return nil, status.Error(codes.Unauthenticated, err.Error())
		}
	}
	return map[string]string{"authorization": "Bearer " + b.current.Access}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (b *bearer) RequireTransportSecurity() bool { return true }

func (b *bearer) renew(ctx context.Context) error {
	unlock, err := lockFile(b.path + ".lock")
	if err != nil {
		return fmt.Errorf("lock token file: %w", err)
	}
	defer unlock()
	f, err := readToken(b.path)
	if err != nil {
		return err
	}
	if time.Until(f.Expires) >= early { // somebody else has renewed it
		b.current = f
		return nil
	}
	if f.Refresh == "" {
		return errors.New("the login has ended: log in again with jali login")
	}
	client, err := providerClient(f.CA)
	if err != nil {
		return err
	}
	source := (&oauth2.Config{ClientID: f.Client, Endpoint: oauth2.Endpoint{TokenURL: f.Endpoint, AuthStyle: oauth2.AuthStyleInParams}}).
		TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client), &oauth2.Token{RefreshToken: f.Refresh})
	t, err := source.Token()
	if err != nil { // its text may hold what the provider answered
		return errors.New("the login cannot be renewed: the identity provider refuses or does not answer; log in again with jali login")
	}
	f.take(t)
	if err := f.write(b.path); err != nil {
		return err
	}
	b.current = f
	return nil
}

func (f *tokenFile) take(t *oauth2.Token) {
	f.Access, f.Expires = t.AccessToken, t.Expiry
	if t.RefreshToken != "" {
		f.Refresh = t.RefreshToken
	}
	if f.Expires.IsZero() { // the provider does not say: ask again soon
		f.Expires = time.Now().Add(5 * time.Minute)
	}
}

// providerClient talks to the identity provider. It does not follow redirects: tokens go where discovery said.
func providerClient(ca string) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	if ca != "" {
		pem, err := pemOrFile("CA certificate of the identity provider", ca)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, configError("name a PEM file with the CA certificate of the identity provider", "no CA certificate found in %s", source(ca))
		}
	}
	return &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
