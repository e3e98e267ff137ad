package sdktest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Built names a ready gateway program without building one: $JALI_GATEWAY, or jali-gateway in $JALI_BIN. Tests that must stay
// short skip when there is none.
func Built() (path string, ok bool) {
	if path = os.Getenv("JALI_GATEWAY"); path != "" {
		return path, true
	}
	if dir := os.Getenv("JALI_BIN"); dir != "" {
		path = filepath.Join(dir, "jali-gateway")
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return "", false
}

// program finds or builds the gateway, once per test process.
var program = sync.OnceValues(func() (string, error) {
	if path, ok := Built(); ok {
		return filepath.Abs(path)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("build gateway: %w", err)
	}
	dir := filepath.Join(cache, "jali", "sdktest")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("build gateway: %w", err)
	}
	// Test processes of several packages run at once: one builds, the others find it built.
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("build gateway: %w", err)
	}
	defer unlock()
	path := filepath.Join(dir, "jali-gateway")
	build := exec.Command("go", "build", "-o", path, "jali/cmd/jali-gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gateway: %w\n%s", err, out)
	}
	return path, nil
})
