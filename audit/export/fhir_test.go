package export

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/audit"
)

var update = flag.Bool("update", false, "write golden files")

// vector reads the frozen vector of the format: genesis, an intent and its release, and two further entries made from them.
func vector(t *testing.T) (audit.Checkpoint, []Disclosed) {
	t.Helper()
	var v struct{ Entries []string }
	var r struct{ Details []audit.Disclosures }
	for name, to := range map[string]any{"vector.json": &v, "receipt.json": &r} {
		b, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, to); err != nil {
			t.Fatal(err)
		}
	}
	var out []Disclosed
	for i, line := range v.Entries {
		e, err := audit.ParseEntry([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		d := Disclosed{Entry: e}
		for _, ds := range r.Details {
			if ds.Seq == uint64(i) {
				d.Details = ds.D
			}
		}
		out = append(out, d)
	}
	for seq, kind := range []audit.Kind{3: audit.Refused, 4: audit.Replay, 5: audit.Intent, 6: audit.Failure, 7: audit.Intent} {
		if kind == "" {
			continue
		}
		e := out[1].Entry
		e.Seq, e.Kind, e.Line, e.Fields = uint64(seq), kind, []byte{byte(seq)}, audit.Object{"why": "policy", "pu": "DUO:0000006+ehds-e", "ds": "health-2027"}
		if kind == audit.Replay || kind == audit.Failure {
			ref := map[audit.Kind]uint64{audit.Replay: 1, audit.Failure: 5}[kind]
			e.Ref = &ref
		}
		out = append(out, Disclosed{Entry: e})
	}
	return audit.Checkpoint{Size: 8}, out
}

func TestFHIR(t *testing.T) {
	cp, entries := vector(t)
	got, err := FHIR(cp, entries)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/fhir.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var b bundle
	dec := json.NewDecoder(bytes.NewReader(got))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for _, e := range b.Entry {
		outcomes = append(outcomes, e.Resource.Outcome)
	}
	if want := []string{"0", "4", "0", "8", ""}; !slices.Equal(outcomes, want) {
		t.Errorf("outcomes %q, want %q", outcomes, want)
	}
	for i, e := range b.Entry {
		if named := e.Resource.Meta != nil; named != (i == 0) {
			t.Errorf("event %d names the profile: %v; only the one with its text and success may", i, named)
		}
	}
	// A disclosure of another entry is never written.
	entries[2].Details, entries[1].Details = entries[1].Details, entries[2].Details
	if _, err := FHIR(cp, entries); err == nil {
		t.Error("wrote details that do not match")
	}
}

// Events that lack what FHIR R4 or the profile requires are refused.
func TestFHIRCheck(t *testing.T) {
	for name, spoil := range map[string]func(*auditEvent){
		"type":           func(a *auditEvent) { a.Type.Code = "" },
		"recorded":       func(a *auditEvent) { a.Recorded = "2027-01-01" },
		"outcome":        func(a *auditEvent) { a.Outcome = "1" },
		"agents":         func(a *auditEvent) { a.Agent = nil },
		"requestor":      func(a *auditEvent) { a.Agent = a.Agent[1:] },
		"observer":       func(a *auditEvent) { a.Source.Observer = reference{} },
		"id":             func(a *auditEvent) { a.ID += "x" },
		"name and query": func(a *auditEvent) { a.Entity[0].Name = "x" },
		"empty detail":   func(a *auditEvent) { a.Entity[0].Detail[0].Value = "" },
		"client":         func(a *auditEvent) { a.Agent = append(a.Agent[:1:1], a.Agent[2]) },
		"server":         func(a *auditEvent) { a.Agent = a.Agent[:2] },
		"query":          func(a *auditEvent) { a.Entity[0].Query = "" },
		"action":         func(a *auditEvent) { a.Action = "R" },
	} {
		cp, entries := vector(t)
		a, err := eventOf(cp, entries[1], map[uint64]audit.Kind{1: audit.Release}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.check(); err != nil {
			t.Fatalf("as it is: %v", err)
		}
		if spoil(a); a.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
