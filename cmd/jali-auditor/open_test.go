package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jali/crypto/cohort"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// From the auditor's key to the opened question, with a real gateway: a client sends nothing to an auditor it does not know, the auditor
// finds what was selected, and whatever was changed afterwards, or is opened with another key, does not match.
func TestOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a gateway")
	}
	dir := t.TempDir()
	secret, public := filepath.Join(dir, "auditor.key"), filepath.Join(dir, "auditor.pub")
	if status, _, errs := auditor("open", "keygen", "--secret", secret, "--public", public); status != statusOK {
		t.Fatal(errs)
	}
	if status, _, errs := auditor("open", "keygen", "--secret", secret, "--public", public); status != statusUsage {
		t.Errorf("a key was overwritten: %s", errs)
	}
	if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret part: %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}

	const example = "../../examples/nhefs"
	agreement, err := os.ReadFile(example + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	terms := strings.Replace(string(agreement), "kinds: [aggregate]", "kinds: [encrypted]\nencrypted:\n  auditor: "+string(text), 1)
	g := sdktest.Start(t, sdktest.Config{Datasets: []sdktest.Dataset{{Catalog: example + "/nhefs.yaml", Files: []string{example + "/nhefs.csv.gz"}}}, Agreements: []string{terms}})
	t.Setenv(sdk.KeysEnv, filepath.Join(dir, "keys"))
	q := sdk.CohortQuery{Agreement: g.Agreement, Purpose: g.Purpose, By: "nhefs.education", Codes: []string{"2", "5"}, MinSize: 1, Error: "20"}
	other, err := cohort.GenerateAuditorKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, trusted := range map[string][]byte{"none": nil, "another": other.Public()} {
		q.Auditor = trusted
		var refused *sdk.QueryError
		if _, err := g.Researcher().CohortCount(t.Context(), q); !errors.As(err, &refused) || refused.Code != "AUDITOR" {
			t.Errorf("trusting %s: %v", name, err)
		}
	}
	if files, _ := os.ReadDir(filepath.Join(g.Dir, "openings")); len(files) > 0 {
		t.Error("something was sent to an auditor who is not trusted")
	}
	q.Auditor = key
	answer, err := g.Researcher().CohortCount(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	g.Stop()

	open := func(more ...string) (int, string) {
		args := append([]string{"open", fmt.Sprint(answer.Receipt.Intent), "--dir", g.Dir, "--format", "json", "--auditor-key"}, more...)
		status, out, errs := auditor(args...)
		return status, out + errs
	}
	status, out := open(secret)
	var found opened
	if err := json.Unmarshal([]byte(out), &found); status != statusOK || err != nil {
		t.Fatalf("%d: %s", status, out)
	}
	if !found.Match || !slices.Equal(found.Selected, []int{1, 4}) || found.Entries != 5 || found.List != "nhefs.education" {
		t.Errorf("found %+v", found)
	}

	// Another auditor's key opens nothing.
	b, err := other.Store()
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "other.key")
	if err := os.WriteFile(foreign, []byte(base64.StdEncoding.EncodeToString(b)), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := open(foreign); status != statusFailed || !strings.Contains(out, "does not open") {
		t.Errorf("another auditor: %d, %s", status, out)
	}
	if status, out := open(public); status != statusUsage {
		t.Errorf("the public part as key: %d, %s", status, out)
	}
	if status, out := open(secret, "--kept", t.TempDir()); status == statusOK || !strings.Contains(out, "read kept upload") {
		t.Errorf("nothing kept: %d, %s", status, out)
	}
	// A changed byte in either file is found.
	for pattern, says := range map[string]string{"*.upload": "the upload kept is not the one on record", "*.key": "the key kept is not the one on record"} {
		paths, err := filepath.Glob(filepath.Join(g.Dir, "openings", pattern))
		if err != nil || len(paths) != 1 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		kept, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		changed := slices.Clone(kept)
		changed[len(changed)/2] ^= 1
		if err := os.WriteFile(paths[0], changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, out := open(secret); status != statusFailed || !strings.Contains(out, says) {
			t.Errorf("%s changed: %d, %s", pattern, status, out)
		}
		if err := os.WriteFile(paths[0], kept, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if status, out := open(secret); status != statusOK {
		t.Errorf("restored: %d, %s", status, out)
	}
	if status, _, errs := auditor("open", "0", "--dir", g.Dir, "--auditor-key", secret); status != statusUsage || !strings.Contains(errs, "belongs to no encrypted question") {
		t.Errorf("another entry: %d, %s", status, errs)
	}
}
