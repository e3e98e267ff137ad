package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// grow appends n entries from a few callers, so that commits of one and of many entries alternate.
func grow(t *testing.T, s *Store, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range n / 8 {
				if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// What commits do not store of the last tile of leaves is computed from the entries: tiles, proofs and verification of a log as a crash
// leaves it are those of the log closed in order.
func TestEdgeOfTilesFollowsFromEntries(t *testing.T) {
	for _, n := range []int{8, 200, 248, 256, 264, 520} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			cfg := newDir(t)
			s := open(t, cfg)
			grow(t, s, n)
			size := s.Size()
			crashed := copied(t, cfg) // between commits: what a crash leaves
			var stored []byte
			read := func(of Config) map[string][]byte {
				db, err := openSettled(of)
				if err != nil {
					t.Fatal(err)
				}
				defer db.close()
				out := map[string][]byte{}
				if err := db.view(func(tx *bolt.Tx) error {
					stored = bytes.Clone(tx.Bucket(bTiles).Get(tileKey(0, size/audit.TileWidth)))
					return audit.TileWidths(size, func(level uint8, index uint64, width int) error {
						b, err := tilesOf(tx)(level, index, width)
						if len(b) < 32*width {
							return fmt.Errorf("%w: tile %d/%d", ErrDamaged, level, index)
						}
						out[fmt.Sprint(level, "/", index)] = bytes.Clone(b[:32*width])
						return err
					})
				}); err != nil {
					t.Fatal(err)
				}
				return out
			}
			open := read(crashed)
			if edge := int(size % audit.TileWidth); len(stored) >= 32*edge && edge > 1 {
				t.Errorf("%d hashes of the last tile are stored, the test is not of what is missing", len(stored)/32)
			}
			for seq := range size {
				if _, err := s.Proof(seq); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for name, want := range read(cfg) {
				if !bytes.Equal(open[name], want) {
					t.Errorf("tile %s differs", name)
				}
			}
			if edge := int(size % audit.TileWidth); len(stored) != 32*edge {
				t.Errorf("closed: %d hashes of the last tile are stored, want %d", len(stored)/32, edge)
			}
			for _, c := range []Config{crashed, cfg} {
				if _, err := Verify(VerifyConfig{Config: c}); err != nil {
					t.Error(err)
				}
			}
			again, err := Open(crashed)
			if err != nil {
				t.Fatal(err)
			}
			closeAndVerify(t, again)
		})
	}
}

// A full tile is never computed: one that is gone, cut or changed is found, and so is what is stored of the last one if it is wrong.
func TestEdgeHidesNoDamage(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	grow(t, s, 520)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip := func(b *bolt.Bucket, key []byte, at int) error {
		v := bytes.Clone(b.Get(key))
		v[at] ^= 1
		return b.Put(key, v)
	}
	for name, harm := range map[string]func(*bolt.Bucket) error{
		"full tile gone":            func(b *bolt.Bucket) error { return b.Delete(tileKey(0, 1)) },
		"full tile cut":             func(b *bolt.Bucket) error { return b.Put(tileKey(0, 1), bytes.Clone(b.Get(tileKey(0, 1))[:32*200])) },
		"full tile changed":         func(b *bolt.Bucket) error { return flip(b, tileKey(0, 0), 32*255) },
		"last tile changed":         func(b *bolt.Bucket) error { return flip(b, tileKey(0, 2), 1) },
		"last tile too long":        func(b *bolt.Bucket) error { return b.Put(tileKey(0, 2), make([]byte, 32*256)) },
		"last tile not of hashes":   func(b *bolt.Bucket) error { return b.Put(tileKey(0, 2), bytes.Clone(b.Get(tileKey(0, 2))[:33])) },
		"tile above the leaves cut": func(b *bolt.Bucket) error { return b.Put(tileKey(1, 0), bytes.Clone(b.Get(tileKey(1, 0))[:32])) },
	} {
		t.Run(name, func(t *testing.T) {
			bad := copied(t, cfg)
			edit(t, bad, func(tx *bolt.Tx) error { return harm(tx.Bucket(bTiles)) })
			if _, err := Verify(VerifyConfig{Config: bad}); !errors.Is(err, ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}
