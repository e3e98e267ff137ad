package client_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"jali/crypto/cohort"
	"jali/crypto/cohort/client"
)

var zero32 = base64.StdEncoding.EncodeToString(make([]byte, 32))

// text is a question; more are members to append.
func text(entries, more string) []byte {
	return fmt.Appendf(nil, `{"params":"ecq1-a","entries":%s,"table":"%s","nonce":"%s"%s}`, entries, zero32, zero32, more)
}

func TestReadQuestion(t *testing.T) {
	tests := []struct {
		name string
		text []byte
		want []cohort.Rule
		err  string // part of it; empty: none
	}{
		{"no rule", text("1000", ""), nil, ""},
		{"number as text", text(`"1000"`, ""), nil, ""},
		{"exact", text("1000", `,"rule":{"exact":"7"}`), []cohort.Rule{cohort.ExactSize(7)}, ""},
		{"at least", text("1000", `,"rule":{"range":{"min":20}}`), []cohort.Rule{cohort.AtLeast(20, 1000)}, ""},
		{"at least, said in full", text("1000", `,"rule":{"range":{"min":20,"max":0}}`), []cohort.Rule{cohort.AtLeast(20, 1000)}, ""},
		{"no minimum", text("1000", `,"rule":{"range":{}}`), []cohort.Rule{cohort.AtLeast(0, 1000)}, ""},
		{"hidden", text("1000", `,"rule":{"range":{"min":400,"max":655}}`), []cohort.Rule{cohort.SizeBetween(400, 8)}, ""},

		{"empty", nil, nil, "not a JSON object"},
		{"array", []byte(`[]`), nil, "not a JSON object"},
		{"more after it", append(text("1000", ""), '1'), nil, "not a JSON object"},
		{"cut", text("1000", "")[:60], nil, "not a JSON object"},
		{"missing", []byte(`{"params":"ecq1-a"}`), nil, "entries is missing"},
		{"unknown", text("1000", `,"rules":{"exact":7}`), nil, "none of"},
		{"other case", text("1000", `,"Rule":{"exact":7}`), nil, "none of"},
		{"twice", text("1000", `,"rule":{"exact":7},"rule":{"exact":8}`), nil, "rule appears twice"},
		{"set", bytes.Replace(text("1000", ""), []byte("ecq1-a"), []byte("secret"), 1), nil, "params is none of"},
		{"set is null", bytes.Replace(text("1000", ""), []byte(`"ecq1-a"`), []byte("null"), 1), nil, "params is none of"},
		{"fraction", text("1.5", ""), nil, "entries is not a whole number"},
		{"exponent", text("1e3", ""), nil, "entries is not a whole number"},
		{"negative", text("-1", ""), nil, "entries is not a whole number"},
		{"huge", text("99999999999999999999", ""), nil, "entries is not a whole number"},
		{"no entries", text("0", ""), nil, "number of slots"},
		{"too many entries", text("2147483647", ""), nil, "number of slots"},
		{"short table", bytes.Replace(text("1000", ""), []byte(zero32), []byte("AAAA"), 1), nil, "table is not 32 bytes"},
		{"loose base64", bytes.Replace(text("1000", ""), []byte(zero32), []byte(zero32[:42]+"B="), 1), nil, "table is not 32 bytes"},
		{"null rule", text("1000", `,"rule":null`), nil, "rule is not a JSON object"},
		{"empty rule", text("1000", `,"rule":{}`), nil, "either exact or range"},
		{"both rules", text("1000", `,"rule":{"exact":7,"range":{}}`), nil, "either exact or range"},
		{"exactly none", text("1000", `,"rule":{"exact":0}`), nil, "at least 1"},
		{"exact beyond", text("1000", `,"rule":{"exact":1001}`), nil, "does not fit"},
		{"not a power of two", text("1000", `,"rule":{"range":{"min":400,"max":600}}`), nil, "2, 4, 8"},
		{"upside down", text("1000", `,"rule":{"range":{"min":400,"max":300}}`), nil, "2, 4, 8"},
	}
	p, err := cohort.ParamsByID("ecq1-a")
	must(t, err)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := client.ReadQuestion(tt.text)
			if tt.err != "" {
				if !errors.Is(err, client.ErrQuestion) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			must(t, err)
			want, err := cohort.NewLayout(p, 1000, tt.want...)
			must(t, err)
			if q.Layout.Digest() != want.Digest() {
				t.Error("another layout than the gateway's")
			}
		})
	}
}

