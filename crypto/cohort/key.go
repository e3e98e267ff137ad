package cohort

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/tuneinsight/lattigo/v5/ring"
)

const (
	seedBytes  = 32
	nonceBytes = 32
)

var (
	// ErrKey: a stored key is not one, or was erased.
	ErrKey = errors.New("no usable key")
	// ErrSeedReused: the same query seed came up twice under one key. Encrypting would show the difference of two selectors.
	ErrSeedReused = errors.New("query seed was used before")
)

// SecretKey belongs to one researcher, one project and one key period. It is safe for concurrent use, but for Erase. It never prints: its
// secrets sit behind a closure, where no formatter or encoder reaches.
type SecretKey struct {
	params *Params
	crs    [32]byte
	kd     Digest

	mu     sync.Mutex
	secret func() *secret // nil after Erase
	used   map[Digest]bool
}

// secret is what Erase zeroes.
type secret struct {
	seed [seedBytes]byte
	s    []int64    // coefficients in -1, 0, 1
	ntt  [][]uint64 // s per limb, transformed, in Montgomery form
}

// GenerateKey draws a key and makes the registration body for the gateway's crs: pkB, rlkB_0 .. rlkB_{L-1}, packed. An auditor, if
// the gateway's policy names one, can open the registration; nil otherwise.
func GenerateKey(p *Params, crs [32]byte, auditor *Auditor) (*SecretKey, []byte, error) {
	var seed [seedBytes]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, nil, fmt.Errorf("draw registration seed: %w", err)
	}
	defer clear(seed[:])
	k, body := newKey(p, crs, seed)
	if auditor != nil {
		opening, err := auditor.seal(labelOpenKey, k.kd[:], seed[:])
		if err != nil {
			return nil, nil, err
		}
		body = append(body, opening...)
	}
	return k, body, nil
}

// storedBytes is the length of a stored key without the name of its parameter set.
const storedBytes = 32 + seedBytes

// Store returns what RestoreKey needs. It is as secret as the key: encrypt it before it is written anywhere.
func (k *SecretKey) Store() ([]byte, error) {
	sec, err := k.open()
	if err != nil {
		return nil, err
	}
	b := append([]byte(nil), k.crs[:]...)
	b = append(b, sec.seed[:]...)
	return append(b, k.params.id...), nil
}

// RestoreKey makes the key again from what Store returned.
func RestoreKey(stored []byte) (*SecretKey, error) {
	if len(stored) <= storedBytes {
		return nil, fmt.Errorf("%w: the stored form is too short", ErrKey)
	}
	p, err := ParamsByID(string(stored[storedBytes:]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	k, _ := newKey(p, [32]byte(stored[:32]), [32]byte(stored[32:storedBytes]))
	return k, nil
}

// Params is the parameter set of the key.
func (k *SecretKey) Params() *Params { return k.params }

// ID is kd, by which the gateway knows the registered key: H(key, params, crs, registration without opening).
func (k *SecretKey) ID() Digest { return k.kd }

// String names the key without its secret.
func (k *SecretKey) String() string { return fmt.Sprintf("cohort key %x [secret]", k.kd[:4]) }

// Erase zeroes the secret; later uses fail. Not while an encryption or a decryption is under way.
func (k *SecretKey) Erase() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.secret == nil {
		return
	}
	s := k.secret()
	clear(s.seed[:])
	clear(s.s)
	for _, l := range s.ntt {
		clear(l)
	}
	k.secret = nil
}

func (k *SecretKey) open() (*secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.secret == nil {
		return nil, fmt.Errorf("%w: it was erased; restore it", ErrKey)
	}
	return k.secret(), nil
}

// use records a query seed; a second use is refused.
func (k *SecretKey) use(seed Digest) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used[seed] {
		return fmt.Errorf("%w: ask the gateway for a new nonce, and check this machine's random source", ErrSeedReused)
	}
	k.used[seed] = true
	return nil
}

func keyID(p *Params, crs [32]byte, body []byte) Digest {
	return digestOf(labelKey, []byte(p.id), crs[:], body[:p.RegistrationBytes()])
}

// newKey derives everything from the registration seed, so that an auditor who opens the seed gets the same bytes.
func newKey(p *Params, crs [32]byte, seed [seedBytes]byte) (*SecretKey, []byte) {
	a, n := p.arith(), p.n()
	sec := &secret{seed: seed, s: make([]int64, n)}
	st := newStream(labelSecret, seed[:], 0)
	st.ternary(sec.s)
	st.wipe()
	for i := range a.limb {
		l := &a.limb[i]
		x := make([]uint64, n)
		for c, v := range sec.s {
			x[c] = l.signed(v)
		}
		l.NTT(x, x)
		l.MForm(x, x)
		sec.ntt = append(sec.ntt, x)
	}

	body := make([]byte, 0, p.RegistrationBytes()+registrationOpeningBytes)
	body = sec.element(p, body, newStream(labelPK, crs[:], 0), newStream(labelKeyError, seed[:], 0), -1)
	for i := range a.limb {
		body = sec.element(p, body, newStream(labelRLK, crs[:], i), newStream(labelKeyError, seed[:], 1+i), i)
	}
	k := &SecretKey{params: p, crs: crs, kd: keyID(p, crs, body), secret: func() *secret { return sec }, used: map[Digest]bool{}}
	return k, body
}

// element appends -a*s + t*e + (s^2 in limb square only), packed, with a from the first stream and e from the second.
func (sec *secret) element(p *Params, body []byte, a, errs *stream, square int) []byte {
	ar, n := p.arith(), p.n()
	e := make([]int64, n)
	errs.binomial(e)
	errs.wipe()
	for c := range e {
		e[c] *= int64(p.t)
	}
	buf, mask := make([]uint64, n), make([]uint64, n)
	for i := range ar.limb {
		l := &ar.limb[i]
		a.uniform(mask, l.q, l.mask)
		for c, v := range e {
			buf[c] = l.signed(v)
		}
		l.NTTLazy(buf, buf)
		l.MulCoeffsMontgomeryLazyThenSubLazy(mask, sec.ntt[i], buf)
		if i == square {
			// s^2 = (s*2^64)(s*2^64)2^-64 is still in Montgomery form; once more by 1 takes it out.
			l.MulCoeffsMontgomery(sec.ntt[i], sec.ntt[i], mask)
			for c, v := range mask {
				buf[c] += ring.IMForm(v, l.q, l.qinv)
			}
		}
		l.Reduce(buf, buf)
		body = pack(body, buf, p.width)
	}
	clear(e)
	clear(buf)
	clear(mask)
	return body
}
