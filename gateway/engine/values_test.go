package engine

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"jali/gateway/catalog"
)

func TestParseFixed(t *testing.T) {
	for _, c := range []struct {
		text     string
		decimals int
		want     int64
		ok       bool
	}{
		{"0", 2, 0, true},
		{"1", 2, 100, true},
		{"-1.5", 2, -150, true},
		{"+1.5", 2, 150, true},
		{"1.005", 2, 100, true}, // half to even: down
		{"1.015", 2, 102, true}, // half to even: up
		{"1.0050000001", 2, 101, true},
		{"-1.015", 2, -102, true},
		{"0.5", 0, 0, true},
		{"1.5", 0, 2, true},
		{"2.5", 0, 2, true},
		{"9.999", 2, 1000, true},
		{"92233720368547758.06", 2, 0, false},
		{"9223372036854775.8", 3, 0, false},
		{"12345678901234.5678", 4, 123456789012345678, true},
		{"", 2, 0, false},
		{".5", 2, 0, false},
		{"5.", 2, 0, false},
		{"1e3", 2, 0, false},
		{"1,5", 2, 0, false},
		{" 1", 2, 0, false},
		{"--1", 2, 0, false},
		{"NaN", 2, 0, false},
		{"1.00x", 2, 0, false},
		{"١", 0, 0, false},
	} {
		got, ok := parseFixed(c.text, c.decimals)
		if got != c.want || ok != c.ok {
			t.Errorf("parseFixed(%q, %d) = %d, %v; want %d, %v", c.text, c.decimals, got, ok, c.want, c.ok)
		}
	}
}

// FuzzParseFixed compares with rational arithmetic.
func FuzzParseFixed(f *testing.F) {
	for _, s := range []string{"1.005", "-0.015", "123.456", "0.5", "", "1.", "+7", "1e5"} {
		f.Add(s, uint8(2))
	}
	f.Fuzz(func(t *testing.T, s string, d uint8) {
		decimals := int(d % (catalog.MaxDecimals + 1))
		got, ok := parseFixed(s, decimals)
		if !ok {
			return
		}
		if strings.Trim(s, "0123456789+-.") != "" {
			t.Fatalf("accepted %q", s)
		}
		x, valid := new(big.Rat).SetString(s)
		if !valid {
			t.Fatalf("accepted %q", s)
		}
		x.Mul(x, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
		x.Sub(x, new(big.Rat).SetInt64(got))
		if c := x.Abs(x).Cmp(big.NewRat(1, 2)); c > 0 || c == 0 && got%2 != 0 {
			t.Fatalf("parseFixed(%q, %d) = %d", s, decimals, got)
		}
	})
}

// TestParseDay compares every day of 400 years, a full Gregorian cycle, and the edges.
func TestParseDay(t *testing.T) {
	for d := time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2201; d = d.AddDate(0, 0, 1) {
		if got, ok := parseDay(d.Format(time.DateOnly)); !ok || got != d.Unix()/86400 {
			t.Fatalf("%v: %d, %v", d, got, ok)
		}
	}
	for _, s := range []string{"0001-01-01", "9999-12-31", "0004-02-29"} {
		want, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseDay(s); !ok || got != want.Unix()/86400 {
			t.Errorf("%s: %d, %v", s, got, ok)
		}
	}
}

// FuzzParseDay: accepted exactly where the standard library accepts.
func FuzzParseDay(f *testing.F) {
	for _, s := range []string{"2000-02-29", "1900-02-29", "2001-13-01", "0000-01-01", "2001-1-01", "2001-01-0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseDay(s)
		want, err := time.Parse(time.DateOnly, s)
		if valid := err == nil && want.Year() >= 1; valid != ok || ok && got != want.Unix()/86400 {
			t.Fatalf("parseDay(%q) = %d, %v; want %v", s, got, ok, err)
		}
	})
}

// FuzzChecker: whatever the text, what a checker passes lies in the column's domain and fits its stored type.
func FuzzChecker(f *testing.F) {
	for _, s := range []string{"", "1", "-5", "A1", "2001-01-01", "1.5", "\xff", strings.Repeat("a", 70000)} {
		f.Add(s)
	}
	columns := []*catalog.Column{
		{Name: "n", Type: catalog.Integer, Lo: -100, Hi: 100},
		{Name: "d", Type: catalog.Decimal, Decimals: 2, Lo: 0, Hi: 9999, Nullable: true},
		{Name: "t", Type: catalog.Date, Lo: 0, Hi: 20000},
		{Name: "c", Type: catalog.Text, Codes: []catalog.Value{catalog.StringValue("A1"), catalog.StringValue("B2")}},
		{Name: "i", Type: catalog.Integer, Codes: []catalog.Value{catalog.IntValue(3), catalog.IntValue(-7)}},
		{Name: "p", Type: catalog.Text, Pattern: "^[a-z]+$"},
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range columns {
			k := newChecker(c)
			if k.kind == texts {
				if null, broken := k.text(s); broken == "" && !null && (s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "") {
					t.Fatalf("%s passed %q", c.Name, s)
				}
				continue
			}
			n, null, broken := k.number(s)
			switch {
			case broken != "":
			case null != (s == "") || null && !c.Nullable:
				t.Fatalf("%s: NULL for %q", c.Name, s)
			case !null && (n < k.lo || n > k.hi):
				t.Fatalf("%s passed %q", c.Name, s)
			case c.Name == "i" && n != 3 && n != -7:
				t.Fatalf("%s passed %q", c.Name, s)
			}
		}
	})
}
