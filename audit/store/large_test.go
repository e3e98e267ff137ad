package store

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// largeLog makes a log of n entries of which only the last ones are stored: all tiles are there, and all that a start looks
// at. Opening it and proving inclusion take what they take in a log that has every entry.
func largeLog(tb testing.TB, n uint64) Config {
	tb.Helper()
	cfg := newDir(tb)
	db, err := bolt.Open(cfg.Path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	var h head
	tl := newTail()
	if err := db.View(func(tx *bolt.Tx) error {
		if h, err = decodeHead(tx.Bucket(bState).Get(keyHead)); err != nil {
			return err
		}
		tl.append(tx.Bucket(bEntries).Get(u64(0)), h.t)
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	for tl.n < n {
		if err := db.Update(func(tx *bolt.Tx) error {
			for range min(n-tl.n, 1<<17) {
				line := u64(tl.n)
				if tl.n+recheck+100 >= n {
					if line, err = audit.FormatEntry(audit.Object{
						"v": 1, "o": testOrigin, "seq": tl.n, "t": h.t, "prev": audit.Digest(tl.leaf), "k": audit.Heartbeat, "open": 0,
					}); err != nil {
						return err
					}
					if err := tx.Bucket(bEntries).Put(u64(tl.n), line); err != nil {
						return err
					}
				}
				tl.append(line, h.t)
			}
			_, err := tl.flush(putIn(tx))
			return err
		}); err != nil {
			tb.Fatal(err)
		}
	}
	return cfg
}

// BenchmarkLarge opens a log of 10 million entries (JALI_ENTRIES sets another size) and proves the inclusion of entries
// anywhere in it.
func BenchmarkLarge(b *testing.B) {
	size := uint64(10_000_000)
	if s := os.Getenv("JALI_ENTRIES"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		size = n
	}
	cfg := largeLog(b, size)
	var opened, proved []time.Duration
	for b.Loop() {
		start := time.Now()
		s, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		opened = append(opened, time.Since(start))
		if _, err := s.Proof(1); err != nil { // signs the checkpoint, once per size of the log
			b.Fatal(err)
		}
		for range 500 {
			seq := rand.Uint64N(size)
			start := time.Now()
			if _, err := s.Proof(seq); err != nil {
				b.Fatal(err)
			}
			proved = append(proved, time.Since(start))
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(opened)
	slices.Sort(proved)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(opened[len(opened)/2].Microseconds())/1e3, "open-ms")
	b.ReportMetric(float64(proved[len(proved)/2].Nanoseconds())/1e3, "proof-us")
	b.ReportMetric(float64(proved[len(proved)*99/100].Nanoseconds())/1e3, "proof-p99-us")
}
