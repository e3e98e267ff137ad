package store

import (
	"fmt"
	"os"
	"path/filepath"
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

// BenchmarkAppend compares durable appends of a charged INTENT-sized entry without details, a full charged INTENT with five
// sealed details, and raw file appends of the same bytes, interleaved on one disk. Rely on the ratios: single runs scatter.
func BenchmarkAppend(b *testing.B) {
	const round = 400 * time.Millisecond
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
			var total, busy [3]float64
			rounds := 0
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
					total[i] += rate
					busy[i] += float64((cpu() - before).Microseconds()) / (rate * round.Seconds())
				}
				rounds++
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(total[0]/float64(rounds), "headers/s")
			b.ReportMetric(total[1]/float64(rounds), "intents/s")
			b.ReportMetric(total[2]/float64(rounds), "raw/s")
			b.ReportMetric(busy[0]/float64(rounds), "cpu-us/header")
			b.ReportMetric(busy[1]/float64(rounds), "cpu-us/intent")
			b.ReportMetric(busy[2]/float64(rounds), "cpu-us/raw")
			b.ReportMetric(total[0]/total[2], "headers/raw")
			b.ReportMetric(total[1]/total[2], "intents/raw")
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
