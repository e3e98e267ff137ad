package cohort

import (
	"encoding/binary"
	"errors"
)

// ErrResidue: a packed residue is not below its modulus, or pad bits are set.
var ErrResidue = errors.New("residue out of range")

// pack appends the low width bits of each value to dst, least significant bit first, zero-padded to whole bytes. Values must
// be below 2^width.
func pack(dst []byte, values []uint64, width int) []byte {
	var acc uint64 // bits not yet written
	have := 0
	for _, v := range values {
		acc |= v << have
		have += width
		if have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = v >> (width - have) // 0 if have is 0: width is below 64
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack reads len(dst) values of width <= 57 bits; src is exactly as long as they need. One 64-bit load at a byte offset
// holds a value, since 7 + 57 <= 64. It does not check ranges.
func unpack(dst []uint64, src []byte, width int) {
	mask := uint64(1)<<width - 1
	at := 0 // bit position
	i := 0
	if len(src) >= 8 {
		for last := len(src) - 8; i < len(dst) && at>>3 <= last; i++ {
			dst[i] = binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7) & mask
			at += width
		}
	}
	var tail [16]byte
	from := max(len(src)-8, 0)
	copy(tail[:], src[from:])
	for ; i < len(dst); i++ {
		dst[i] = binary.LittleEndian.Uint64(tail[at>>3-from:]) >> (at & 7) & mask
		at += width
	}
}

// below reports whether all values are less than q, looking at all of them.
func below(values []uint64, q uint64) bool {
	var bad uint64
	for _, v := range values {
		bad |= (q - 1 - v) >> 63
	}
	return bad == 0
}

// unpackChecked is unpack with the checks of hostile bytes: residues below q, and zero pad bits.
func unpackChecked(dst []uint64, src []byte, width int, q uint64) error {
	unpack(dst, src, width)
	if used := len(dst) * width % 8; used != 0 && src[len(src)-1]>>used != 0 || !below(dst, q) {
		return ErrResidue
	}
	return nil
}
