package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
)

func searched(t *testing.T) *Gateway {
	t.Helper()
	dir := t.TempDir() + "/state"
	operator := slog.New(slog.DiscardHandler)
	if err := Init(t.Context(), InitConfig{Dir: dir, Origin: "audit.test/find/2026", Hosts: []string{"localhost"}, Now: time.Now, Operator: operator}); err != nil {
		t.Fatal(err)
	}
	g, err := Open(t.Context(), Config{Dir: dir, Threads: 1, MemoryLimit: "256MB", Operator: operator})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func beat(t *testing.T, g *Gateway, n int) {
	t.Helper()
	for range n {
		if _, err := g.log.Append(context.Background(), store.Item{Kind: audit.Heartbeat, Fields: audit.Object{"open": int64(0)}, Subject: "heartbeat", Class: "heartbeat"}); err != nil {
			t.Fatal(err)
		}
	}
}

// all pages through a search to its end.
func all(t *testing.T, g *Gateway, s Search) (seqs []uint64, pages int) {
	t.Helper()
	ben := identity.Principal{Name: "ben", Org: "Board", Role: identity.Regulator, Key: "b"}
	for pages = 1; ; pages++ {
		found, err := g.Find(t.Context(), ben, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found.Entries {
			seqs = append(seqs, e.Seq)
		}
		if found.Next == nil {
			return seqs, pages
		}
		s.Start = found.Next
		if pages > 1000 {
			t.Fatal("the search does not end")
		}
	}
}

func TestFind(t *testing.T) {
	g := searched(t)
	beat(t, g, 30)
	size := g.log.Size()
	if got, _ := all(t, g, Search{Limit: 7}); len(got) != int(size) || got[0] != size-1 || got[size-1] != 0 {
		t.Errorf("backwards: %v of %d", got, size)
	}
	if got, _ := all(t, g, Search{Limit: 7, Forward: true}); len(got) != int(size) || got[0] != 0 || got[size-1] != size-1 {
		t.Errorf("forwards: %v of %d", got, size)
	}
	if got, _ := all(t, g, Search{Kinds: []string{"HEARTBEAT"}, Limit: 4}); len(got) != 30 {
		t.Errorf("%d heartbeats, want 30", len(got))
	}
	if got, _ := all(t, g, Search{Kinds: []string{"GENESIS", "POLICY"}}); len(got) != 2 {
		t.Errorf("kinds: %v", got)
	}
	if got, _ := all(t, g, Search{Agreement: "agr-none"}); len(got) != 0 {
		t.Errorf("an agreement that nobody has: %v", got)
	}
	// A window of time: from the 10th entry, up to and without the 20th.
	at := func(seq uint64) int64 {
		lines, err := g.log.Entries(seq, 1)
		if err != nil {
			t.Fatal(err)
		}
		e, err := audit.ParseEntry(lines[0])
		if err != nil {
			t.Fatal(err)
		}
		return e.Time
	}
	for _, forward := range []bool{false, true} {
		got, _ := all(t, g, Search{Since: at(10), Until: at(20), Forward: forward})
		for _, seq := range got {
			if ts := at(seq); ts < at(10) || ts >= at(20) {
				t.Errorf("entry %d is outside the window", seq)
			}
		}
		if len(got) == 0 {
			t.Error("the window is empty")
		}
	}
	// What lies before the window is not looked at.
	ben := identity.Principal{Role: identity.Regulator, Key: "b"}
	found, err := g.Find(t.Context(), ben, Search{Since: at(size - 1)})
	if err != nil || found.Next != nil || found.Scanned > 3 {
		t.Errorf("since the last entry: %d looked at, next %v, %v", found.Scanned, found.Next, err)
	}
	beyond := size + 5
	if found, err := g.Find(t.Context(), ben, Search{Start: &beyond, Forward: true}); err != nil || len(found.Entries) != 0 || found.Next != nil {
		t.Errorf("beyond the end: %+v, %v", found, err)
	}
}

// Sign-ins are on record; many failed ones are few entries.
func TestLogins(t *testing.T) {
	g := searched(t)
	ada := identity.Principal{Name: "Ada", Org: "University", Role: identity.Researcher, Key: "k"}
	if err := g.SignedIn(t.Context(), ada, netip.MustParseAddr("192.0.2.77")); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := g.SignInFailed(t.Context(), netip.MustParseAddr("2001:db8:1:2::9")); err != nil {
			t.Fatal(err)
		}
	}
	ben := identity.Principal{Name: "ben", Org: "Board", Role: identity.Regulator, Key: "b"}
	found, err := g.Find(t.Context(), ben, Search{Kinds: []string{"LOGIN"}, Details: true})
	if err != nil || len(found.Entries) != 2 {
		t.Fatalf("%d entries, %v", len(found.Entries), err)
	}
	var told strings.Builder
	for _, e := range found.Entries {
		for _, d := range e.Details {
			_, name, value, err := audit.OpenDetail(d)
			if err != nil {
				t.Fatal(err)
			}
			told.WriteString(name + "=" + value + "\n")
		}
	}
	for _, want := range []string{"src=192.0.2.0/24", "src=2001:db8:1::/48", `"name":"Ada"`} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the record does not say %q:\n%s", want, told.String())
		}
	}
	if strings.Contains(told.String(), "192.0.2.77") {
		t.Error("the record names a single machine")
	}
	if _, err := g.Overview(ada); err == nil {
		t.Error("a researcher sees the state of the gateway")
	}
	if o, err := g.Overview(ben); err != nil || o.Size == 0 || o.Origin != "audit.test/find/2026" {
		t.Errorf("overview: %+v, %v", o, err)
	}
}
