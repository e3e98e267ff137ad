package pgwire

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"jali/gateway/allowance"
	"jali/gateway/identity"
)

// limits bounds connections: of all, of strangers at one address, and of each principal, by name and organisation; and how many evaluations of the system
// catalogue run at once. How fast a principal may speak is package allowance's.
type limits struct {
	config Config
	// turns are those of the system catalogue: an evaluation costs nothing but time and memory, and is bounded in both (package syscat).
	turns chan struct{}

	mu       sync.Mutex
	open     int
	starting map[netip.Addr]int // connections that are no session yet
	who      map[limitKey]*standing
}

type limitKey struct{ name, org string }

// standing is what a principal has open; nobody has none.
type standing struct {
	sessions int
	turns    chan struct{} // of its own
}

const (
	// mostTurns and mostOwn are evaluations of the system catalogue at once, of all and of a principal: the others wait.
	mostTurns, mostOwn = 4, 2
	// leastStrangers is how many connections without a session an address may have however few there may be in all.
	leastStrangers = 8
)

func newLimits(c Config) *limits {
	return &limits{config: c, turns: make(chan struct{}, mostTurns), starting: map[netip.Addr]int{}, who: map[limitKey]*standing{}}
}

// place is a connection that was let in.
type place struct {
	limits  *limits
	from    netip.Addr
	started bool
}

// enter counts a connection; nil: there are too many. An address has at most a quarter of all for those that are no session yet: somebody who only knocks
// does not shut the others out.
func (l *limits) enter(remote net.Addr) *place {
	p := &place{limits: l, from: allowance.Network(remote)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.config.Connections || l.starting[p.from] >= max(l.config.Connections/4, leastStrangers) {
		return nil
	}
	l.open++
	l.starting[p.from]++
	return p
}

// start makes the connection a session, which counts as its principal's.
func (p *place) start() {
	p.limits.mu.Lock()
	defer p.limits.mu.Unlock()
	p.begin()
}

func (p *place) begin() {
	if p.started {
		return
	}
	p.started = true
	if p.limits.starting[p.from]--; p.limits.starting[p.from] == 0 {
		delete(p.limits.starting, p.from)
	}
}

func (p *place) leave() {
	p.limits.mu.Lock()
	defer p.limits.mu.Unlock()
	p.begin()
	p.limits.open--
}

// join counts a session of a principal; nil: it has too many. The function ends the session.
func (l *limits) join(who identity.Principal) (mine *standing, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limitKey{who.Name, who.Org}
	mine = l.who[key]
	if mine == nil {
		mine = &standing{turns: make(chan struct{}, mostOwn)}
		l.who[key] = mine
	}
	if mine.sessions >= l.config.Each {
		return nil, nil
	}
	mine.sessions++
	return mine, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if mine.sessions--; mine.sessions == 0 {
			delete(l.who, key)
		}
	}
}

// turn waits until a principal may evaluate something on the system catalogue, one's own turns first. The function ends the turn.
func (l *limits) turn(ctx context.Context, mine *standing) (func(), error) {
	for _, turns := range []chan struct{}{mine.turns, l.turns} {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			if turns == l.turns {
				<-mine.turns
			}
			return nil, ctx.Err()
		}
	}
	return func() { <-l.turns; <-mine.turns }, nil
}
