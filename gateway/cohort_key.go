package gateway

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/crypto/cohort"
	"jali/gateway/identity"
)

// CohortKey is a registered public key.
type CohortKey struct {
	ID      [32]byte
	Expires time.Time
	Entry   uint64
}

const (
	// keyLife is a key period: keys never live longer, so that little is encrypted under each.
	keyLife = 30 * 24 * time.Hour
	// crsLife is how long a string for a new key waits for its key.
	crsLife = 10 * time.Minute
	// maxPending bounds strings that wait, of one caller and of all.
	maxPendingEach, maxPending = 16, 4096
	// maxKeysDaily bounds the keys that one person makes in a day, under whatever certificates: each is on record for good, a key that an
	// auditor can open is a file besides, and a flood of them would push the keys of others out of memory.
	maxKeysDaily = 64
)

type registered struct {
	registration *cohort.Registration
	who          string // principal key
	agreement    string
	auditor      []byte // to whom it was opened; nil: to nobody
	expires      time.Time
}

type pendingKey struct {
	params    *cohort.Params
	who       string
	agreement string
	auditor   []byte
	expires   time.Time
}

// NewKey issues the random string that a key of the parameter set is made for. The gateway chooses it, so that no key was
// made before.
func (g *Gateway) NewKey(who identity.Principal, agreement, params string) (crs [32]byte, expires time.Time, err error) {
	if refusal := g.party(who, agreement); refusal != nil {
		return crs, expires, refusal
	}
	p, err := cohort.ParamsByID(params)
	if err != nil {
		return crs, expires, &Refusal{Code: Invalid, Message: "unknown parameter set", Hint: "take it from a quote"}
	}
	if crs, err = freshKey(); err != nil {
		return crs, expires, unavailable()
	}
	c, now := g.cohorts, g.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := 0
	for id, k := range c.pending {
		if !now.Before(k.expires) {
			delete(c.pending, id)
		} else if k.who == who.Key {
			mine++
		}
	}
	if mine >= maxPendingEach || len(c.pending) >= maxPending {
		return crs, expires, &Refusal{Code: Rate, Message: "too many keys are being registered", Hint: "register the ones asked for, or wait ten minutes"}
	}
	person := who.Org + "\x00" + who.Name
	made := slices.DeleteFunc(c.made[person], func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
	if c.made[person] = made; len(made) >= maxKeysDaily {
		return crs, expires, &Refusal{Code: Rate, Message: fmt.Sprintf("more than %d keys in a day", maxKeysDaily), Hint: "use a key again: it serves all questions under its agreement for thirty days"}
	}
	c.made[person] = append(made, now)
	expires = now.Add(crsLife)
	c.pending[crs] = pendingKey{params: p, who: who.Key, agreement: agreement, auditor: g.CohortAuditor(agreement), expires: expires}
	return crs, expires, nil
}

// RegisterKey checks the form of a public key, keeps it ready and records it. A key is its caller's alone, under one agreement.
func (g *Gateway) RegisterKey(ctx context.Context, who identity.Principal, crs [32]byte, body []byte) (CohortKey, error) {
	c, now := g.cohorts, g.now()
	c.mu.Lock()
	waiting, ok := c.pending[crs]
	if ok = ok && waiting.who == who.Key && now.Before(waiting.expires); ok {
		delete(c.pending, crs) // one try: a string is never used for two keys
	}
	c.mu.Unlock()
	a := &ask{who: who, req: Request{SQL: "register a key for encrypted questions"}}
	if !ok {
		return CohortKey{}, g.refuse(ctx, a, &Refusal{Code: NonceUnknown, Message: "no key was asked for with this string, or too long ago", Hint: "ask for a new string and make a new key"})
	}
	a.agreement = g.agreement(waiting.agreement)
	if refusal := g.party(who, waiting.agreement); refusal != nil {
		return CohortKey{}, g.refuse(ctx, a, refusal)
	}
	opened := waiting.auditor != nil
	r, err := cohort.ParseRegistration(waiting.params, crs, body, opened)
	if err != nil {
		return CohortKey{}, g.refuse(ctx, a, &Refusal{
			Code: UploadMalformed, Message: "the key is malformed",
			Hint: fmt.Sprintf("a key of set %s has %d bytes%s, with residues below their moduli", waiting.params.ID(), waiting.params.BodyBytes(opened), withOpening(opened)),
		})
	}
	id := r.ID()
	details := []audit.Detail{{Name: "owner", Value: actor(who)}, {Name: "pub", Value: "kd sha256:" + hex.EncodeToString(id[:])}}
	if opened {
		kept, err := g.keepKey(id, waiting.params, crs, body)
		if err != nil {
			return CohortKey{}, g.refuse(ctx, a, g.notKept(err))
		}
		details = append(details, audit.Detail{Name: "opening", Value: kept})
	}
	entry, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind:    audit.Key,
		Fields:  audit.Object{"act": "add", "alg": waiting.params.ID(), "use": "he", "ag": waiting.agreement, "kid": audit.Digest(id)},
		Details: details,
		Subject: waiting.agreement,
	})
	if err != nil {
		return CohortKey{}, g.unrecorded(err)
	}
	k := CohortKey{ID: id, Expires: now.Add(keyLife), Entry: entry.Seq}
	c.keep(id, registered{registration: r, who: who.Key, agreement: waiting.agreement, auditor: waiting.auditor, expires: k.Expires})
	return k, nil
}

// party reports whether the caller may have keys under the agreement at all; questions are decided one by one.
func (g *Gateway) party(who identity.Principal, id string) *Refusal {
	a := g.agreement(id)
	if a == nil || who.Role != identity.Researcher {
		return denied("agreement.unknown", "no agreement of this id is open to you", "ask the custodian which agreements you are party to")
	}
	for _, p := range a.Parties {
		if p == who.Org {
			for _, kind := range a.Kinds {
				if kind == "encrypted" {
					return nil
				}
			}
			return denied("kind.not_agreed", "the agreement does not open encrypted questions", "ask as SQL, or have the kind encrypted added to the agreement")
		}
	}
	return denied("agreement.unknown", "no agreement of this id is open to you", "ask the custodian which agreements you are party to")
}

// keep holds a key. When keys take more than their share of memory, the oldest goes: its owner registers a new one.
func (c *cohorts) keep(id cohort.Digest, k registered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.keys[id]; again {
		return
	}
	c.keys[id] = k
	c.keyOrder = append(c.keyOrder, id)
	c.keyBytes += int64(k.registration.Bytes())
	for c.keyBytes > c.limits.KeyMemory && len(c.keyOrder) > 1 {
		c.forget(c.keyOrder[0])
	}
}

// forget removes the oldest key.
func (c *cohorts) forget(id cohort.Digest) {
	c.keyBytes -= int64(c.keys[id].registration.Bytes())
	delete(c.keys, id)
	c.keyOrder = c.keyOrder[1:]
}

func withOpening(opened bool) string {
	if opened {
		return " with its opening to the agreement's auditor"
	}
	return ""
}

// key finds a live key of the caller under the agreement, opened to its auditor of now. Whose else it might be is not told.
func (c *cohorts) key(now time.Time, who identity.Principal, a *agreement, id cohort.Digest) (*cohort.Registration, *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[id]
	if !ok || k.who != who.Key || k.agreement != a.ID || !bytes.Equal(k.auditor, a.auditorOf()) || !now.Before(k.expires) {
		return nil, &Refusal{Code: KeyUnknown, Message: "no live key of yours under this agreement has this name", Hint: "register a new key: keys end after 30 days and with the gateway's process"}
	}
	return k.registration, nil
}
