package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// cosigner is a test witness: what signs, and its verifier key.
func cosigner(t testing.TB, name string, pq bool) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if pq {
		skey, vkey, err = tnote.GenerateMLDSAKey(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !pq {
		if vkey, err = tnote.VKeyToCosignatureV1(vkey); err != nil {
			t.Fatal(err)
		}
	}
	s, err := tnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func TestParseQuorumRefuses(t *testing.T) {
	_, a := cosigner(t, "w.court.example", false)
	_, b := cosigner(t, "w.court.example", true)
	_, c := cosigner(t, "w.press.example", false)
	_, plain, err := note.GenerateKey(rand.Reader, "w.plain.example")
	if err != nil {
		t.Fatal(err)
	}
	good := "# who\nwitness a " + a + " https://w.court.example/\nwitness b " + b + " https://w.court.example\nwitness c " + c + " http://127.0.0.1:1\ngroup court any a b\ngroup q 2 court c\nquorum q\n"
	if q, err := ParseQuorum([]byte(good)); err != nil || len(q.Cosigners) != 3 || q.None {
		t.Fatalf("%+v, %v", q, err)
	}
	if q, err := ParseQuorum([]byte("quorum none\n")); err != nil || !q.None || q.Satisfied(nil) {
		t.Errorf("quorum none: %+v, %v", q, err)
	}
	for name, edit := range map[string][2]string{
		"threshold 0":             {"q 2 court", "q 0 court"},
		"threshold above members": {"q 2 court", "q 3 court"},
		"member twice":            {"q 2 court c", "q 2 c c"},
		"key twice":               {"witness c " + c + " http://127.0.0.1:1", "witness c " + a + " https://w.court.example"},
		"key hash wrong":          {"w.press.example+", "w.press.example+0"},
		"name of the key changed": {"c w.press", "c w.pross"},
		"log key as witness key":  {c, plain},
		"one name at two URLs":    {"https://w.court.example\n", "https://v.court.example\n"},
		"two names at one URL":    {"http://127.0.0.1:1", "https://w.court.example"},
		"comment in a line":       {"any a b", "any a b # two keys"},
		"two quorums":             {"quorum q", "quorum c\nquorum q"},
		"no quorum":               {"quorum q\n", ""},
		"unknown word":            {"# who", "who"},
		"unknown member":          {"q 2 court c", "q 2 court d"},
		"URL with a user":         {"127.0.0.1", "me@127.0.0.1"},
		"URL without a host":      {"http://127.0.0.1:1", "https:///x"},
		"file URL":                {"http://127.0.0.1:1", "file:///etc"},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if text == good {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := ParseQuorum([]byte(text)); !errors.Is(err, ErrQuorum) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sealedVector is a sealed receipt for readers that share no code with us (audit/oracle/receipt): keys and receipt, frozen.
type sealedVector struct {
	Receipt   json.RawMessage `json:"receipt"`
	Log       []string        `json:"log"`
	Witnesses []string        `json:"witnesses"`
}

const sealedFile = "testdata/sealed.json"

func freeze(t *testing.T, v sealedVector) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sealedFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The frozen sealed receipt is sealed.
func TestSealedVector(t *testing.T) {
	b, err := os.ReadFile(sealedFile)
	if err != nil {
		t.Fatal(err)
	}
	var v sealedVector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuorum([]byte(fmt.Sprintf("witness c %s https://c\nwitness p %s https://p\ngroup q all c p\nquorum q\n", v.Witnesses[0], v.Witnesses[1])))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := json.Compact(&text, v.Receipt); err != nil {
		t.Fatal(err)
	}
	if rep, err := VerifySealedReceipt(text.Bytes(), nil, v.Log, "", q); err != nil || !rep.Sealed || len(rep.Cosignatures) != 2 {
		t.Errorf("sealed %v, %d cosignatures, %v", rep.Sealed, len(rep.Cosignatures), err)
	}
}

// A receipt is sealed only if the reader's quorum is met on both its checkpoints and the log signed with both keys.
func TestSealedReceipt(t *testing.T) {
	v := loadVector(t)
	edSkey, edVkey, err := note.GenerateKey(rand.Reader, v.Origin)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := note.NewSigner(edSkey)
	if err != nil {
		t.Fatal(err)
	}
	pqSkey, pqVkey, err := tnote.GenerateMLDSAKey(v.Origin)
	if err != nil {
		t.Fatal(err)
	}
	pq, err := tnote.NewMLDSASigner(pqSkey)
	if err != nil {
		t.Fatal(err)
	}
	court, courtKey := cosigner(t, "w.court.example", false)
	press, pressKey := cosigner(t, "w.press.example", true)
	thief, _ := cosigner(t, "w.press.example", true)
	seal, err := ParseQuorum([]byte(fmt.Sprintf("witness c %s https://c\nwitness p %s https://p\ngroup q all c p\nquorum q\n", courtKey, pressKey)))
	if err != nil {
		t.Fatal(err)
	}
	base, err := ParseReceipt(vectorReceipt(t, v))
	if err != nil {
		t.Fatal(err)
	}
	receipt := func(policy string, signers ...[]note.Signer) []byte {
		r := base
		r.Policy = policy
		r.Proofs = nil
		for i, s := range signers {
			p, err := ParseProof([]byte(base.Proofs[i]))
			if err != nil {
				t.Fatal(err)
			}
			body, _, _ := strings.Cut(string(p.Checkpoint), "\n\n")
			cp, err := note.Sign(&note.Note{Text: body + "\n"}, s...)
			if err != nil {
				t.Fatal(err)
			}
			r.Proofs = append(r.Proofs, string(FormatProof(p.Index, p.Path, cp)))
		}
		text, err := FormatReceipt(r)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	all := []note.Signer{ed, pq, court, press}
	if os.Getenv("JALI_UPDATE") != "" {
		freeze(t, sealedVector{Receipt: receipt(seal.Digest, all, all), Log: []string{edVkey, pqVkey}, Witnesses: []string{courtKey, pressKey}})
	}
	for name, c := range map[string]struct {
		text   []byte
		seal   *Quorum
		sealed bool
		cosigs int
	}{
		"sealed":                    {receipt(seal.Digest, all, all), seal, true, 2},
		"no quorum given":           {receipt(seal.Digest, all, all), nil, false, 0},
		"the receipt names another": {receipt("other", all, all), seal, true, 2},
		"one checkpoint only":       {receipt(seal.Digest, all, all[:2]), seal, false, 0},
		"one witness only":          {receipt(seal.Digest, all[:3], all[:3]), seal, false, 1},
		"stripped":                  {receipt(seal.Digest, all[:2], all[:2]), seal, false, 0},
		"log's ML-DSA-44 missing":   {receipt(seal.Digest, []note.Signer{ed, court, press}, []note.Signer{ed, court, press}), seal, false, 2},
		"another key of the name":   {receipt(seal.Digest, []note.Signer{ed, pq, court, thief}, []note.Signer{ed, pq, court, thief}), seal, false, 1},
	} {
		rep, err := VerifySealedReceipt(c.text, nil, []string{edVkey, pqVkey}, v.Origin, c.seal)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rep.Sealed != c.sealed || len(rep.Cosignatures) != c.cosigs {
			t.Errorf("%s: sealed %v, %d cosignatures, want %v, %d", name, rep.Sealed, len(rep.Cosignatures), c.sealed, c.cosigs)
		}
		for _, s := range rep.Cosignatures {
			if d := time.Since(s.Time); d < -time.Minute || d > time.Minute {
				t.Errorf("%s: cosigned at %v", name, s.Time)
			}
		}
		if last := rep.Checks[len(rep.Checks)-1]; strings.HasPrefix(last, "sealed:") != c.sealed {
			t.Errorf("%s: says %q", name, last)
		}
	}
	self, err := ParseQuorum([]byte(fmt.Sprintf("witness s %s https://s\nquorum s\n", pqVkey)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifySealedReceipt(receipt("", all, all), nil, []string{edVkey, pqVkey}, v.Origin, self); !errors.Is(err, ErrQuorum) {
		t.Errorf("a log that witnesses itself: %v", err)
	}
}
