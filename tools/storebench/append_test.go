package storebench

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/codenotary/immudb/embedded/logger"
	immudb "github.com/codenotary/immudb/embedded/store"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"jali/audit"
	"jali/audit/store"
)

// callers runs f from n goroutines for d and returns calls per second.
func callers(n int, d time.Duration, f func() error) (float64, error) {
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

// size of an entry, about that of an INTENT header.
const size = 1024

// contender is a way to keep a log.
type contender struct {
	name   string
	append func() error
}

func ours(b *testing.B) contender {
	cfg := store.InDir(b.TempDir())
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "bench.example/1"}); err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	pad := strings.Repeat("A", 205)
	it := store.Item{Kind: audit.Admin, Fields: audit.Object{"act": "bench", "p1": pad, "p2": pad, "p3": pad, "p4": pad}}
	return contender{"jali", func() error { _, err := s.Append(context.Background(), it); return err }}
}

// updates is bbolt used the plain way: one Update per entry.
func updates(b *testing.B) contender {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "log.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("e")); return err }); err != nil {
		b.Fatal(err)
	}
	entry := make([]byte, size)
	return contender{"bbolt", func() error {
		return db.Update(func(tx *bolt.Tx) error {
			e := tx.Bucket([]byte("e"))
			n, err := e.NextSequence()
			if err != nil {
				return err
			}
			return e.Put(binary.BigEndian.AppendUint64(nil, n), entry)
		})
	}}
}

// tiles is Tessera on POSIX files: an entry counts when it is integrated. age is how long a batch waits.
func tiles(b *testing.B, age time.Duration) contender {
	ctx, cancel := context.WithCancel(context.Background())
	key, _, err := note.GenerateKey(rand.Reader, "bench.example/1")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		b.Fatal(err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	a, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).WithBatching(256, age))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := shutdown(ctx); err != nil {
			b.Error(err)
		}
		cancel() // its publisher would look for files that are gone
	})
	entry := make([]byte, size)
	return contender{"tessera-" + age.String(), func() error {
		_, err := a.Add(context.Background(), tessera.NewEntry(entry))()
		return err
	}}
}

// chained is immudb's embedded store: a transaction an entry, which counts once it is synced; indexing is not waited for. every is how
// long a sync waits for others. Its own limit of 30 transactions at a time is raised, or 256 callers would be refused.
func chained(b *testing.B, every time.Duration) contender {
	opts := immudb.DefaultOptions().WithSynced(true).WithSyncFrequency(every).WithMaxConcurrency(512).
		WithLogger(logger.NewSimpleLoggerWithLevel("", io.Discard, logger.LogError))
	s, err := immudb.Open(b.TempDir(), opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	entry := make([]byte, size)
	var n atomic.Uint64
	return contender{"immudb-" + every.String(), func() error {
		tx, err := s.NewWriteOnlyTx(context.Background())
		if err != nil {
			return err
		}
		if err := tx.Set(binary.BigEndian.AppendUint64(nil, n.Add(1)), nil, entry); err != nil {
			return err
		}
		_, err = tx.AsyncCommit(context.Background())
		return err
	}}
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

// BenchmarkDurableAppend lets the stores append in turn, and reports each rate and what ours is of it: medians over the turns, because
// a machine that others use scatters.
func BenchmarkDurableAppend(b *testing.B) {
	const round = time.Second
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			all := []contender{
				ours(b), updates(b), tiles(b, time.Millisecond), tiles(b, 100*time.Millisecond),
				chained(b, time.Millisecond), chained(b, immudb.DefaultSyncFrequency),
			}
			rates := make([][]float64, len(all))
			for b.Loop() {
				for i, c := range all {
					rate, err := callers(n, round, c.append)
					if err != nil {
						b.Fatal(c.name, err)
					}
					rates[i] = append(rates[i], rate)
				}
			}
			b.ReportMetric(0, "ns/op")
			better := func(x, y []float64) []float64 { // of two batch times, in each turn
				best := make([]float64, len(x))
				for i := range best {
					best[i] = max(x[i], y[i])
				}
				return best
			}
			b.ReportMetric(medianRatio(rates[0], better(rates[2], rates[3])), "jali/tessera")
			b.ReportMetric(medianRatio(rates[0], better(rates[4], rates[5])), "jali/immudb")
			for i, c := range all {
				b.ReportMetric(median(rates[i]), c.name+"/s")
				if i > 0 {
					b.ReportMetric(medianRatio(rates[0], rates[i]), "jali/"+c.name)
				}
			}
		})
	}
}
