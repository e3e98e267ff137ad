//go:build !js

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/crypto/cohort/client/clienttest"
)

// TestNode runs the client half as WebAssembly: keys, uploads and answers of the browser against the native gateway.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the client half for browsers was not run")
	}
	if testing.Short() {
		t.Skip("short: building WebAssembly takes a while")
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
	c := clienttest.Start(t, node, "testdata/client.mjs", wasm, glue)
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
