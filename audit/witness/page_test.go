package witness

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit"
)

// A witness serves a page beside its protocol: files of the one directory, framed by nobody, and with more time than a cosignature gets.
func TestPage(t *testing.T) {
	dir, page := t.TempDir(), t.TempDir()
	outside := filepath.Join(filepath.Dir(page), "secret")
	big := strings.Repeat("x", 32<<20) // more than the kernel keeps of an answer that nobody reads
	for name, text := range map[string]string{filepath.Join(page, "index.html"): "<!doctype html>", filepath.Join(page, "v.wasm"): "\x00asm", filepath.Join(page, "big.jsonl"): big, outside: "secret"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Init(dir, "w.example"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Dir: dir, Logs: []*audit.Keys{newTree(t, 1, "page").keys}, Page: page, Operator: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	server := httptest.NewUnstartedServer(s)
	const answerTime = 300 * time.Millisecond
	server.Config.WriteTimeout = answerTime
	server.Start()
	defer server.Close()
	for _, tt := range []struct {
		path, kind, body string
		status           int
	}{
		{"/", "text/html; charset=utf-8", "<!doctype html>", 200},
		{"/v.wasm", "application/wasm", "\x00asm", 200},
		{"/logs", "text/plain; charset=utf-8", "", 200},
		{"/missing", "", "404", 404},
		{"/..%2fsecret", "", "", 404},
	} {
		t.Run(tt.path, func(t *testing.T) {
			r, err := http.Get(server.URL + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != tt.status || !strings.Contains(string(b), tt.body) || strings.Contains(string(b), "secret") {
				t.Errorf("%v %d %q", err, r.StatusCode, b)
			}
			if tt.kind != "" && r.Header.Get("Content-Type") != tt.kind {
				t.Errorf("type %q", r.Header.Get("Content-Type"))
			}
			if tt.path != "/logs" && (r.Header.Get("Content-Security-Policy") != "frame-ancestors 'none'" || r.Header.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
	t.Run("slow reader", func(t *testing.T) {
		r, err := http.Get(server.URL + "/big.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		time.Sleep(3 * answerTime)
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != int64(len(big)) {
			t.Errorf("%d bytes of %d arrived: %v", n, len(big), err)
		}
	})
}
