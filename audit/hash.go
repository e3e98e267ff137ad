package audit

import (
	"crypto/sha256"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Ranges makes compact Merkle ranges with the hash of this log.
var Ranges = &compact.RangeFactory{Hash: nodeHash}

// nodeHash is rfc6962.DefaultHasher.HashChildren, SHA-256(0x01 || left || right), with one allocation instead of four.
func nodeHash(left, right []byte) []byte {
	h := parent((*[32]byte)(left), (*[32]byte)(right))
	return h[:]
}

func parent(left, right *[32]byte) [32]byte {
	var b [65]byte
	b[0] = rfc6962.RFC6962NodeHashPrefix
	copy(b[1:33], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// LeafHash is L_i = SHA-256(0x00 || E_i): leaf of the tree and link of the chain at once.
func LeafHash(line []byte) [32]byte {
	var small [1 + 1024]byte
	b := append(small[:1], line...) // small[0] is the prefix of a leaf, 0
	return sha256.Sum256(b)
}

// EmptyRoot is the root of a log without entries, SHA-256("").
func EmptyRoot() [32]byte { return sha256.Sum256(nil) }

// RootOf is the root of a compact range that starts at 0.
func RootOf(r *compact.Range) ([32]byte, error) {
	h, err := r.GetRootHash(nil)
	if err != nil {
		return [32]byte{}, err
	}
	if h == nil {
		return EmptyRoot(), nil
	}
	return [32]byte(h), nil
}

// Digest is the spelling of a hash in headers: b64url without padding.
func Digest(h [32]byte) string { return b64.EncodeToString(h[:]) }

// AppendDigest appends the spelling of a hash.
func AppendDigest(dst []byte, h *[32]byte) []byte { return b64.AppendEncode(dst, h[:]) }

// KeysDigest is the GENESIS field keys: SHA-256 over the log's verifier keys joined by LF.
func KeysDigest(vkeys []string) string {
	return Digest(sha256.Sum256([]byte(strings.Join(vkeys, "\n"))))
}

// GenesisPrev is prev of entry 0. It commits to the origin, the log's keys and the last signed checkpoint of the previous
// shard (empty for a log that begins here), so that two logs never share a chain.
func GenesisPrev(origin string, vkeys []string, final []byte) [32]byte {
	var b strings.Builder
	b.WriteString("jali-audit/1 genesis\n")
	b.WriteString(origin)
	b.WriteByte('\n')
	b.WriteString(strings.Join(vkeys, "\n"))
	b.WriteByte('\n')
	b.Write(final)
	return sha256.Sum256([]byte(b.String()))
}
