package cohort

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// ErrErased: the encryption was erased. A block made of an erased seed would have errors that anybody can compute, and show the key.
var ErrErased = errors.New("encryption was erased")

// Query is what both sides know about one encrypted question. It goes into the seed of every ciphertext.
type Query struct {
	Layout *Layout
	Table  Digest   // Domain.ID: which list the slots stand for
	Nonce  [32]byte // nonce_g, issued by the gateway after the key was registered; single use
}

// seed is H("ECQ-v1", params, kd, table, nonce_g, nonce_c), from which every c1 follows. nonce_g makes c1 unpredictable when the
// relinearisation key was fixed; nonce_c protects the researcher from a gateway that repeats nonce_g.
func (q *Query) seed(kd Digest, nonceC []byte) Digest {
	return digestOf(labelSeed, []byte(q.Layout.params.id), kd[:], q.Table[:], q.Nonce[:], nonceC)
}

// Encryption is one upload in the making. Its bytes are the same each time they are asked for, so that an interrupted upload can
// be resumed. Blocks may be asked for concurrently. Erase it when the upload is through.
type Encryption struct {
	query   Query
	key     *SecretKey
	seed    Digest
	own     [seedBytes]byte // the query seed: errors and nonce_c follow from it
	bitmap  []byte
	opening []byte
	erased  atomic.Bool
}

// Encrypt checks the selector against the declared rules, draws a fresh query seed and prepares the upload. remember, if not
// nil, is called with the seed's digest before anything is made: a client that survives restarts stores it there and returns an
// error for one it has seen. The auditor is nil unless the agreement asks for one.
func (k *SecretKey) Encrypt(q Query, s *Selector, auditor *Auditor, remember func(Digest) error) (*Encryption, error) {
	var own [seedBytes]byte
	if _, err := rand.Read(own[:]); err != nil {
		return nil, fmt.Errorf("draw query seed: %w", err)
	}
	defer clear(own[:])
	return k.encrypt(q, s, own, auditor, remember)
}

