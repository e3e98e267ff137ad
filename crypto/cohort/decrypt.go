package cohort

import (
	"errors"
	"fmt"
	"math/big"
)

var (
	// ErrReply: not an answer of this key's parameter set.
	ErrReply = errors.New("bad reply")
	// ErrImplausible: the number cannot be an answer to an honest question. A selector that is not binary or breaks a rule gives a
	// number uniform mod t; so does a key or a table version that is not the one the gateway used. Garbage falls into the
	// plausible range with probability (2*bound+1)/t, so the absence of this error proves nothing.
	// Never report it to the gateway automatically: repeated feedback on decryptions is an attack on the key.
	ErrImplausible = errors.New("answer is out of range: the selector was rejected, a declared rule was violated, or table version and key do not match")
)

// Decrypt reads the numbers of a reply, one per aggregate: sum + noise. bounds has, for each, the largest absolute value that an
// honest answer can have, from the published bounds of the measure and of the noise; 0 stands for the limit of the set. All
// numbers are returned even if one is implausible.
func (k *SecretKey) Decrypt(reply []byte, bounds []int64) ([]int64, error) {
	sec, err := k.open()
	if err != nil {
		return nil, err
	}
	p := k.params
	if len(bounds) == 0 || len(reply) != len(bounds)*p.ReplyBytes() {
		return nil, fmt.Errorf("%w: %d bytes, a reply to %d aggregates has %d", ErrReply, len(reply), len(bounds), len(bounds)*p.ReplyBytes())
	}
	out := make([]int64, len(bounds))
	var implausible error
	for i, b := range bounds {
		if out[i], err = sec.decrypt(p, reply[i*p.ReplyBytes():(i+1)*p.ReplyBytes()]); err != nil {
			return nil, err
		}
		if b > 0 && (out[i] > b || out[i] < -b) {
			implausible = ErrImplausible
		}
	}
	return out, implausible
}

// decrypt is x = beta + [alpha*s]_0 mod q', h = round(t*x/q'), answer = -h*Q*N mod t, centred; Q is the full modulus.
func (sec *secret) decrypt(p *Params, reply []byte) (int64, error) {
	ar := p.arith()
	beta := make([]uint64, answerLimbs)
	unpack(beta, reply[:p.betaBytes()], p.width)
	if used := answerLimbs * p.width % 8; used != 0 && reply[p.betaBytes()-1]>>used != 0 {
		return 0, fmt.Errorf("%w: %w", ErrReply, ErrResidue)
	}
	alpha := make([]uint64, p.n())
	for i := range answerLimbs {
		l := &ar.limb[i]
		from := p.betaBytes() + i*p.limbBytes()
		if err := unpackChecked(alpha, reply[from:from+p.limbBytes()], p.width, l.q); err != nil || beta[i] >= l.q {
			return 0, fmt.Errorf("%w: %w", ErrReply, ErrResidue)
		}
		beta[i] = l.add(beta[i], l.constantTerm(alpha, sec.s))
	}
	// From here on the numbers are the researcher's own result.
	x := crt(beta, p.q[:answerLimbs], ar.qa)
	t := new(big.Int).SetUint64(p.t)
	h := x.Mul(x, t)
	h.Lsh(h, 1).Add(h, ar.qa).Quo(h, new(big.Int).Lsh(ar.qa, 1))
	h.Mul(h, ar.q).Mul(h, big.NewInt(int64(p.n()))).Neg(h).Mod(h, t)
	v := h.Int64()
	if v > p.Limit() {
		v -= int64(p.t)
	}
	return v, nil
}

// constantTerm is [alpha*s]_0 = alpha_0 s_0 - sum_{i>0} alpha_i s_{N-i} mod q, by selection without a branch.
func (l *limb) constantTerm(alpha []uint64, s []int64) uint64 {
	n := len(s)
	var sum wide
	pick := func(a uint64, v int64) {
		plus, minus := -uint64(v&1)&^uint64(v>>63), uint64(v>>63)
		lo := sum.lo + (a&plus | (l.q-a)&minus) // at most 2^14 summands below 2^57: no carry is lost before the fold
		sum.hi += lo >> 58
		sum.lo = lo & (1<<58 - 1)
	}
	pick(alpha[0], s[0])
	for i := 1; i < n; i++ {
		pick(alpha[i], -s[n-i])
	}
	return l.add(l.mul(sum.hi%l.q, (1<<58)%l.q), sum.lo%l.q)
}

// crt is the number below the product of the moduli with these residues.
func crt(residues, moduli []uint64, q *big.Int) *big.Int {
	x := new(big.Int)
	for i, m := range moduli {
		mi := new(big.Int).SetUint64(m)
		rest := new(big.Int).Quo(q, mi)
		inv := new(big.Int).ModInverse(rest, mi)
		inv.Mul(inv, new(big.Int).SetUint64(residues[i])).Mod(inv, mi)
		x.Add(x, inv.Mul(inv, rest))
	}
	return x.Mod(x, q)
}
