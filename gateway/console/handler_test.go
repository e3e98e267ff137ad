package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"jali/gateway/identity"
)

// files is a build as vite and compress.mjs leave it.
var files = fstest.MapFS{
	"index.html": {Data: []byte("<!doctype html>")}, "assets/a-1.js": {Data: []byte("plain")}, "assets/a-1.js.br": {Data: []byte("short")},
	"v.wasm.br": {Data: []byte("wasm")}, "README": {Data: []byte("not served")},
}

func TestFiles(t *testing.T) {
	h := &Handler{sessions: NewSessions(newAuthority(t).Trust, time.Now), files: files}
	for _, tt := range []struct {
		method, path, accept   string
		status                 int
		body, encoding, caches string
	}{
		{"GET", "/console/", "br", 200, "<!doctype html>", "", "no-cache"},
		{"GET", "/console/assets/a-1.js", "gzip, br", 200, "short", "br", "immutable"},
		{"GET", "/console/assets/a-1.js", "gzip", 200, "plain", "", "immutable"},
		{"HEAD", "/console/assets/a-1.js", "gzip", 200, "", "", "immutable"},
		{"GET", "/console/v.wasm", "br", 200, "wasm", "br", "no-cache"},
		{"GET", "/console/v.wasm", "gzip", 406, "br only", "", ""},
		{"GET", "/console/README", "br", 404, "no such page", "", ""},
		{"GET", "/console/../gateway/keys.js", "br", 404, "no such page", "", ""},
		{"GET", "/console/missing.js", "br", 404, "no such page", "", ""},
		{"POST", "/console/", "br", 405, "not allowed", "", ""},
		{"PUT", "/console/session", "", 405, "not allowed", "", ""},
		{"GET", "/console/link", "", 405, "not allowed", "", ""},
		{"POST", "/console/link", "", 401, "certificate", "", ""},
		{"GET", "/console/session", "", 401, "nobody", "", ""},
	} {
		t.Run(tt.method+" "+tt.path+" "+tt.accept, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "https://gateway.example/", nil)
			r.URL.Path = tt.path
			r.TLS.HandshakeComplete = true
			r.Header.Set("Accept-Encoding", tt.accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || tt.method == "HEAD" && w.Body.Len() > 0 {
				t.Errorf("%d %q", w.Code, w.Body.String())
			}
			if got := w.Header().Get("Content-Encoding"); got != tt.encoding {
				t.Errorf("encoding %q", got)
			}
			if got := w.Header().Get("Cache-Control"); !strings.Contains(got, tt.caches) {
				t.Errorf("may be kept: %q", got)
			}
			csp := w.Header().Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; ") || strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") {
				t.Errorf("policy %q", csp)
			}
		})
	}
	t.Run("not built", func(t *testing.T) {
		h := &Handler{sessions: NewSessions(newAuthority(t).Trust, time.Now), files: fstest.MapFS{"README": {}}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/console/", nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "make build") {
			t.Errorf("%d %q", w.Code, w.Body.String())
		}
	})
}

// A link is for whoever has a certificate; the session it makes cannot make another.
func TestLink(t *testing.T) {
	a := newAuthority(t)
	h := &Handler{sessions: NewSessions(a.Trust, time.Now), files: files}
	state := a.connection(identity.Regulator)
	r := httptest.NewRequest("POST", "/console/link", nil)
	r.TLS = &state
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"path":"/console/#code=`) {
		t.Fatalf("%d %q", w.Code, w.Body.String())
	}
	token := signIn(t, h.sessions, state)
	again := with(token)
	again.Method, again.URL.Path = "POST", "/console/link"
	w = httptest.NewRecorder()
	h.ServeHTTP(w, again)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("a session makes links: %d %q", w.Code, w.Body.String())
	}
	who := with(token)
	who.URL.Path = "/console/session"
	w = httptest.NewRecorder()
	h.ServeHTTP(w, who)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"role":"regulator","how":"link"`) || strings.Contains(w.Body.String(), token) {
		t.Errorf("who: %d %q", w.Code, w.Body.String())
	}
}
