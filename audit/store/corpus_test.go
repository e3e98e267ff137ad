package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// contents is what a store says, as opposed to the bytes of its file: everything in every bucket but what is derived, and what the last
// transaction of a store adds that is closed in order: checkpoints, the stored edge of the tiles of leaves, the name of the journal.
// (Where the newest meta page is hit, bbolt goes back by that transaction.) It returns "" where the file cannot be read.
func contents(t testing.TB, cfg Config) (sum string) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			sum = ""
		}
	}()
	db, err := openSettled(cfg)
	if err != nil {
		return ""
	}
	defer db.close()
	h := sha256.New()
	err = db.view(func(tx *bolt.Tx) error {
		last, err := decodeHead(tx.Bucket(bState).Get(keyHead))
		if err != nil {
			return err
		}
		edge := tileKey(0, last.n/audit.TileWidth)
		for _, name := range buckets {
			if bytes.Equal(name, bCheck) {
				continue
			}
			if err := tx.Bucket(name).ForEach(func(k, v []byte) error {
				switch {
				case bytes.Equal(name, bTiles) && bytes.Equal(k, edge), bytes.Equal(name, bState) && (bytes.Equal(k, keyPlain) || bytes.Equal(k, keyJournal)):
					return nil
				}
				fmt.Fprintf(h, "%s %d %x %d %x\n", name, len(k), k, len(v), v)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// 150 overwrites of a random 512-byte sector: each is found, or has hit bytes that say nothing (free pages). No panic escapes.
// Sectors and noise come from a fixed seed.
func TestRandomSectors(t *testing.T) {
	cfg := sampleLog(t)
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, cfg)
	if want == "" {
		t.Fatal("the log cannot be read")
	}
	used := len(bytes.TrimRight(whole, "\x00")) // bbolt makes the file larger than what is in it
	r := rand.New(rand.NewPCG(1, 2))
	detected, free := 0, 0
	f, err := os.OpenFile(cfg.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(at int, b []byte) {
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	last := 0
	for range 150 {
		put(last, whole[last:last+512])
		sector, noise := r.IntN(used/512)*512, make([]byte, 512)
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		put(sector, noise)
		last = sector
		if _, err := Verify(VerifyConfig{Config: cfg}); err != nil {
			detected++
			continue
		}
		if free++; contents(t, cfg) != want {
			t.Errorf("sector at %d: verified, and says something else", sector)
		}
	}
	t.Logf("%d detected, %d without effect", detected, free)
	if detected == 0 {
		t.Error("nothing was detected: this test overwrites nothing that matters")
	}
}

// Keys of another log, whole or in part, open nothing.
func TestSwappedKeys(t *testing.T) {
	cfg, other := sampleLog(t), sampleLog(t)
	for name, c := range map[string]struct {
		swap func(*Config)
		want error
	}{
		"log key":        {func(c *Config) { c.Signer = other.Signer }, ErrKeyFile},
		"file key":       {func(c *Config) { c.FileKey = other.FileKey }, ErrKeyFile},
		"keys.db":        {func(c *Config) { c.Keys = other.Keys }, ErrDamaged}, // a key that is not there, without an ERASE
		"keys.db, key":   {func(c *Config) { c.Keys, c.FileKey = other.Keys, other.FileKey }, ErrDamaged},
		"all but the db": {func(c *Config) { c.Keys, c.FileKey, c.Signer = other.Keys, other.FileKey, other.Signer }, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			bad := copied(t, cfg)
			c.swap(&bad)
			if name != "log key" { // which verification does not use
				if _, err := Verify(VerifyConfig{Config: bad}); !errors.Is(err, c.want) {
					t.Errorf("verify: %v, want %v", err, c.want)
				}
			}
			if name == "log key" || name == "all but the db" {
				if _, err := Open(bad); !errors.Is(err, ErrKeyFile) {
					t.Errorf("open: %v, want ErrKeyFile", err)
				}
			}
		})
	}
	t.Run("verifier keys from outside", func(t *testing.T) {
		_, vkeys, err := readVKeys(t, other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(VerifyConfig{Config: cfg, VKeys: vkeys}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v, want ErrDamaged", err)
		}
	})
}

func readVKeys(t testing.TB, cfg Config) (origin string, vkeys []string, err error) {
	t.Helper()
	db, err := openDB(cfg.Path, true, 0)
	if err != nil {
		return "", nil, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		origin, vkeys, _, err = checkSchema(tx)
		return err
	})
	return origin, vkeys, err
}

// The lock is no protection against a copy: both open, both go on, both verify. Whoever holds a checkpoint of one finds the
// other out, as a witness does.
func TestWriterOnACopy(t *testing.T) {
	cfg := sampleLog(t)
	copy := copied(t, cfg)
	var kept [2]audit.Checkpoint
	for i, c := range []Config{cfg, copy} {
		s := open(t, c)
		for range 3 + i {
			if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
				t.Fatal(err)
			}
		}
		note, err := s.SealedCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		if kept[i], err = s.signer.keys.OpenCheckpoint(note); err != nil {
			t.Fatal(err)
		}
		closeAndVerify(t, s)
	}
	for i, c := range []Config{cfg, copy} {
		if _, err := Verify(VerifyConfig{Config: c, Earlier: kept[i : i+1]}); err != nil {
			t.Errorf("its own checkpoint: %v", err)
		}
		if _, err := Verify(VerifyConfig{Config: c, Earlier: kept[1-i : 2-i]}); !errors.Is(err, audit.ErrHistory) {
			t.Errorf("the other's checkpoint: %v, want ErrHistory", err)
		}
	}
}

// An old checkpoint put back in the place of the newest proves nothing new: it lies on the tree. What it hides, a cut of all
// that came after, is found by whoever kept the newer one.
func TestOldCheckpointReplayed(t *testing.T) {
	cfg := sampleLog(t)
	s := open(t, cfg)
	old, err := s.SealedCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	cp, err := s.signer.keys.OpenCheckpoint(old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	replay := func(size uint64) error {
		bad := copied(t, cfg)
		edit(t, bad, func(tx *bolt.Tx) error {
			b := tx.Bucket(bCheck)
			if k, _ := b.Cursor().Last(); k != nil {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
			return b.Put(u64(size), old)
		})
		_, err := Verify(VerifyConfig{Config: bad})
		return err
	}
	if err := replay(cp.Size); err != nil {
		t.Errorf("under its own size: %v", err)
	}
	if err := replay(cp.Size + 1); err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("under another size: %v", err)
	}
}
