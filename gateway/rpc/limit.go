package rpc

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway/identity"
)

// Quota is how fast each principal may call. It may be changed while a gateway serves. It is safe for concurrent use.
type Quota struct{ now atomic.Pointer[quota] }

type quota struct {
	perSecond rate.Limit
	burst     int
}

// NewQuota is Set on a new Quota.
func NewQuota(perSecond float64, burst int) (*Quota, error) {
	q := &Quota{}
	return q, q.Set(perSecond, burst)
}

// Set changes the quota, from the next call on.
func (q *Quota) Set(perSecond float64, burst int) error {
	if !(perSecond > 0 && perSecond <= maxPerSecond && burst > 0 && burst <= maxBurst) {
		return fmt.Errorf("quota: per_second must be within (0, %d], burst within 1 to %d", maxPerSecond, maxBurst)
	}
	q.now.Store(&quota{rate.Limit(perSecond), burst})
	return nil
}

const (
	maxPerSecond = 100_000
	maxBurst     = 1_000_000
)

// limits bounds how fast each principal may call. It is by name and organisation, not by key: a second certificate is no second allowance.
// It protects the machine; the limits that protect people are policy and budget.
type limits struct {
	quota *Quota

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

func newLimits(q *Quota) *limits {
	return &limits{quota: q, who: map[limitKey]*allowance{}}
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
	q := l.quota.now.Load()
	key := limitKey{who.Name, who.Org}
	a := l.who[key]
	if a == nil {
		a = &allowance{limiter: rate.NewLimiter(q.perSecond, q.burst)}
		l.who[key] = a
	}
	if a.limiter.Limit() != q.perSecond || a.limiter.Burst() != q.burst { // changed since
		a.limiter.SetLimitAt(now, q.perSecond)
		a.limiter.SetBurstAt(now, q.burst)
	}
	a.last = now
	return a.limiter.AllowN(now, 1)
}
