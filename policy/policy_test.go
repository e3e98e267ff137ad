package policy

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// present is the time of probeInput.
func present() time.Time { return time.Unix(probeInput().Now, 0) }

func open(t testing.TB) *Policy {
	t.Helper()
	p, err := Open(Config{Clock: present})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecideAllows(t *testing.T) {
	p := open(t)
	g, reasons, err := p.Decide(context.Background(), probeInput())
	if err != nil || reasons != nil {
		t.Fatalf("Decide = %v, %v; want a grant", reasons, err)
	}
	if !g.Valid(present()) || g.Valid(present().Add(grantLife)) {
		t.Error("the grant is not valid from now for its life")
	}
	if g.Bundle() != p.Digest() {
		t.Error("the grant does not name the bundle")
	}
	if diff := cmp.Diff(Obligations{MinCohort: 10, MaxCells: 100_000}, g.Obligations()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkDecide(b *testing.B) {
	p := open(b)
	in := probeInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, reasons, err := p.Decide(context.Background(), in); err != nil || reasons != nil {
			b.Fatal(reasons, err)
		}
	}
}
