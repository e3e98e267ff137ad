package rpc

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway/identity"
)

// limits bounds how fast each principal may call. It is by name and organisation, not by key: a second certificate is no second allowance.
// It protects the machine; the limits that protect people are policy and budget.
type limits struct {
	perSecond rate.Limit
	burst     int

	mu    sync.Mutex
	who   map[limitKey]*allowance
	swept time.Time
}

type limitKey struct{ name, org string }

type allowance struct {
	limiter *rate.Limiter
	last    time.Time
}

// idle is how long an unused allowance is kept. It is full again long before.
const idle = 10 * time.Minute

func newLimits(perSecond float64, burst int) *limits {
	return &limits{perSecond: rate.Limit(perSecond), burst: burst, who: map[limitKey]*allowance{}}
}

func (l *limits) allow(who identity.Principal, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > idle {
		l.swept = now
		for key, a := range l.who {
			if now.Sub(a.last) > idle {
				delete(l.who, key)
			}
		}
	}
	key := limitKey{who.Name, who.Org}
	a := l.who[key]
	if a == nil {
		a = &allowance{limiter: rate.NewLimiter(l.perSecond, l.burst)}
		l.who[key] = a
	}
	a.last = now
	return a.limiter.AllowN(now, 1)
}
