// Package deploy_test checks what an agency installs: the unit's hardening offline, the bill of materials, and, with the package test, an installation in a throw-away root.
package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The worst exposure that systemd-analyze may find, of 10. What is left of it is the network and that the host's own root file system is visible.
const exposure = 1.5

func TestUnitIsHardened(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze: tools/setup.sh package")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "systemd/jali-gateway.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for jali-gateway\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no level in: %s", out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > exposure {
		t.Errorf("exposure %s, more than %v", m[1], exposure)
	}
	// Every key is one that systemd knows, and the unit's commands are those of the package.
	out, err = exec.Command("systemd-analyze", "verify", "--man=no", "systemd/jali-gateway.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "jali-gateway.service") && !strings.Contains(line, "Command /usr/bin/jali-gateway is not executable") {
			t.Errorf("verify: %s", line)
		}
	}
	_ = err // of the command that is not installed here
}

func TestUnitDoesNotRestartOverEvidence(t *testing.T) {
	unit, err := os.ReadFile("systemd/jali-gateway.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nRestartPreventExitStatus=2 72 73 74\n", "\nLimitSTACK=8M\n", "\nLimitCORE=0\n", "\nType=notify\n"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit has no %q", strings.TrimSpace(want))
		}
	}
}

// The bill of materials of a program has what the program says of itself, and is the same twice.
func TestBillOfMaterials(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bill := func() []byte {
		cmd := exec.Command("go", "run", ".", "-version", "1.2.3", program)
		cmd.Dir = filepath.Join("..", "tools", "sbom")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := bill()
	if string(first) != string(bill()) {
		t.Error("two bills of one program differ")
	}
	var b struct {
		BomFormat, SpecVersion string
		Components             []struct{ Type, Name, Version, PURL string }
	}
	if err := json.Unmarshal(first, &b); err != nil {
		t.Fatal(err)
	}
	if b.BomFormat != "CycloneDX" || b.SpecVersion != "1.6" || len(b.Components) < 2 || b.Components[0].Version != "1.2.3" {
		t.Errorf("bill: %s %s, %d components", b.BomFormat, b.SpecVersion, len(b.Components))
	}
	if !strings.Contains(string(first), "pkg:golang/std@") {
		t.Error("the standard library is not on the bill")
	}
}

// With JALI_PACKAGE_TEST set, the package is built twice from different directories, installed, served, reloaded, upgraded, backed up and removed in a throw-away root.
func TestPackage(t *testing.T) {
	if os.Getenv("JALI_PACKAGE_TEST") == "" {
		t.Skip("make package-test runs it")
	}
	cmd := exec.Command("./package-test.sh")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}
