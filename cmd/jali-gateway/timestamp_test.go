package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rfc3161 "github.com/digitorus/timestamp"

	"jali/audit/timestamp/tsatest"
)

// An operator asks for a time stamp; without an authority, with one that cannot be reached or that stamps something else nothing is recorded,
// and the regulator's program checks what is.
func TestTimestamp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	gateway := commands(t)
	gateway(0, "", "init", "--dir", dir, "--origin", "test.example/jali/1")
	stamp := func(want int, says string) {
		t.Helper()
		gateway(want, says, "timestamp", "--dir", dir)
	}
	stamp(2, "no time-stamping authority is configured")

	config := filepath.Join(dir, "config.yaml")
	written, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	authority := func(url string, root []byte) {
		t.Helper()
		text := strings.NewReplacer(`url: ""`, "url: "+url, `ca: ""`, "ca: tsa.pem").Replace(string(written))
		for path, b := range map[string][]byte{config: []byte(text), filepath.Join(dir, "tsa.pem"): root} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tsa, other := tsatest.Start(t), tsatest.Start(t)
	authority("http://127.0.0.1:1", tsa.Root)
	stamp(1, "gave no valid token")
	authority(tsa.URL, other.Root)
	stamp(1, "gave no valid token")
	authority(tsa.URL, tsa.Root)
	tsa.Change(func(stamped *rfc3161.Timestamp) { stamped.HashedMessage[0] ^= 1 })
	stamp(1, "gave no valid token")
	tsa.Change(func(stamped *rfc3161.Timestamp) { stamped.Time = time.Now().Add(-48 * time.Hour) })
	stamp(1, "gave no valid token")
	tsa.Change(nil)
	stamp(0, "time stamp on record (entry ")
	if code, out := auditor(t, "list", "--dir", dir, "--kind", "TIMESTAMP"); code != 0 || strings.Count(out, "TIMESTAMP") != 1 {
		t.Errorf("one of five requests gave a token: %d\n%s", code, out)
	}

	root := filepath.Join(dir, "tsa.pem")
	if code, out := auditor(t, "verify", "--dir", dir, "--details", "--tsa-ca", root); code != 0 || !strings.Contains(out, "time stamp") {
		t.Errorf("verify: %d\n%s", code, out)
	}
	wrong := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(wrong, other.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := auditor(t, "verify", "--dir", dir, "--details", "--tsa-ca", wrong); code != 6 {
		t.Errorf("verify under another authority's certificates: %d\n%s", code, out)
	}
	authority(tsa.URL, []byte("no certificate"))
	gateway(1, "tsa.pem", "timestamp", "--dir", dir)
}
