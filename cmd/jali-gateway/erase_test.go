package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"jali/sdk"
	"jali/sdk/sdktest"
)

// Across processes: the custodian previews, two people sign on their own with their own certificates, the custodian carries it out. With
// one signature, or names, nothing happens.
func TestEraseBySignatures(t *testing.T) {
	g := sdktest.Start(t, nhefs(t, nil))
	answer, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) AS gone FROM nhefs", Error: "20"})
	if err != nil {
		t.Fatal(err)
	}
	order := []string{"erase", "--dir", g.Dir, "--scope", "query", "--query", strconv.FormatUint(answer.Receipt.Intent, 10), "--law", "GDPR:17.1", "--order", "decision 7/26"}
	dir := t.TempDir()
	text := filepath.Join(dir, "erase.txt")
	g.Run(append(order, "--preview", "--text", text)...)
	if b, err := os.ReadFile(text); err != nil || !strings.Contains(string(b), "\nlaw GDPR:17.1\n") {
		t.Fatalf("%q, %v", b, err)
	}
	var approvals []string
	for name, profile := range map[string]string{"ada": g.Custodian().Profile(), "ben": g.Regulator().Profile()} {
		out := filepath.Join(dir, name)
		if code, said := auditor(t, "approve", text, "--profile", profile, "--out", out); code != 0 || !strings.Contains(said, "\norder \"decision 7/26\"\n") {
			t.Fatalf("approve: %d\n%s", code, said)
		}
		approvals = append(approvals, "--approval", out)
	}
	if said, err := g.Try(append(order, approvals[:2]...)...); err == nil || !strings.Contains(said+err.Error(), "two different people") {
		t.Errorf("with one approval: %v\n%s", err, said)
	}
	if said := g.Run(append(order, approvals...)...); !strings.Contains(said, "keys destroyed") {
		t.Error(said)
	}
	code, said := auditor(t, "list", "--profile", g.Regulator().Profile(), "--kind", "ERASE,ERASED")
	if code != 0 || strings.Count(said, "ERASE") != 2 {
		t.Errorf("%d\n%s", code, said)
	}
	if code, said := auditor(t, "show", order[6], "--profile", g.Regulator().Profile()); code != 0 || strings.Contains(said, "AS gone") {
		t.Errorf("%d\n%s", code, said)
	}
}
