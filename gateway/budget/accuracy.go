package budget

import (
	"fmt"
	"math/big"
	"strings"
)

const (
	maxErrorText = 32
	// maxWhole is 2^53: what every client's numbers can hold.
	maxWhole = 1 << 53
	// maxDecimals is what int64 scaled units allow.
	maxDecimals = 18
)

// ParseError reads a half-width: a positive decimal such as "50" or "0.25", in output units, as an integer of scaled units of
// 10^-decimals. It takes digits with at most one point between digits: no sign, exponent, space, leading zero, NaN or Inf, no more
// than 32 bytes, no more than 2^53, and no digit other than 0 beyond the decimals. Nothing is ever rounded.
func ParseError(text string, decimals int) (*big.Int, error) {
	if decimals < 0 || decimals > maxDecimals {
		return nil, fmt.Errorf("read error: %w: %d decimals", ErrPrecision, decimals)
	}
	if text == "" {
		return nil, fmt.Errorf("read error: %w: it is missing; give the half-width at 95 %%, for example 50", ErrPrecision)
	}
	if len(text) > maxErrorText {
		return nil, fmt.Errorf("read error: %w: more than %d characters", ErrPrecision, maxErrorText)
	}
	whole, frac, point := strings.Cut(text, ".")
	if !digits(whole) || point && !digits(frac) || len(whole) > 1 && whole[0] == '0' {
		return nil, fmt.Errorf("read error: %w: write a positive decimal such as 50 or 0.25, without sign or exponent", ErrPrecision)
	}
	n, _ := new(big.Int).SetString(whole, 10)
	if !n.IsInt64() || n.Int64() >= maxWhole {
		return nil, fmt.Errorf("read error: %w: it must be below 2^53", ErrPrecision)
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > decimals {
		if decimals == 0 {
			return nil, fmt.Errorf("read error: %w: this column is counted in whole units; give a whole number of at least 1", ErrPrecision)
		}
		return nil, fmt.Errorf("read error: %w: this column has %d decimals; give no more", ErrPrecision, decimals)
	}
	n, _ = new(big.Int).SetString(whole+frac+strings.Repeat("0", decimals-len(frac)), 10)
	if n.Sign() == 0 {
		return nil, fmt.Errorf("read error: %w: it must be larger than 0; exact answers are not given", ErrPrecision)
	}
	return n, nil
}

// digits reports whether s is one or more ASCII digits.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
