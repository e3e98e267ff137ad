package budget

import (
	"container/list"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"time"
)

const (
	// QuoteTTL is how long a quote binds.
	QuoteTTL = 15 * time.Minute
	// maxQuotes and maxPerOwner bound memory. An owner over the cap loses the oldest of its own quotes; a full book drops the
	// oldest of all. Either costs the loser a fresh quote, which is free.
	maxQuotes   = 50_000
	maxPerOwner = 200
)

// Book remembers the quotes that still bind, in memory only: after a restart quotes are stale and asked again. It may be used from
// several goroutines.
type Book struct {
	now func() time.Time
	ttl time.Duration

	mu     sync.Mutex
	byID   map[string]*list.Element // of Quote, in all
	all    *list.List               // oldest first, hence first to expire first
	owners map[string][]string      // ids per Quote.Who, oldest first
}

// NewBook makes an empty book with the clock and lifetime given.
func NewBook(now func() time.Time, ttl time.Duration) *Book {
	return &Book{now: now, ttl: ttl, byID: map[string]*list.Element{}, all: list.New(), owners: map[string][]string{}}
}

// Put gives the quote an unguessable id and an expiry, and keeps it for its owner. The returned quote has both.
func (b *Book) Put(q Quote) (Quote, error) {
	if q.Who == "" {
		return Quote{}, fmt.Errorf("keep quote: %w: it has no owner", ErrQuote)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return Quote{}, fmt.Errorf("keep quote: %w", err)
	}
	q.ID = "q-" + base64.RawURLEncoding.EncodeToString(id[:])

	b.mu.Lock()
	defer b.mu.Unlock()
	q.Expires = b.now().Add(b.ttl)
	b.expire()
	if ids := b.owners[q.Who]; len(ids) >= maxPerOwner {
		b.drop(b.byID[ids[0]])
	}
	if b.all.Len() >= maxQuotes {
		b.drop(b.all.Front())
	}
	b.byID[q.ID] = b.all.PushBack(q)
	b.owners[q.Who] = append(b.owners[q.Who], q.ID)
	return q, nil
}

// Take returns a quote that still binds, to its owner only; otherwise ErrQuote, which does not tell why. The quote stays in the
// book: it binds a price until it expires and reserves nothing, so a retry may present it again, and is charged again.
func (b *Book) Take(id, who string) (Quote, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byID[id]
	if e == nil {
		return Quote{}, fmt.Errorf("take quote: %w", ErrQuote)
	}
	q := e.Value.(Quote)
	if who == "" || q.Who != who || !b.now().Before(q.Expires) {
		return Quote{}, fmt.Errorf("take quote: %w", ErrQuote)
	}
	return q, nil
}

// Len is the number of quotes kept.
func (b *Book) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Len()
}

func (b *Book) expire() {
	now := b.now()
	for e := b.all.Front(); e != nil && !now.Before(e.Value.(Quote).Expires); e = b.all.Front() {
		b.drop(e)
	}
}

// drop removes the oldest quote of all or of its owner; either way it is the first of its owner.
func (b *Book) drop(e *list.Element) {
	q := b.all.Remove(e).(Quote)
	delete(b.byID, q.ID)
	if b.owners[q.Who] = b.owners[q.Who][1:]; len(b.owners[q.Who]) == 0 {
		delete(b.owners, q.Who)
	}
}
