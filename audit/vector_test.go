package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

var update = flag.Bool("update", false, "write golden files")

// vector is audit-log.md section 4.5: it freezes every byte of format jali-audit/1.
type vector struct {
	Origin  string   `json:"origin"`
	VKeys   []string `json:"vkeys"`
	Details [][]struct {
		Name, Value string
		Salt        byte
	} `json:"details"`
	Actor   string   `json:"disclosure_of_actor"`
	Entries []string `json:"entries"`
	Leaf2   string   `json:"leaf_2"`
	Root3   string   `json:"root_3"`
}

func loadVector(t testing.TB) vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vector.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// disclosures seals the vector's details with its salts, by entry 1 and 2.
func (v vector) disclosures(t testing.TB) []Disclosures {
	t.Helper()
	var out []Disclosures
	for i, list := range v.Details {
		ds := Disclosures{Seq: uint64(i + 1)}
		for _, d := range list {
			D, err := sealDetail(Detail{d.Name, d.Value}, [SaltSize]byte(bytes.Repeat([]byte{d.Salt}, SaltSize)))
			if err != nil {
				t.Fatal(err)
			}
			ds.D = append(ds.D, D)
		}
		out = append(out, ds)
	}
	return out
}

// vectorSigner is the log key of the vector: Ed25519 seed 32 x 0x01.
func vectorSigner(t testing.TB, v vector) note.Signer {
	t.Helper()
	seed := bytes.Repeat([]byte{1}, ed25519.SeedSize)
	vkey, err := note.NewEd25519VerifierKey(v.Origin, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil || vkey != v.VKeys[0] {
		t.Fatalf("vkey = %s, %v, want %s", vkey, err, v.VKeys[0])
	}
	hash := vkey[len(v.Origin)+1:][:8]
	s, err := note.NewSigner("PRIVATE+KEY+" + v.Origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectorBytes(t *testing.T) {
	v := loadVector(t)
	ds := v.disclosures(t)
	if ds[0].D[0] != v.Actor {
		t.Errorf("disclosure of actor = %s, want %s", ds[0].D[0], v.Actor)
	}
	dtl := func(i int) Object {
		o := Object{}
		for j, d := range v.Details[i] {
			o[d.Name] = DetailDigest(ds[i].D[j])
		}
		return o
	}
	sum := func(s string) string { return Digest(sha256.Sum256([]byte(s))) }
	leaf := func(i int) string { return Digest(LeafHash([]byte(v.Entries[i]))) }
	objects := []Object{
		{
			"v": 1, "o": v.Origin, "seq": 0, "t": int64(1798761600000000), "prev": Digest(GenesisPrev(v.Origin, v.VKeys, nil)), "k": Genesis,
			"fmt": "jali-audit/1", "keys": KeysDigest(v.VKeys), "psize": 0, "why": "new",
		},
		{
			"v": 1, "o": v.Origin, "seq": 1, "t": int64(1798761601500000), "prev": leaf(0), "k": Intent, "dtl": dtl(0),
			"ag": "agr-7f3c", "agv": 3, "ds": "health-2027", "dsv": sum("manifest"), "pop": "insured", "pu": "epi-03", "cls": "b",
			"pol": sum("bundle"), "dec": "allow", "mode": "sql", "acct": "nrho", "cost": Object{"d": 0, "r": 770000},
			"bud0": Object{"ad": 0, "ar": 1500000, "pd": 0, "pr": 90000000}, "bud1": Object{"ad": 0, "ar": 2270000, "pd": 0, "pr": 90770000},
		},
		{
			"v": 1, "o": v.Origin, "seq": 2, "t": int64(1798761602500000), "prev": leaf(1), "k": Release, "dtl": dtl(1),
			"ref": 1, "lvl": 2, "mech": "dgauss",
		},
	}
	tree := Ranges.NewEmptyRange(0)
	for i, o := range objects {
		line, err := FormatEntry(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v.Entries[i], string(line)); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", i, diff)
		}
		h := LeafHash(line)
		if err := tree.Append(h[:], nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := LeafHash([]byte(v.Entries[2])); hex.EncodeToString(got[:]) != v.Leaf2 {
		t.Errorf("L_2 = %x, want %s", got, v.Leaf2)
	}
	if root, err := RootOf(tree); err != nil || base64.StdEncoding.EncodeToString(root[:]) != v.Root3 {
		t.Errorf("root of 3 = %s, %v, want %s", base64.StdEncoding.EncodeToString(root[:]), err, v.Root3)
	}
}

// The vector is an excerpt: its intent spends from a budget that no entry of it set. A chain that begins at its genesis
// must say so; one that begins after it takes what came before on trust and follows the rest.
func TestVectorChain(t *testing.T) {
	v := loadVector(t)
	c := NewChain(v.Origin, v.VKeys, nil)
	if err := c.Next([]byte(v.Entries[0])); err != nil {
		t.Fatal(err)
	}
	var at *EntryError
	if err := c.Next([]byte(v.Entries[1])); !errors.As(err, &at) || at.Seq != 1 || at.Field != "pol" {
		t.Errorf("intent under a policy never activated: %v, want entry 1 field pol", err)
	}
	c = ResumeChain(v.Origin, 1, LeafHash([]byte(v.Entries[0])), 1798761600000000)
	for _, l := range v.Entries[1:] {
		if err := c.Next([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	want := Amount{Rho: 2270000}
	if got := c.Ledgers()[LedgerKey{"agr-7f3c", "insured"}].Spent; got != want {
		t.Errorf("agreement spent %+v, want %+v", got, want)
	}
}

// TestVectorReceipt freezes the receipt of the vector's answer: testdata/receipt.json.
func TestVectorReceipt(t *testing.T) {
	v := loadVector(t)
	text := vectorReceipt(t, v)
	if *update {
		if err := os.WriteFile("testdata/receipt.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/receipt.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	rep, err := VerifyReceipt(want, nil, v.VKeys, v.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Intent.Seq != 1 || rep.Release.Seq != 2 || rep.Size != 3 || rep.Sealed || rep.ResultChecked ||
		!cmp.Equal(rep.SignedBy, []string{Ed25519}) || len(rep.Details[1]) != 5 || len(rep.Details[2]) != 2 {
		t.Errorf("report = %+v", rep)
	}
}

func vectorReceipt(t testing.TB, v vector) []byte {
	t.Helper()
	tiles := map[[2]uint64][]byte{}
	c := tilesOf(t, v.Entries, tiles)
	root, err := RootOf(c)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := SignCheckpoint(v.Origin, 3, root, vectorSigner(t, v))
	if err != nil {
		t.Fatal(err)
	}
	r := Receipt{Entries: v.Entries[1:], Details: v.disclosures(t)}
	for i := uint64(1); i < 3; i++ {
		path, err := ProveInclusion(i, 3, readTiles(tiles))
		if err != nil {
			t.Fatal(err)
		}
		r.Proofs = append(r.Proofs, string(FormatProof(i, path, cp)))
	}
	text, err := FormatReceipt(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
