package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"
)

// cancels knows the statement that each session is at, by the key the session was given at its start.
type cancels struct {
	mu       sync.Mutex
	sessions map[uint32]*cancelable
}

type cancelable struct {
	secret [4]byte
	stop   context.CancelFunc // nil: nothing under way
}

func newCancels() *cancels { return &cancels{sessions: map[uint32]*cancelable{}} }

// register gives a session a number and a secret. Both are random: they tell nothing about other sessions.
func (c *cancels) register() (id uint32, secret []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, nil, fmt.Errorf("draw cancel key: %w", err)
		}
		// Some clients take the number for a signed one.
		id = binary.BigEndian.Uint32(b[:4]) >> 1
		if id == 0 || c.sessions[id] != nil {
			continue
		}
		s := &cancelable{secret: [4]byte(b[4:])}
		c.sessions[id] = s
		return id, s.secret[:], nil
	}
}

func (c *cancels) remove(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, id)
}

// begin makes a statement cancelable until the returned function is called.
func (c *cancels) begin(ctx context.Context, id uint32) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	c.set(id, stop)
	return ctx, func() {
		c.set(id, nil)
		stop()
	}
}

func (c *cancels) set(id uint32, stop context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[id]; s != nil {
		s.stop = stop
	}
}

// cancel stops the statement of the session whose number and secret these are. Whoever asks hears nothing, right or wrong.
func (c *cancels) cancel(id uint32, secret []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[id]
	if s == nil || subtle.ConstantTimeCompare(s.secret[:], secret) != 1 || s.stop == nil {
		return
	}
	s.stop()
}
