package audit

import (
	"fmt"
	"strconv"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// TileWidth is the number of hashes of a full C2SP tile.
const TileWidth = 256

// TileReader returns hashes [0, width) of a tile, concatenated; it may return more. Hash i of level l is the root of leaves
// [i*256^l, (i+1)*256^l).
type TileReader func(level uint8, index uint64, width int) ([]byte, error)

// TilePath is the path of a tile below "tile/": level and index, and the width where the tile is partial. Level is "0",
// "1", ... or "entries".
func TilePath(level string, index uint64, width int) string {
	s := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		s = fmt.Sprintf("x%03d/%s", index%1000, s)
	}
	s = level + "/" + s
	if width < TileWidth {
		s += ".p/" + strconv.Itoa(width)
	}
	return s
}

// TileWidths calls visit for every tile of a tree: level, index and width, lowest level first.
func TileWidths(size uint64, visit func(level uint8, index uint64, width int) error) error {
	for level := uint8(0); size > 0; level++ {
		for i := uint64(0); i*TileWidth < size; i++ {
			if err := visit(level, i, int(min(TileWidth, size-i*TileWidth))); err != nil {
				return err
			}
		}
		size /= TileWidth
	}
	return nil
}

// tree reads nodes of a Merkle tree of a given size from its tiles.
type tree struct {
	size  uint64
	tiles TileReader
	cache map[[2]uint64][]byte
}

// node is the hash of a complete subtree: a tile hash, or computed from the tile hashes below it.
func (t *tree) node(id compact.NodeID) ([]byte, error) {
	level, up := id.Level/8, id.Level%8
	first := id.Index << up
	index, at := first/TileWidth, int(first%TileWidth)
	count := 1 << up
	key := [2]uint64{uint64(level), index}
	tile, ok := t.cache[key]
	if !ok {
		var err error
		width := int(min(TileWidth, t.size>>(8*level)-index*TileWidth))
		if tile, err = t.tiles(uint8(level), index, width); err != nil {
			return nil, err
		}
		t.cache[key] = tile
	}
	if len(tile) < 32*(at+count) {
		return nil, fmt.Errorf("%w: tile %d/%d is too short", ErrProof, level, index)
	}
	r := Ranges.NewEmptyRange(0)
	for i := range count {
		if err := r.Append(tile[32*(at+i):32*(at+i+1)], nil); err != nil {
			return nil, err
		}
	}
	return r.GetRootHash(nil)
}

func (t *tree) path(n proof.Nodes) ([][32]byte, error) {
	hashes := make([][]byte, len(n.IDs))
	for i, id := range n.IDs {
		var err error
		if hashes[i], err = t.node(id); err != nil {
			return nil, err
		}
	}
	hashes, err := n.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, err
	}
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = [32]byte(h)
	}
	return out, nil
}

// ProveInclusion makes the RFC 6962 path of an entry in the tree of the given size.
func ProveInclusion(index, size uint64, tiles TileReader) ([][32]byte, error) {
	n, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, fmt.Errorf("prove inclusion: %w: %w", ErrProof, err)
	}
	return (&tree{size, tiles, map[[2]uint64][]byte{}}).path(n)
}

// ProveConsistency makes the RFC 6962 proof that the tree of size new extends the tree of size old.
func ProveConsistency(old, new uint64, tiles TileReader) ([][32]byte, error) {
	n, err := proof.Consistency(old, new)
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w: %w", ErrProof, err)
	}
	return (&tree{new, tiles, map[[2]uint64][]byte{}}).path(n)
}

// RangeFromTiles rebuilds the compact range of a tree: what is needed to append to it, and its root.
func RangeFromTiles(size uint64, tiles TileReader) (*compact.Range, error) {
	t := &tree{size, tiles, map[[2]uint64][]byte{}}
	ids := compact.RangeNodes(0, size, nil)
	hashes := make([][]byte, len(ids))
	for i, id := range ids {
		h, err := t.node(id)
		if err != nil {
			return nil, err
		}
		hashes[i] = append([]byte(nil), h...)
	}
	return Ranges.NewRange(0, size, hashes)
}
