package cohort

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"fmt"
)

// Openings make the researcher accountable without telling the gateway anything. All client randomness follows from two
// seeds, so whoever holds them recomputes key and upload byte for byte. A registration carries its seed, an upload its seed and the
// selector, encrypted to an auditor whom the policy names. The gateway stores both and cannot open them; their digests are on
// the record. Every malformed upload, a wrong relinearisation key included, shows when it is opened: covert security.
//
// The key encapsulation is ML-KEM-768 with X25519, since who asked what may have to stay secret for decades. Opening a
// registration lets the auditor read every upload under that key that it is given: key periods should be short.

var (
	// ErrAuditorKey: not an auditor's key.
	ErrAuditorKey = errors.New("bad auditor key")
	// ErrOpening: the opening does not decrypt. The researcher made it for another auditor, key or upload, or made it up.
	ErrOpening = errors.New("opening does not open")
	// ErrMismatch: what was sent is not what an honest client makes of the opened seed and selector.
	ErrMismatch = errors.New("recomputed bytes differ from what was sent")
)

const (
	hpkeEnc = 1120 // ML-KEM-768 ciphertext and X25519 share
	hpkeTag = 16

	registrationOpeningBytes = hpkeEnc + seedBytes + hpkeTag
)

// uploadOpeningBytes: the selector is a bitmap over all blocks, not compressed. A length that varied would tell about it.
func (l *Layout) uploadOpeningBytes() int {
	return hpkeEnc + seedBytes + l.blocks*l.params.n()/8 + hpkeTag
}

// Auditor is the public key of an ethics board or authority.
type Auditor struct{ key hpke.PublicKey }

// ParseAuditor reads a public key as AuditorKey.Public writes it.
func ParseAuditor(b []byte) (*Auditor, error) {
	k, err := hpke.MLKEM768X25519().NewPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuditorKey, err)
	}
	return &Auditor{key: k}, nil
}

func (a *Auditor) seal(info string, aad, plain []byte) ([]byte, error) {
	enc, s, err := hpke.NewSender(a.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, fmt.Errorf("seal opening: %w", err)
	}
	box, err := s.Seal(aad, plain)
	if err != nil {
		return nil, fmt.Errorf("seal opening: %w", err)
	}
	return append(enc, box...), nil
}

// AuditorKey opens.
type AuditorKey struct {
	key func() hpke.PrivateKey // a closure: no formatter reaches into it
}

// GenerateAuditorKey makes a key.
func GenerateAuditorKey() (*AuditorKey, error) {
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("generate auditor key: %w", err)
	}
	return &AuditorKey{key: func() hpke.PrivateKey { return k }}, nil
}

// ParseAuditorKey reads what Store returned.
func ParseAuditorKey(b []byte) (*AuditorKey, error) {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(b)
	if err != nil {
		return nil, ErrAuditorKey // without the cause, which may quote the key
	}
	return &AuditorKey{key: func() hpke.PrivateKey { return k }}, nil
}

// Store returns the secret bytes of the key.
func (k *AuditorKey) Store() ([]byte, error) { return k.key().Bytes() }

// Public returns the bytes that clients need.
func (k *AuditorKey) Public() []byte { return k.key().PublicKey().Bytes() }

func (k *AuditorKey) open(info string, aad, opening []byte) ([]byte, error) {
	if len(opening) < hpkeEnc {
		return nil, ErrOpening
	}
	r, err := hpke.NewRecipient(opening[:hpkeEnc], k.key(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, ErrOpening
	}
	plain, err := r.Open(aad, opening[hpkeEnc:])
	if err != nil {
		return nil, ErrOpening
	}
	return plain, nil
}

// OpenedKey is a registration that an auditor opened and found honest.
type OpenedKey struct {
	auditor *AuditorKey
	key     *SecretKey
}

// OpenKey opens a registration body, with opening, and recomputes it.
func (k *AuditorKey) OpenKey(p *Params, crs [32]byte, body []byte) (*OpenedKey, error) {
	if len(body) != p.RegistrationBytes()+registrationOpeningBytes {
		return nil, fmt.Errorf("open registration: %w: %d bytes, %d with an opening are right", ErrRegistration, len(body), p.RegistrationBytes()+registrationOpeningBytes)
	}
	kd := keyID(p, crs, body)
	seed, err := k.open(labelOpenKey, kd[:], body[p.RegistrationBytes():])
	if err != nil || len(seed) != seedBytes {
		return nil, fmt.Errorf("open registration: %w", ErrOpening)
	}
	defer clear(seed)
	key, want := newKey(p, crs, [seedBytes]byte(seed))
	if !bytes.Equal(want, body[:p.RegistrationBytes()]) {
		return nil, fmt.Errorf("open registration: %w", ErrMismatch)
	}
	return &OpenedKey{auditor: k, key: key}, nil
}

// OpenUpload opens an upload, recomputes every ciphertext, and checks that the selector is one an honest client would have
// encrypted: it meets the rules, its slack bits are those of its size, and its padding is empty. It returns the selector.
func (k *OpenedKey) OpenUpload(q Query, u *Upload) (*Selector, error) {
	l := q.Layout
	if u.layout.Digest() != l.Digest() || l.params != k.key.params {
		return nil, fmt.Errorf("open upload: %w: it was made for another layout", ErrEvaluation)
	}
	seed := q.seed(k.key.kd, u.nonceC[:])
	plain, err := k.auditor.open(labelOpenUpload, seed[:], u.opening)
	if err != nil || len(plain) != l.uploadOpeningBytes()-hpkeEnc-hpkeTag {
		return nil, fmt.Errorf("open upload: %w", ErrOpening)
	}
	own := [seedBytes]byte(plain)
	bitmap := plain[seedBytes:]
	defer clear(own[:])
	defer clear(plain)

	s, err := NewSelector(l.n)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	for i := range l.n {
		s.bits()[i>>6] |= uint64(bitmap[i>>3]>>(i&7)&1) << (i & 63)
	}
	if err := l.check(s); err != nil {
		return nil, fmt.Errorf("open upload: %w: %w", ErrMismatch, err)
	}
	if !bytes.Equal(s.slotBits(l), bitmap) {
		return nil, fmt.Errorf("open upload: %w: padding or slack bits", ErrMismatch)
	}
	if clientNonce(own) != u.nonceC {
		return nil, fmt.Errorf("open upload: %w: nonce", ErrMismatch)
	}
	e := &Encryption{query: q, key: k.key, seed: seed, own: own, bitmap: bitmap}
	for j := range l.blocks {
		want, err := e.Block(j)
		if err != nil {
			return nil, fmt.Errorf("open upload: %w", err)
		}
		if !bytes.Equal(want, u.blocks[j]) {
			return nil, fmt.Errorf("open upload: %w: block %d", ErrMismatch, j)
		}
	}
	return s, nil
}

// Erase forgets the opened key.
func (k *OpenedKey) Erase() { k.key.Erase() }
