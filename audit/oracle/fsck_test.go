package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/store"
)

const origin = "audit.example.gov/gw1/2027"

// bundle splits an entry bundle of C2SP tlog-tiles and hashes its entries.
func bundle(b []byte) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return nil, fmt.Errorf("bundle is cut")
		}
		n := int(binary.BigEndian.Uint16(b))
		out = append(out, rfc6962.DefaultHasher.HashLeaf(b[2:2+n]))
		b = b[2+n:]
	}
	return out, nil
}

// files reads an export.
type files string

func (f files) ReadCheckpoint(context.Context) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), "checkpoint"))
}

func (f files) read(level string, i uint64, p uint8) ([]byte, error) {
	width := int(p)
	if p == 0 {
		width = audit.TileWidth
	}
	return os.ReadFile(filepath.Join(string(f), "tile", filepath.FromSlash(audit.TilePath(level, i, width))))
}

func (f files) ReadTile(_ context.Context, l, i uint64, p uint8) ([]byte, error) {
	return f.read(fmt.Sprint(l), i, p)
}

func (f files) ReadEntryBundle(_ context.Context, i uint64, p uint8) ([]byte, error) {
	return f.read("entries", i, p)
}

// buckets reads a store.
type buckets struct {
	s    *store.Store
	note []byte
}

func (b buckets) ReadCheckpoint(context.Context) ([]byte, error) { return b.note, nil }

func (b buckets) ReadTile(_ context.Context, l, i uint64, p uint8) ([]byte, error) {
	width := int(p)
	if p == 0 {
		width = audit.TileWidth
	}
	return b.s.TileReader()(uint8(l), i, width)
}

func (b buckets) ReadEntryBundle(_ context.Context, i uint64, p uint8) ([]byte, error) {
	n := int(p)
	if p == 0 {
		n = audit.TileWidth
	}
	lines, err := b.s.Entries(i*audit.TileWidth, n)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, l := range lines {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(l))), l...)
	}
	return out, nil
}

func check(t *testing.T, vkey string, f fsck.Fetcher) error {
	t.Helper()
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return fsck.New(origin, v, f, bundle, fsck.Opts{N: 2}).Check(t.Context())
}

// chained makes a log of n lines that verifies, and its signed checkpoint.
func chained(t *testing.T, n int) (*audit.Keys, [][]byte, []byte) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{9}, 32)), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.ParseKeys([]string{vkey})
	if err != nil {
		t.Fatal(err)
	}
	prev := audit.GenesisPrev(origin, keys.VKeys, nil)
	r := audit.Ranges.NewEmptyRange(0)
	var lines [][]byte
	for i := range n {
		o := audit.Object{"v": 1, "o": origin, "seq": i, "t": 1798761600000000 + i, "prev": audit.Digest(prev)}
		if i == 0 {
			o["k"], o["fmt"], o["keys"], o["psize"], o["why"] = audit.Genesis, "jali-audit/1", audit.KeysDigest(keys.VKeys), 0, "new"
		} else {
			o["k"], o["open"] = audit.Heartbeat, 0
		}
		line, err := audit.FormatEntry(o)
		if err != nil {
			t.Fatal(err)
		}
		prev = audit.LeafHash(line)
		if err := r.Append(append([]byte(nil), prev[:]...), nil); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	root, err := audit.RootOf(r)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := audit.SignCheckpoint(origin, uint64(n), root, signer)
	if err != nil {
		t.Fatal(err)
	}
	return keys, lines, cp
}

// Tessera finds nothing wrong with our exports, at the sizes where tiles begin, fill and spill over.
func TestFsckExport(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 65535, 65536, 70000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			keys, lines, cp := chained(t, n)
			dir := filepath.Join(t.TempDir(), "export")
			_, err := export.Write(dir, export.Source{
				Keys: keys, Checkpoint: cp, Entries: func(from uint64) ([][]byte, error) { return lines[from:], nil },
			}, export.Public)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(t, keys.VKeys[0], files(dir)); err != nil {
				t.Error(err)
			}
			if n != 257 {
				return
			}
			// It does find a changed byte, so the oracle can speak.
			tile := filepath.Join(dir, "tile", "0", "000")
			b, err := os.ReadFile(tile)
			if err != nil {
				t.Fatal(err)
			}
			b[40] ^= 1
			if err := os.WriteFile(tile, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := check(t, keys.VKeys[0], files(dir)); err == nil {
				t.Error("a changed tile was not found")
			}
		})
	}
}

// Nor with the buckets of a store, read directly.
func TestFsckBuckets(t *testing.T) {
	cfg := store.InDir(t.TempDir())
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: origin}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, size := range []uint64{2, 255, 256, 257, 5000} {
		var wg sync.WaitGroup
		for range size - s.Size() {
			wg.Go(func() {
				if _, err := s.Append(t.Context(), store.Item{Kind: audit.Heartbeat}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		cp, err := s.SealedCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, s.VKeys()[0], buckets{s, cp}); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
}
