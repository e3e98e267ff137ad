package gateway

import (
	"slices"
	"sync"
	"time"
)

// rates counts a principal's charged questions under an agreement within the last hour, for policy. A principal is a name in an
// organisation: a second certificate is no second allowance. It starts empty with the process: the hard limit is the ledger.
type rates struct {
	mu sync.Mutex
	at map[rateKey][]time.Time
}

type rateKey struct{ name, org, agreement string }

func newRates() *rates { return &rates{at: map[rateKey][]time.Time{}} }

func (a *ask) rateKey() rateKey { return rateKey{a.who.Name, a.who.Org, a.agreement.ID} }

// reserve counts a question before it is decided. The returned function takes it back unless it has been charged.
func (r *rates) reserve(a *ask, now time.Time) (settle func()) {
	r.add(a.rateKey(), now)
	a.reserved = true
	return func() {
		if a.charged {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		k := a.rateKey()
		if i := slices.Index(r.at[k], now); i >= 0 {
			r.at[k] = slices.Delete(r.at[k], i, i+1)
		}
		if len(r.at[k]) == 0 {
			delete(r.at, k)
		}
	}
}

// charge makes a question count for its hour.
func (r *rates) charge(a *ask, now time.Time) {
	a.charged = true
	if !a.reserved {
		r.add(a.rateKey(), now)
	}
}

func (r *rates) add(k rateKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[k] = append(recent(r.at[k], now), now)
}

// lastHour counts the others of the last hour.
func (r *rates) lastHour(a *ask, now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(len(recent(r.at[a.rateKey()], now)))
	if a.reserved {
		n--
	}
	return max(0, n)
}

func recent(at []time.Time, now time.Time) []time.Time {
	i := 0
	for i < len(at) && now.Sub(at[i]) >= time.Hour {
		i++
	}
	return at[i:]
}
