package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/transparency-dev/merkle/compact"

	"jali/audit"
)

// tail is the end of the log as the writer owns it: what the next entry is chained to, and the tiles it goes to. It runs
// ahead of the disk only inside a transaction; a transaction that fails stops the process, so nothing is ever taken back.
type tail struct {
	n     uint64
	leaf  [32]byte
	t     int64
	tree  *audit.Frontier
	tiles map[uint8]*tile
	dirty []*tile
}

// tile is the rightmost tile of a level.
type tile struct {
	level  uint8
	index  uint64
	hashes []byte
	dirty  bool
}

func newTail() *tail { return &tail{tree: new(audit.Frontier), tiles: map[uint8]*tile{}} }

// append adds a header line that carries time t.
func (tl *tail) append(line []byte, t int64) {
	tl.leaf = audit.LeafHash(line)
	tl.tree.Append(&tl.leaf, tl.visit)
	tl.n, tl.t = tl.n+1, t
}

// visit puts a completed node where it belongs if it is on a tile level: every eighth.
func (tl *tail) visit(id compact.NodeID, hash []byte) {
	if id.Level%8 != 0 {
		return
	}
	level, index := uint8(id.Level/8), id.Index/audit.TileWidth
	cur := tl.tiles[level]
	if cur == nil || cur.index != index {
		cur = &tile{level: level, index: index, hashes: make([]byte, 0, 32*audit.TileWidth)}
		tl.tiles[level] = cur
	}
	cur.hashes = append(cur.hashes, hash...)
	if !cur.dirty {
		cur.dirty = true
		tl.dirty = append(tl.dirty, cur)
	}
}

// putter puts a row.
type putter func(bucket, key, value []byte) error

// putIn puts rows in a bbolt transaction.
func putIn(tx *bolt.Tx) putter {
	return func(bucket, key, value []byte) error {
		b := tx.Bucket(bucket)
		b.FillPercent = 1
		return b.Put(key, value)
	}
}

// flush writes the changed tiles and the head.
func (tl *tail) flush(put putter) (root [32]byte, err error) {
	if edge := tl.tiles[0]; edge != nil {
		if err := edge.put(put); err != nil {
			return root, err
		}
	}
	return tl.flushComplete(put)
}

// flushComplete is flush without the leaf hashes of a tile that is not full: a commit would write up to 8 KiB of them for one
// entry, and they follow from at most 255 entries (tilesOf). What is stored of that tile is a prefix of it.
func (tl *tail) flushComplete(put putter) (root [32]byte, err error) {
	for _, t := range tl.dirty {
		if t.level > 0 || len(t.hashes) == 32*audit.TileWidth {
			if err := t.put(put); err != nil {
				return root, err
			}
		}
		t.dirty = false
	}
	tl.dirty = tl.dirty[:0]
	root = tl.tree.Root()
	return root, put(bState, keyHead, head{tl.n, tl.leaf, root, tl.t}.encode())
}

func (t *tile) put(put putter) error { return put(bTiles, tileKey(t.level, t.index), t.hashes) }

// tilesOf reads tiles inside a transaction. Slices are valid until it ends. What is not stored of the last tile of leaves is
// computed from the entries; a full tile is never.
func tilesOf(tx *bolt.Tx) audit.TileReader {
	b, e := tx.Bucket(bTiles), tx.Bucket(bEntries)
	return func(level uint8, index uint64, width int) ([]byte, error) {
		hashes := b.Get(tileKey(level, index))
		if level > 0 || width == audit.TileWidth || len(hashes) >= 32*width {
			return hashes, nil
		}
		n := len(hashes) / 32
		hashes = append(make([]byte, 0, 32*width), hashes[:32*n]...)
		next := index*audit.TileWidth + uint64(n)
		c := e.Cursor()
		for k, line := c.Seek(u64(next)); len(hashes) < 32*width; k, line = c.Next() {
			if !bytes.Equal(k, u64(next)) {
				return nil, fmt.Errorf("%w: entry %d is missing", ErrDamaged, next)
			}
			leaf := audit.LeafHash(line)
			hashes = append(hashes, leaf[:]...)
			next++
		}
		return hashes, nil
	}
}

// loadTail rebuilds the tail of n entries from tiles.
func loadTail(n uint64, leaf [32]byte, t int64, tiles audit.TileReader) (*tail, error) {
	tree, err := audit.RangeFromTiles(n, tiles)
	if err != nil {
		return nil, err
	}
	tl := &tail{n: n, leaf: leaf, t: t, tree: audit.NewFrontier(tree), tiles: map[uint8]*tile{}}
	for level, size := uint8(0), n; size > 0; level, size = level+1, size/audit.TileWidth {
		if width := int(size % audit.TileWidth); width > 0 {
			b, err := tiles(level, size/audit.TileWidth, width)
			if err != nil {
				return nil, err
			}
			if len(b) < 32*width {
				return nil, ErrDamaged
			}
			tl.tiles[level] = &tile{level: level, index: size / audit.TileWidth, hashes: append([]byte(nil), b[:32*width]...)}
		}
	}
	return tl, nil
}
