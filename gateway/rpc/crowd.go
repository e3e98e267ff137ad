package rpc

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"jali/gateway/allowance"
)

// DefaultConnections is how many connections the port holds at once if nobody says otherwise.
const DefaultConnections = 2048

// crowd is a listener that bounds connections: of all, and of one address to a quarter of them, so that one host that only knocks does not use up
// the files of the process. Who is one too many is hung up on at once, before TLS costs anything.
type crowd struct {
	net.Listener
	most    int
	refused atomic.Int64

	mu   sync.Mutex
	open int
	from map[netip.Addr]int
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, most: most, from: map[netip.Addr]int{}}
}

func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if at := allowance.Network(conn.RemoteAddr()); c.enter(at) {
			return &member{Conn: conn, leave: sync.OnceFunc(func() { c.leave(at) })}, nil
		}
		c.refused.Add(1)
		_ = conn.Close() // nobody is told: whoever knocks too often gets no words, and nothing was said
	}
}

func (c *crowd) enter(at netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most || c.from[at] >= max(c.most/4, 1) {
		return false
	}
	c.open++
	c.from[at]++
	return true
}

func (c *crowd) leave(at netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.from[at]--; c.from[at] == 0 {
		delete(c.from, at)
	}
}

// member is a connection that leaves the crowd when it is closed.
type member struct {
	net.Conn
	leave func()
}

func (m *member) Close() error {
	m.leave()
	return m.Conn.Close()
}
