package gateway

import (
	"container/list"
	"sync"

	"jali/gateway/protect"
)

// vectorCache keeps prepared vectors within a limit of memory; those used longest ago go first. Vectors of a data version that is no
// longer active are never asked for again and go the same way.
type vectorCache struct {
	limit int64

	mu    sync.Mutex
	size  int64
	byKey map[[32]byte]*list.Element
	order *list.List // of vectorEntry, most recently used first
}

type vectorEntry struct {
	key     [32]byte
	vectors protect.Blinded
}

func newVectorCache(limit int64) *vectorCache {
	return &vectorCache{limit: limit, byKey: map[[32]byte]*list.Element{}, order: list.New()}
}

func (c *vectorCache) get(key [32]byte) (protect.Blinded, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return protect.Blinded{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(vectorEntry).vectors, true
}

// put keeps vectors unless they alone exceed the limit.
func (c *vectorCache) put(key [32]byte, v protect.Blinded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] != nil || int64(v.Bytes()) > c.limit {
		return
	}
	c.byKey[key] = c.order.PushFront(vectorEntry{key, v})
	c.size += int64(v.Bytes())
	for c.size > c.limit {
		e := c.order.Back()
		old := c.order.Remove(e).(vectorEntry)
		delete(c.byKey, old.key)
		c.size -= int64(old.vectors.Bytes())
	}
}
