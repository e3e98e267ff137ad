package cohort

import "math/bits"

// binomial fills dst with the centred binomial distribution CBD(21): set bits of 21 random bits minus those of 21 more.
// No branch and no index depends on a value.
func (s *stream) binomial(dst []int64) {
	const mask = 1<<cbd - 1
	for i := range dst {
		w := s.word()
		dst[i] = int64(bits.OnesCount32(uint32(w&mask))) - int64(bits.OnesCount32(uint32(w>>32&mask)))
	}
}

// ternary fills dst with uniform values of -1, 0, 1: two bits each, 3 rejected. Rejections are independent of what is kept.
func (s *stream) ternary(dst []int64) {
	var w uint64
	have := 0
	for i := 0; i < len(dst); have-- {
		if have == 0 {
			w, have = s.word(), 32
		}
		v := w & 3
		w >>= 2
		dst[i] = int64(v) - 1
		if v != 3 {
			i++
		}
	}
}

// below fills dst, least significant word first, with a uniform integer below bound, by rejection from as many bits as bound
// has.
func (s *stream) below(dst, bound []uint64) {
	top := len(bound) - 1
	mask := uint64(1)<<bits.Len64(bound[top]) - 1 // all bits when the length is 64
	for {
		for i := range dst {
			dst[i] = s.word()
		}
		dst[top] &= mask
		var borrow uint64
		for i := range dst {
			_, borrow = bits.Sub64(dst[i], bound[i], borrow)
		}
		if borrow == 1 {
			return
		}
	}
}

// draw is what randomises one coefficient of the two plaintext operands of a block: r uniform mod t, k and k2 of kappa bits.
// 128 bits give all three: t has at most 48 bits.
func (s *stream) draw(t uint64, tbits int) (r, k, k2 uint64) {
	const mask = 1<<kappa - 1
	for {
		lo, hi := s.word(), s.word()
		r = lo & (1<<tbits - 1)
		if r < t {
			return r, (lo>>tbits | hi<<(64-tbits)) & mask, hi >> (tbits + kappa - 64) & mask
		}
	}
}
