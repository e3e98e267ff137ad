package policy

import (
	"encoding/base64"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example is the one in the documentation.
func example(t testing.TB) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/agreements.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("docs/agreements.md has no example")
	}
	return string(m[1])
}

func TestParseAgreementExample(t *testing.T) {
	a, err := ParseAgreement([]byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := InputAgreement{
		ID: "agr-7f3kq2w9d41x", Version: 1, State: "active",
		Parties:  []string{"University Hospital Elbe", "Institute of Pharmacoepidemiology"},
		Users:    []string{"ana.weber", "li.chen"},
		Purposes: []string{"DUO:0000006", "EHDS:53.1.e"},
		Datasets: []InputAllowed{
			{
				ID:          "cms10k",
				Columns:     []string{"beneficiaries.*", "carrier_claims.cost", "carrier_claims.year"},
				Sensitivity: []string{"low", "normal"},
			},
			{ID: "nhefs", Columns: []string{"subjects.*"}, Sensitivity: []string{"low", "normal"}},
		},
		Kinds: []string{"aggregate"}, Mode: "dp",
		ValidFrom:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix(),
		ValidUntil: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Unix(),
		MinError:   10, MaxPricePU: 2000, PerHour: 60, Hours: []int64{6, 22},
		Encrypted: &InputEncryptedTerms{Size: "any", MaxGroups: 100},
	}
	if diff := cmp.Diff(want, a.Input()); diff != "" {
		t.Error(diff)
	}
	if pu, ok := a.Cap("cms"); pu != 15727 || !ok {
		t.Errorf("Cap(cms) = %d, %v", pu, ok)
	}
	if pu, ok := a.Cap("elsewhere"); pu != 0 || ok {
		t.Errorf("Cap(elsewhere) = %d, %v; want none", pu, ok)
	}
}

func TestParseAgreementOptional(t *testing.T) {
	src := regexp.MustCompile(`(?m)^(users|hours):.*\n`).ReplaceAllString(example(t), "")
	a, err := ParseAgreement([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Users) != 0 || !cmp.Equal(a.Hours, []int64{0, 24}) {
		t.Errorf("users %v, hours %v; want none and always", a.Users, a.Hours)
	}
}

func TestParseAgreementDelta(t *testing.T) {
	for text, want := range map[string]int64{
		"1e-7": 100_000_000_000, "2.5e-7": 250_000_000_000, "0.0000001": 100_000_000_000, "1e-18": 1, "1.9e-18": 1, "1e-19": 0, "0": 0, "1e-3": 1e15,
	} {
		src := strings.Replace(example(t), "pu: 5000", "pu: 5000\n    delta: "+text, 1)
		a, err := ParseAgreement([]byte(src))
		if err != nil {
			t.Errorf("delta: %s: %v", text, err)
		} else if a.Budget[1].Delta != want || a.Budget[0].Delta != 0 {
			t.Errorf("delta: %s gives %d; want %d", text, a.Budget[1].Delta, want)
		}
	}
}

// TestParseAgreementRefuses changes one thing of the example each.
func TestParseAgreementRefuses(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"id: agr-7f3kq2w9d41x", "id: University", `line 1: id: must be "agr-"`},
		{"id: agr-7f3kq2w9d41x", "id: agr-" + strings.Repeat("a", 41), "line 1: id:"},
		{"version: 1 ", "version: 0 ", "line 2: version:"},
		{"version: 1 ", "version: '1' ", "line 2: version: must be a whole number"},
		{"version: 1 ", "version: 1\nversion: 2 ", `"version" already defined`},
		{"version: 1 ", "version: 99999999999999999999 ", "line 2: version:"},
		{"title: Statin", "titel: Statin", "line 3: titel: unknown key"},
		{"title: Statin", "title: &t Statin", "line 3: title: must be text"},
		{"title: Statin", "title: !!str Statin", "line 3: title: must be text"},
		{"state: active", "state: open", "line 4: state:"},
		{"parties: [Univ", "parties: [1, Univ", "line 5: parties[0]: must be text"},
		{"parties: [Univ", "parties: [true, Univ", "line 5: parties[0]: must be text"},
		{"parties: [Univ", "parties: [a, a, Univ", "line 5: parties[1]: is listed twice"},
		{"users: [ana.weber, li.chen]", "users: ana.weber", "line 6: users: must be a list"},
		{`["DUO:0000006", "EHDS:53.1.e"]`, "[]", "line 7: purposes: must list 1 to 64"},
		{`"DUO:0000006"`, `"DUO 6"`, "line 7: purposes[0]: must be a code"},
		{"- id: cms10k", "- id: CMS", "line 9: datasets[0].id:"},
		{"- id: nhefs", "- id: cms10k", "line 12: datasets[1].id: is listed twice"},
		{"beneficiaries.*", "beneficiaries", "line 10: datasets[0].columns[0]: must be table.column"},
		{"beneficiaries.*", "'*.*'", "line 10: datasets[0].columns[0]: must be table.column"},
		{"beneficiaries.*", "*anchor", "agreement is not valid"},
		{"    sensitivity: [low, normal]\n  - id: nhefs", "  - id: nhefs", "line 9: datasets[0].sensitivity: is missing"},
		{"kinds: [aggregate]", "kinds: [rows]", "line 15: kinds[0]:"},
		{"mode: dp", "mode: sdc", "line 18: budget[0]: mode sdc has a budget of cells"},
		{"mode: dp", "mode: none", "line 16: mode: must be dp or sdc"},
		{"pu: 5000", "cells: 5000", "mode dp has a budget of privacy units"},
		{"pu: 5000", "pu: 5000\n    cells: 5", "in privacy units or in cells, not in both"},
		{"pu: 5000", "delta: 1e-8", "budget[1].pu: is missing"},
		{"- population: nhefs", "- population: cms", "budget[1].population: is listed twice"},
		{"pu: 5000", "pu: 0", "budget[1].pu: must be a whole number from 1"},
		{"pu: 5000", "pu: -5", "budget[1].pu: must be a whole number"},
		{"pu: 5000", "pu: 100000000001", "budget[1].pu: must be a whole number from 1"},
		{"pu: 5000", "pu: 5000\n    delta: 0.5", "budget[1].delta: must be at most 1e-3"},
		{"pu: 5000", "pu: 5000\n    delta: 2e-3", "budget[1].delta: must be at most 1e-3"},
		{"pu: 5000", "pu: 5000\n    delta: -1e-7", "budget[1].delta: must be a small probability"},
		{"pu: 5000", "pu: 5000\n    delta: '1e-7'", "budget[1].delta: must be a small probability"},
		{"min_error: 10 ", "min_error: 0 ", "min_error: must be a positive number"},
		{"min_error: 10 ", "min_error: .nan ", "min_error: must be a number"},
		{"min_error: 10 ", "min_error: .inf ", "min_error: must be a number"},
		{"max_price_pu: 2000", "max_price_pu: 0x10", "max_price_pu: must be a whole number"},
		{"max_price_pu: 2000", "max_price_pu: 010", "max_price_pu: must be a whole number"},
		{"per_hour: 60", "per_hour: 60.5", "per_hour: must be a whole number"},
		{"per_hour: 60", "per_hour: 0", "per_hour: must be a whole number from 1"},
		{"per_hour: 60 ", "# 60 ", "per_hour: is missing"},
		{"hours: [6, 22]", "hours: [22, 6]", "hours: must be [from, to]"},
		{"hours: [6, 22]", "hours: [6]", "hours: must be [from, to]"},
		{"hours: [6, 22]", "hours: []", "hours: must be [from, to]"},
		{"hours: [6, 22]", "hours: [6, 25]", "hours: must be [from, to]"},
		{"kinds: [aggregate]", "encrypted: {size: exact}\nkinds: [aggregate]", "line 15: encrypted: has no effect"},
		{"kinds: [aggregate]", "encrypted: {size: 5}\nkinds: [encrypted]", "line 15: encrypted.size: must be text"},
		{"kinds: [aggregate]", "encrypted: {size: some}\nkinds: [encrypted]", "line 15: encrypted.size: must be any, declared, exact or range"},
		{"kinds: [aggregate]", "encrypted: {sise: any}\nkinds: [encrypted]", "encrypted.sise: unknown key"},
		{"kinds: [aggregate]", "encrypted: {min_size: 5}\nkinds: [encrypted]", "encrypted.min_size: needs a declared size"},
		{"kinds: [aggregate]", "encrypted: {size: exact, min_size: -1}\nkinds: [encrypted]", "encrypted.min_size: must be a whole number"},
		{"kinds: [aggregate]", "encrypted: {max_groups: 0}\nkinds: [encrypted]", "encrypted.max_groups: must be a whole number from 1 to 100"},
		{"kinds: [aggregate]", "encrypted: {auditor: aGVsbG8=}\nkinds: [encrypted]", "encrypted.auditor: must be an auditor's public key"},
		{"valid_from: 2026-01-01", "valid_from: 01.01.2026", "valid_from: must be a day"},
		{"valid_until: 2026-12-31", "valid_until: 2025-12-31", "valid_until: must not be before"},
		{"valid_until: 2026-12-31", "valid_until: 2026-13-31", "valid_until: must be a day"},
		{"valid_until: 2026-12-31", "valid_until: 2026-12-31\n---\nid: x", "exactly one document"},
	} {
		t.Run(tt.new, func(t *testing.T) {
			src := strings.Replace(example(t), tt.old, tt.new, 1)
			if src == example(t) {
				t.Fatal("the change changes nothing")
			}
			_, err := ParseAgreement([]byte(src))
			if !errors.Is(err, ErrAgreement) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}

// Text made to overwhelm the YAML library is refused before it gets there, or is cheap.
func TestParseAgreementHostile(t *testing.T) {
	for _, unit := range []string{
		"[", "{a: ", "- ", "? ", "a: ", "*", "&a ", "!a ", "<<: ", "\"", "'", "[]", "\t", "\x00", "\xff",
		"a: 1\n", "- a\n", "|\n", "[\n", "- [x]\n", "---\n", "k: v\n  ", "a:\n - b\n", "a: &a [*a]\n",
	} {
		for _, size := range []int{100, 4000, maxAgreement} {
			start := time.Now()
			_, err := ParseAgreement([]byte(strings.Repeat(unit, size/len(unit))))
			if !errors.Is(err, ErrAgreement) {
				t.Errorf("%d bytes of %q: error %v", size, unit, err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%d bytes of %q took %v", size, unit, d)
			}
		}
	}
	var deep strings.Builder
	for i := range 1000 {
		deep.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	if _, err := ParseAgreement([]byte(deep.String())); !errors.Is(err, ErrAgreement) {
		t.Errorf("deep indentation: error %v", err)
	}
}

// FuzzParseAgreement: no text panics, and what parses makes an input of the right form.
func FuzzParseAgreement(f *testing.F) {
	f.Add([]byte(example(f)))
	f.Add([]byte("id: agr-a\nversion: 1\n"))
	f.Add([]byte("a: {b: [c, *d]}\n? e\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		start := time.Now()
		a, err := ParseAgreement(src)
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("%d bytes took %v", len(src), d)
		}
		if err != nil {
			if !errors.Is(err, ErrAgreement) {
				t.Fatalf("error %v is not ErrAgreement", err)
			}
			return
		}
		in := probeInput()
		in.Agreement = a.Input()
		v, err := in.value()
		if err != nil {
			t.Fatal(err)
		}
		if err := checkInput(v); err != nil {
			t.Fatalf("agreement parses but its input is malformed: %v", err)
		}
	})
}

func TestParseEncryptedTerms(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, auditorBytes))
	src := strings.Replace(example(t), "kinds: [aggregate]", "kinds: [encrypted]\nencrypted: {size: declared, min_size: 10, max_groups: 20, auditor: "+key+"}", 1)
	a, err := ParseAgreement([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&InputEncryptedTerms{Size: "declared", MinSize: 10, MaxGroups: 20, Opening: true}, a.Input().Encrypted); diff != "" {
		t.Error(diff)
	}
	if len(a.Encrypted.Auditor) != auditorBytes {
		t.Errorf("the auditor's key has %d bytes", len(a.Encrypted.Auditor))
	}
}
