package timestamp_test

import (
	"errors"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rfc3161 "github.com/digitorus/timestamp"

	"jali/audit/timestamp"
	"jali/audit/timestamp/tsatest"
)

var text = []byte("audit.example.gov/gw1/2027\n3\nOdxJY/VMVtGNZf5Hc++e6iJDkDHSYYG3/11RPcIbl5Y=\n")

func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A token is accepted here and by OpenSSL, and by neither for another text or under other roots.
func TestObtain(t *testing.T) {
	a, other := tsatest.Start(t), tsatest.Start(t)
	roots, err := timestamp.ReadRoots(a.Root)
	if err != nil {
		t.Fatal(err)
	}
	token, s, err := timestamp.Obtain(t.Context(), http.DefaultClient, a.URL, text, roots)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(s.Time); d < -time.Second || d > time.Minute || s.Signer != "CN=Test time authority" {
		t.Errorf("%+v", s)
	}
	changed := append([]byte(nil), text...)
	changed[30] ^= 1
	if _, err := timestamp.Verify(token, changed, roots); !errors.Is(err, timestamp.ErrToken) || !strings.Contains(err.Error(), "another text") {
		t.Errorf("another text: %v", err)
	}
	foreign, err := timestamp.ReadRoots(other.Root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := timestamp.Verify(token, text, foreign); !errors.Is(err, timestamp.ErrToken) {
		t.Errorf("other roots: %v", err)
	}
	if _, _, err := timestamp.Obtain(t.Context(), http.DefaultClient, other.URL, text, roots); !errors.Is(err, timestamp.ErrToken) {
		t.Errorf("an authority that nobody trusts: %v", err)
	}
	accepted := 0
	for i := range token {
		bad := append([]byte(nil), token...)
		bad[i] ^= 1
		if s2, err := timestamp.Verify(bad, text, roots); err == nil {
			if accepted++; !s2.Time.Equal(s.Time) || s2.Signer != s.Signer {
				t.Errorf("byte %d changed: accepted as %+v", i, s2)
			}
		}
	}
	t.Logf("%d of %d one-bit changes lie outside what is signed and change nothing that is said", accepted, len(token))

	dir := t.TempDir()
	write(t, dir, "root.pem", a.Root)
	write(t, dir, "text", text)
	write(t, dir, "changed", changed)
	write(t, dir, "token.tsr", token)
	if out, err := openssl(t, dir, "ts", "-verify", "-data", "text", "-in", "token.tsr", "-token_in", "-CAfile", "root.pem"); err != nil || !strings.Contains(out, "Verification: OK") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
	if out, err := openssl(t, dir, "ts", "-verify", "-data", "changed", "-in", "token.tsr", "-token_in", "-CAfile", "root.pem"); err == nil {
		t.Errorf("openssl accepts the token for another text:\n%s", out)
	}
}

// What an authority may send instead of what it was asked for.
func TestObtainRefuses(t *testing.T) {
	a := tsatest.Start(t)
	roots, err := timestamp.ReadRoots(a.Root)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*rfc3161.Timestamp){
		"another digest":          func(s *rfc3161.Timestamp) { s.HashedMessage[0] ^= 1 },
		"an old answer":           func(s *rfc3161.Timestamp) { s.Nonce = big.NewInt(7) },
		"no nonce":                func(s *rfc3161.Timestamp) { s.Nonce = nil },
		"a time before its keys":  func(s *rfc3161.Timestamp) { s.Time = s.Time.Add(-48 * time.Hour) },
		"no certificate":          func(s *rfc3161.Timestamp) { s.AddTSACertificate = false },
		"a time after they ended": func(s *rfc3161.Timestamp) { s.Time = s.Time.Add(48 * time.Hour) },
	} {
		a.Change(change)
		if _, _, err := timestamp.Obtain(t.Context(), http.DefaultClient, a.URL, text, roots); !errors.Is(err, timestamp.ErrToken) && !errors.Is(err, timestamp.ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.Change(nil)
	if _, _, err := timestamp.Obtain(t.Context(), http.DefaultClient, a.URL+"/\x7f", text, roots); err == nil {
		t.Error("a URL that is none")
	}
	if _, err := timestamp.ReadRoots([]byte("none")); !errors.Is(err, timestamp.ErrRoots) {
		t.Errorf("%v", err)
	}
}

const opensslConfig = `[tsa]
default_tsa = tsa1
[tsa1]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[req]
distinguished_name = name
[name]
[usage]
extendedKeyUsage = critical,timeStamping
`

// A token that OpenSSL made, as most public authorities run it, is accepted here.
func TestVerifyOpenSSL(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "conf", []byte(opensslConfig))
	write(t, dir, "text", text)
	write(t, dir, "serial", []byte("01\n"))
	for _, args := range []string{
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout root.key -out root.pem -days 2 -subj /CN=root -config conf",
		"req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tsa.key -out tsa.csr -subj /CN=authority -config conf",
		"x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -out tsa.pem -days 2 -extfile conf -extensions usage",
		"ts -query -data text -sha256 -cert -out query.tsq",
		"ts -reply -config conf -queryfile query.tsq -token_out -out token.tsr",
	} {
		if out, err := openssl(t, dir, strings.Fields(args)...); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args, err, out)
		}
	}
	root, err := os.ReadFile(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := timestamp.ReadRoots(root)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, "token.tsr"))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := timestamp.Verify(token, text, roots); err != nil || s.Signer != "CN=authority" {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzVerify(f *testing.F) {
	a := tsatest.Start(f)
	roots, err := timestamp.ReadRoots(a.Root)
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := timestamp.Obtain(f.Context(), http.DefaultClient, a.URL, text, roots)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0x30, 0x80})
	f.Add(token)
	f.Fuzz(func(t *testing.T, token []byte) {
		if s, err := timestamp.Verify(token, []byte("another text"), roots); err == nil {
			t.Fatalf("accepted for another text: %+v", s)
		}
		if s, err := timestamp.Verify(token, text, nil); err == nil {
			t.Fatalf("accepted without roots: %+v", s)
		}
	})
}
