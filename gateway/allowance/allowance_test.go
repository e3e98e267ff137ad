package allowance

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"jali/gateway/identity"
)

func TestAllow(t *testing.T) {
	r, err := New(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	ada := identity.Principal{Name: "ada", Org: "u", Key: "1"}
	renewed := identity.Principal{Name: "ada", Org: "u", Key: "2"}
	namesake := identity.Principal{Name: "ada", Org: "v", Key: "3"}
	for i, step := range []struct {
		who  identity.Principal
		at   time.Duration
		want bool
	}{
		{ada, 0, true},
		{renewed, 0, true},
		{ada, 0, true},
		{ada, 0, false},
		{renewed, 0, false}, // a second certificate is no second allowance
		{namesake, 0, true},
		{ada, time.Second, true},
		{ada, time.Second, false},
	} {
		if got := r.Allow(step.who, now.Add(step.at)); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if r.Allow(namesake, now.Add(time.Hour)); len(r.who) != 1 {
		t.Errorf("%d allowances are kept, want 1", len(r.who))
	}
}

// An allowance that fills slowly is kept until it is full: to be forgotten would be a new one.
func TestSlowAllowanceIsKept(t *testing.T) {
	r, err := New(0.001, 3) // full after 50 minutes
	if err != nil {
		t.Fatal(err)
	}
	ada, now := identity.Principal{Name: "ada"}, time.Unix(1_700_000_000, 0)
	for range 3 {
		r.Allow(ada, now)
	}
	r.Allow(identity.Principal{Name: "bob"}, now.Add(11*time.Minute))
	if r.Allow(ada, now.Add(11*time.Minute)) {
		t.Error("an empty allowance was forgotten, and made anew")
	}
	r.Allow(identity.Principal{Name: "bob"}, now.Add(102*time.Minute))
	if len(r.who) != 1 {
		t.Errorf("%d allowances are kept, want 1", len(r.who))
	}
}

func TestSet(t *testing.T) {
	r, err := New(0.001, 1)
	if err != nil {
		t.Fatal(err)
	}
	who, now := identity.Principal{Name: "ada", Org: "u"}, time.Unix(1_700_000_000, 0)
	if !r.Allow(who, now) || r.Allow(who, now) {
		t.Fatal("one request is allowed, and a second is not")
	}
	if err := r.Set(1000, 10); err != nil {
		t.Fatal(err)
	}
	r.Allow(who, now)
	if !r.Allow(who, now.Add(time.Second)) {
		t.Error("the larger allowance does not count")
	}
	for _, bad := range []struct {
		perSecond float64
		burst     int
	}{{0, 1}, {-1, 1}, {math.NaN(), 1}, {math.Inf(1), 1}, {1, 0}, {1, -1}, {1e9, 1}, {1, 1e9}} {
		if err := r.Set(bad.perSecond, bad.burst); err == nil {
			t.Errorf("%v is taken", bad)
		}
		if _, err := New(bad.perSecond, bad.burst); err == nil {
			t.Errorf("%v is taken at first", bad)
		}
	}
	if !r.Allow(who, now.Add(time.Second)) {
		t.Error("limits that were refused count")
	}
}

// Both fronts ask at once, and somebody reloads: no more are let through than one allowance holds. The race detector reads along.
func TestConcurrent(t *testing.T) {
	const burst = 100
	r, err := New(0.001, burst)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	passed := make([]int, 8)
	var group sync.WaitGroup
	for i := range passed {
		group.Go(func() {
			for n := range 50 {
				r.Allow(identity.Principal{Name: fmt.Sprint(i, n)}, now)
				if r.Allow(identity.Principal{Name: "ada"}, now) {
					passed[i]++
				}
				if err := r.Set(0.001, burst); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	all := 0
	for _, n := range passed {
		all += n
	}
	if all != burst {
		t.Errorf("%d of 400 requests passed, want %d", all, burst)
	}
}
