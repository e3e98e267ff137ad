package receipt

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	tnote "github.com/transparency-dev/formats/note"
	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

type receipt struct {
	Format  string   `json:"format"`
	Entries []string `json:"entries"`
	Details []struct {
		Seq uint64   `json:"seq"`
		D   []string `json:"d"`
	} `json:"details"`
	Proofs []string `json:"proofs"`
}

// verify does what audit-log.md section 9 says, and returns what is wrong. Of others, keys of the log and of witnesses, each must
// have signed every checkpoint.
func verify(r receipt, origin, vkey string, others ...note.Verifier) string {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "vkey"
	}
	seqs := map[uint64]map[string]any{}
	for i, entry := range r.Entries {
		var p tproof.TLogProof
		if err := p.Unmarshal([]byte(r.Proofs[i])); err != nil {
			return "proof"
		}
		cp, _, signed, err := log.ParseCheckpoint(p.Checkpoint, origin, v, others...)
		if err != nil {
			return "checkpoint"
		}
		if len(signed.Sigs) != 1+len(others) {
			return "cosignatures"
		}
		path := make([][]byte, len(p.Hashes))
		for i := range p.Hashes {
			path[i] = p.Hashes[i][:]
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, cp.Size, rfc6962.DefaultHasher.HashLeaf([]byte(entry)), path, cp.Hash); err != nil {
			return "inclusion"
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(entry), &e); err != nil || e["seq"] != float64(p.Index) || e["o"] != origin {
			return "entry"
		}
		seqs[p.Index] = e
	}
	var intent, release map[string]any
	for _, e := range seqs {
		switch e["k"] {
		case "INTENT":
			intent = e
		case "RELEASE":
			release = e
		}
	}
	if intent == nil || release == nil || release["ref"] != intent["seq"] {
		return "kinds"
	}
	part := func(o, f string) float64 { return intent[o].(map[string]any)[f].(float64) }
	if part("bud1", "ar") != part("bud0", "ar")+part("cost", "r") || part("bud1", "pr") != part("bud0", "pr")+part("cost", "r") {
		return "spend"
	}
	for _, ds := range r.Details {
		for _, d := range ds.D {
			raw, err := base64.RawURLEncoding.DecodeString(d)
			var parts [3]string
			if err != nil || json.Unmarshal(raw, &parts) != nil {
				return "detail"
			}
			sum := sha256.Sum256([]byte(d))
			if seqs[ds.Seq]["dtl"].(map[string]any)[parts[1]] != base64.RawURLEncoding.EncodeToString(sum[:]) {
				return "detail"
			}
		}
	}
	return ""
}

func TestReceiptWithoutCodeOfOurs(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata")
	text, err := os.ReadFile(filepath.Join(dir, "receipt.json"))
	if err != nil {
		t.Fatal(err)
	}
	vector, err := os.ReadFile(filepath.Join(dir, "vector.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Origin string   `json:"origin"`
		VKeys  []string `json:"vkeys"`
	}
	if err := json.Unmarshal(vector, &v); err != nil {
		t.Fatal(err)
	}
	load := func() (r receipt) {
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if why := verify(load(), v.Origin, v.VKeys[0]); why != "" {
		t.Fatalf("the frozen receipt does not verify: %s", why)
	}
	for want, edit := range map[string]func(*receipt){
		"inclusion":  func(r *receipt) { r.Entries[0] = strings.Replace(r.Entries[0], "agr-7f3c", "agr-7f3d", 1) },
		"checkpoint": func(r *receipt) { r.Proofs[1] = strings.Replace(r.Proofs[1], "\n3\n", "\n4\n", 1) },
		"detail":     func(r *receipt) { r.Details[0].D[0] = r.Details[1].D[0] },
		"kinds":      func(r *receipt) { r.Entries[1], r.Proofs[1] = r.Entries[0], r.Proofs[0] },
	} {
		r := load()
		edit(&r)
		if why := verify(r, v.Origin, v.VKeys[0]); why != want {
			t.Errorf("edited receipt: %q, want %q", why, want)
		}
	}
}

// A sealed receipt, with both signatures of the log and those of an Ed25519 and an ML-DSA-44 witness.
func TestSealedReceiptWithoutCodeOfOurs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sealed.json"))
	if err != nil {
		t.Fatal(err)
	}
	load := func() (v struct {
		Receipt        receipt
		Log, Witnesses []string
	},
	) {
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := load()
	var others []note.Verifier
	for i, k := range []string{v.Log[1], v.Witnesses[0], v.Witnesses[1]} {
		verifier, err := note.Verifier(nil), error(nil)
		if i == 1 {
			verifier, err = tnote.NewVerifierForCosignatureV1(k)
		} else {
			verifier, err = tnote.NewMLDSAVerifier(k)
		}
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, verifier)
	}
	origin, _, _ := strings.Cut(v.Log[0], "+")
	if why := verify(v.Receipt, origin, v.Log[0], others...); why != "" {
		t.Fatalf("the frozen sealed receipt does not verify: %s", why)
	}
	// Without the line of each signer it is not sealed; with one bit of it changed it is nothing.
	for at := range 4 {
		v := load()
		head, sigs, _ := strings.Cut(v.Receipt.Proofs[0], "\n\u2014 ")
		lines := strings.Split(sigs, "\n\u2014 ")
		if len(lines) != 4 {
			t.Fatalf("%d signature lines", len(lines))
		}
		kept := append(append([]string{}, lines[:at]...), lines[at+1:]...)
		v.Receipt.Proofs[0] = head + "\n\u2014 " + strings.Join(kept, "\n\u2014 ")
		if !strings.HasSuffix(v.Receipt.Proofs[0], "\n") {
			v.Receipt.Proofs[0] += "\n"
		}
		if why := verify(v.Receipt, origin, v.Log[0], others...); why != "cosignatures" && why != "checkpoint" {
			t.Errorf("line %d taken away: %q", at, why)
		}
		v = load()
		bad := []byte(lines[at])
		if i := len(bad) - 20; bad[i] == 'A' {
			bad[i] = 'B'
		} else {
			bad[i] = 'A'
		}
		changed := append(append(append([]string{}, lines[:at]...), string(bad)), lines[at+1:]...)
		v.Receipt.Proofs[0] = head + "\n\u2014 " + strings.Join(changed, "\n\u2014 ")
		if why := verify(v.Receipt, origin, v.Log[0], others...); why != "checkpoint" {
			t.Errorf("line %d changed: %q", at, why)
		}
	}
}

// The point of this package is what it does not import.
func TestImportsNothingOfOurs(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		ast, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range ast.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); p == "jali" || strings.HasPrefix(p, "jali/") {
				t.Errorf("%s imports %s", f, p)
			}
		}
	}
}
