package audit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"
)

// Errors of a chain. They come wrapped in an EntryError that names the entry and the field.
var (
	ErrSeq    = errors.New("not the next sequence number")
	ErrPrev   = errors.New("not the hash of the entry before: one of the two was changed")
	ErrTime   = errors.New("earlier than the entry before")
	ErrOrigin = errors.New("entry of another log")
	ErrPlace  = errors.New("kind not allowed here")
	ErrRef    = errors.New("refers to no entry that this may belong to")
	ErrActive = errors.New("not what was active at this point of the log")
	// ErrHistory: the log is not a continuation of what it was when an earlier checkpoint was signed.
	ErrHistory = errors.New("another history than the one signed earlier")
)

// Chain checks a log header by header. It needs one leaf hash and one scan per entry, and memory for ledgers, open intents
// and two bits per intent. The zero Chain is not usable; a Chain is not for concurrent use. After an error it must be
// discarded.
type Chain struct {
	// Visit, if set before the first Next of a chain that begins at entry 0, sees every node of the Merkle tree as it is
	// completed (for tiles). It must not keep the slice.
	Visit compact.VisitFn

	origin string
	vkeys  []string
	prev0  [32]byte
	first  uint64 // where checking began; 0 means the whole history is known
	n      uint64
	head   [32]byte
	t      int64
	closed bool
	tree   Frontier
	rooted bool // the tree is of all entries: checking began at entry 0
	h      header

	ledgers  map[LedgerKey]*Ledger
	active   map[string]Active
	open     map[uint64]struct{}
	erasing  map[uint64]struct{}
	released map[uint64]uint64 // bitmap: word -> bits
	counts   map[Kind]uint64
	unknown  uint64
	expected map[uint64][][32]byte
}

// Active is a value that an entry made active: a policy bundle, a dataset version or an agreement version.
type Active struct {
	Value string
	Seq   uint64 // of the entry
}

// NewChain starts at entry 0 of a log with this origin and these verifier keys. final is the last signed checkpoint of the
// shard before, or nil.
func NewChain(origin string, vkeys []string, final []byte) *Chain {
	c := resume(origin, 0, [32]byte{}, 0)
	c.vkeys, c.prev0 = vkeys, GenesisPrev(origin, vkeys, final)
	return c
}

// ResumeChain starts after entry n-1, whose leaf hash is head and whose time is t. What happened before is taken on trust:
// references to it, and first uses of ledgers and active versions, are not checked, and there is no root.
func ResumeChain(origin string, n uint64, head [32]byte, t int64) *Chain {
	return resume(origin, n, head, t)
}

func resume(origin string, n uint64, head [32]byte, t int64) *Chain {
	return &Chain{
		origin: origin, first: n, rooted: n == 0, n: n, head: head, t: t,
		ledgers: map[LedgerKey]*Ledger{}, active: map[string]Active{}, open: map[uint64]struct{}{}, erasing: map[uint64]struct{}{},
		released: map[uint64]uint64{}, counts: map[Kind]uint64{},
	}
}

// Next checks the next header line. The bytes are hashed as they are, before anything is read from them.
func (c *Chain) Next(line []byte) error {
	leaf := LeafHash(line)
	if field, err := c.check(line); err != nil {
		return &EntryError{c.n, field, err}
	}
	if c.rooted {
		c.tree.Append(&leaf, c.Visit)
	}
	c.counts[c.h.kind]++
	c.head, c.t = leaf, c.h.time
	c.n++
	return c.compare()
}

// Expect makes Next compare the log with a checkpoint that it signed before: whoever remembers one finds out if anything
// below its size was changed since, and Unmet tells if the log has become shorter. Call it before the first Next of a chain
// that began at entry 0. Of several checkpoints of one size all count: what somebody shows now does not replace what was remembered.
func (c *Chain) Expect(cp Checkpoint) {
	if c.expected == nil {
		c.expected = map[uint64][][32]byte{}
	}
	c.expected[cp.Size] = append(c.expected[cp.Size], cp.Root)
}

func (c *Chain) compare() error {
	want, ok := c.expected[c.n]
	if !ok {
		return nil
	}
	root, err := c.Root()
	if err != nil || slices.ContainsFunc(want, func(w [32]byte) bool { return w != root }) {
		return &EntryError{c.n - 1, "", fmt.Errorf("%w (somewhere up to this entry)", ErrHistory)}
	}
	delete(c.expected, c.n)
	return nil
}

// Unmet is an error if the log ended before a checkpoint that was expected.
func (c *Chain) Unmet() error {
	for size := range c.expected {
		if size > c.n {
			return fmt.Errorf("%w: it had %d entries, now it has %d: the end is gone", ErrHistory, size, c.n)
		}
	}
	return nil
}

