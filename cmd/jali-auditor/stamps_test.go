package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/timestamp"
	"jali/audit/timestamp/tsatest"
)

// Time stamps of a real authority over what the entries give verify from files and from an export; one over another root, or by an
// authority not given, is a finding that names its entry.
func TestTimestamps(t *testing.T) {
	dir := t.TempDir()
	cfg := store.InDir(dir)
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := sampleLog(s, dir); err != nil {
		t.Fatal(err)
	}
	tsa, other := tsatest.Start(t), tsatest.Start(t)
	roots, err := timestamp.ReadRoots(tsa.Root)
	if err != nil {
		t.Fatal(err)
	}
	ca, foreign := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "other.pem")
	for f, b := range map[string][]byte{ca: tsa.Root, foreign: other.Root} {
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		t.Fatal(err)
	}
	stamp := func(wrong bool) uint64 {
		t.Helper()
		note, err := s.SealedCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		cp, err := keys.OpenCheckpoint(note)
		if err != nil {
			t.Fatal(err)
		}
		if wrong {
			cp.Root[0] ^= 1
		}
		token, _, err := timestamp.Obtain(t.Context(), http.DefaultClient, tsa.URL, audit.CheckpointBody(cp.Origin, cp.Size, cp.Root), roots)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Append(t.Context(), store.Item{
			Kind: audit.Timestamp, Fields: audit.Object{"size": cp.Size, "tok": audit.Digest(sha256.Sum256(token)), "tsa": "tsa.example"},
			Details: []audit.Detail{{Name: "token", Value: base64.StdEncoding.EncodeToString(token)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return a.Seq
	}
	try := func(want int, says string, args ...string) {
		t.Helper()
		status, out, errs := auditor(append([]string{"verify"}, args...)...)
		if status != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: %d, want %d and %q\n%s%s", args, status, want, says, out, errs)
		}
	}
	export := func(audience string) string {
		t.Helper()
		out := filepath.Join(t.TempDir(), audience)
		if _, _, err := s.Export(t.Context(), out, audience); err != nil {
			t.Fatal(err)
		}
		return out
	}
	none := export("regulator")
	stamp(false)
	if _, err := s.Append(t.Context(), store.Item{Kind: audit.Heartbeat}); err != nil {
		t.Fatal(err)
	}
	second := stamp(false)
	good, public, citizen := export("regulator"), export("public"), export("citizen")
	bad := stamp(true)
	wrong := export("regulator")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	try(statusOK, "2 time stamps verify under the authorities given", "--export", good, "--tsa-ca", ca)
	try(statusOK, "2 time stamps verify under the authorities given", "--export", citizen, "--tsa-ca", ca)
	try(statusOK, "2 time stamps whose token is withheld", "--export", public, "--tsa-ca", ca)
	try(statusOK, "there are none to be read", "--export", none, "--tsa-ca", ca)
	try(statusFailed, "entry 13: field token: time stamp not valid", "--export", good, "--tsa-ca", foreign)
	try(statusFailed, "it is of another text", "--export", wrong, "--tsa-ca", ca)
	try(statusUsage, "no certificates", "--export", good, "--tsa-ca", filepath.Join(dir, "vkeys"))
	found, err := filepath.Glob(filepath.Join(good, "*.tsr"))
	if err != nil || len(found) != 2 {
		t.Errorf("token files %v", found)
	}
	if b, err := os.ReadFile(filepath.Join(good, "timestamp-15.tsr")); err != nil || second != 15 || bad <= second {
		t.Errorf("%d bytes, %v, entries %d and %d", len(b), err, second, bad)
	}
}
