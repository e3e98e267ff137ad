package gateway

import (
	"context"
	"sync"
)

// flight lets one question per replay key run at a time.
type flight struct {
	mu   sync.Mutex
	busy map[[32]byte]chan struct{}
}

func newFlight() *flight { return &flight{busy: map[[32]byte]chan struct{}{}} }

// lock waits until no other question of the key runs, or the context ends.
func (f *flight) lock(ctx context.Context, key [32]byte) (unlock func(), err error) {
	for {
		f.mu.Lock()
		other, running := f.busy[key]
		if !running {
			mine := make(chan struct{})
			f.busy[key] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.busy, key)
				f.mu.Unlock()
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
