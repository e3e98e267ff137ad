package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

func TestVerifyReceiptRefuses(t *testing.T) {
	v := loadVector(t)
	good, err := ParseReceipt(vectorReceipt(t, v))
	if err != nil {
		t.Fatal(err)
	}
	otherSkey, otherVkey, err := note.GenerateKey(rand.Reader, v.Origin)
	if err != nil {
		t.Fatal(err)
	}
	other, err := note.NewSigner(otherSkey)
	if err != nil {
		t.Fatal(err)
	}
	resigned := func(p string) string {
		pr, err := ParseProof([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		body, _, _ := strings.Cut(string(pr.Checkpoint), "\n\n")
		n, err := note.Sign(&note.Note{Text: body + "\n"}, other)
		if err != nil {
			t.Fatal(err)
		}
		return string(FormatProof(pr.Index, pr.Path, n))
	}
	foreign, err := SealDetail(Detail{"actor", "r-0042"})
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(r *Receipt){
		"cost lowered":    func(r *Receipt) { r.Entries[0] = strings.Replace(r.Entries[0], `"r":770000`, `"r":770001`, 1) },
		"other agreement": func(r *Receipt) { r.Entries[0] = strings.Replace(r.Entries[0], "agr-7f3c", "agr-7f3d", 1) },
		"entries swapped": func(r *Receipt) { r.Entries[0], r.Entries[1] = r.Entries[1], r.Entries[0] },
		"both swapped": func(r *Receipt) {
			r.Entries[0], r.Entries[1], r.Proofs[0], r.Proofs[1] = r.Entries[1], r.Entries[0], r.Proofs[1], r.Proofs[0]
		},
		"one entry twice":        func(r *Receipt) { r.Entries[1], r.Proofs[1] = r.Entries[0], r.Proofs[0] },
		"proof of other place":   func(r *Receipt) { r.Proofs[1] = strings.Replace(r.Proofs[1], "index 2", "index 1", 1) },
		"signed by another key":  func(r *Receipt) { r.Proofs[0], r.Proofs[1] = resigned(r.Proofs[0]), resigned(r.Proofs[1]) },
		"signature stripped":     func(r *Receipt) { r.Proofs[0] = r.Proofs[0][:strings.Index(r.Proofs[0], "— ")] },
		"checkpoint of other":    func(r *Receipt) { r.Proofs[0] = strings.Replace(r.Proofs[0], v.Origin+"\n3", v.Origin+"\n4", 1) },
		"foreign detail":         func(r *Receipt) { r.Details[0].D[0] = foreign },
		"detail of other entry":  func(r *Receipt) { r.Details[0].D[0] = r.Details[1].D[0] },
		"detail twice":           func(r *Receipt) { r.Details[0].D[1] = r.Details[0].D[0] },
		"details of third entry": func(r *Receipt) { r.Details[0].Seq = 9 },
		"details twice":          func(r *Receipt) { r.Details[1] = r.Details[0] },
	} {
		t.Run(name, func(t *testing.T) {
			var r Receipt
			b, _ := json.Marshal(good)
			if err := json.Unmarshal(b, &r); err != nil {
				t.Fatal(err)
			}
			edit(&r)
			text, err := FormatReceipt(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyReceipt(text, nil, v.VKeys, v.Origin); err == nil {
				t.Error("verified")
			}
		})
	}
	text := vectorReceipt(t, v)
	if _, err := VerifyReceipt(text, nil, []string{otherVkey}, ""); err == nil {
		t.Error("verified under another key")
	}
	if _, err := VerifyReceipt(text, nil, v.VKeys, "log.example/2"); !errors.Is(err, ErrKeys) {
		t.Errorf("another origin: %v", err)
	}
	if _, err := VerifyReceipt(text, []byte("42"), v.VKeys, ""); err == nil {
		t.Error("verified with a result that the vector never recorded")
	}
}

// A release whose ref or charge is wrong must fail even though the log, at fault, has signed it.
func TestVerifyReceiptOfALyingLog(t *testing.T) {
	v := loadVector(t)
	for name, c := range map[string]struct {
		edit func(i, r string) (string, string)
		want error
	}{
		"wrong ref":    {func(i, r string) (string, string) { return i, strings.Replace(r, `"ref":1`, `"ref":0`, 1) }, ErrRef},
		"wrong spend":  {func(i, r string) (string, string) { return strings.Replace(i, `"ar":2270000`, `"ar":2269999`, 1), r }, ErrSpend},
		"other origin": {func(i, r string) (string, string) { return i, strings.Replace(r, "gw1", "gw2", 1) }, ErrOrigin},
		"failure":      {func(i, r string) (string, string) { return i, strings.Replace(r, `"RELEASE"`, `"FAILURE"`, 1) }, ErrReceipt},
		"no bud1":      {func(i, r string) (string, string) { return strings.Replace(i, `"bud1"`, `"bud2"`, 1), r }, ErrField},
		"wrong seq":    {func(i, r string) (string, string) { return i, strings.Replace(r, `"seq":2`, `"seq":3`, 1) }, ErrSeq},
		"earlier":      {func(i, r string) (string, string) { return i, strings.Replace(r, `"t":1798761602500000`, `"t":1`, 1) }, ErrTime},
	} {
		t.Run(name, func(t *testing.T) {
			lie := v
			lie.Entries = append([]string(nil), v.Entries...)
			lie.Entries[1], lie.Entries[2] = c.edit(v.Entries[1], v.Entries[2])
			if _, err := VerifyReceipt(vectorReceipt(t, lie), nil, v.VKeys, ""); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestParseReceiptRefuses(t *testing.T) {
	text := string(vectorReceipt(t, loadVector(t)))
	for name, s := range map[string]string{
		"empty":         "",
		"array":         "[]",
		"unknown key":   strings.Replace(text, `"policy":""`, `"policy":"","x":1`, 1),
		"repeated key":  strings.Replace(text, `"policy":""`, `"policy":"","policy":""`, 1),
		"other case":    strings.Replace(text, `"policy"`, `"Policy"`, 1),
		"missing key":   strings.Replace(text, `,"policy":""`, ``, 1),
		"other format":  strings.Replace(text, "jali-receipt/1", "jali-receipt/2", 1),
		"text after":    text + "{}",
		"cut":           text[:len(text)-3],
		"details no D":  strings.Replace(text, `"seq":1,`, ``, 1),
		"three entries": strings.Replace(text, `"entries":[`, `"entries":["",`, 1),
		"too large":     text + strings.Repeat(" ", MaxReceipt),
	} {
		if _, err := ParseReceipt([]byte(s)); !errors.Is(err, ErrReceipt) {
			t.Errorf("%s: %v, want ErrReceipt", name, err)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	v := loadVector(f)
	f.Add(vectorReceipt(f, v))
	f.Add([]byte(`{"format":"jali-receipt/1","entries":["",""],"details":[],"proofs":["",""],"policy":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReceipt(text)
		if err != nil {
			return
		}
		out, err := FormatReceipt(r)
		if err != nil {
			t.Skip() // escapes may make it longer than the limit
		}
		again, err := ParseReceipt(out)
		if err != nil {
			t.Fatal(err)
		}
		final, err := FormatReceipt(again)
		if err != nil || !bytes.Equal(out, final) {
			t.Fatalf("format is not stable: %v", err)
		}
		_, _ = VerifyReceipt(text, nil, v.VKeys, "")
	})
}

func TestCheckpointSignatures(t *testing.T) {
	const origin = "log.example/1"
	edS, edV, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	pqS, pqV, err := tnote.GenerateMLDSAKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := note.NewSigner(edS)
	if err != nil {
		t.Fatal(err)
	}
	pq, err := tnote.NewMLDSASigner(pqS)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys([]string{edV, pqV})
	if err != nil {
		t.Fatal(err)
	}
	root := LeafHash([]byte("x"))
	both, err := SignCheckpoint(origin, 1, root, ed, pq)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := keys.OpenCheckpoint(both)
	if err != nil || !cp.Sealable() || cp.Size != 1 || cp.Root != root || time.Since(cp.Time) > time.Minute {
		t.Fatalf("both signatures: %+v, %v", cp, err)
	}
	quick, err := SignCheckpoint(origin, 1, root, ed)
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := keys.OpenCheckpoint(quick); err != nil || !cmp.Equal(cp.SignedBy, []string{Ed25519}) || cp.Sealable() {
		t.Fatalf("Ed25519 alone: %+v, %v", cp, err)
	}
	pqOnly, err := SignCheckpoint(origin, 1, root, pq)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(both)
	flipped[len(flipped)-100] ^= 1
	ext, err := note.Sign(&note.Note{Text: string(CheckpointBody(origin, 1, root)) + "extension\n"}, ed)
	if err != nil {
		t.Fatal(err)
	}
	zero, err := note.Sign(&note.Note{Text: strings.Replace(string(CheckpointBody(origin, 1, root)), "\n1\n", "\n01\n", 1)}, ed)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := note.Sign(&note.Note{Text: string(CheckpointBody("log.example/2", 1, root))}, ed)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := SignCheckpoint(origin, 0, root, ed)
	if err != nil {
		t.Fatal(err)
	}
	many := bytes.Clone(quick)
	line := many[bytes.Index(many, []byte("\n\n"))+2:]
	for range 100 {
		many = append(many, line...)
	}
	for name, text := range map[string][]byte{
		"ML-DSA-44 alone": pqOnly, "signature flipped": flipped, "extension line": ext, "size 01": zero, "other origin": foreign,
		"root of nothing": empty, "101 signature lines": many, "no signature": CheckpointBody(origin, 1, root), "empty": nil,
	} {
		if cp, err := keys.OpenCheckpoint(text); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %+v, %v, want ErrCheckpoint", name, cp, err)
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	_, ed, err := note.GenerateKey(rand.Reader, "log.example/1")
	if err != nil {
		t.Fatal(err)
	}
	_, ed2, err := note.GenerateKey(rand.Reader, "log.example/2")
	if err != nil {
		t.Fatal(err)
	}
	_, pq, err := tnote.GenerateMLDSAKey("log.example/1")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(pq, "+", 3)
	cosigner, err := tnote.VKeyToCosignatureV1(ed)
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]string{
		"none": nil, "no Ed25519": {pq}, "two logs": {ed, ed2}, "twice": {ed, ed}, "garbage": {"x"},
		"wrong hash": {ed, parts[0] + "+00000000+" + parts[2]}, "cosigner key": {cosigner},
	} {
		if _, err := ParseKeys(keys); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v, want ErrKeys", name, err)
		}
	}
	k, err := ReadKeys([]byte("# the log of example\n\n" + ed + "\n" + pq + "\n"))
	if err != nil || k.Origin != "log.example/1" || k.Text() != ed+"\n"+pq+"\n" {
		t.Errorf("ReadKeys: %+v, %v", k, err)
	}
}