func (c *Chain) check(line []byte) (string, error) {
	h := &c.h
	if field, err := h.parse(line); err != nil {
		return field, err
	}
	if string(h.origin) != c.origin {
		return "o", ErrOrigin
	}
	if h.seq != c.n {
		return "seq", ErrSeq
	}
	want := &c.head
	if c.n == 0 {
		want = &c.prev0
	}
	var prev [43]byte // a digest has one spelling
	b64.Encode(prev[:], want[:])
	switch {
	case string(h.prev) != string(prev[:]):
		return "prev", ErrPrev
	case h.time < c.t:
		return "t", ErrTime
	case c.closed, (h.kind == Genesis) != (c.n == 0):
		return "k", ErrPlace
	}
	if !h.kind.Known() {
		c.unknown++
		return "", nil
	}
	if field, err := checkKind(h); err != nil {
		return field, err
	}
	return c.content(h)
}

// content checks what an entry says against what the log said before.
func (c *Chain) content(h *header) (string, error) {
	switch h.kind {
	case Genesis:
		if h.text("keys") != KeysDigest(c.vkeys) {
			return "keys", fmt.Errorf("%w: digest of other verifier keys", ErrField)
		}
	case Intent:
		if field, err := c.decidedOnActive(h); err != nil {
			return field, err
		}
		if field, err := c.charge(h); err != nil {
			return field, err
		}
		c.open[h.seq] = struct{}{}
	case Release, Failure, Interrupted:
		ref := uint64(h.ref)
		if _, ok := c.open[ref]; !ok && (ref >= c.first || ref >= h.seq) {
			return "ref", fmt.Errorf("%w: want an INTENT without outcome", ErrRef)
		}
		delete(c.open, ref)
		if h.kind == Release {
			c.released[ref/64] |= 1 << (ref % 64)
		}
	case Replay:
		ref := uint64(h.ref)
		if ref >= h.seq || ref >= c.first && c.released[ref/64]&(1<<(ref%64)) == 0 {
			return "ref", fmt.Errorf("%w: want an INTENT that was released", ErrRef)
		}
	case Budget:
		return c.setCap(h)
	case Policy, Dataset, Agreement, Admin:
		if h.ref >= 0 && uint64(h.ref) >= h.seq {
			return "ref", ErrRef
		}
		return c.activate(h)
	case Hold, Unhold:
		return c.hold(h)
	case Erase:
		return c.erase(h)
	case Erased:
		return c.erased(h)
	case Timestamp:
		if size := h.integer("size"); size < 1 || uint64(size) > h.seq {
			return "size", fmt.Errorf("%w: a time stamp is over entries before it", ErrRef)
		}
	case ShardClose:
		c.closed = true
	default:
		if h.ref >= 0 && uint64(h.ref) >= h.seq {
			return "ref", ErrRef
		}
	}
	return "", nil
}

// Size is the number of entries checked, counted from the beginning of the log.
func (c *Chain) Size() uint64 { return c.n }

// Head is the leaf hash of the last entry.
func (c *Chain) Head() [32]byte { return c.head }

// Time is the time of the last entry.
func (c *Chain) Time() int64 { return c.t }

// Root is the Merkle root of all entries. It needs a chain that began at entry 0.
func (c *Chain) Root() ([32]byte, error) {
	if !c.rooted {
		return [32]byte{}, fmt.Errorf("%w: the chain did not begin at entry 0", ErrProof)
	}
	return c.tree.Root(), nil
}

// Open lists the intents without outcome.
func (c *Chain) Open() map[uint64]struct{} { return c.open }

// Released reports whether an INTENT was released.
func (c *Chain) Released(seq uint64) bool { return c.released[seq/64]&(1<<(seq%64)) != 0 }

// Commitments calls yield for every detail that the last entry checked commits to. The slices are valid until the next Next.
func (c *Chain) Commitments(yield func(name, digest []byte) error) error {
	for i := range c.h.fields {
		if f := &c.h.fields[i]; f.sub != nil && string(f.key) == "dtl" {
			if err := yield(f.sub, f.str); err != nil {
				return err
			}
		}
	}
	return nil
}

// LastKind and Last are the last entry checked.
func (c *Chain) LastKind() Kind { return c.h.kind }
func (c *Chain) Last() Entry    { return c.h.entry() }

// Counts tells how many entries of each kind were checked; Uninterpreted how many were of kinds this version does not know.
func (c *Chain) Counts() map[Kind]uint64 { return c.counts }
func (c *Chain) Uninterpreted() uint64   { return c.unknown }
