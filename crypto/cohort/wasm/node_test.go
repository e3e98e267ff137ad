//go:build !js

package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/crypto/cohort"
	"jali/crypto/cohort/client/clienttest"
)

// start builds the client half as WebAssembly and runs it in Node.
func start(t testing.TB) *clienttest.Client {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the client half for browsers was not run")
	}
	wasm := filepath.Join(t.TempDir(), "jali-cohort.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	glue := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
	return clienttest.Start(t, node, "testdata/client.mjs", wasm, glue)
}

// TestNode runs keys, uploads and answers of the browser against the native gateway.
func TestNode(t *testing.T) {
	if testing.Short() {
		t.Skip("short: building WebAssembly takes a while")
	}
	c := start(t)
	t.Run("round trip", c.RoundTrip)
	t.Run("errors", c.Errors)

	t.Run("more errors", func(t *testing.T) {
		var got map[string]string
		c.Call(t, map[string]any{"do": "errors", "question": c.Question(t)}, &got)
		for name, part := range map[string]string{
			"arguments": "wrong arguments", "fraction": "wrong arguments", "range": "block 98 of 1", "forgotten": "needs remember", "abort": "aborted",
		} {
			if !strings.Contains(got[name], part) {
				t.Errorf("%s: %q, want something with %q", name, got[name], part)
			}
		}
	})

	t.Run("prints nothing", func(t *testing.T) {
		var got struct{ Said []string }
		c.Call(t, map[string]any{"do": "printed"}, &got)
		if got.Said == nil || len(got.Said) > 0 {
			t.Errorf("printed %q", got.Said)
		}
	})

	t.Run("speed", func(t *testing.T) {
		q := c.Question(t)
		q["entries"] = 16 * 8192
		var sent struct {
			MS     float64
			Blocks int
		}
		c.Call(t, map[string]any{"do": "encrypt", "question": q, "selected": []int{5, 100_000}}, &sent)
		t.Logf("%.1f ms per block of 8,192 entries", sent.MS/float64(sent.Blocks))
		if sent.Blocks != 16 {
			t.Errorf("%d blocks, want 16", sent.Blocks)
		}
	})
}

// BenchmarkEncrypt is the time for a block of set A in Node, and for the same block natively on one goroutine, best of all rounds.
func BenchmarkEncrypt(b *testing.B) {
	const blocks = 16
	c := start(b)
	q := c.Question(b)
	q["entries"] = blocks * 8192
	p, err := cohort.ParamsByID("ecq1-a")
	if err != nil {
		b.Fatal(err)
	}
	key, _, err := cohort.GenerateKey(p, [32]byte{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	layout, err := cohort.NewLayout(p, blocks*8192)
	if err != nil {
		b.Fatal(err)
	}
	selector, err := cohort.NewSelector(blocks * 8192)
	if err != nil {
		b.Fatal(err)
	}
	wasm, native := math.Inf(1), math.Inf(1)
	for b.Loop() {
		var sent struct{ MS float64 }
		q["nonce"] = nonce(b)
		c.Call(b, map[string]any{"do": "encrypt", "question": q, "selected": []int{5, 100_000}}, &sent)
		wasm = min(wasm, sent.MS/blocks)
		e, err := key.Encrypt(cohort.Query{Layout: layout}, selector, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for j := range blocks {
			if _, err := e.Block(j); err != nil {
				b.Fatal(err)
			}
		}
		native = min(native, float64(time.Since(began).Microseconds())/1e3/blocks)
	}
	b.ReportMetric(wasm, "wasm-ms/block")
	b.ReportMetric(native, "native-ms/block")
	b.ReportMetric(wasm/native, "wasm/native")
	b.ReportMetric(0, "ns/op")
}

func nonce(b *testing.B) string {
	b.Helper()
	var n [32]byte
	if _, err := rand.Read(n[:]); err != nil {
		b.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(n[:])
}
