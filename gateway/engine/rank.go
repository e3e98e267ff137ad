package engine

import (
	"encoding/binary"
	"math/bits"

	"jali/gateway/catalog"
)

// Groups of a person with more than l0 are chosen by rank(g) = mix64(kp xor h(g)), kp = PRF(person), h(g) = PRF(group), the l0
// smallest, ties by the group itself (disclosure-control.md section 6.3). The PRF is SipHash-2-4 (Aumasson and Bernstein,
// 2012) under two halves of the query's key. Soundness needs only that the choice depends on this person's rows and the key;
// the secret key keeps anyone from arranging that the same groups always win.

// ranker holds the keys of one query.
type ranker struct{ person, group [2]uint64 }

func newRanker(key [32]byte) ranker {
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(key[8*i:]) }
	return ranker{[2]uint64{word(0), word(1)}, [2]uint64{word(2), word(3)}}
}

func (r ranker) ofPerson(p int32) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(p))
	return siphash(r.person, b[:])
}

// ofCell is h of a public cell, ofKey of a private key.
func (r ranker) ofCell(cell int) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(cell))
	return siphash(r.group, b[:])
}

func (r ranker) ofKey(key []byte) uint64 { return siphash(r.group, key) }

// mix64 is a bijection that spreads every input bit (SplitMix64's finalizer; Stafford's variant 13).
func mix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// siphash is SipHash-2-4 with a 64-bit result.
func siphash(k [2]uint64, b []byte) uint64 {
	v0, v1 := k[0]^0x736f6d6570736575, k[1]^0x646f72616e646f6d
	v2, v3 := k[0]^0x6c7967656e657261, k[1]^0x7465646279746573
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := binary.LittleEndian.Uint64(b)
		v3 ^= m
		round()
		round()
		v0 ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	v3 ^= last
	round()
	round()
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// encodeKey writes a private key so that different keys have different bytes.
func encodeKey(key []catalog.Value) []byte {
	var b []byte
	for _, v := range key {
		b = append(b, byte(v.Kind))
		b = binary.BigEndian.AppendUint64(b, uint64(v.N)^1<<63)
		b = binary.AppendUvarint(b, uint64(len(v.S)))
		b = append(b, v.S...)
	}
	return b
}
