package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// queue admits uploads of encrypted questions by the bytes they take. Who finds no room waits in the order of coming: a large upload is not
// overtaken by small ones for ever. Only a caller who is at the limit of one caller is stepped over, so that nobody's backlog holds up others.
// Sizes are public lengths, so how long anybody waits tells nothing about a selection.
type queue struct {
	limit, perCaller int64

	mu      sync.Mutex
	used    int64
	held    map[string]int64 // admitted bytes by caller
	let     int              // tickets admitted
	waiting []*ticket        // in the order they came
	changed chan struct{}    // closed and replaced when somebody leaves or is admitted
}

// ticket is one upload's place in the queue, then its room.
type ticket struct {
	who      string
	want     int64
	state    ticketState
	watchers int // calls that wait on it
}

type ticketState int

const (
	ticketWaiting ticketState = iota
	ticketAdmitted
	ticketOver
)

// errTicketOver: the room was given back while somebody waited for it.
var errTicketOver = errors.New("place in the queue is gone")

// queueNews is how often one who waits is told the place, if it does not change.
const queueNews = 10 * time.Second

func newQueue(limit, perCaller int64) *queue {
	return &queue{limit: limit, perCaller: perCaller, held: map[string]int64{}, changed: make(chan struct{})}
}

// join takes a place, at once one with room if there is any.
func (q *queue) join(who string, want int64) *ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := &ticket{who: who, want: want}
	q.waiting = append(q.waiting, t)
	q.admit()
	return t
}

// room reports whether a caller's own limit leaves room for that much.
func (q *queue) room(who string, want int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[who]+want <= q.perCaller
}

// over reports whether the place or the room was given back.
func (q *queue) over(t *ticket) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return t.state == ticketOver
}

// leave gives the place or the room back. More calls than one do nothing.
func (q *queue) leave(t *ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end(t)
}

func (q *queue) end(t *ticket) {
	switch t.state {
	case ticketOver:
		return
	case ticketWaiting:
		q.waiting = slices.DeleteFunc(q.waiting, func(w *ticket) bool { return w == t })
	case ticketAdmitted:
		q.used -= t.want
		q.let--
		if q.held[t.who] -= t.want; q.held[t.who] <= 0 {
			delete(q.held, t.who)
		}
	}
	t.state = ticketOver
	q.admit()
	q.tell()
}

// admit lets in whoever there is room for. q.mu is held.
func (q *queue) admit() {
	kept := q.waiting[:0]
	full := false
	for _, t := range q.waiting {
		switch {
		case full || q.held[t.who]+t.want > q.perCaller:
			kept = append(kept, t)
		case q.used+t.want > q.limit:
			full = true
			kept = append(kept, t)
		default:
			t.state = ticketAdmitted
			q.used += t.want
			q.held[t.who] += t.want
			q.let++
			q.tell()
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
}

func (q *queue) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// wait returns when the ticket is admitted or over, or ctx ends; the last of those who wait for a ticket takes its place along. tell, if not
// nil, hears what is ahead at once, whenever it changes, and every now and then; its error ends the wait.
func (q *queue) wait(ctx context.Context, t *ticket, tell func(ahead int, bytes int64) error) (err error) {
	q.mu.Lock()
	t.watchers++
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if t.watchers--; t.watchers == 0 && t.state == ticketWaiting {
			q.end(t)
		}
	}()
	news := time.NewTicker(queueNews)
	defer news.Stop()
	told := -1
	for {
		q.mu.Lock()
		state, changed := t.state, q.changed
		ahead, bytes := q.ahead(t)
		q.mu.Unlock()
		switch state {
		case ticketAdmitted:
			return nil
		case ticketOver:
			return errTicketOver
		}
		if tell != nil && ahead != told {
			if err := tell(ahead, bytes); err != nil {
				return err
			}
			told = ahead
		}
		select {
		case <-changed:
		case <-news.C:
			told = -1
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ahead counts what is admitted and what came before. q.mu is held.
func (q *queue) ahead(t *ticket) (uploads int, bytes int64) {
	uploads, bytes = q.let, q.used
	for _, w := range q.waiting {
		if w == t {
			break
		}
		uploads++
		bytes += w.want
	}
	return uploads, bytes
}
