package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"jali/sdk/sdktest"
)

// Scripts in testdata/gateway run the command against the real gateway with the NHEFS data. $PROFILE is a researcher's
// profile, $REGULATOR a regulator's; $POOR is an agreement's with 100 PU, $SECRETIVE may ask encrypted questions, $STRANGER is a
// researcher's whom no agreement names.
func TestGatewayScripts(t *testing.T) {
	if _, ok := sdktest.Built(); !ok {
		t.Skip("no gateway program: set JALI_GATEWAY or JALI_BIN (make test does)")
	}
	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data := []sdktest.Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}}
	rich := sdktest.Start(t, sdktest.Config{Datasets: data, Agreements: []string{string(text)}})
	poor := sdktest.Start(t, sdktest.Config{Datasets: data, Agreements: []string{string(text)}, AgreementPU: 100})
	secretive := sdktest.Start(t, sdktest.Config{Datasets: data, Agreements: []string{strings.Replace(string(text), "kinds: [aggregate]", "kinds: [aggregate, encrypted]", 1)}})
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte("233\n70000001\n235\n70000002\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secretive.Run("study", "register", "--dir", secretive.Dir, "--agreement", secretive.Agreement, "--id", "arm", "--persons", list)
	if out := secretive.Run("study", "list", "--dir", secretive.Dir); !strings.Contains(out, "arm") || strings.Contains(out, "70000001") {
		t.Errorf("studies: %s", out)
	}
	env := map[string]string{
		"PROFILE": rich.Researcher().Profile(), "REGULATOR": rich.Regulator().Profile(), "POOR": poor.Researcher().Profile(), "SECRETIVE": secretive.Researcher().Profile(),
		"STRANGER":  rich.Client("mallory", "Elsewhere", sdktest.Researcher).Profile(),
		"AGREEMENT": rich.Agreement, "PURPOSE": rich.Purpose,
	}
	// RunT would return before parallel scripts end; a group of their own ends before the gateways do.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:  "testdata/gateway",
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
			Setup: func(e *testscript.Env) error {
				e.Setenv("HOME", e.WorkDir)
				for name, value := range env {
					e.Setenv(name, value)
				}
				return nil
			},
		})
	})
}
