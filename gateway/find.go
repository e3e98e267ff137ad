package gateway

import (
	"context"
	"slices"

	"jali/audit"
	"jali/gateway/identity"
)

// Search says which entries to look for: what is set must hold, all of it. Headers alone are searched; details are encrypted, and a
// search in them would have to open them all.
type Search struct {
	Kinds                       []string
	Agreement, Dataset, Purpose string
	Since, Until                int64 // microseconds: not before, and before; 0: no limit
	Ref                         *uint64
	// Start is the first entry to look at; nil: the newest, or with Forward the oldest.
	Start   *uint64
	Forward bool
	Limit   int
	Details bool
}

// Found is one page of a search, in the order in which the entries were met.
type Found struct {
	Entries []LogEntry
	Next    *uint64 // where the next call starts; nil: the log ends here
	Size    uint64
	Scanned int
}

// mostSearched bounds the headers that one search looks at: the time of a call must not grow with the log. 100 ms on one core.
const mostSearched = 20_000

// Find looks for entries whose headers match. Whoever calls it again with Next sees the whole log in pieces of bounded cost.
func (g *Gateway) Find(ctx context.Context, who identity.Principal, s Search) (Found, error) {
	found := Found{Size: g.log.Size()}
	limit := s.Limit
	if limit <= 0 || limit > page {
		limit = 100
	}
	at, more := found.Size, found.Size > 0 // backwards: below at; forwards: from at
	switch {
	case s.Forward:
		at = 0
		if s.Start != nil {
			at = *s.Start
		}
		more = at < found.Size
	case s.Start != nil:
		at = min(at, *s.Start+1)
	}
	var seqs []uint64
	var lines [][]byte
scan:
	for more && found.Scanned < mostSearched {
		from, n := at, min(uint64(page), found.Size-at)
		if !s.Forward {
			n = min(uint64(page), at)
			from = at - n
		}
		got, err := g.log.Entries(from, int(n))
		if err != nil {
			return Found{}, unavailable()
		}
		for i := range got {
			seq := from + uint64(i)
			if !s.Forward {
				i = len(got) - 1 - i
				seq = from + uint64(i)
			}
			found.Scanned++
			at, more = seq+1, seq+1 < found.Size
			if !s.Forward {
				at, more = seq, seq > 0
			}
			e, err := audit.ParseEntry(got[i])
			if err != nil {
				return Found{}, unavailable()
			}
			switch s.match(e) {
			case past:
				more = false
				break scan
			case yes:
				seqs, lines = append(seqs, seq), append(lines, got[i])
			}
			if len(seqs) == limit {
				break scan
			}
		}
	}
	if more {
		next := at
		if !s.Forward {
			next = at - 1
		}
		found.Next = &next
	}
	var err error
	found.Entries, err = g.disclosed(ctx, who, seqs, lines, s.Details)
	return found, err
}

// verdict of a search about an entry. past: neither it nor any later one of the search matches.
type verdict int

const (
	no verdict = iota
	yes
	past
)

func (s Search) match(e audit.Entry) verdict {
	switch {
	case s.Forward && s.Until > 0 && e.Time >= s.Until, !s.Forward && e.Time < s.Since:
		return past // the times of entries do not decrease
	case !s.Forward && s.Ref != nil && e.Seq <= *s.Ref:
		return past // an entry refers to an older one
	case s.Until > 0 && e.Time >= s.Until, e.Time < s.Since,
		len(s.Kinds) > 0 && !slices.Contains(s.Kinds, string(e.Kind)),
		s.Agreement != "" && e.Text("ag") != s.Agreement,
		s.Dataset != "" && e.Text("ds") != s.Dataset,
		s.Purpose != "" && e.Text("pu") != s.Purpose,
		s.Ref != nil && (e.Ref == nil || *e.Ref != *s.Ref):
		return no
	}
	return yes
}

// disclosed is entries as a reader gets them: with details, those that the reader may see and nobody holds. That somebody else's were
// seen is recorded before they leave.
func (g *Gateway) disclosed(ctx context.Context, who identity.Principal, seqs []uint64, lines [][]byte, details bool) ([]LogEntry, error) {
	held, err := g.held()
	if err != nil {
		return nil, unavailable()
	}
	out := make([]LogEntry, len(lines))
	var shown []uint64
	for i, line := range lines {
		out[i] = LogEntry{Seq: seqs[i], Header: line}
		if !details || !g.mayRead(who, line, seqs[i]) {
			continue
		}
		if e, err := audit.ParseEntry(line); err != nil || held(e) {
			continue
		}
		if out[i].Details, err = g.log.Details(seqs[i]); err != nil {
			return nil, unavailable()
		}
		if len(out[i].Details) > 0 && !isReview(line) {
			shown = append(shown, seqs[i])
		}
	}
	return out, g.reviewed(ctx, who, shown)
}
