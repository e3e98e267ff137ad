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

	"jali/audit"
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
	before, err := s.SealedCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), store.Item{Kind: audit.Heartbeat}); err != nil {
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
	cosign := func(text []byte) (line string) {
		t.Helper()
		body, _, _ := strings.Cut(string(text), "\n\n")
		alone, err := note.Sign(&note.Note{Text: body + "\n"}, court)
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ = strings.Cut(string(alone), "\n\n")
		return line
	}
	line := cosign(text)
	at("out/checkpoint", string(text)+line)
	verify(statusOK, "sealed: 13 of 13 entries cosigned by w.court.example (Ed25519, ")

	// An older checkpoint that is cosigned lies beside the newest, which nobody has cosigned yet.
	at("out/checkpoint", string(text))
	at("out/cosigned", string(before)+cosign(before))
	verify(statusOK, "sealed: 12 of 13 entries cosigned by w.court.example (Ed25519, ", "entries from 12 on: no quorum")
	at("out/cosigned", string(before))
	verify(statusOK, "entries from 0 on: no quorum")
	at("out/cosigned", strings.Replace(string(before), "\n12\n", "\n14\n", 1))
	verify(statusFailed, "cosigned")
	if err := os.Remove(filepath.Join(out, "cosigned")); err != nil {
		t.Fatal(err)
	}

	at("out/checkpoint", string(text)+strings.Replace(line, " ", "  ", 1))
	verify(statusFailed, "checkpoint not valid")
	at("out/checkpoint", string(text))
	at("seal.policy", "quorum court\n")
	verify(statusUsage, "read seal policy")
}

// What witnesses have cosigned is seldom the newest checkpoint of a gateway that is at work: verify takes both, exports keep both.
func TestVerifySealedLive(t *testing.T) {
	s, flags, vkeys := gateway(t)
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
	dir := t.TempDir()
	seal := filepath.Join(dir, "seal.policy")
	if err := os.WriteFile(seal, fmt.Appendf(nil, "witness court %s https://w.court.example\nquorum court\n", vkey), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(want int, says ...string) {
		t.Helper()
		status, got, errs := auditor(append([]string{"verify", "--vkeys", vkeys, "--seal", seal}, flags...)...)
		for _, w := range says {
			if status != want || !strings.Contains(got+errs, w) {
				t.Errorf("%d, want %d and %q\n%s%s", status, want, w, got, errs)
			}
		}
	}
	verify(statusOK, "entries from 0 on: no quorum")

	text, err := s.s.SealedCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	alone, err := note.Sign(&note.Note{Text: body + "\n"}, court)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(alone), "\n\n")
	if _, err := s.s.Append(t.Context(), store.Item{Kind: audit.Heartbeat}); err != nil {
		t.Fatal(err)
	}
	s.cosigned = string(text) + line
	verify(statusOK, "sealed: 12 of 13 entries cosigned by w.court.example", "entries from 12 on: no quorum")

	out := filepath.Join(dir, "out")
	if status, _, errs := auditor(append([]string{"export", "--vkeys", vkeys, "--out", out}, flags...)...); status != statusOK {
		t.Fatal(errs)
	}
	status, got, errs := auditor("verify", "--export", out, "--vkeys", vkeys, "--seal", seal)
	if status != statusOK || !strings.Contains(got, "sealed: 12 of 13 entries") {
		t.Errorf("export: %d\n%s%s", status, got, errs)
	}

	s.cosigned = strings.Replace(s.cosigned, "\n12\n", "\n11\n", 1)
	verify(statusFailed, "checkpoint not valid")
}
