package cohort

import (
	"math/bits"

	"github.com/tuneinsight/lattigo/v5/ring"
	"golang.org/x/sys/cpu"
)

// hasIFMA: the processor multiplies eight 52-bit numbers at once, and the system keeps its registers.
var hasIFMA = cpu.X86.HasAVX512 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA

// ifma is the forward transform of one limb with 52-bit products, for q < 2^51: all numbers stay below 2q, and those read below 4q, so that 52 and
// 64 bits hold them. It is the same number theoretic transform as the library's, in the same order, with Shoup's products: for s = floor(w*2^52/q),
// y*w - floor(y*s/2^52)*q lies in [0, 2q) for every y < 2^52.
type ifma struct {
	w, s []uint64 // twiddles in bit-reversed order, and floor(w*2^52/q)
}

// newIFMA returns nil where the library's transform has to do.
func newIFMA(s *ring.SubRing) *ifma {
	if !hasIFMA || s.Modulus >= 1<<51 || s.N < 16 {
		return nil
	}
	f := &ifma{w: make([]uint64, s.N), s: make([]uint64, s.N)}
	for i, r := range s.RootsForward {
		f.w[i] = ring.IMForm(r, s.Modulus, s.MRedConstant)
		f.s[i], _ = bits.Div64(f.w[i]>>12, f.w[i]<<52, s.Modulus)
	}
	return f
}

// transform takes x, below 4q, in place to values below 2q.
func (f *ifma) transform(x []uint64, q uint64) {
	n := len(f.w)
	x = x[:n]
	ifmaFirst(&x[0], n, f.w[1], f.s[1], q)
	for m, t := 2, n/4; t >= 8; m, t = 2*m, t/2 {
		ifmaLayer(&x[0], t, m, &f.w[m], &f.s[m], q)
	}
	ifmaLast(&x[0], n, &f.w[0], &f.s[0], q, &ifmaOrder)
}

// ifmaOrder says which of sixteen numbers in two registers go where: the two sides of the butterflies of the layers t = 4, 2 and 1, then back, then
// how often a twiddle is repeated in the layers t = 4 and 2.
var ifmaOrder = [10][8]uint64{
	{0, 1, 2, 3, 8, 9, 10, 11},
	{4, 5, 6, 7, 12, 13, 14, 15},
	{0, 1, 8, 9, 4, 5, 12, 13},
	{2, 3, 10, 11, 6, 7, 14, 15},
	{0, 8, 2, 10, 4, 12, 6, 14},
	{1, 9, 3, 11, 5, 13, 7, 15},
	{0, 8, 1, 9, 2, 10, 3, 11},
	{4, 12, 5, 13, 6, 14, 7, 15},
	{0, 0, 0, 0, 1, 1, 1, 1},
	{0, 0, 1, 1, 2, 2, 3, 3},
}

// ifmaFirst is the first layer: it takes n numbers below 4q. w is the twiddle, s its quotient.
//
//go:noescape
func ifmaFirst(p *uint64, n int, w, s, q uint64)

// ifmaLayer is a layer of m blocks of 2t numbers below 2q, t a multiple of 8, with the m twiddles at w and s.
//
//go:noescape
func ifmaLayer(p *uint64, t, m int, w, s *uint64, q uint64)

// ifmaLast is the last three layers, over n numbers below 2q, n a multiple of 16; w and s are whole tables of n twiddles.
//
//go:noescape
func ifmaLast(p *uint64, n int, w, s *uint64, q uint64, order *[10][8]uint64)
