package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
	jaliv1 "jali/proto/jali/v1"
)

// Whoever watches the record and is shut out meanwhile reads no further entry, though the handler asked who it is before.
func TestStreamEndsWithItsCaller(t *testing.T) {
	p := oidctest.Start(t, oidctest.Settings{
		Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, Groups: map[string][]string{"service": {"board"}},
	})
	board := identity.Group{Name: "board", Role: identity.Regulator, Org: "Board"}
	var good identity.TrustConfig
	var trust *identity.Trust
	r := start(t, func(c *Config) {
		good = identity.TrustConfig{
			Certificate: c.Certificate, Key: c.Key, ClientCA: c.ClientCA,
			Tokens: &identity.TokenConfig{Issuer: p.Issuer, Audience: "jali", Groups: []identity.Group{board}},
		}
		var err error
		if trust, err = identity.LoadTrust(good); err != nil {
			t.Fatal(err)
		}
		c.Trust, c.Certificate, c.Key, c.ClientCA = trust, "", "", ""
	})
	dir := t.TempDir()
	_, other, err := identity.NewCA("Another Authority", time.Now())
	if err == nil {
		err = other.Write(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	}
	if err != nil {
		t.Fatal(err)
	}
	groups := func(g ...identity.Group) func(*identity.TrustConfig) {
		return func(c *identity.TrustConfig) {
			tokens := *c.Tokens
			tokens.Groups = g
			c.Tokens = &tokens
		}
	}
	token, certificate := r.tls(t, r.ca, ""), r.tls(t, r.ca, identity.Regulator)
	for _, tt := range []struct {
		name   string
		as     *tls.Config
		change func(*identity.TrustConfig)
		want   codes.Code
	}{
		{"token, nothing changes", token, groups(board), codes.OK},
		{"token, the group is nobody's", token, groups(identity.Group{Name: "others", Role: identity.Regulator, Org: "Board"}), codes.Unauthenticated},
		{"token, the group is another role's", token, groups(identity.Group{Name: "board", Role: identity.Custodian, Org: "Board"}), codes.Unauthenticated},
		{"token, the group is another organisation's", token, groups(identity.Group{Name: "board", Role: identity.Regulator, Org: "Other"}), codes.Unauthenticated},
		{"token, no provider", token, func(c *identity.TrustConfig) { c.Tokens = nil }, codes.Unauthenticated},
		{"certificate, no provider", certificate, func(c *identity.TrustConfig) { c.Tokens = nil }, codes.OK},
		{"certificate, no such authority", certificate, func(c *identity.TrustConfig) { c.ClientCA = filepath.Join(dir, "ca.pem") }, codes.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := trust.Reload(good); err != nil {
				t.Fatal(err)
			}
			if tt.as == token {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+p.Token(t, "service", nil))
			}
			stream, err := jaliv1.NewAuditServiceClient(r.dial(t, tt.as)).WatchEntries(ctx, &jaliv1.WatchEntriesRequest{From: r.gateway.Status().Size - 1})
			if err != nil {
				t.Fatal(err)
			}
			if page, err := stream.Recv(); err != nil || len(page.GetEntries()) != 1 {
				t.Fatalf("the last entry: %v (%v)", page, err)
			}
			changed := good
			tt.change(&changed)
			err = errors.Join(trust.Reload(changed), r.gateway.SignedIn(ctx, identity.Principal{Name: "x", Org: "x", Role: identity.Researcher, Key: "x"}, netip.Addr{}))
			if err != nil {
				t.Fatal(err)
			}
			if page, err := stream.Recv(); status.Code(err) != tt.want || (err == nil) != (len(page.GetEntries()) == 1) {
				t.Errorf("the next entry: %v, error %v, want %v", page, err, tt.want)
			}
		})
	}
}

// A stream that a browser's session opened ends when somebody signs out, though the certificate behind the session stays good.
func TestStreamEndsWithSession(t *testing.T) {
	r := start(t, func(c *Config) { c.Console = true })
	browser := web(r.tls(t, r.ca, ""))
	var link struct{ Path string }
	got := r.ask(t, web(r.tls(t, r.ca, identity.Regulator)), http.MethodPost, "/console/link", nil)
	if err := json.Unmarshal([]byte(got.body), &link); err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(link.Path, "#code=")
	got = r.ask(t, browser, http.MethodPost, "/console/session", strings.NewReader(`{"code":"`+code+`"}`), asJSON)
	session, _, ok := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusNoContent || !ok {
		t.Fatalf("signing in: %+v", got)
	}
	message := `{"from":"0"}`
	body := append([]byte{0, 0, 0, 0, byte(len(message))}, message...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.addr+"/jali.v1.AuditService/WatchEntries", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/connect+json", "Connect-Protocol-Version": "1", "Cookie": session} {
		request.Header.Set(name, value)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the stream begins with %d, %v", response.StatusCode, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, response.Body) // how it ends says nothing
	}()
	select {
	case <-ended:
		t.Fatal("ended before signing out")
	case <-time.After(200 * time.Millisecond):
	}
	if got := r.ask(t, browser, http.MethodDelete, "/console/session", nil, "Cookie: "+session); got.status != http.StatusNoContent {
		t.Fatalf("signing out: %+v", got)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the stream goes on after signing out")
	}
}
