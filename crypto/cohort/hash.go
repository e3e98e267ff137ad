package cohort

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
)

// Digest is SHA-256 with the parts framed: see digestOf.
type Digest [32]byte

// Labels keep the uses of H apart. Those of the protocol are fixed; the others are inside one party.
const (
	labelPK    = "ecq1/pk"
	labelRLK   = "ecq1/rlk"
	labelQuery = "ecq1/query"
	labelKey   = "ecq1/key"
	labelTable = "ecq1/table"
	labelSeed  = "ECQ-v1"

	labelSecret     = "ecq1/secret"    // s, from the registration seed
	labelKeyError   = "ecq1/key-error" // errors of pk (0) and rlk (1..L), from the registration seed
	labelError      = "ecq1/error"     // errors of block j, from the query seed
	labelNonce      = "ecq1/nonce"     // nonce_c, from the query seed
	labelMask       = "ecq1/mask"      // r, k, k2 of block j, from the seed of one aggregate
	labelRule       = "ecq1/rule"      // rho' of each rule
	labelFlood      = "ecq1/flood"     // F, u, e1
	labelAggregate  = "ecq1/aggregate" // seed of one aggregate, from the seed of one evaluation
	labelOpenKey    = "ecq1/open-key"  // HPKE info
	labelOpenUpload = "ecq1/open-upload"
)

// digestOf is SHA-256 over, for each part, its length as 64-bit little-endian and its bytes: no two lists of parts collide.
func digestOf(label string, parts ...[]byte) Digest {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	write([]byte(label))
	for _, p := range parts {
		write(p)
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

func le64(v int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }

// stream is AES-256-CTR with zero IV and key H(label, seed, LE64(idx)), read as little-endian 64-bit words. It belongs to one
// goroutine; wipe erases what is buffered. The expanded AES key stays with the garbage collector.
type stream struct {
	ctr  cipher.Stream
	buf  [4096]byte
	next int
}

func newStream(label string, seed []byte, idx int) *stream {
	key := digestOf(label, seed, le64(idx))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a 32-byte key is always accepted
	}
	clear(key[:])
	s := &stream{ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	s.next = len(s.buf)
	return s
}

func (s *stream) refill() {
	clear(s.buf[:])
	s.ctr.XORKeyStream(s.buf[:], s.buf[:])
	s.next = 0
}

func (s *stream) word() uint64 {
	if s.next == len(s.buf) {
		s.refill()
	}
	v := binary.LittleEndian.Uint64(s.buf[s.next:])
	s.next += 8
	return v
}

func (s *stream) wipe() {
	clear(s.buf[:])
	s.next = len(s.buf)
}

// uniform fills dst with residues below q by rejection: each word is masked to the bits of q-1. What is rejected is independent of
// what is kept, so the time taken tells nothing about dst.
func (s *stream) uniform(dst []uint64, q, mask uint64) {
	for len(dst) > 0 {
		if s.next == len(s.buf) {
			s.refill()
		}
		src := s.buf[s.next:]
		n := 0
		for len(src) >= 8 && n < len(dst) {
			v := binary.LittleEndian.Uint64(src) & mask
			src = src[8:]
			dst[n] = v
			if v < q {
				n++
			}
		}
		s.next = len(s.buf) - len(src)
		dst = dst[n:]
	}
}
