package gateway

import (
	"sync"
	"time"

	"jali/gateway/identity"
)

// rates counts a principal's charged questions under an agreement within the last hour, for policy. It starts empty with
// the process: the hard limit is the ledger.
type rates struct {
	mu sync.Mutex
	at map[rateKey][]time.Time
}

type rateKey struct{ who, agreement string }

func newRates() *rates { return &rates{at: map[rateKey][]time.Time{}} }

func (r *rates) add(who identity.Principal, agreement string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := rateKey{who.Key, agreement}
	r.at[k] = append(recent(r.at[k], now), now)
}

func (r *rates) lastHour(who identity.Principal, agreement string, now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := rateKey{who.Key, agreement}
	kept := recent(r.at[k], now)
	if len(kept) == 0 {
		delete(r.at, k)
		return 0
	}
	r.at[k] = kept
	return int64(len(kept))
}

func recent(at []time.Time, now time.Time) []time.Time {
	i := 0
	for i < len(at) && now.Sub(at[i]) >= time.Hour {
		i++
	}
	return at[i:]
}
