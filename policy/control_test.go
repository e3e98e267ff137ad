package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inControl is a question that an agreement of mode sdc allows.
func inControl() Input {
	in := probeInput()
	in.Agreement.Mode, in.Query.Mode = "sdc", "sdc"
	return in
}

// TestControl: in mode sdc, and only there, a grant carries every parameter of disclosure control.
func TestControl(t *testing.T) {
	b := openDefault(t).Active()
	v, err := b.Replay(ctx, canonical(t, inControl()))
	if err != nil || !v.Allowed {
		t.Fatalf("Replay = %+v, %v; want an allow", v, err)
	}
	want := &Control{MinCell: 11, Base: 5, Percent: 10, Dominance: 90, Cells: 100, Refusals: 20}
	if diff := cmp.Diff(want, v.Obligations.Control); diff != "" {
		t.Error(diff)
	}
	if v, err = b.Replay(ctx, canonical(t, probeInput())); err != nil || !v.Allowed || v.Obligations.Control != nil {
		t.Errorf("mode dp: %+v, %v; want an allow without control", v, err)
	}
	mixed := inControl()
	mixed.Query.Mode = "dp"
	if v, err = b.Replay(ctx, canonical(t, mixed)); err != nil || v.Allowed {
		t.Errorf("data of mode dp under an agreement of mode sdc: %+v, %v; want a refusal", v, err)
	}
}

// TestControlUndefined: a bundle that leaves a parameter out, or gives one that is no rule, allows nothing in mode sdc.
func TestControlUndefined(t *testing.T) {
	for name, change := range map[string][2]string{
		"none": {`"sdc": {
      "min_cell"`, `"sdcx": {
      "min_cell"`},
		"a parameter missing": {`      "base": 5,
`, ""},
		"a parameter more":    {`"base": 5,`, `"base": 5, "free": 1,`},
		"zero cell":           {`"min_cell": 11`, `"min_cell": 0`},
		"a text":              {`"refusals": 20`, `"refusals": "20"`},
		"a share above all":   {`"dominance_percent": 90`, `"dominance_percent": 101`},
		"base above the cell": {`"base": 5,`, `"base": 12,`},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			p, err := Open(Config{Bundle: seal(t, edited(t, "data.json", change[0], change[1]), key), VerifyKey: &key.PublicKey, Clock: present, Timeout: patientTimeout})
			if err != nil {
				t.Fatal(err)
			}
			v, err := p.Active().Replay(ctx, canonical(t, inControl()))
			if v.Allowed || !errors.Is(err, ErrEval) {
				t.Errorf("Replay = %+v, %v; want ErrEval", v, err)
			}
			if v, err := p.Active().Replay(ctx, canonical(t, probeInput())); err != nil || !v.Allowed {
				t.Errorf("mode dp: %+v, %v; want an allow", v, err)
			}
		})
	}
}

func TestParseAgreementInCells(t *testing.T) {
	text := strings.NewReplacer("mode: dp", "mode: sdc", "    pu:", "    cells:").Replace(example(t))
	a, err := ParseAgreement([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if a.Mode != "sdc" || a.Budget[1].PU != 5000 || a.Input().Mode != "sdc" {
		t.Errorf("%+v", a)
	}
	blind := strings.Replace(text, "kinds: [aggregate]", "kinds: [aggregate, encrypted]", 1)
	if _, err := ParseAgreement([]byte(blind)); !errors.Is(err, ErrAgreement) || !strings.Contains(err.Error(), "kinds: mode sdc knows no encrypted questions") {
		t.Errorf("encrypted questions in mode sdc: %v", err)
	}
}
