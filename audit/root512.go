package audit

import (
	"crypto/sha512"

	"github.com/transparency-dev/merkle/rfc6962"
)

// Root512 is the Merkle tree of RFC 6962 with SHA-512, over the same lines and prefixes: the second hash family to which the
// last entry of a shard commits (SHARDCLOSE, r512), so that the record stays provable should SHA-256 ever fail. The zero
// Root512 is the empty tree.
type Root512 struct {
	n     uint64
	nodes [64][64]byte // nodes[l] counts where bit l of n is set
}

// Append adds a header line.
func (r *Root512) Append(line []byte) {
	h := sha512.Sum512(append([]byte{rfc6962.RFC6962LeafHashPrefix}, line...))
	level := 0
	for ; r.n>>level&1 == 1; level++ {
		h = parent512(&r.nodes[level], &h)
	}
	r.nodes[level] = h
	r.n++
}

// Size is the number of lines.
func (r *Root512) Size() uint64 { return r.n }

// Digest is the root as headers spell it.
func (r *Root512) Digest() string {
	h := sha512.Sum512(nil)
	first := true
	for level := range r.nodes {
		switch {
		case r.n>>level&1 == 0:
		case first:
			h, first = r.nodes[level], false
		default:
			h = parent512(&r.nodes[level], &h)
		}
	}
	return b64.EncodeToString(h[:])
}

func parent512(left, right *[64]byte) [64]byte {
	var b [129]byte
	b[0] = rfc6962.RFC6962NodeHashPrefix
	copy(b[1:65], left[:])
	copy(b[65:], right[:])
	return sha512.Sum512(b[:])
}
