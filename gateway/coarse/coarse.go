// Package coarse tells times coarsely: how long a call took, as the operator's log, metrics and traces hold it.
//
// The exact time of a call could tell something about data where response slots are switched off, and who reads logs, dashboards and traces is not always
// who may know that. So every front words times by these spans, and none finer.
package coarse

import "time"

var spans = []struct {
	most time.Duration
	name string
}{
	{time.Millisecond, "<1ms"},
	{5 * time.Millisecond, "<5ms"},
	{25 * time.Millisecond, "<25ms"},
	{100 * time.Millisecond, "<100ms"},
	{400 * time.Millisecond, "<400ms"},
	{1600 * time.Millisecond, "<1.6s"},
	{6400 * time.Millisecond, "<6.4s"},
	{30 * time.Second, "<30s"},
}

// Time is the upper end of the span of a duration, and 30 s steps beyond the last.
func Time(d time.Duration) time.Duration {
	for _, s := range spans {
		if d < s.most {
			return s.most
		}
	}
	const step = 30 * time.Second
	return (d + step).Truncate(step)
}

// Name is the span of a duration for a log line.
func Name(d time.Duration) string {
	for _, s := range spans {
		if d < s.most {
			return s.name
		}
	}
	return ">=30s"
}

// Buckets are the spans' upper ends in seconds, for a histogram of Time: what falls into a bucket is all of a span.
func Buckets() []float64 {
	out := make([]float64, len(spans))
	for i, s := range spans {
		out[i] = s.most.Seconds()
	}
	return out
}
