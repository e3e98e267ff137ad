// Package r_test runs the R helper against a real gateway.
package r_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// require names the environment variable that makes the absence of a client fatal.
const require = "JALI_REQUIRE_CLIENTS"

func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv(require) != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func TestR(t *testing.T) {
	gateway, ok := sdktest.Built()
	if !ok {
		absent(t, "no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	jali := filepath.Join(filepath.Dir(gateway), "jali")
	if _, err := os.Stat(jali); err != nil {
		absent(t, "no program jali beside the gateway: make build")
	}
	if out, err := exec.Command("Rscript", "-e", "library(DBI); stopifnot(requireNamespace('RPostgres', quietly=TRUE) || requireNamespace('RPostgreSQL', quietly=TRUE))").CombinedOutput(); err != nil {
		absent(t, "no R with DBI and a driver of PostgreSQL (hint: apt-get install r-cran-dbi r-cran-rpostgresql): %v\n%s", err, out)
	}
	// Opened here so that the go command's test cache knows of what only R reads.
	for _, name := range []string{"jali.R", "testdata/client.R"} {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}

	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	port := free(t)
	g := sdktest.Start(t, sdktest.Config{
		Datasets:     []sdktest.Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}},
		Agreements:   []string{strings.Replace(string(text), "pu: 15727", "pu: 400000", 1)},
		ServerConfig: map[string]string{`listen_pg: ""`: fmt.Sprintf("listen_pg: 127.0.0.1:%d", port)},
	})
	cmd := exec.Command("Rscript", "--vanilla", "testdata/client.R", "jali.R", filepath.Dir(g.Researcher().Profile()), fmt.Sprint(port), jali)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all checks passed") {
		t.Fatalf("Rscript: %v\n%s", err, out)
	}
}

// free is a port that nobody listens on now.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
