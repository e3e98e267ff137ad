package coarse

import (
	"slices"
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]struct {
		name string
		time time.Duration
	}{
		0:                         {"<1ms", time.Millisecond},
		999 * time.Microsecond:    {"<1ms", time.Millisecond},
		time.Millisecond:          {"<5ms", 5 * time.Millisecond},
		26 * time.Millisecond:     {"<100ms", 100 * time.Millisecond},
		29 * time.Second:          {"<30s", 30 * time.Second},
		30 * time.Second:          {">=30s", time.Minute},
		61 * time.Second:          {">=30s", 90 * time.Second},
		119500 * time.Millisecond: {">=30s", 2 * time.Minute},
	} {
		if name, time := Name(d), Time(d); name != want.name || time != want.time {
			t.Errorf("%v is told as %s and %v, want %s and %v", d, name, time, want.name, want.time)
		}
	}
}

// A histogram takes the upper end of a span for part of it: the time told falls into the bucket of its span.
func TestBuckets(t *testing.T) {
	b := Buckets()
	if !slices.IsSorted(b) || len(b) != len(spans) {
		t.Fatalf("buckets %v", b)
	}
	for _, d := range []time.Duration{0, time.Millisecond, 80 * time.Millisecond, 20 * time.Second} {
		if !slices.Contains(b, Time(d).Seconds()) {
			t.Errorf("%v is told as %v, which is no bucket's end", d, Time(d))
		}
	}
}
