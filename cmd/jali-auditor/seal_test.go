package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"jali/audit/store"
)

// verify --seal says who cosigned what, and what no quorum has cosigned; it believes the reader's own policy only.
func TestVerifySealed(t *testing.T) {
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
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	if status, _, errs := auditor("export", "--dir", dir, "--out", out); status != statusOK {
		t.Fatal(errs)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "w.court.example")
	if err != nil {
		t.Fatal(err)
	}
	if vkey, err = tnote.VKeyToCosignatureV1(vkey); err != nil {
		t.Fatal(err)
	}
	court, err := tnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	seal := at("seal.policy", fmt.Sprintf("witness court %s https://w.court.example\nquorum court\n", vkey))
	verify := func(want int, says ...string) {
		t.Helper()
		status, got, errs := auditor("verify", "--export", out, "--vkeys", filepath.Join(dir, "vkeys"), "--seal", seal)
		for _, w := range says {
			if status != want || !strings.Contains(got+errs, w) {
				t.Errorf("%d, want %d and %q\n%s%s", status, want, w, got, errs)
			}
		}
	}
	verify(statusOK, "entries from 0 on: no quorum", "cosigned by: nobody")

	text, err := os.ReadFile(filepath.Join(out, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	alone, err := note.Sign(&note.Note{Text: body + "\n"}, court)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(alone), "\n\n")
	at("out/checkpoint", string(text)+line)
	verify(statusOK, "sealed: 12 of 12 entries cosigned by w.court.example (Ed25519, ")

	at("out/checkpoint", string(text)+strings.Replace(line, " ", "  ", 1))
	verify(statusFailed, "checkpoint not valid")
	at("out/checkpoint", string(text))
	at("seal.policy", "quorum court\n")
	verify(statusUsage, "read seal policy")
}