// Whatever the text, an accepted question has a layout within bounds.
func FuzzReadQuestion(f *testing.F) {
	f.Add(text("1000", ""))
	f.Add(text(`"1000"`, `,"rule":{"exact":"7"}`))
	f.Add(text("1000", `,"rule":{"range":{"min":400,"max":655}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := client.ReadQuestion(b)
		switch {
		case err != nil && !errors.Is(err, client.ErrQuestion):
			t.Errorf("another error: %v", err)
		case err == nil && (q.Layout == nil || q.Layout.Entries() < 1 || q.Layout.Blocks() < 1 || q.Layout.Blocks() > 1<<24):
			t.Error("accepted without a layout")
		}
	})
}

func newUpload(t *testing.T, entries string, auditor []byte) (*client.Key, *client.Upload) {
	t.Helper()
	k, _, err := client.Generate("ecq1-a", make([]byte, 32), auditor)
	must(t, err)
	u, err := k.Encrypt(text(entries, ""), []uint32{1, 2, 2, 3}, auditor)
	must(t, err)
	return k, u
}

// The digest is that of the parts, in whatever order they were asked for, opening included.
func TestCommit(t *testing.T) {
	ak, err := cohort.GenerateAuditorKey()
	must(t, err)
	for _, order := range [][]int{{}, {0, 1, 2, 3, 4, 5}, {3, 2, 1}, {1, 1, 2}, {0, 1, 3}} {
		_, u := newUpload(t, "30000", ak.Public())
		for _, i := range order {
			_, err := u.Part(i)
			must(t, err)
		}
		got, err := u.Commit()
		must(t, err)
		h, n := sha256.New(), 0
		for i := range u.Blocks() + 2 {
			b, err := u.Part(i)
			must(t, err)
			h.Write(b)
			n += len(b)
		}
		again, err := u.Commit()
		must(t, err)
		if got != [32]byte(h.Sum(nil)) || again != got {
			t.Errorf("after parts %v: another digest", order)
		}
		if n != u.Bytes() {
			t.Errorf("%d bytes, announced %d", n, u.Bytes())
		}
	}
}

// After the erasure of the upload or of the key nothing comes out. A block of erased seeds would show the key.
func TestErase(t *testing.T) {
	k, u := newUpload(t, "20000", nil)
	u.Erase()
	for i := range u.Blocks() + 2 {
		if b, err := u.Part(i); !errors.Is(err, client.ErrErased) || b != nil {
			t.Errorf("part %d of an erased upload: %d bytes, %v", i, len(b), err)
		}
	}
	if _, err := u.Commit(); !errors.Is(err, client.ErrErased) {
		t.Errorf("digest of an erased upload: %v", err)
	}
	_, err := k.Encrypt(text("100", ""), []uint32{1}, nil)
	must(t, err) // the key lives on

	k, u = newUpload(t, "20000", nil)
	k.Erase()
	if b, err := u.Block(0); !errors.Is(err, cohort.ErrKey) || b != nil {
		t.Errorf("block under an erased key: %d bytes, %v", len(b), err)
	}
	if b, err := k.Store(); !errors.Is(err, cohort.ErrKey) || b != nil {
		t.Errorf("stored an erased key: %v", err)
	}
}

// Under the race detector this shows that erasing waits; without it, that every block is whole or refused.
func TestEraseMeanwhile(t *testing.T) {
	for _, what := range []string{"upload", "key"} {
		t.Run(what, func(t *testing.T) {
			k, u := newUpload(t, "100", nil)
			want, err := u.Block(0)
			must(t, err)
			var wg sync.WaitGroup
			started := make(chan struct{}, 4)
			for range 4 {
				wg.Go(func() {
					for i := range 30 {
						if i == 2 {
							started <- struct{}{}
						}
						if b, err := u.Block(0); err == nil && !bytes.Equal(b, want) {
							t.Error("other bytes")
						}
					}
				})
			}
			<-started
			if what == "key" {
				k.Erase()
			} else {
				u.Erase()
			}
			wg.Wait()
		})
	}
}

func TestArguments(t *testing.T) {
	k, u := newUpload(t, "100", nil)
	_, _, crs := client.Generate("ecq1-a", make([]byte, 31), nil)
	_, _, auditor := client.Generate("ecq1-a", make([]byte, 32), []byte("x"))
	_, before := u.Block(-1)
	_, beyond := u.Block(1)
	_, _, negative := k.Decrypt(nil, []int64{-1})
	_, entry := k.Encrypt(text("100", ""), []uint32{100}, nil)
	for name, got := range map[string]struct{ err, want error }{
		"crs": {crs, client.ErrArgument}, "auditor": {auditor, cohort.ErrAuditorKey}, "block -1": {before, client.ErrArgument},
		"block 1": {beyond, client.ErrArgument}, "bound": {negative, client.ErrArgument}, "entry": {entry, cohort.ErrSelector},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v, want %v", name, got.err, got.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
