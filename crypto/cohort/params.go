package cohort

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// ErrParams: no parameter set of that name.
var ErrParams = errors.New("unknown parameter set")

// Params is a named, immutable parameter set. Its identifier stands for every number in it; nothing about it is negotiated.
type Params struct {
	id       string
	logN     int
	width    int // bits per residue on the wire
	q        []uint64
	t        uint64
	security int // bits, lowest gate count in docs/design/lattice-security.md

	once sync.Once
	ar   *arith
}

const (
	// kappa is the number of bits that randomise a plaintext operand in its coset mod t.
	kappa = 40
	// cbd is the parameter of the centred binomial error: sigma = sqrt(21/2) = 3.24.
	cbd = 21
	// answerLimbs is how many limbs an answer keeps after modulus switching.
	answerLimbs = 2
	// maxSlots bounds a table. Noise grows by one bit per factor 4; at 2^24 slots flooding keeps 2^-42 in set A.
	maxSlots = 1 << 24
)

// The sets: L largest primes below 2^width that are 1 mod 2N, in descending order; t the largest such prime below
// 2^34, 2^36, 2^45. A test derives them again.
var sets = []*Params{
	{
		id: "ecq1-a", logN: 13, width: 51, t: 17179754497, security: 134,
		q: []uint64{2251799813554177, 2251799813472257, 2251799813406721, 2251799812980737},
	},
	{
		id: "ecq1-aplus", logN: 13, width: 53, t: 68719230977, security: 129,
		q: []uint64{9007199254429697, 9007199254364161, 9007199254331393, 9007199253921793},
	},
	{
		id: "ecq1-b", logN: 14, width: 50, t: 35184371138561, security: 233,
		q: []uint64{1125899904679937, 1125899903991809, 1125899903827969, 1125899903795201, 1125899903500289},
	},
}

// ParamsByID returns the set of that name: "ecq1-a" for counts, "ecq1-aplus" for four times their range, "ecq1-b" for money.
func ParamsByID(id string) (*Params, error) {
	for _, p := range sets {
		if p.id == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w %q: use one of %s", ErrParams, id, strings.Join(IDs(), ", "))
}

// IDs lists the sets by name, smallest range first.
func IDs() []string {
	ids := make([]string, len(sets))
	for i, p := range sets {
		ids[i] = p.id
	}
	return ids
}

// ID is the name that stands for the set on the wire.
func (p *Params) ID() string { return p.id }

// SlotsPerBlock is N: how many entries one ciphertext selects from.
func (p *Params) SlotsPerBlock() int { return 1 << p.logN }

// MaxSlots is the largest number of slots, slack included, for which the noise bounds hold.
func (p *Params) MaxSlots() int { return maxSlots }

// Limit is the largest absolute value of sum + noise that decrypts as itself: (t-1)/2.
func (p *Params) Limit() int64 { return int64(p.t-1) / 2 }

// SecurityBits is the lowest recorded estimate in the gate-count cost model; core-SVP figures are lower, see
// docs/design/lattice-security.md.
func (p *Params) SecurityBits() int { return p.security }

// Digest pins every number of the set. The security record quotes it; a test compares.
func (p *Params) Digest() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s N=%d q=%d t=%d w=%d kappa=%d cbd=%d secret=ternary answer=%d",
		p.id, 1<<p.logN, p.q, p.t, p.width, kappa, cbd, answerLimbs))
}

func (p *Params) n() int     { return 1 << p.logN }
func (p *Params) limbs() int { return len(p.q) }

// limbBytes is one packed limb; N*width is divisible by 8.
func (p *Params) limbBytes() int { return p.n() * p.width / 8 }

func (p *Params) elementBytes() int { return p.limbs() * p.limbBytes() }

// RegistrationBytes is the length of a registration body without opening.
func (p *Params) RegistrationBytes() int { return (p.limbs() + 1) * p.elementBytes() }

// ReplyBytes is the length of the answer to one aggregate.
func (p *Params) ReplyBytes() int { return p.betaBytes() + answerLimbs*p.limbBytes() }

func (p *Params) betaBytes() int { return (answerLimbs*p.width + 7) / 8 }

// valid checks what the arithmetic relies on. The sets are constants, so a failure is a programming error.
func (p *Params) valid() error {
	tbits := bits.Len64(p.t)
	switch {
	case p.logN < 4 || p.limbs() <= answerLimbs:
		return errors.New("too small")
	case p.width > 57: // one residue is read with one 64-bit load at a byte offset
		return errors.New("residues too wide")
	case tbits <= 24 || tbits+2*kappa > 128: // one 128-bit draw gives r, k and k2
		return errors.New("t out of range")
	case uint64(cbd+1)*p.t >= slices.Min(p.q): // lift + t*e is reduced by one conditional addition
		return errors.New("t too large for q")
	}
	for i, q := range p.q {
		if bits.Len64(q-1) != p.width || i > 0 && q >= p.q[i-1] {
			return errors.New("moduli not descending, or not of the width")
		}
	}
	return nil
}
