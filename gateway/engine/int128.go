package engine

import (
	"math/big"
	"math/bits"
)

// int128 is a two's complement integer of 128 bits. Its users have proved beforehand that no sum leaves 127 bits
// (measure.inRange), so add does not check.
type int128 struct {
	hi int64
	lo uint64
}

func wide(x int64) int128 { return int128{x >> 63, uint64(x)} }

func (a int128) add(b int128) int128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	return int128{int64(hi), lo}
}

// square is x*x.
func square(x int64) int128 {
	u := uint64(max(x, -x))
	hi, lo := bits.Mul64(u, u)
	return int128{int64(hi), lo}
}

func (a int128) less(b int128) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

func (a int128) big() *big.Int { return hugeint{a.lo, a.hi}.big() }

// int128Of converts a number of at most 127 bits.
func int128Of(b *big.Int) int128 {
	lo := new(big.Int).And(b, new(big.Int).SetUint64(1<<64-1))
	hi := new(big.Int).Rsh(b, 64)
	return int128{hi.Int64(), lo.Uint64()}
}

// clip128 holds a person's sum within the item's bounds.
func (m *measure) clip128(x int128) int128 {
	switch {
	case x.less(m.lo128):
		return m.lo128
	case m.hi128.less(x):
		return m.hi128
	}
	return x
}
