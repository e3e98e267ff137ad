package cohort

import (
	"errors"
	"fmt"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// ErrRegistration: a registration body of the wrong length or with residues out of range.
var ErrRegistration = errors.New("bad key registration")

// Registration is a researcher's public key as the gateway keeps it ready: unpacked, expanded from crs and in Montgomery form.
// It is read-only and may serve many evaluations at once. The form cannot show that the key is right; a wrong one gives
// garbage (attack A4), which an opening pins on its maker.
type Registration struct {
	params  *Params
	kd      Digest
	opening []byte
	pk      element
	rlk     []element
}

// element is a pair over all limbs: b came over the wire, a from a hash.
type element struct{ b, a [][]uint64 }

// ParseRegistration validates a body received for the gateway's crs. opened says whether the policy asks for an opening, which has a
// fixed length. Nothing about the key is logged or returned but its form.
func ParseRegistration(p *Params, crs [32]byte, body []byte, opened bool) (*Registration, error) {
	want := p.RegistrationBytes()
	if opened {
		want += registrationOpeningBytes
	}
	if len(body) != want {
		return nil, fmt.Errorf("%w: %d bytes, a registration of set %s has %d", ErrRegistration, len(body), p.id, want)
	}
	r := &Registration{params: p, opening: append([]byte(nil), body[p.RegistrationBytes():]...)}
	var err error
	if r.pk, err = parseElement(p, body, newStream(labelPK, crs[:], 0), 0); err != nil {
		return nil, err
	}
	for i := range p.limbs() {
		e, err := parseElement(p, body, newStream(labelRLK, crs[:], i), 1+i)
		if err != nil {
			return nil, err
		}
		r.rlk = append(r.rlk, e)
	}
	r.kd = keyID(p, crs, body)
	return r, nil
}

func parseElement(p *Params, body []byte, st *stream, at int) (element, error) {
	var e element
	ar := p.arith()
	body = body[at*p.elementBytes():]
	for i := range ar.limb {
		l := &ar.limb[i]
		b, a := make([]uint64, p.n()), make([]uint64, p.n())
		if err := unpackChecked(b, body[i*p.limbBytes():(i+1)*p.limbBytes()], p.width, l.q); err != nil {
			return e, fmt.Errorf("%w: element %d, limb %d: %w", ErrRegistration, at, i, err)
		}
		st.uniform(a, l.q, l.mask)
		for c := range a {
			a[c] = ring.MForm(a[c], l.q, l.bred)
			b[c] = ring.MForm(b[c], l.q, l.bred)
		}
		e.b, e.a = append(e.b, b), append(e.a, a)
	}
	return e, nil
}

// ID is kd, the digest that names the key in queries and in the log.
func (r *Registration) ID() Digest { return r.kd }

// Params is the parameter set of the key.
func (r *Registration) Params() *Params { return r.params }

// Opening is what the auditor can open; empty if the policy asks for none.
func (r *Registration) Opening() []byte { return r.opening }

// Bytes is what the registration holds in memory, for caches.
func (r *Registration) Bytes() int {
	return 2 * (r.params.limbs() + 1) * r.params.limbs() * r.params.n() * 8
}
