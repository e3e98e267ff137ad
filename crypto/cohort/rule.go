package cohort

import (
	"errors"
	"fmt"
	"math/bits"
)

var (
	// ErrRule: a rule that no selector over the table can meet, or that the table has no room for.
	ErrRule = errors.New("bad rule")
	// ErrSlots: the number of entries is out of range.
	ErrSlots = errors.New("bad number of slots")
)

// Rule is a public linear condition on the selector, enforced without seeing it: "sum of w_i*b_i = K". Weights are public,
// are zero on padding, and never depend on the data: a weight that did would make pass or fail a noise-free test of
// membership. Rules are made by the functions below; the zero Rule is refused.
type Rule struct {
	from, to int // weight 1 on these entries, to excluded; to -1 means all
	min      int // K
	slack    int // bits; slack bit l has weight -2^l in a slot of its own
}

// ExactSize demands that exactly k entries are selected.
func ExactSize(k int) Rule { return Rule{min: k, slack: 0, from: 0, to: -1} }

// ExactSizeIn demands that exactly k of the entries from..to-1 are selected.
func ExactSizeIn(from, to, k int) Rule { return Rule{from: from, to: to, min: k} }

// SizeBetween demands a number of selected entries from min to min + 2^slackBits - 1, and hides which.
func SizeBetween(min, slackBits int) Rule { return Rule{to: -1, min: min, slack: slackBits} }

// AtLeast demands that at least k of n entries are selected, and hides how many.
func AtLeast(k, n int) Rule { return SizeBetween(k, max(1, bits.Len(uint(max(n-k, 0))))) }

// String says what is public about the rule.
func (r Rule) String() string {
	where := "all slots"
	if r.to >= 0 {
		where = fmt.Sprintf("slots %d to %d", r.from, r.to-1)
	}
	if r.slack == 0 {
		return fmt.Sprintf("exactly %d of %s", r.min, where)
	}
	return fmt.Sprintf("%d to %d of %s", r.min, r.min+1<<r.slack-1, where)
}

// bytes is the canonical form that nonces are bound to.
func (r Rule) bytes() []byte {
	b := le64(r.from)
	b = append(b, le64(r.to)...)
	b = append(b, le64(r.min)...)
	return append(b, le64(r.slack)...)
}

// Layout is what both sides derive from public facts: where entries, slack bits and padding lie, and so the exact length of
// every body. Entries are slots 0..n-1; the slack bits of the rules follow in order; the rest of the last block is padding.
type Layout struct {
	params *Params
	n      int
	rules  []Rule
	slots  int // entries and slack
	blocks int
}

// NewLayout checks the rules against a table of n entries.
func NewLayout(p *Params, n int, rules ...Rule) (*Layout, error) {
	if n < 1 || n > maxSlots {
		return nil, fmt.Errorf("%w: %d entries, between 1 and %d are possible", ErrSlots, n, maxSlots)
	}
	l := &Layout{params: p, n: n, slots: n}
	for i, r := range rules {
		if r.to == -1 {
			r.to = n
		}
		size := r.to - r.from
		switch {
		case r.from < 0 || size < 1 || r.to > n:
			return nil, fmt.Errorf("%w %d: it speaks of slots %d to %d, the table has %d", ErrRule, i+1, r.from, r.to-1, n)
		case r.min < 0 || r.min > size:
			return nil, fmt.Errorf("%w %d: a size of %d does not fit into %d entries", ErrRule, i+1, r.min, size)
		case r.slack < 0 || r.slack > bits.Len(uint(size)):
			return nil, fmt.Errorf("%w %d: %d slack bits, at most %d make sense for %d entries", ErrRule, i+1, r.slack, bits.Len(uint(size)), size)
		}
		l.rules = append(l.rules, r)
		l.slots += r.slack
	}
	if l.slots > maxSlots {
		return nil, fmt.Errorf("%w: %d with slack bits, at most %d are possible", ErrSlots, l.slots, maxSlots)
	}
	l.blocks = (l.slots + p.n() - 1) / p.n()
	return l, nil
}

// Params is the parameter set of the layout.
func (l *Layout) Params() *Params { return l.params }

// Entries is n, the number of entries of the table.
func (l *Layout) Entries() int { return l.n }

// Blocks is the number of ciphertexts.
func (l *Layout) Blocks() int { return l.blocks }

// UploadBytes is the length of an upload without opening.
func (l *Layout) UploadBytes() int { return nonceBytes + l.blocks*l.params.elementBytes() }

// Digest stands for the layout, rules included.
func (l *Layout) Digest() Digest {
	parts := [][]byte{[]byte(l.params.id), le64(l.n)}
	for _, r := range l.rules {
		parts = append(parts, r.bytes())
	}
	return digestOf("ecq1/layout", parts...)
}

// slackStart is the first slack slot of rule c.
func (l *Layout) slackStart(c int) int {
	at := l.n
	for _, r := range l.rules[:c] {
		at += r.slack
	}
	return at
}

// masks adds up rho'_c * w_c for the slots of block j, mod t. When it is the same in every slot of the block, as it is inside a
// large table, constant is true and only dst[0] is set: the polynomial is that constant.
func (l *Layout) masks(dst []uint64, rho []uint64, j int) (constant bool) {
	t, n := l.params.t, l.params.n()
	lo, hi := j*n, (j+1)*n
	var all uint64
	constant = true
	for c, r := range l.rules {
		from, to := max(lo, r.from), min(hi, r.to)
		slack := l.slackStart(c)
		touchesSlack := max(lo, slack) < min(hi, slack+r.slack)
		if from == lo && to == hi && !touchesSlack {
			all = (all + rho[c]) % t
		} else if from < to || touchesSlack {
			constant = false
		}
	}
	if constant {
		dst[0] = all
		return true
	}
	clear(dst)
	for c, r := range l.rules {
		for k := max(lo, r.from); k < min(hi, r.to); k++ {
			dst[k-lo] = (dst[k-lo] + rho[c]) % t
		}
		slack := l.slackStart(c)
		for b := range r.slack {
			if k := slack + b; lo <= k && k < hi {
				hi, lo64 := bits.Mul64(uint64(1)<<b, t-rho[c])
				dst[k-lo] = (dst[k-lo] + bits.Rem64(hi, lo64, t)) % t
			}
		}
	}
	return false
}

// check says whether a selector meets the rules. It is for its owner: the error tells sizes.
func (l *Layout) check(s *Selector) error {
	if s.n != l.n {
		return fmt.Errorf("%w: the selector has %d entries, the table %d", ErrSelector, s.n, l.n)
	}
	for i, r := range l.rules {
		size := s.countIn(r.from, r.to)
		if top := r.min + 1<<r.slack - 1; size < r.min || size > top {
			return fmt.Errorf("%w: rule %d (%s) does not hold: %d are selected", ErrSelector, i+1, r, size)
		}
	}
	return nil
}
