package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jali/audit"
)

// callers runs f from n goroutines for d and returns calls per second.
func callers(n int, d time.Duration, f func() error) (perSecond float64, err error) {
	var calls atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range n {
		wg.Go(func() {
			for time.Since(start) < d && failed.Load() == nil {
				if err := f(); err != nil {
					failed.Store(&err)
					return
				}
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		return 0, *p
	}
	return float64(calls.Load()) / time.Since(start).Seconds(), nil
}

// rawFile appends records to a file, grouping the callers that wait into one write and one fsync: the least that any
// durable log on this file system can do.
type rawFile struct {
	f      *os.File
	submit chan chan error
	record []byte
}

func newRawFile(path string, size int) (*rawFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	r := &rawFile{f, make(chan chan error, 1024), make([]byte, size)}
	go r.run()
	return r, nil
}

func (r *rawFile) run() {
	var batch []chan error
	var buf []byte
	for first := range r.submit {
		batch = append(batch[:0], first)
		for more := true; more; {
			select {
			case c := <-r.submit:
				batch = append(batch, c)
			default:
				more = false
			}
		}
		buf = buf[:0]
		for range batch {
			buf = append(buf, r.record...)
		}
		_, err := r.f.Write(buf)
		if err == nil {
			err = datasync(r.f)
		}
		for _, c := range batch {
			c <- err
		}
	}
}

func (r *rawFile) append() error {
	c := make(chan error, 1)
	r.submit <- c
	return <-c
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// medianRatio is the median of what a is of b in the same turn.
func medianRatio(a, b []float64) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return median(r)
}

// BenchmarkAppend compares durable appends of a charged INTENT-sized entry without details, a full charged INTENT with five
// sealed details, and raw file appends of the same bytes, in turns on one disk. Rely on the ratios, which are medians over the
// turns: on a machine that others use single turns scatter widely.
func BenchmarkAppend(b *testing.B) {
	const round = 100 * time.Millisecond
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			cfg := newDir(b)
			s := open(b, cfg)
			setup(b, s, 1e15, 1e15)
			raw, err := newRawFile(filepath.Join(b.TempDir(), "raw"), 1024)
			if err != nil {
				b.Fatal(err)
			}
			plain := Item{Kind: audit.Admin, Fields: audit.Object{
				"act": "bench", "p1": longest[:200], "p2": longest[:200], "p3": longest[:200], "p4": longest[:150],
			}}
			var rates, busy [3][]float64
			for b.Loop() {
				for i, f := range []func() error{
					func() error { _, err := s.Append(b.Context(), plain); return err },
					func() error { _, err := s.Append(b.Context(), intent(1)); return err },
					raw.append,
				} {
					before := cpu()
					rate, err := callers(n, round, f)
					if err != nil {
						b.Fatal(err)
					}
					rates[i] = append(rates[i], rate)
					busy[i] = append(busy[i], float64((cpu()-before).Microseconds())/(rate*round.Seconds()))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(rates[0]), "headers/s")
			b.ReportMetric(median(rates[1]), "intents/s")
			b.ReportMetric(median(rates[2]), "raw/s")
			b.ReportMetric(median(busy[0]), "cpu-us/header")
			b.ReportMetric(median(busy[1]), "cpu-us/intent")
			b.ReportMetric(median(busy[2]), "cpu-us/raw")
			b.ReportMetric(medianRatio(rates[0], rates[2]), "headers/raw")
			b.ReportMetric(medianRatio(rates[1], rates[2]), "intents/raw")
			close(raw.submit)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkVerify checks a log of charged intents and heartbeats from its file: headers, tiles, spends and details.
func BenchmarkVerify(b *testing.B) {
	cfg := newDir(b)
	s := open(b, cfg)
	setup(b, s, 1e15, 1e15)
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for range 80 {
				if _, err := s.Append(b.Context(), Item{Kind: audit.Heartbeat}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var n uint64
	for b.Loop() {
		rep, err := Verify(VerifyConfig{Config: cfg})
		if err != nil {
			b.Fatal(err)
		}
		n += rep.Size
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "headers/s")
}

// BenchmarkReceipt builds receipts of one answer in a log of some thousand entries.
func BenchmarkReceipt(b *testing.B) {
	cfg := newDir(b)
	s := open(b, cfg)
	setup(b, s, 1e15, 1e15)
	a, err := s.Append(b.Context(), intent(1))
	if err != nil {
		b.Fatal(err)
	}
	r, err := s.Append(b.Context(), release(a.Seq, []byte("{}")))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rec, err := s.Receipt(a.Seq, r.Seq)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := audit.FormatReceipt(rec); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
