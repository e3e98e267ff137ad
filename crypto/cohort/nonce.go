package cohort

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrNonceUnknown: never issued, or issued before a restart.
	ErrNonceUnknown = errors.New("unknown nonce")
	// ErrNonceExpired: issued too long ago.
	ErrNonceExpired = errors.New("nonce has expired")
	// ErrNonceUsed: it served another upload, or was burnt by a malformed one.
	ErrNonceUsed = errors.New("nonce was used")
	// ErrNonceForeign: issued to another caller, for another key, table, rules, aggregates or accuracy.
	ErrNonceForeign = errors.New("nonce belongs to another question")
	// ErrNonceLimit: too many nonces are out.
	ErrNonceLimit = errors.New("too many open questions")
)

// Nonces issues nonce_g and lets each be used once. All state is in memory: after a restart every nonce is unknown, which
// refuses and never repeats. Safe for concurrent use.
//
// A nonce that served one upload stays known until it expires, so that a retry of the very same upload is told from a second
// question: the first is answered with the stored bytes and costs nothing, the second is refused.
type Nonces struct {
	cfg NonceConfig
	mu  sync.Mutex
	out map[[32]byte]*issued
}

// NonceConfig bounds what is open at once. Every field is required.
type NonceConfig struct {
	Life      time.Duration
	Total     int // nonces known at once, used ones included
	PerCaller int // nonces of one caller that are neither used nor expired
}

type issued struct {
	caller  string
	binding Digest
	expires time.Time
	burnt   bool
	used    bool
	commit  Digest
}

// NewNonces returns an empty set.
func NewNonces(c NonceConfig) (*Nonces, error) {
	if c.Life <= 0 || c.Total < 1 || c.PerCaller < 1 {
		return nil, errors.New("nonces need a life and limits above zero")
	}
	return &Nonces{cfg: c, out: map[[32]byte]*issued{}}, nil
}

// Bind digests what a nonce is issued for: key, table, layout with its rules, and whatever else was agreed, such as
// aggregates, filter, grouping and accuracy.
func Bind(key, table Digest, l *Layout, more ...[]byte) Digest {
	d := l.Digest()
	return digestOf("ecq1/binding", append([][]byte{key[:], table[:], d[:]}, more...)...)
}

// Issue returns a fresh nonce for the caller and the binding.
func (n *Nonces) Issue(now time.Time, caller string, binding Digest) ([32]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sweep(now, caller) >= n.cfg.PerCaller || len(n.out) >= n.cfg.Total {
		return [32]byte{}, fmt.Errorf("%w: finish one, or wait up to %s", ErrNonceLimit, n.cfg.Life)
	}
	var v [32]byte
	if _, err := rand.Read(v[:]); err != nil {
		return v, fmt.Errorf("draw nonce: %w", err)
	}
	n.out[v] = &issued{caller: caller, binding: binding, expires: now.Add(n.cfg.Life)}
	return v, nil
}

// Check says whether an upload under the nonce would be taken, without using it: before bytes are received.
func (n *Nonces) Check(now time.Time, nonce [32]byte, caller string, binding Digest) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.find(now, nonce, caller, binding)
	if err != nil {
		return err
	}
	if i.burnt {
		return fmt.Errorf("%w: ask for a new one", ErrNonceUsed)
	}
	return nil
}

// Redeem uses the nonce for the upload of that commit. replay is true if it already served the same upload: then nothing is
// charged or evaluated again.
func (n *Nonces) Redeem(now time.Time, nonce [32]byte, caller string, binding, commit Digest) (replay bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.find(now, nonce, caller, binding)
	switch {
	case err != nil:
		return false, err
	case i.burnt || i.used && i.commit != commit:
		return false, fmt.Errorf("%w: ask for a new one", ErrNonceUsed)
	case i.used:
		return true, nil
	}
	i.used, i.commit = true, commit
	return false, nil
}

// Burn ends a nonce whose upload was malformed. It does not undo a use.
func (n *Nonces) Burn(nonce [32]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := n.out[nonce]; i != nil && !i.used {
		i.burnt = true
	}
}

// find looks at the binding before the clock: whoever presents another's nonce does not learn whether it still lives.
func (n *Nonces) find(now time.Time, nonce [32]byte, caller string, binding Digest) (*issued, error) {
	i := n.out[nonce]
	switch {
	case i == nil:
		return nil, fmt.Errorf("%w: ask for a new one", ErrNonceUnknown)
	case i.caller != caller || i.binding != binding:
		return nil, fmt.Errorf("%w: ask for one for this question", ErrNonceForeign)
	case !now.Before(i.expires):
		return nil, fmt.Errorf("%w: ask for a new one", ErrNonceExpired)
	}
	return i, nil
}

// sweep forgets nonces that expired more than one life ago, and sooner when room is needed: until then their error is
// specific. It returns how many of the caller's are open; burnt ones count as long as they would have lived.
func (n *Nonces) sweep(now time.Time, caller string) (open int) {
	full := len(n.out) >= n.cfg.Total
	for v, i := range n.out {
		over := now.Sub(i.expires)
		if over >= n.cfg.Life || over >= 0 && full {
			delete(n.out, v)
		} else if over < 0 && !i.used && i.caller == caller {
			open++
		}
	}
	return open
}
