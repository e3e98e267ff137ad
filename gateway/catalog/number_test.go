package catalog

import (
	"math"
	"testing"
)

func TestParseFixed(t *testing.T) {
	for _, tc := range []struct {
		in       string
		decimals int
		want     int64
		ok       bool
	}{
		{"1.5", 2, 150, true},
		{"-0.01", 2, -1, true},
		{"+7", 0, 7, true},
		{"7.00", 0, 7, true},
		{"0.5", 0, 0, false},
		{"1.005", 2, 0, false},
		{"1e3", 2, 0, false},
		{"", 2, 0, false},
		{".5", 2, 0, false},
		{"5.", 2, 0, false},
		{"--1", 2, 0, false},
		{"NaN", 2, 0, false},
		{"Inf", 2, 0, false},
		{"0x10", 0, 0, false},
		{"1_000", 0, 0, false},
		{" 1", 0, 0, false},
		{"\u0661", 0, 0, false},
		{"9223372036854775807", 0, math.MaxInt64, true},
		{"9223372036854775808", 0, 0, false},
		{"92233720368547758.08", 2, 0, false},
	} {
		got, err := ParseFixed(tc.in, tc.decimals)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("ParseFixed(%q, %d) = %d, %v", tc.in, tc.decimals, got, err)
		}
	}
}

func TestParseDay(t *testing.T) {
	for _, s := range []string{"1970-01-01", "2008-02-29", "0001-01-01", "9999-12-31"} {
		n, err := ParseDay(s)
		if err != nil || DayValue(n).String() != s {
			t.Errorf("ParseDay(%q) = %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "2009-02-29", "0000-01-01", "2008-1-1", "20080101", "2008-01-01T00:00:00Z", "-001-01-01"} {
		if _, err := ParseDay(s); err == nil {
			t.Errorf("ParseDay(%q) accepted", s)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"beneficiary", "beneficiary_year", "sex_code"}
	for in, want := range map[string]string{"beneficary": "beneficiary", "sex_cdoe": "sex_code", "xyz": "", "sex": ""} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
