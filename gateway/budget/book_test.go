package budget

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func put(t *testing.T, b *Book, who string) Quote {
	t.Helper()
	q, err := b.Put(Quote{Who: who, Pins: "pins of " + who, Price: Price{Rho: 7}})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQuoteServesItsOwnerUntilItExpires(t *testing.T) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b := NewBook(c.now, QuoteTTL)
	q := put(t, b, "alice")
	if !q.Expires.Equal(c.t.Add(15*time.Minute)) || !strings.HasPrefix(q.ID, "q-") || len(q.ID) != 24 {
		t.Errorf("quote %+v", q)
	}
	for range 2 { // a retry may present it again
		got, err := b.Take(q.ID, "alice")
		if err != nil || got.Price.Rho != 7 || got.Pins != "pins of alice" || got.ID != q.ID {
			t.Errorf("take: %+v, %v", got, err)
		}
	}
	for _, who := range []string{"bob", "", "alice "} {
		if _, err := b.Take(q.ID, who); !errors.Is(err, ErrQuote) {
			t.Errorf("%q takes the quote of alice: %v", who, err)
		}
	}
	for _, id := range []string{"", "q-", q.ID + "A", strings.ToUpper(q.ID)} {
		if _, err := b.Take(id, "alice"); !errors.Is(err, ErrQuote) {
			t.Errorf("take %q: %v", id, err)
		}
	}
	c.t = c.t.Add(QuoteTTL - 1)
	if _, err := b.Take(q.ID, "alice"); err != nil {
		t.Errorf("a moment before expiry: %v", err)
	}
	c.t = c.t.Add(1)
	if _, err := b.Take(q.ID, "alice"); !errors.Is(err, ErrQuote) {
		t.Errorf("at expiry: %v", err)
	}
	put(t, b, "bob")
	if b.Len() != 1 {
		t.Errorf("%d quotes kept, the expired one among them", b.Len())
	}
}

func TestQuoteRefusalsLookAlike(t *testing.T) {
	c := &clock{time.Now()}
	b := NewBook(c.now, time.Minute)
	q := put(t, b, "alice")
	_, other := b.Take(q.ID, "bob")
	_, unknown := b.Take("q-none", "bob")
	c.t = c.t.Add(time.Hour)
	_, expired := b.Take(q.ID, "alice")
	if other.Error() != unknown.Error() || other.Error() != expired.Error() {
		t.Errorf("%v / %v / %v", other, unknown, expired)
	}
}

func TestQuoteNeedsAnOwner(t *testing.T) {
	b := NewBook(time.Now, time.Minute)
	if _, err := b.Put(Quote{}); !errors.Is(err, ErrQuote) || b.Len() != 0 {
		t.Errorf("%v, %d kept", err, b.Len())
	}
}

func TestBookIsBounded(t *testing.T) {
	c := &clock{time.Now()}
	b := NewBook(c.now, time.Minute)
	friend := put(t, b, "friend")
	first := put(t, b, "flood")
	for range maxPerOwner {
		put(t, b, "flood")
	}
	if _, err := b.Take(first.ID, "flood"); !errors.Is(err, ErrQuote) {
		t.Errorf("the oldest quote of a flooder is still kept: %v", err)
	}
	if _, err := b.Take(friend.ID, "friend"); err != nil {
		t.Errorf("a flooder pushed out another's quote: %v", err)
	}
	if b.Len() != maxPerOwner+1 {
		t.Errorf("%d quotes kept", b.Len())
	}
	for i := range maxQuotes {
		put(t, b, fmt.Sprint("owner", i))
	}
	if b.Len() != maxQuotes {
		t.Errorf("%d quotes kept of at most %d", b.Len(), maxQuotes)
	}
	if len(b.byID) != b.Len() || len(b.owners) > b.Len() {
		t.Errorf("indices of %d and %d entries for %d quotes", len(b.byID), len(b.owners), b.Len())
	}
	c.t = c.t.Add(time.Hour)
	put(t, b, "late")
	if b.Len() != 1 || len(b.byID) != 1 || len(b.owners) != 1 {
		t.Errorf("%d, %d, %d entries after all expired", b.Len(), len(b.byID), len(b.owners))
	}
}

func TestBookInParallel(t *testing.T) {
	b := NewBook(time.Now, time.Minute)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]bool{}
	for g := range 8 {
		wg.Go(func() {
			for range 100 {
				who := fmt.Sprint(g)
				q, err := b.Put(Quote{Who: who})
				if err == nil {
					_, err = b.Take(q.ID, who)
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				ids[q.ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(ids) != 800 {
		t.Errorf("%d distinct ids of 800", len(ids))
	}
}
