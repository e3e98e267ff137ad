package identity_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// A provider that is called by https leads nobody to plain HTTP, on the gateway's own loopback address neither: what listens there would get codes and the client's secret.
func TestPlacesOfProvider(t *testing.T) {
	key := oidctest.NewKey(t, "one")
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the gateway asks a service of its own host") }))
	t.Cleanup(inside.Close)
	var change map[string]any
	var l *httptest.Server
	l = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/keys" {
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{key.Public()}})
			return
		}
		d := map[string]any{"issuer": l.URL, "jwks_uri": l.URL + "/keys", "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token", "end_session_endpoint": l.URL + "/end"}
		for k, v := range change {
			d[k] = v
		}
		json.NewEncoder(w).Encode(d)
	}))
	t.Cleanup(l.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})
	for _, tt := range []struct {
		place  string
		begins bool
		ends   string
	}{
		{"", true, l.URL + "/end"},
		{"jwks_uri", false, ""},
		{"token_endpoint", false, l.URL + "/end"},
		{"authorization_endpoint", false, l.URL + "/end"},
		{"end_session_endpoint", true, ""},
	} {
		t.Run("plain "+tt.place, func(t *testing.T) {
			if change = nil; tt.place != "" {
				change = map[string]any{tt.place: inside.URL + "/x"}
			}
			s, err := identity.SignInBy(identity.TokenConfig{
				Issuer: l.URL, Audience: "jali", Groups: researchers, CA: ca, Algorithms: []string{string(jose.ES256)},
				Web: &identity.WebConfig{Client: webClient, Return: "https://gw/console/callback", Home: "https://gw/console/", Name: "Liar"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Address(t.Context(), flow); (err == nil) != tt.begins || err != nil && !errors.Is(err, identity.ErrProvider) {
				t.Errorf("begins with error %v", err)
			}
			if tt.place == "token_endpoint" {
				if _, _, _, err := s.Finish(t.Context(), flow, url.Values{"code": {"c"}}); !errors.Is(err, identity.ErrProvider) {
					t.Errorf("goes on with error %v", err)
				}
			}
			if end, _, _ := strings.Cut(s.SignOut(t.Context()), "?"); end != tt.ends {
				t.Errorf("ends at %q, want %q", end, tt.ends)
			}
		})
	}
}

// No answer of the provider fills the gateway's memory, nor one that is small until it is unpacked.
func TestAnswersOfProviderAreBounded(t *testing.T) {
	for _, packed := range []bool{false, true} {
		var before, after runtime.MemStats
		l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			piece := bytes.Repeat([]byte(" "), 1<<20)
			w.Header().Set("Content-Type", "application/json")
			var to interface{ Write([]byte) (int, error) } = w
			if packed {
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				defer z.Close()
				to = z
			}
			for range 256 {
				if _, err := to.Write(piece); err != nil {
					return
				}
			}
		}))
		s, err := identity.SignInBy(identity.TokenConfig{
			Issuer: l.URL, Audience: "jali", Groups: researchers,
			Web: &identity.WebConfig{Client: webClient, Return: "https://gw/console/callback", Home: "https://gw/console/", Name: "Liar"},
		})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&before)
		if _, err := s.Address(t.Context(), flow); !errors.Is(err, identity.ErrProvider) {
			t.Errorf("begins with error %v", err)
		}
		runtime.ReadMemStats(&after)
		l.Close()
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("packed %v: %d MiB of memory for a discovery document", packed, took>>20)
		}
	}
}
