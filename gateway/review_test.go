package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"jali/audit"
	"jali/gateway"
	"jali/gateway/identity"
)

// reviewsOn lists the REVIEW entries of the log as "name a-b". Reading headers leaves no trace.
func reviewsOn(t *testing.T, s *office) []string {
	t.Helper()
	var out []string
	for from := uint64(0); ; {
		page, _, err := s.Entries(t.Context(), clerk, from, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		for _, p := range page {
			if e, err := audit.ParseEntry(p.Header); err != nil {
				t.Fatal(err)
			} else if e.Kind == audit.Review {
				out = append(out, fmt.Sprintf("%d-%d", e.Int("a"), e.Int("b")))
			}
		}
		from += uint64(len(page))
	}
}

func firstOf(t *testing.T, s *office, kind audit.Kind) uint64 {
	t.Helper()
	page, _, err := s.Entries(t.Context(), clerk, 0, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range page {
		if e, err := audit.ParseEntry(p.Header); err == nil && e.Kind == kind {
			return p.Seq
		}
	}
	t.Fatalf("no %s", kind)
	return 0
}

// A review session is one entry, and one more for what it grew by, at most one a minute; whoever reads headers only, or its
// own questions, is not on record.
func TestReview(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Minute)
	open := func() {
		g, err := gateway.Open(context.Background(), gateway.Config{Dir: s.dir, Threads: 1, Operator: s.logger(), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		s.Gateway = g
	}
	open()
	read := func(who identity.Principal, from uint64, n int) {
		t.Helper()
		if _, _, err := s.Entries(t.Context(), who, from, n, true); err != nil {
			t.Fatal(err)
		}
	}
	base := firstOf(t, s, audit.Dataset) // dataset, agreement and two budgets stand in a row, each with details
	var want []string
	span := func(a, b uint64) string { return fmt.Sprintf("%d-%d", base+a, base+b) }
	expect := func(when string, more ...string) {
		t.Helper()
		want = append(want, more...)
		if got := reviewsOn(t, s); !slices.Equal(got, want) {
			t.Fatalf("%s: reviews %v, want %v", when, got, want)
		}
	}
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30")); err != nil {
		t.Fatal(err)
	}
	read(alice, 0, 0)
	expect("a researcher's own details")
	read(clerk, base, 2)
	expect("first page", span(0, 1))
	for range 20 {
		read(clerk, base, 2)
		read(clerk, base+2, 1)
		now = now.Add(time.Second)
	}
	expect("growth within a minute")
	now = now.Add(time.Minute)
	read(clerk, base, 1)
	expect("a minute later", span(0, 2))
	now = now.Add(2 * time.Minute)
	read(clerk, base+1, 1)
	expect("nothing new")
	now = now.Add(16 * time.Minute)
	read(clerk, base+1, 1)
	expect("a new session", span(1, 1))
	other := clerk
	other.Key = "d4" + clerk.Key[2:]
	read(other, base, 1)
	expect("another principal", span(0, 0))
	read(clerk, base+2, 1)
	expect("growth before the end")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open()
	expect("recorded at the end", span(1, 2))
	if _, err := s.Budget(t.Context(), clerk, "agr-nhefs-demo"); err != nil {
		t.Fatal(err)
	}
	if got := reviewsOn(t, s); len(got) != len(want)+1 {
		t.Errorf("texts of charges were shown without a record: %v", got)
	}
	// Two watchers who see each other's reviews do not keep each other going.
	size := s.Status().Size
	for range 5 {
		now = now.Add(2 * time.Minute)
		for _, who := range []identity.Principal{clerk, other} {
			read(who, size, 0)
		}
	}
	if got := reviewsOn(t, s); len(got) != len(want)+1 {
		t.Errorf("reading reviews was recorded: %v", got)
	}
}

// Exact ledgers and bundles are for regulators, and a digest is never a path.
func TestClaims(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	a, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30"))
	if err != nil {
		t.Fatal(err)
	}
	claims, size, err := s.Claims(clerk)
	if err != nil || len(claims) != 2 || size != s.Status().Size {
		t.Fatalf("claims %v of %d entries: %v", claims, size, err)
	}
	for _, c := range claims {
		if c.Spent.Rho != int64(a.Price.Rho) || c.Seq != a.Decision {
			t.Errorf("claim %+v, want the price %d of entry %d", c, a.Price.Rho, a.Decision)
		}
	}
	digest := s.Status().Policy
	want, err := os.ReadFile(gateway.Layout(s.dir).Bundle(digest))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Bundle(clerk, digest); err != nil || string(got) != string(want) {
		t.Errorf("bundle: %v", err)
	}
	var r *gateway.Refusal
	for _, bad := range []string{"", "../keys/policy", digest[:42] + "/", digest[:42], digest[1:] + "A"} {
		if _, err := s.Bundle(clerk, bad); !errors.As(err, &r) || r.Code != gateway.NotFound {
			t.Errorf("bundle %q: %v", bad, err)
		}
	}
	if _, err := s.Bundle(alice, digest); !errors.As(err, &r) || r.Code != gateway.PolicyDenied {
		t.Errorf("a researcher got a bundle: %v", err)
	}
	if _, _, err := s.Claims(alice); !errors.As(err, &r) || r.Code != gateway.PolicyDenied {
		t.Errorf("a researcher got the ledgers: %v", err)
	}
}
