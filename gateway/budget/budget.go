// Package budget turns the accuracy a researcher asks for into a price in rho-zCDP, and keeps the quotes that bind it.
//
// Guaranteed:
//
//   - Prices are computed in big integers from public facts only (plan, accuracy asked, catalogue bounds), never from data, and
//     rounded up: the charge is at least the privacy loss S2/(2 sigma^2) of the noise that will be drawn (Canonne, Kamath, Steinke
//     2020). What does not fit int64 is ErrPrecision, so no sum ever wraps.
//   - The noise so priced covers the half-width asked for with probability at least 0.95.
//   - Quotes have unguessable ids, serve their owner only, expire, and use bounded memory.
//
// Not guaranteed: that budget is left when a quote is used. The ledgers decide that, in the transaction that charges them.
package budget

import (
	"errors"
	"math"
	"math/big"
	"time"

	"jali/crypto/noise"
)

// NanoRho is an amount of rho-zCDP in units of 1e-9, always rounded up. No float ever enters a ledger decision.
type NanoRho int64

// PU is the privacy unit people see: 1 PU = 1e-5 rho = 10,000 NanoRho, rounded up.
type PU int64

const perPU = 10_000

// PU converts, rounding up.
func (r NanoRho) PU() PU {
	if r <= 0 {
		return 0
	}
	return PU((int64(r)-1)/perPU + 1)
}

// Nano converts exactly, and stops at the ends of int64: more than any ledger holds.
func (p PU) Nano() NanoRho {
	switch {
	case p > math.MaxInt64/perPU:
		return math.MaxInt64
	case p < math.MinInt64/perPU:
		return math.MinInt64
	}
	return NanoRho(int64(p) * perPU)
}

// Errors of pricing.
var (
	// ErrPrecision: the accuracy asked is not a positive number in range, or its price is.
	ErrPrecision = errors.New("precision out of range")
	// ErrQuote: the quote is unknown, expired, or was made for something else.
	ErrQuote = errors.New("quote is stale")
)

// Line is one priced item of a query.
type Line struct {
	Name   string
	S2     *big.Int       // squared sensitivity, scaled units
	E      *big.Int       // half-width at 95 % asked for, scaled units
	Sigma2 noise.Variance // what will be drawn
	Rho    NanoRho
	Dec    int // scaled units are 10^-Dec of the output unit
}

// Price is the itemised price of a query: Rho is the sum of the lines, Delta (1e-18) comes from thresholds only.
type Price struct {
	Lines []Line
	Rho   NanoRho
	Delta int64
}

// Quote binds a price until it expires; it reserves nothing.
type Quote struct {
	ID      string
	Expires time.Time
	Who     string // principal key; a quote serves its owner only
	Plan    [32]byte
	Pins    string // policy bundle, catalogue, data version and agreement version it was made under
	Price   Price
}
