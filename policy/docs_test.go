package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
)

// TestPolicyDocument: docs/policy.md names every check, removed builtin and probe count as they are, and its example works.
func TestPolicyDocument(t *testing.T) {
	raw, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)

	c, err := compiler()
	if err != nil {
		t.Fatal(err)
	}
	c.Compile(openDefault(t).Active().all)
	rs, err := rego.New(rego.Query("data.jali.authz.required"), rego.Compiler(c)).Eval(ctx)
	if err != nil || len(rs) != 1 {
		t.Fatal(err)
	}
	for _, name := range rs[0].Expressions[0].Value.([]any) {
		if !strings.Contains(doc, "`"+name.(string)+"`") {
			t.Errorf("check %s is not documented", name)
		}
	}
	for _, name := range removed {
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("removed builtin %s is not documented", name)
		}
	}

	m := regexp.MustCompile("(?s)```rego\n(.*?)```").FindStringSubmatch(doc)
	if m == nil {
		t.Fatal("no example")
	}
	key := newKey(t)
	dir := edited(t, "authz.rego", "	\"validity\",\n", "	\"validity\",\n	\"weekday\",\n")
	dir["weekday.rego"] = edited(t, "weekday.rego", "package jali.authz\n\n"+m[1])["weekday.rego"]
	delete(dir, "authz_test.rego") // it knows the default's checks
	dir["w_test.rego"] = edited(t, "w_test.rego", "package jali.w_test\n\ntest_denied if not data.jali.authz.allow with input as {}\n")["w_test.rego"]
	p, err := Open(Config{Bundle: seal(t, dir, key), VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	b := p.Active()
	for day, want := range map[int64]bool{0: true, 1: false, 2: false, 3: true} { // 2027-01-15 is a Friday
		in := probeInput()
		in.Now += day * 86400
		v, err := b.Replay(ctx, canonical(t, in))
		if err != nil || v.Allowed != want {
			t.Errorf("day %d: %+v, %v; want allowed %v", day, v, err, want)
		}
		if !v.Allowed && (len(v.Reasons) != 1 || v.Reasons[0].Code != "weekday") {
			t.Errorf("day %d: reasons %+v", day, v.Reasons)
		}
	}
}
