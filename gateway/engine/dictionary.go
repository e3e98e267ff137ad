package engine

import (
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// errKeys: more private keys than one query may collect.
var errKeys = errors.New("too many private keys")

// maxKeys bounds the private keys of one share.
const maxKeys = 1 << 22

// dictionary numbers the private keys of one share as they appear. Numbers differ between shares and runs; ranks and results
// depend only on the keys themselves.
type dictionary struct {
	s      *streaming
	cells  map[string]int32 // by raw key
	keys   []string         // canonical bytes, by number
	values [][]catalog.Value
	hashes []uint64
	raw    []byte
	last   []byte // raw key of the previous row, and its number: neighbours repeat
	lastAt int32
}

func newDictionary(s *streaming) *dictionary {
	return &dictionary{s: s, cells: map[string]int32{}, lastAt: -1}
}

// place numbers the key of each row of a chunk; a row whose public part has no label gets -1.
func (d *dictionary) place(rows chunk, cells []int32) error {
	n := len(cells)
	type column struct {
		words   []textValue
		numbers []int64
		mask    *uint64
	}
	columns := make([]column, len(d.s.readers))
	for j, g := range d.s.readers {
		v, mask := rows.vector(1 + j)
		columns[j].mask = mask
		if g.enc.kind == texts {
			columns[j].words = values[textValue](v, n)
		} else {
			columns[j].numbers = make([]int64, n)
			widen(columns[j].numbers, v, g.enc)
		}
	}
row:
	for i := range n {
		d.raw = d.raw[:0]
		for j := range columns {
			c, g := &columns[j], &d.s.readers[j]
			null := !valid(c.mask, i)
			switch {
			case g.labels != nil:
				label := g.labels.other
				if !null && c.words != nil {
					label = g.labels.word(c.words[i].bytes())
				} else if !null {
					label = g.labels.number(c.numbers[i])
				}
				if label < 0 {
					cells[i] = -1
					continue row
				}
				d.raw = binary.LittleEndian.AppendUint32(d.raw, uint32(label))
			case null:
				d.raw = append(d.raw, 0)
			case c.words != nil:
				b := c.words[i].bytes()
				d.raw = append(d.raw, 1)
				d.raw = binary.LittleEndian.AppendUint32(d.raw, uint32(len(b)))
				d.raw = append(d.raw, b...)
			default:
				d.raw = append(d.raw, 1)
				d.raw = binary.LittleEndian.AppendUint64(d.raw, uint64(c.numbers[i]))
			}
		}
		if d.lastAt < 0 || string(d.raw) != string(d.last) {
			at, known := d.cells[string(d.raw)]
			if !known {
				var err error
				if at, err = d.add(); err != nil {
					return err
				}
			}
			d.last, d.lastAt = append(d.last[:0], d.raw...), at
		}
		cells[i] = d.lastAt
	}
	return nil
}

// add numbers the raw key.
func (d *dictionary) add() (int32, error) {
	if len(d.keys) >= maxKeys {
		return 0, errKeys
	}
	var key []catalog.Value
	raw := d.raw
	for j, g := range d.s.readers {
		if g.labels != nil {
			key = append(key, d.s.plan.Domains[j].Labels[binary.LittleEndian.Uint32(raw)])
			raw = raw[4:]
			continue
		}
		null := raw[0] == 0
		raw = raw[1:]
		switch {
		case null:
			key = append(key, catalog.Value{})
		case g.enc.kind == texts:
			n := binary.LittleEndian.Uint32(raw)
			key = append(key, catalog.StringValue(string(raw[4:4+n])))
			raw = raw[4+n:]
		default:
			key = append(key, keyValue(g.ref.Column, int64(binary.LittleEndian.Uint64(raw))))
			raw = raw[8:]
		}
	}
	at := int32(len(d.keys))
	encoded := encodeKey(key)
	d.cells[string(d.raw)] = at
	d.keys = append(d.keys, string(encoded))
	d.values = append(d.values, key)
	d.hashes = append(d.hashes, d.s.rank.ofKey(encoded))
	return at, nil
}

// privateCells adds up the shares by key. A key in which nobody was kept does not occur.
func (s *streaming) privateCells(loops []*loop) protect.Cells {
	at := map[string]int{}
	c := protect.Cells{Keys: [][]catalog.Value{}, Values: make([][]*big.Int, len(s.itemAt))}
	for _, l := range loops {
		for cell, key := range l.private.keys {
			if l.totals[cell].persons == 0 {
				continue
			}
			i, known := at[key]
			if !known {
				i = len(c.Keys)
				at[key] = i
				c.Keys = append(c.Keys, l.private.values[cell])
				for j := range c.Values {
					c.Values[j] = append(c.Values[j], new(big.Int))
				}
			}
			for j := range c.Values {
				c.Values[j][i].Add(c.Values[j][i], l.value(j, cell))
			}
		}
	}
	return sortKeys(c)
}

// sortKeys puts private cells in the order of their keys, so that order carries nothing.
func sortKeys(c protect.Cells) protect.Cells {
	order := make([]int, len(c.Keys))
	text := make([]string, len(c.Keys))
	for i, k := range c.Keys {
		order[i], text[i] = i, string(encodeKey(k))
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(text[a], text[b]) })
	out := protect.Cells{Keys: make([][]catalog.Value, len(order)), Values: make([][]*big.Int, len(c.Values))}
	for j := range c.Values {
		out.Values[j] = make([]*big.Int, len(order))
	}
	for to, from := range order {
		out.Keys[to] = c.Keys[from]
		for j := range c.Values {
			out.Values[j][to] = c.Values[j][from]
		}
	}
	return out
}
