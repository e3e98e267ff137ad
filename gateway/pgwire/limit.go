package pgwire

import (
	"sync"

	"jali/gateway/identity"
)

// limits bounds connections: of all, and of each principal, by name and organisation. How fast a principal may speak is package allowance's.
type limits struct {
	config Config

	mu   sync.Mutex
	open int
	who  map[limitKey]int // sessions; those of nobody are not in it
}

type limitKey struct{ name, org string }

func newLimits(c Config) *limits { return &limits{config: c, who: map[limitKey]int{}} }

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
func (l *limits) join(who identity.Principal) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limitKey{who.Name, who.Org}
	if l.who[key] >= l.config.Each {
		return nil
	}
	l.who[key]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.who[key]--; l.who[key] == 0 {
			delete(l.who, key)
		}
	}
}
