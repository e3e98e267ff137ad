package cohort

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector freezes what other implementations must reproduce: everything follows from the seeds here. Hashes are SHA-256 of bodies;
// heads are their first 16 bytes.
type vector struct {
	Params         string   `json:"params"`
	Digest         string   `json:"params_digest"`
	CRS            string   `json:"crs"`
	RegisterSeed   string   `json:"registration_seed"`
	QuerySeed      string   `json:"query_seed"`
	Nonce          string   `json:"nonce_g"`
	MaskSeed       string   `json:"mask_seed"`
	Entries        int      `json:"entries"` // values: entry i has (i*i) mod 1000, selected if i mod 7 is 3
	Rules          []string `json:"rules"`
	Noise          int64    `json:"noise"`
	KeyID          string   `json:"kd"`
	TableID        string   `json:"table_id"`
	Seed           string   `json:"seed"`
	RegistrationID string   `json:"registration_sha256"`
	UploadBytes    int      `json:"upload_bytes"`
	UploadHead     string   `json:"upload_head"`
	Commit         string   `json:"commit"`
	ReplyBytes     int      `json:"reply_bytes"`
	ReplyHead      string   `json:"reply_head"`
	Reply          string   `json:"reply_sha256"`
	Answer         int64    `json:"answer"`
}

const vectorFile = "testdata/vectors.json"

func makeVector(t *testing.T, p *Params) vector {
	t.Helper()
	fill := func(b byte) (x [32]byte) {
		for i := range x {
			x[i] = b + byte(i)
		}
		return x
	}
	crs, reg, own, nonce, masks := fill(0), fill(32), fill(64), fill(96), fill(128)
	const entries, noise = 10_000, -12345
	values := make([]int64, entries)
	s, err := NewSelector(entries)
	must(t, err)
	for i := range values {
		values[i] = int64(i) * int64(i) % 1000
		if i%7 == 3 {
			must(t, s.Select(i))
		}
	}
	rules := []Rule{ExactSizeIn(0, 700, 100), AtLeast(1000, entries)}
	l, err := NewLayout(p, entries, rules...)
	must(t, err)
	key, body := newKey(p, crs, reg)
	r, err := ParseRegistration(p, crs, body, false)
	must(t, err)
	domain := Domain{Dataset: "vector", Version: "1", Mapping: "index", Entries: entries}
	q := Query{Layout: l, Table: domain.ID(p), Nonce: nonce}
	e, err := key.encrypt(q, s, own, nil, nil)
	must(t, err)
	var up bytes.Buffer
	_, err = e.WriteTo(&up)
	must(t, err)
	head := hex.EncodeToString(up.Bytes()[nonceBytes : nonceBytes+16])
	size := up.Len()
	u, err := ReadUpload(&up, l, false)
	must(t, err)
	table, err := PrepareTable(values, TableConfig{Params: p, High: 999, MaxNoise: 1 << 20})
	must(t, err)
	ev := Evaluation{Key: r, Query: q, Upload: u, Aggregates: []Aggregate{{table, noise}}}
	must(t, ev.check())
	reply, err := ev.run(context.Background(), masks)
	must(t, err)
	got, err := key.Decrypt(reply, []int64{0})
	must(t, err)
	if want := twin(values, s) + noise; got[0] != want {
		t.Fatalf("%s: answer %d, twin %d", p.id, got[0], want)
	}
	x := func(b []byte) string { return hex.EncodeToString(b) }
	sum := func(b []byte) string { d := sha256.Sum256(b); return x(d[:]) }
	pd, kd, tid, commit := p.Digest(), key.ID(), domain.ID(p), u.Commit()
	return vector{
		Params: p.id, Digest: x(pd[:]), CRS: x(crs[:]), RegisterSeed: x(reg[:]), QuerySeed: x(own[:]), Nonce: x(nonce[:]), MaskSeed: x(masks[:]),
		Entries: entries, Rules: []string{rules[0].String(), rules[1].String()}, Noise: noise,
		KeyID: x(kd[:]), TableID: x(tid[:]), Seed: x(e.seed[:]), RegistrationID: sum(body),
		UploadBytes: size, UploadHead: head, Commit: x(commit[:]),
		ReplyBytes: len(reply), ReplyHead: x(reply[:16]), Reply: sum(reply), Answer: got[0],
	}
}

// TestVectors: registration, upload and reply are the same bytes for ever. JALI_WRITE_VECTORS=1 writes them, for a new set; a
// changed line of an old one is a broken protocol.
func TestVectors(t *testing.T) {
	var got []vector
	for _, p := range sets {
		got = append(got, makeVector(t, p))
	}
	if os.Getenv("JALI_WRITE_VECTORS") == "1" {
		b, err := json.MarshalIndent(got, "", "  ")
		must(t, err)
		must(t, os.WriteFile(vectorFile, append(b, '\n'), 0o644))
	}
	b, err := os.ReadFile(vectorFile)
	must(t, err)
	var want []vector
	must(t, json.Unmarshal(b, &want))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("frozen vectors differ (-frozen +made):\n%s", d)
	}
}