func (k *SecretKey) encrypt(q Query, s *Selector, own [seedBytes]byte, auditor *Auditor, remember func(Digest) error) (*Encryption, error) {
	if q.Layout.params != k.params {
		return nil, fmt.Errorf("%w: it is of set %s, the table of %s", ErrKey, k.params.id, q.Layout.params.id)
	}
	if _, err := k.open(); err != nil {
		return nil, err
	}
	if err := q.Layout.check(s); err != nil {
		return nil, err
	}
	e := &Encryption{query: q, key: k, own: own, bitmap: s.slotBits(q.Layout)}
	nonceC := clientNonce(own)
	e.seed = q.seed(k.kd, nonceC[:])
	if err := k.use(e.seed); err != nil {
		return nil, err
	}
	if remember != nil {
		if err := remember(e.seed); err != nil {
			return nil, fmt.Errorf("remember query seed: %w", err)
		}
	}
	if auditor != nil {
		plain := append(append([]byte(nil), own[:]...), e.bitmap...)
		var err error
		e.opening, err = auditor.seal(labelOpenUpload, e.seed[:], plain)
		clear(plain)
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

func clientNonce(own [seedBytes]byte) [nonceBytes]byte { return digestOf(labelNonce, own[:]) }

// Bytes is the length of the upload, opening included.
func (e *Encryption) Bytes() int { return e.query.Layout.UploadBytes() + len(e.opening) }

// Blocks is the number of ciphertexts.
func (e *Encryption) Blocks() int { return e.query.Layout.blocks }

// Head is nonce_c, the first bytes of the upload; Tail is the opening, its last, possibly none.
func (e *Encryption) Head() []byte { n := clientNonce(e.own); return n[:] }

// Tail is the opening for the auditor, the last bytes of the upload; empty if there is none.
func (e *Encryption) Tail() []byte { return e.opening }

// Block encrypts block j: c0 = -c1*s + t*e + Encode(b), packed.
func (e *Encryption) Block(j int) ([]byte, error) {
	if e.erased.Load() {
		return nil, ErrErased
	}
	sec, err := e.key.open()
	if err != nil {
		return nil, err
	}
	p := e.query.Layout.params
	slots := make([]uint64, p.n())
	at := j * p.n()
	for k := range slots {
		slots[k] = uint64(e.bitmap[(at+k)>>3] >> ((at + k) & 7) & 1)
	}
	body := sec.encryptSlots(p, e.seed, e.own, j, slots)
	clear(slots)
	return body, nil
}

// encryptSlots encrypts any slot values mod t, which it overwrites. An honest client has 0 and 1 only.
func (sec *secret) encryptSlots(p *Params, seed Digest, own [seedBytes]byte, j int, slots []uint64) []byte {
	a := p.arith()
	a.t.INTT(slots, slots)
	x := make([]int64, p.n())
	st := newStream(labelError, own[:], j)
	st.binomial(x)
	st.wipe()
	t, half := int64(p.t), int64(p.t-1)/2
	for c, v := range slots {
		lift := int64(v) - t&((half-int64(v))>>63) // centred
		x[c] = lift + t*x[c]
	}
	body := sec.encryptPoly(p, seed, j, x)
	clear(x)
	return body
}

// encryptPoly is -c1*s + x, packed, for |x| below every modulus.
func (sec *secret) encryptPoly(p *Params, seed Digest, j int, x []int64) []byte {
	a := p.arith()
	c1s := newStream(labelQuery, seed[:], j)
	buf, c1 := make([]uint64, p.n()), make([]uint64, p.n())
	body := make([]byte, 0, p.elementBytes())
	for i := range a.limb {
		l := &a.limb[i]
		c1s.uniform(c1, l.q, l.mask)
		for c, v := range x {
			buf[c] = l.signed(v)
		}
		l.transform(buf)
		ntt := sec.ntt[i]
		for c := range buf {
			buf[c] = ring.BRedAdd(buf[c]+2*l.q-ring.MRedLazy(c1[c], ntt[c], l.q, l.qinv), l.q, l.bred)
		}
		body = pack(body, buf, p.width)
	}
	clear(buf)
	return body
}

// WriteTo writes the whole upload, encrypting ahead on all processors.
func (e *Encryption) WriteTo(w io.Writer) (int64, error) {
	return e.Send(context.Background(), w, nil)
}

// Send is WriteTo with cancellation and progress: done is called, if not nil, with the number of blocks written so far.
func (e *Encryption) Send(ctx context.Context, w io.Writer, done func(blocks int)) (int64, error) {
	var total int64
	put := func(b []byte) error {
		n, err := w.Write(b)
		total += int64(n)
		return err
	}
	if err := put(e.Head()); err != nil {
		return total, err
	}
	ahead := runtime.GOMAXPROCS(0)
	out, errs := make([][]byte, ahead), make([]error, ahead)
	for j := 0; j < e.Blocks(); j += ahead {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		count := min(ahead, e.Blocks()-j)
		var wg sync.WaitGroup
		for i := range count {
			wg.Go(func() { out[i], errs[i] = e.Block(j + i) })
		}
		wg.Wait()
		for i := range count {
			if errs[i] != nil {
				return total, errs[i]
			}
			if err := put(out[i]); err != nil {
				return total, err
			}
		}
		if done != nil {
			done(j + count)
		}
	}
	return total, put(e.opening)
}

// Commit is the digest of the upload that the gateway records: SHA-256 over all bytes.
func (e *Encryption) Commit() (Digest, error) {
	h := sha256.New()
	if _, err := e.WriteTo(h); err != nil {
		return Digest{}, err
	}
	return Digest(h.Sum(nil)), nil
}

// Erase zeroes the selector and the query seed; later blocks are refused. Not while a block is in the making.
func (e *Encryption) Erase() {
	e.erased.Store(true)
	clear(e.bitmap)
	clear(e.own[:])
}
