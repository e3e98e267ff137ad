package pgwire

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway/identity"
)

// limits bounds connections and how fast each principal may speak. It is by name and organisation, not by key: a second certificate is no second
// allowance. It protects the machine; the limits that protect people are policy and budget.
type limits struct {
	config Config

	mu   sync.Mutex
	open int
	who  map[limitKey]*allowance
}

type limitKey struct{ name, org string }

type allowance struct {
	limiter *rate.Limiter
	open    int
	last    time.Time
}

// idle is how long the allowance of a principal without connections is kept. It is full again long before.
const idle = 10 * time.Minute

func newLimits(c Config) *limits { return &limits{config: c, who: map[limitKey]*allowance{}} }

// enter counts a connection; false: there are too many.
func (l *limits) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.config.Connections {
		return false
	}
	l.open++
	return true
}

func (l *limits) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// join counts a session of a principal; nil: it has too many. The function ends the session.
func (l *limits) join(who identity.Principal, now time.Time) (*rate.Limiter, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, a := range l.who {
		if a.open == 0 && now.Sub(a.last) > idle {
			delete(l.who, key)
		}
	}
	key := limitKey{who.Name, who.Org}
	a := l.who[key]
	if a == nil {
		a = &allowance{limiter: rate.NewLimiter(rate.Limit(l.config.PerSecond), l.config.Burst)}
		l.who[key] = a
	}
	if a.last = now; a.open >= l.config.Each {
		return nil, nil
	}
	a.open++
	return a.limiter, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.open--
		a.last = time.Now()
	}
}
