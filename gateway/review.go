package gateway

import (
	"context"
	"sync"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
)

// Whoever may see everybody's details is on record too: a REVIEW entry says who saw the details of which range of entries.
// Reads are grouped into sessions, so that paging through the log does not double it: a session is one principal without a
// pause of reviewIdle. Its first read is recorded before a detail is shown. When it later sees more, one further entry names
// the range grown so far, at most one in reviewEvery; growth in between is recorded with the next read, the next heartbeat or
// at the end. A crash can lose growth of the last minute, never a session. Ranges may say more than was seen (gaps between
// pages), never less.
const (
	reviewIdle  = 15 * time.Minute
	reviewEvery = time.Minute
)

// reviews are the sessions open now, by the key of the principal's certificate.
type reviews struct {
	mu   sync.Mutex
	open map[string]*review
}

type review struct {
	who            identity.Principal
	from, to       uint64 // entries whose details were shown
	seen, recorded time.Time
	grown          bool // since recorded
}

func newReviews() *reviews { return &reviews{open: map[string]*review{}} }

// reviewed notes that the details of entries are about to be shown to somebody, and records it. An error means: do not show
// them. Own questions need no review. Reading REVIEW entries is not recorded, or two watchers would keep each other going
// for ever.
func (g *Gateway) reviewed(ctx context.Context, who identity.Principal, seqs []uint64) error {
	if !overseer(who) || len(seqs) == 0 {
		return nil
	}
	g.reviews.mu.Lock()
	defer g.reviews.mu.Unlock()
	now := g.now()
	s := g.reviews.open[who.Key]
	if s != nil && now.Sub(s.seen) > reviewIdle {
		if err := g.recordReview(ctx, s, now); err != nil {
			return err
		}
		s = nil
	}
	if s == nil {
		s = &review{who: who, from: seqs[0], to: seqs[0], grown: true}
	}
	for _, seq := range seqs {
		if seq < s.from || seq > s.to {
			s.from, s.to, s.grown = min(s.from, seq), max(s.to, seq), true
		}
	}
	s.seen = now
	if s.recorded.IsZero() || now.Sub(s.recorded) >= reviewEvery {
		if err := g.recordReview(ctx, s, now); err != nil {
			return err
		}
	}
	g.reviews.open[who.Key] = s
	return nil
}

// recordReviews records what sessions have seen since their last entry, and forgets those that are over; all of them at the
// end.
func (g *Gateway) recordReviews(ctx context.Context, end bool) error {
	g.reviews.mu.Lock()
	defer g.reviews.mu.Unlock()
	now := g.now()
	for key, s := range g.reviews.open {
		if end || now.Sub(s.recorded) >= reviewEvery {
			if err := g.recordReview(ctx, s, now); err != nil {
				return err
			}
		}
		if end || now.Sub(s.seen) > reviewIdle {
			delete(g.reviews.open, key)
		}
	}
	return nil
}

// recordReview appends the entry of a session that has grown.
func (g *Gateway) recordReview(ctx context.Context, s *review, now time.Time) error {
	if !s.grown {
		return nil
	}
	_, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind:    audit.Review,
		Fields:  audit.Object{"act": "view", "a": int64(s.from), "b": int64(s.to)},
		Details: []audit.Detail{{Name: "actor", Value: actor(s.who)}},
		Subject: "review/" + s.who.Key, Class: "review",
	})
	if err != nil {
		return g.unrecorded(err)
	}
	s.grown, s.recorded = false, now
	return nil
}
