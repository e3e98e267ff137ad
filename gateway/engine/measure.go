package engine

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// errRange: sums of the plan could leave 127 bits. Catalogues do not allow such bounds.
var errRange = errors.New("bounds too wide for exact sums")

// measure is what one row adds to an item with a column, before a person's sum is clipped to [lo, hi]: x - center, its
// square, or 1 for a value that is not NULL. NULL adds nothing.
type measure struct {
	kind           query.ItemKind
	ref            query.ColumnRef
	enc            encoding
	center         int64
	clipLo, clipHi int64 // bounds of x
	lo, hi         *big.Int
	squareFits     bool // (x-center)^2 fits 63 bits
	// most bounds |what a row adds|.
	most *big.Int
	// lo and hi again, for the loop: lo64, hi64 only if narrow.
	lo64, hi64   int64
	lo128, hi128 int128
}

func measureOf(it query.Item) (measure, error) {
	c := it.Col.Column
	m := measure{kind: it.Kind, ref: *it.Col, enc: encodingOf(c), center: it.Center, clipLo: c.ClipLo, clipHi: c.ClipHi, lo: it.Lo, hi: it.Hi}
	if it.Col.Band != nil || it.Lo == nil || it.Hi == nil || it.Lo.Cmp(it.Hi) > 0 {
		return m, fmt.Errorf("%w: item bounds", errPlan)
	}
	if it.Lo.BitLen() > 126 || it.Hi.BitLen() > 126 {
		return m, errRange
	}
	m.lo64, m.hi64, m.lo128, m.hi128 = it.Lo.Int64(), it.Hi.Int64(), int128Of(it.Lo), int128Of(it.Hi)
	if it.Kind == query.Rows {
		m.most = big.NewInt(1)
		return m, nil
	}
	if it.Kind != query.Sum && it.Kind != query.Squares || m.enc.kind != numbers || c.Type == catalog.Date || m.clipLo > m.clipHi {
		return m, fmt.Errorf("%w: item column", errPlan)
	}
	a := new(big.Int).Sub(big.NewInt(m.clipLo), big.NewInt(m.center))
	b := new(big.Int).Sub(big.NewInt(m.clipHi), big.NewInt(m.center))
	m.most = a.Abs(a)
	if b.Abs(b); b.Cmp(m.most) > 0 {
		m.most = b
	}
	if m.most.BitLen() > 62 {
		return m, errRange
	}
	if it.Kind == query.Squares {
		m.most = new(big.Int).Mul(m.most, m.most)
		m.squareFits = m.most.BitLen() < 63
	}
	return m, nil
}

// narrow reports whether a person's sum over rows rows fits 63 bits; inRange whether nothing can leave 127 bits: neither a
// person's sum nor, clipped, the sum over all ordinals.
func (m measure) narrow(rows int64) bool {
	return new(big.Int).Mul(m.most, big.NewInt(rows)).BitLen() < 63 && m.lo.IsInt64() && m.hi.IsInt64()
}

func (m measure) inRange(rows int64) bool {
	persons := big.NewInt(math.MaxInt32)
	return new(big.Int).Mul(m.most, big.NewInt(rows)).BitLen() < 126 &&
		new(big.Int).Mul(m.lo, persons).BitLen() < 126 && new(big.Int).Mul(m.hi, persons).BitLen() < 126
}

// clipImplied reports whether a person's value of every item stays within the item's bounds by itself, so that nothing need be
// clipped per person: at most PerCol rows, each clipped.
func clipImplied(p *query.Plan) bool {
	c := big.NewInt(p.Bounds.PerCol)
	for _, it := range p.Items {
		if it.Lo == nil || it.Hi == nil {
			if it.Col == nil {
				continue // at most one per person, or PerCol rows: proved
			}
			return false
		}
		lo, hi := big.NewInt(1), new(big.Int).Set(c) // rows, persons: a person in a group has at least one row
		switch {
		case it.Kind == query.Persons:
			hi.SetInt64(1)
		case it.Col == nil:
		case it.Kind == query.Rows:
			if it.Col.Column.Nullable {
				lo.SetInt64(0)
			}
		default:
			m, err := measureOf(it)
			if err != nil {
				return false
			}
			a := new(big.Int).Sub(big.NewInt(m.clipLo), big.NewInt(m.center))
			b := new(big.Int).Sub(big.NewInt(m.clipHi), big.NewInt(m.center))
			if it.Kind == query.Squares {
				b, a = m.most, big.NewInt(0)
			}
			lo, hi = extremes(a, b, c, it.Col.Column.Nullable)
		}
		if it.Lo.Cmp(lo) > 0 || it.Hi.Cmp(hi) < 0 {
			return false
		}
	}
	return true
}

// extremes bounds the sum of 1 to c values in [a, b], or of none.
func extremes(a, b, c *big.Int, none bool) (lo, hi *big.Int) {
	lo, hi = a, b
	if a.Sign() < 0 {
		lo = new(big.Int).Mul(a, c)
	}
	if b.Sign() > 0 {
		hi = new(big.Int).Mul(b, c)
	}
	if none {
		if lo.Sign() > 0 {
			lo = new(big.Int)
		}
		if hi.Sign() < 0 {
			hi = new(big.Int)
		}
	}
	return lo, hi
}
