package audit

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// tilesOf appends lines to a tree and keeps its tiles.
func tilesOf(t testing.TB, lines []string, tiles map[[2]uint64][]byte) *compact.Range {
	t.Helper()
	r := Ranges.NewEmptyRange(0)
	for _, l := range lines {
		h := LeafHash([]byte(l))
		if err := r.Append(append([]byte(nil), h[:]...), keepTiles(tiles)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func keepTiles(tiles map[[2]uint64][]byte) compact.VisitFn {
	return func(id compact.NodeID, hash []byte) {
		if id.Level%8 == 0 {
			k := [2]uint64{uint64(id.Level / 8), id.Index / TileWidth}
			tiles[k] = append(tiles[k], hash...)
		}
	}
}

func readTiles(tiles map[[2]uint64][]byte) TileReader {
	return func(level uint8, index uint64, _ int) ([]byte, error) {
		return tiles[[2]uint64{uint64(level), index}], nil
	}
}

// Every proof at sizes around powers of two up to 2^17 verifies, and none verifies for the entry beside it.
func TestProofsAroundPowersOfTwo(t *testing.T) {
	const limit = 1<<17 + 1
	tiles := map[[2]uint64][]byte{}
	tree := Ranges.NewEmptyRange(0)
	roots := map[uint64][32]byte{}
	leaf := func(i uint64) [32]byte { return LeafHash(binary.BigEndian.AppendUint64(nil, i)) }
	var sizes []uint64
	for k := 0; k <= 17; k++ {
		for _, n := range []uint64{1<<k - 1, 1 << k, 1<<k + 1} {
			if n > 0 && (len(sizes) == 0 || n > sizes[len(sizes)-1]) {
				sizes = append(sizes, n)
			}
		}
	}
	want := map[uint64]bool{}
	for _, n := range sizes {
		want[n] = true
	}
	for i := uint64(0); i < limit; i++ {
		h := leaf(i)
		if err := tree.Append(append([]byte(nil), h[:]...), keepTiles(tiles)); err != nil {
			t.Fatal(err)
		}
		if want[i+1] {
			root, err := RootOf(tree)
			if err != nil {
				t.Fatal(err)
			}
			roots[i+1] = root
		}
	}
	read := readTiles(tiles)
	for j, n := range sizes {
		for _, i := range []uint64{0, 1, n / 3, n / 2, n - 2, n - 1} {
			if i >= n {
				continue
			}
			path, err := ProveInclusion(i, n, read)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyInclusion(leaf(i), i, n, path, roots[n]); err != nil {
				t.Errorf("size %d: %v", n, err)
			}
			if err := VerifyInclusion(leaf(i+1), i, n, path, roots[n]); err == nil {
				t.Errorf("size %d: the proof of entry %d proves another", n, i)
			}
		}
		if r, err := RangeFromTiles(n, read); err != nil {
			t.Error(err)
		} else if root, _ := RootOf(r); root != roots[n] {
			t.Errorf("size %d: tiles give another root", n)
		}
		for _, old := range sizes[:j] {
			path, err := ProveConsistency(old, n, read)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyConsistency(old, n, path, roots[old], roots[n]); err != nil {
				t.Error(err)
			}
			if err := VerifyConsistency(old, n, path, roots[n], roots[n]); err == nil {
				t.Errorf("%d to %d: proof from another history", old, n)
			}
		}
	}
}

// The hashes are RFC 6962's, as the library that verifies proofs computes them.
func TestHashesAreRFC6962(t *testing.T) {
	for n := range 70 {
		line := bytes.Repeat([]byte{byte(n)}, n*n)
		if got, want := LeafHash(line), rfc6962.DefaultHasher.HashLeaf(line); !bytes.Equal(got[:], want) {
			t.Fatalf("leaf of %d bytes", len(line))
		}
		l, r := LeafHash(line), LeafHash(append(line, 1))
		if got, want := nodeHash(l[:], r[:]), rfc6962.DefaultHasher.HashChildren(l[:], r[:]); !bytes.Equal(got, want) {
			t.Fatalf("node %d", n)
		}
	}
	if e := EmptyRoot(); !bytes.Equal(e[:], rfc6962.DefaultHasher.EmptyRoot()) {
		t.Fatal("empty root")
	}
}

func TestTilePath(t *testing.T) {
	for _, c := range []struct {
		level string
		index uint64
		width int
		want  string
	}{
		{"0", 0, 256, "0/000"},
		{"0", 1234067, 256, "0/x001/x234/067"},
		{"entries", 1234, 17, "entries/x001/234.p/17"},
		{"1", 999, 1, "1/999.p/1"},
	} {
		if got := TilePath(c.level, c.index, c.width); got != c.want {
			t.Errorf("TilePath(%s, %d, %d) = %s, want %s", c.level, c.index, c.width, got, c.want)
		}
	}
}
