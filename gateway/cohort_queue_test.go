package gateway

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// admitted names the tickets that have room.
func admitted(tickets map[string]*ticket) (names []string) {
	for _, name := range []string{"a1", "a2", "b1", "c1", "d1"} {
		if t := tickets[name]; t != nil && t.state == ticketAdmitted {
			names = append(names, name)
		}
	}
	return names
}

func TestQueueOrder(t *testing.T) {
	q := newQueue(10, 6)
	tickets := map[string]*ticket{}
	check := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, admitted(tickets)); diff != "" {
			t.Errorf("%s: %s", step, diff)
		}
	}
	tickets["a1"] = q.join("a", 6)
	tickets["a2"] = q.join("a", 4) // fits, but its caller is at the limit
	tickets["b1"] = q.join("b", 3) // steps over a2
	check("joined", "a1", "b1")
	tickets["c1"] = q.join("c", 5) // does not fit
	tickets["d1"] = q.join("d", 1) // would fit, but c1 came before
	check("full", "a1", "b1")
	if ahead, bytes := q.ahead(tickets["d1"]); ahead != 4 || bytes != 18 {
		t.Errorf("%d uploads of %d bytes ahead of the last", ahead, bytes)
	}
	q.leave(tickets["b1"])
	q.leave(tickets["b1"]) // once is all
	check("b1 left; 4 are free, and c1 is first of those not held up by themselves", "a1")
	q.leave(tickets["a1"])
	check("a1 left", "a2", "c1", "d1")
	for _, name := range []string{"a2", "c1", "d1"} {
		q.leave(tickets[name])
	}
	if q.used != 0 || q.let != 0 || len(q.held) != 0 || len(q.waiting) != 0 {
		t.Errorf("left over: %d bytes, %d tickets, %v, %d waiting", q.used, q.let, q.held, len(q.waiting))
	}
}

// Who stops waiting loses the place, and nobody behind is held up by it; two who wait for one ticket share it.
func TestQueueWait(t *testing.T) {
	q := newQueue(10, 10)
	first := q.join("a", 10)
	gone, cancel := context.WithCancel(t.Context())
	told := make(chan string, 8)
	big := q.join("b", 10)
	errs := make(chan error, 2)
	go func() {
		errs <- q.wait(gone, big, func(ahead int, bytes int64) error { told <- fmt.Sprint(ahead, bytes); return nil })
	}()
	if got := <-told; got != "1 10" {
		t.Errorf("told %s", got)
	}
	small, both := q.join("c", 1), make(chan error, 2)
	for range 2 {
		go func() { both <- q.wait(t.Context(), small, nil) }()
	}
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) || !q.over(big) {
		t.Errorf("gone: %v, over %v", err, q.over(big))
	}
	select {
	case <-both:
		t.Fatal("admitted beyond the limit")
	case <-time.After(20 * time.Millisecond):
	}
	q.leave(first)
	for range 2 {
		if err := <-both; err != nil {
			t.Error(err)
		}
	}
	// A place that is taken away wakes who waits for it.
	full := q.join("d", 10)
	go func() { errs <- q.wait(t.Context(), full, func(int, int64) error { told <- "waiting"; return nil }) }()
	<-told
	q.leave(full)
	if err := <-errs; !errors.Is(err, errTicketOver) {
		t.Errorf("taken away: %v", err)
	}
	broken := errors.New("broken")
	if err := q.wait(t.Context(), q.join("e", 10), func(int, int64) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("who cannot be told: %v", err)
	}
	q.leave(small)
	if q.used != 0 || len(q.waiting) != 0 {
		t.Errorf("left over: %d bytes, %d waiting", q.used, len(q.waiting))
	}
}

// SetUploadIdle shortens, for tests outside, how long a caller may do nothing.
func SetUploadIdle(g *Gateway, d time.Duration) { g.cohorts.idle = d }
