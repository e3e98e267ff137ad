// Package allowance bounds how fast each principal may speak to a gateway, whichever front it speaks to.
//
// Guaranteed: what is said to one front and to another counts against the same allowance. It is by name and organisation, not by key: a second
// certificate or a fresh token is no second allowance. A change holds from the next request on, for everybody.
//
// Not guaranteed: anything about disclosure. This protects the machine; the limits that protect people are policy and budget.
//
// The bucket is golang.org/x/time/rate's: so many a second in the long run, so many at once.
package allowance

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway/identity"
)

// Default limits, where nobody sets any.
const (
	DefaultPerSecond = 50
	DefaultBurst     = 200
)

const (
	maxPerSecond = 100_000
	maxBurst     = 1_000_000
)

// Rates holds the allowances of all principals. It may be changed while a gateway serves. It is safe for concurrent use.
type Rates struct {
	mu        sync.Mutex
	perSecond rate.Limit
	burst     int
	who       map[key]*bucket
	swept     time.Time
}

type key struct{ name, org string }

type bucket struct {
	limiter *rate.Limiter
	last    time.Time
}

// New is Set on new Rates.
func New(perSecond float64, burst int) (*Rates, error) {
	r := &Rates{who: map[key]*bucket{}}
	return r, r.Set(perSecond, burst)
}

// Check tells whether Set would take these limits.
func Check(perSecond float64, burst int) error {
	if !(perSecond > 0 && perSecond <= maxPerSecond && burst > 0 && burst <= maxBurst) {
		return fmt.Errorf("set rate: per_second must be within (0, %d], burst within 1 to %d", maxPerSecond, maxBurst)
	}
	return nil
}

// Set changes the limits, from the next request on. After an error they are as they were.
func (r *Rates) Set(perSecond float64, burst int) error {
	if err := Check(perSecond, burst); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.perSecond, r.burst = rate.Limit(perSecond), burst
	return nil
}

// Allow takes one request from a principal's allowance; false: there is none left now.
func (r *Rates) Allow(who identity.Principal, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	k := key{who.Name, who.Org}
	b := r.who[k]
	if b == nil {
		b = &bucket{limiter: rate.NewLimiter(r.perSecond, r.burst)}
		r.who[k] = b
	}
	if b.limiter.Limit() != r.perSecond || b.limiter.Burst() != r.burst { // changed since
		b.limiter.SetLimitAt(now, r.perSecond)
		b.limiter.SetBurstAt(now, r.burst)
	}
	b.last = now
	return b.limiter.AllowN(now, 1)
}

// sweep forgets allowances that are as full as new ones, so that names that come once do not pile up.
func (r *Rates) sweep(now time.Time) {
	full := time.Duration(float64(r.burst) / float64(r.perSecond) * float64(time.Second))
	idle := max(10*time.Minute, full)
	if now.Sub(r.swept) <= idle {
		return
	}
	r.swept = now
	for k, b := range r.who {
		if now.Sub(b.last) > idle {
			delete(r.who, k)
		}
	}
}
