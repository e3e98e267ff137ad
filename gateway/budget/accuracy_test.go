package budget

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseError(t *testing.T) {
	for _, c := range []struct {
		text     string
		decimals int
		want     string // empty: refused
	}{
		{"50", 0, "50"},
		{"50.0", 0, "50"},
		{"1", 0, "1"},
		{"0.25", 2, "25"},
		{"0.2500", 2, "25"},
		{"50", 2, "5000"},
		{"12.5", 6, "12500000"},
		{"0.000001", 6, "1"},
		{"9007199254740991", 0, "9007199254740991"},
		{"9007199254740991", 18, "9007199254740991000000000000000000"},

		{"", 0, ""},
		{"0", 0, ""},
		{"0.0", 2, ""},
		{"0.5", 0, ""},
		{"0.001", 2, ""},
		{"-1", 0, ""},
		{"+1", 0, ""},
		{"1e3", 0, ""},
		{"1E3", 0, ""},
		{"0x10", 0, ""},
		{"1_000", 0, ""},
		{"1,000", 0, ""},
		{" 1", 0, ""},
		{"1 ", 0, ""},
		{"1\n", 0, ""},
		{"01", 0, ""},
		{"00", 0, ""},
		{".5", 1, ""},
		{"5.", 1, ""},
		{"1.2.3", 2, ""},
		{"NaN", 0, ""},
		{"nan", 0, ""},
		{"Inf", 0, ""},
		{"inf", 0, ""},
		{"1e-320", 6, ""},
		{"½", 0, ""},
		{"٥", 0, ""},
		{"１", 0, ""},
		{"9007199254740992", 0, ""},
		{"9007199254740993", 0, ""},
		{"9223372036854775807", 0, ""},
		{"99999999999999999999", 0, ""},
		{strings.Repeat("9", 33), 0, ""},
		{"0." + strings.Repeat("0", 40) + "1", 6, ""},
		{"1", -1, ""},
		{"1", 19, ""},
	} {
		got, err := ParseError(c.text, c.decimals)
		if c.want == "" {
			if !errors.Is(err, ErrPrecision) || got != nil {
				t.Errorf("ParseError(%q, %d) = %v, %v; want a refusal", c.text, c.decimals, got, err)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("ParseError(%q, %d) = %v, %v; want %s", c.text, c.decimals, got, err, c.want)
		}
	}
}

// FuzzParseError: what is accepted is positive, exact and has a variance and a price or ErrPrecision; nothing panics.
func FuzzParseError(f *testing.F) {
	for _, s := range []string{"50", "0.25", "1e9", "-0", "00.1", "9007199254740991", ""} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, text string, decimals int) {
		e, err := ParseError(text, decimals)
		if err != nil {
			if !errors.Is(err, ErrPrecision) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok || e.Sign() <= 0 {
			t.Fatalf("%q gives %v", text, e)
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
		if want.Cmp(new(big.Rat).SetFrac(e, scale)) != 0 {
			t.Fatalf("%q with %d decimals gives %v", text, decimals, e)
		}
		p, err := PriceItems([]Ask{{S2: big.NewInt(1), E: e}}, 0)
		if err != nil || p.Rho < 1 {
			t.Fatalf("%q has price %d, %v", text, p.Rho, err)
		}
	})
}
