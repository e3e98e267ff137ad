package gateway

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
	"jali/policy"
)

// Agreements lists what the caller may ask under: a researcher those it is a party to, regulators and custodians all that are loaded.
func (g *Gateway) Agreements(who identity.Principal) []policy.Agreement {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []policy.Agreement
	for _, a := range g.agreements {
		if a.maySee(who) {
			out = append(out, a.Agreement)
		}
	}
	slices.SortFunc(out, func(a, b policy.Agreement) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Overview is how the gateway is, for those who oversee it.
type Overview struct {
	Origin, Policy string
	Size           uint64
	Datasets       []ServedDataset
	Problems       []string
	Witnesses      []WitnessState
	Sealed         uint64 // entries that enough witnesses have cosigned
	QuorumLost     bool
}

// ServedDataset is a data set that answers.
type ServedDataset struct{ ID, Version, Population, Mode string }

// WitnessState is what a witness said last. Zero time: it has not cosigned since this process began.
type WitnessState struct {
	Name, URL, Verdict string
	Size               uint64
	At                 time.Time
}

// Overview tells an overseer how the gateway is; it reads no data.
func (g *Gateway) Overview(who identity.Principal) (Overview, error) {
	if !overseer(who) {
		return Overview{}, notForYou()
	}
	g.mu.RLock()
	o := Overview{Origin: g.log.Origin(), Policy: g.policyDigest(), Size: g.log.Size(), Problems: slices.Clone(g.problems)}
	for id, d := range g.datasets {
		o.Datasets = append(o.Datasets, ServedDataset{id, d.version, d.catalog.Population, string(d.catalog.Mode)})
	}
	g.mu.RUnlock()
	slices.SortFunc(o.Datasets, func(a, b ServedDataset) int { return strings.Compare(a.ID, b.ID) })
	w := g.witnesses
	w.mu.Lock()
	defer w.mu.Unlock()
	o.Sealed, o.QuorumLost = w.sealed.size, w.lost
	for _, p := range w.peers {
		last := w.answered[p.Name]
		o.Witnesses = append(o.Witnesses, WitnessState{p.Name, p.URL, string(w.verdicts[p.Name]), last.size, last.at})
	}
	return o, nil
}

// logins counts failed sign-ins between two entries.
type logins struct {
	mu     sync.Mutex
	failed int64
	since  time.Time
}

// loginEvery is how often failed sign-ins make an entry: an attacker must not be able to fill the log.
const loginEvery = time.Minute

// SignedIn records that somebody opened a session in a browser, before the session exists. from is the address it came from, of which
// the record keeps the network alone.
func (g *Gateway) SignedIn(ctx context.Context, who identity.Principal, from netip.Addr) error {
	return g.recordLogin(ctx, "ok", 1, 0, []audit.Detail{{Name: "who", Value: actor(who)}, {Name: "src", Value: network(from)}}, "login/"+who.Key)
}

// SignInFailed records failed sign-ins: the first at once, later ones together and at most once a minute.
func (g *Gateway) SignInFailed(ctx context.Context, from netip.Addr) error {
	g.logins.mu.Lock()
	defer g.logins.mu.Unlock()
	g.logins.failed++
	now := g.now()
	window := now.Sub(g.logins.since)
	if !g.logins.since.IsZero() && window < loginEvery {
		return nil
	}
	seconds := int64(min(window, 24*time.Hour).Seconds())
	if g.logins.since.IsZero() {
		seconds = 0
	}
	if err := g.recordLogin(ctx, "unknown-key", g.logins.failed, seconds, []audit.Detail{{Name: "src", Value: network(from)}}, "login/unknown"); err != nil {
		return err
	}
	g.logins.failed, g.logins.since = 0, now
	return nil
}

func (g *Gateway) recordLogin(ctx context.Context, why string, count, seconds int64, details []audit.Detail, subject string) error {
	_, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind: audit.Login, Fields: audit.Object{"why": why, "cnt": count, "win": seconds},
		Details: details, Subject: subject, Class: "login",
	})
	if err != nil {
		return g.unrecorded(err)
	}
	return nil
}

// network is the part of an address that names no single machine: /24 and /48.
func network(a netip.Addr) string {
	a = a.Unmap()
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}
