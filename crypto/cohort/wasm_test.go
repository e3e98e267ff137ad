//go:build !js

package cohort

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrowserMakesTheSameBytes runs the frozen vectors as WebAssembly under node. It compiles the package for another
// platform, so it is part of the long tests.
func TestBrowserMakesTheSameBytes(t *testing.T) {
	if !long {
		t.Skip("compiles for another platform: JALI_LONG=1")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node on this machine")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	runner := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "go_js_wasm_exec")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-exec", runner, "-run", "^(TestVectors|TestFullSets)$", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "JALI_LONG=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
