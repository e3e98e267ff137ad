// Package clienttest is the gateway that clients in other languages are tested against: a client runs as a process of its own, takes one
// JSON command per line and answers one line; the answers to its questions are evaluated here, natively, by package cohort.
//
// The commands are generate, encrypt, decrypt and errors. Bytes travel in hexadecimal.
package clienttest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"jali/crypto/cohort"
)

// Client is a running client.
type Client struct {
	in  io.Writer
	out *bufio.Reader
}

// Start runs a client until the test ends.
func Start(t testing.TB, name string, args ...string) *Client {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // the context has ended the process, or its input has
	})
	return &Client{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// Call sends a command and reads the answer.
func (c *Client) Call(t testing.TB, command, answer any) {
	t.Helper()
	b, err := json.Marshal(command)
	must(t, err)
	_, err = c.in.Write(append(b, '\n'))
	must(t, err)
	line, err := c.out.ReadBytes('\n')
	must(t, err)
	must(t, json.Unmarshal(line, answer))
}

// world is what both sides agree on.
type world struct {
	params *cohort.Params
	table  *cohort.Table
	values []int64
	domain cohort.Domain
	key    *cohort.Registration
}

// values are known numbers, negative ones among them.
func values(n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = int64(i*7919%1000) - 200
	}
	return v
}

// register makes a key in the client and registers it.
func (c *Client) register(t testing.TB, set string, entries int) world {
	t.Helper()
	p, err := cohort.ParamsByID(set)
	must(t, err)
	w := world{params: p, values: values(entries), domain: cohort.Domain{Dataset: "d", Version: "1", Mapping: "m", Entries: entries}}
	w.table, err = cohort.PrepareTable(w.values, cohort.TableConfig{Params: p, Low: -200, High: 800, MaxNoise: 1 << 20})
	must(t, err)
	crs := random32()
	var made struct {
		Registration, ID, Stale string
		Sizes                   []int64
	}
	c.Call(t, map[string]any{"do": "generate", "params": set, "crs": hex.EncodeToString(crs[:])}, &made)
	w.key, err = cohort.ParseRegistration(p, crs, unhex(t, made.Registration), false)
	must(t, err)
	id := w.key.ID()
	if got := unhex(t, made.ID); !bytes.Equal(got, id[:]) {
		t.Error("client and gateway name the key differently")
	}
	if want := []int64{int64(p.SlotsPerBlock()), int64(p.RegistrationBytes()), int64(p.ReplyBytes()), p.Limit()}; len(made.Sizes) != 4 || [4]int64(made.Sizes) != [4]int64(want) {
		t.Errorf("sizes %v, want %v", made.Sizes, want)
	}
	if !strings.Contains(made.Stale, "erased") {
		t.Errorf("an erased key says %q", made.Stale)
	}
	return w
}

func question(w world, nonce [32]byte, rule any) map[string]any {
	table := w.domain.ID(w.params)
	q := map[string]any{
		"params": w.params.ID(), "entries": len(w.values),
		"table": base64.StdEncoding.EncodeToString(table[:]), "nonce": base64.StdEncoding.EncodeToString(nonce[:]),
	}
	if rule != nil {
		q["rule"] = rule
	}
	return q
}

// Question registers a key and makes a question about 100 entries.
func (c *Client) Question(t testing.TB) map[string]any {
	t.Helper()
	return question(c.register(t, "ecq1-a", 100), random32(), nil)
}

// RoundTrip: key generation, registration, encryption and decryption in the client, evaluation here, equals the plaintext sum plus the noise.
func (c *Client) RoundTrip(t *testing.T) {
	tests := []struct {
		name, set string
		entries   int
		selected  int
		rule      any
		rules     []cohort.Rule // as the gateway enforces them
		garbage   bool
	}{
		{"one block", "ecq1-a", 1000, 300, nil, nil, false},
		{"three blocks", "ecq1-a", 20000, 7000, nil, nil, false},
		{"nothing selected", "ecq1-a", 10, 0, nil, nil, false},
		{"exact size", "ecq1-aplus", 1000, 300, map[string]any{"exact": "300"}, []cohort.Rule{cohort.ExactSize(300)}, false},
		{"at least", "ecq1-a", 1000, 300, map[string]any{"range": map[string]any{"min": 100}}, []cohort.Rule{cohort.AtLeast(100, 1000)}, false},
		{"hidden size, money", "ecq1-b", 1000, 300, map[string]any{"range": map[string]any{"min": 100, "max": 355}}, []cohort.Rule{cohort.SizeBetween(100, 8)}, false},
		{"a rule that the client did not keep", "ecq1-a", 1000, 300, nil, []cohort.Rule{cohort.ExactSize(301)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := c.register(t, tt.set, tt.entries)
			var selected []int
			const noise = -17
			sum := int64(noise)
			for k := range tt.selected {
				i := k * 3 % tt.entries // 3 divides none of the sizes: all differ
				selected = append(selected, i)
				sum += w.values[i]
			}
			if selected == nil {
				selected = []int{}
			}
			nonce := random32()
			var sent struct{ Upload, Commit, After string }
			c.Call(t, map[string]any{"do": "encrypt", "question": question(w, nonce, tt.rule), "selected": selected}, &sent)
			layout, err := cohort.NewLayout(w.params, tt.entries, tt.rules...)
			must(t, err)
			u, err := cohort.ReadUpload(bytes.NewReader(unhex(t, sent.Upload)), layout, false)
			must(t, err)
			if commit := u.Commit(); !bytes.Equal(unhex(t, sent.Commit), commit[:]) {
				t.Error("client and gateway digest the upload differently")
			}
			if !strings.Contains(sent.After, "erased") && !strings.Contains(sent.After, "handle") {
				t.Errorf("an erased upload says %q", sent.After)
			}
			q := cohort.Query{Layout: layout, Table: w.domain.ID(w.params), Nonce: nonce}
			reply, err := cohort.Evaluate(t.Context(), cohort.Evaluation{Key: w.key, Query: q, Upload: u, Aggregates: []cohort.Aggregate{{Table: w.table, Noise: noise}}})
			must(t, err)
			// Garbage is uniform mod t and falls within 1,000,000 of zero once in 8,600 runs in set A.
			var got struct {
				Numbers    []int64
				OutOfRange bool `json:"out_of_range"`
			}
			c.Call(t, map[string]any{"do": "decrypt", "reply": hex.EncodeToString(reply), "bounds": []int64{1_000_000}}, &got)
			if tt.garbage {
				if !got.OutOfRange {
					t.Error("the answer to a broken rule passes for an answer")
				}
				return
			}
			if sum > 1_000_000 != got.OutOfRange || len(got.Numbers) != 1 || got.Numbers[0] != sum {
				t.Errorf("answer %v, out of range %v; plaintext says %d", got.Numbers, got.OutOfRange, sum)
			}
		})
	}
}

// Errors: what no right program does is refused with a text that helps.
func (c *Client) Errors(t *testing.T) {
	var got map[string]string
	c.Call(t, map[string]any{"do": "errors", "question": c.Question(t)}, &got)
	want := map[string]string{
		"entry": "outside", "negative": "whole number", "question": "none of", "params": "set", "stored": "too short", "reply": "bytes",
		"twice": "no such handle", "journal": "stopped",
	}
	for name, part := range want {
		if !strings.Contains(got[name], part) {
			t.Errorf("%s: %q, want something with %q", name, got[name], part)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func random32() (b [32]byte) {
	rand.Read(b[:]) // never fails
	return b
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	must(t, err)
	return b
}
