package catalog

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
)

// digest is SHA-256 over an injective encoding of the resolved catalogue: every string is preceded by its length, every
// list by its count, and optional parts by a mark. Two catalogues have the same digest only if they mean the same.
func digest(d *Dataset) [32]byte {
	e := encoder{sha256.New()}
	e.text("jali catalogue 1", d.ID, d.Title, d.Description, d.Source, d.Population, string(d.Mode), d.Class)
	e.num(int64(d.Level), d.ThresholdDelta, int64(len(d.Tables)))
	for _, t := range d.Tables {
		e.table(t)
	}
	e.num(int64(len(d.Joins)))
	for _, j := range d.Joins {
		e.text(j.LeftTable, j.LeftColumn, j.RightTable, j.RightColumn)
	}
	e.flag(d.Slots != nil)
	e.num(int64(len(d.Slots)))
	for _, s := range d.Slots {
		e.num(int64(s))
	}
	for _, t := range d.Tables {
		for _, c := range t.Columns {
			if c.Open { // in mode sdc only, so digests of other catalogues are what they were
				e.text("open", t.Name, c.Name)
			}
		}
	}
	return [32]byte(e.h.Sum(nil))
}

type encoder struct{ h hash.Hash }

func (e encoder) num(all ...int64) {
	for _, n := range all {
		e.h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

func (e encoder) text(all ...string) {
	for _, s := range all {
		e.num(int64(len(s)))
		e.h.Write([]byte(s))
	}
}

func (e encoder) flag(all ...bool) {
	for _, b := range all {
		if b {
			e.num(1)
		} else {
			e.num(0)
		}
	}
}

func (e encoder) values(all []Value) {
	e.num(int64(len(all)))
	for _, v := range all {
		e.num(int64(v.Kind), v.N, int64(v.Decimals))
		e.text(v.S)
	}
}

func (e encoder) labels(m map[string]string) {
	e.num(int64(len(m)))
	for _, k := range sortedLabels(m) {
		e.text(k, m[k])
	}
}

func (e encoder) table(t *Table) {
	e.text(t.Name, t.Description, t.PersonKey)
	e.flag(t.Public, t.Via != nil)
	if t.Via != nil {
		e.text(t.Via.Table, t.Via.Key)
	}
	e.num(t.RowsPerPerson, t.GroupsPerPerson, t.RowsPerGroup, int64(len(t.Unique)))
	for _, u := range t.Unique {
		e.num(int64(len(u)))
		e.text(slices.Sorted(slices.Values(u))...)
	}
	e.num(int64(len(t.Columns)))
	for _, c := range t.Columns {
		e.column(c)
	}
}

func (e encoder) column(c *Column) {
	e.text(c.Name, c.Description, string(c.Type), c.Unit, c.Sensitivity, c.Pattern)
	e.num(int64(c.Decimals), c.Lo, c.Hi, c.ClipLo, c.ClipHi, int64(len(c.Roles)))
	for _, r := range c.Roles {
		e.text(string(r))
	}
	e.flag(c.Nullable, c.PerPerson, c.PrivateKeys)
	e.values(c.Codes)
	e.labels(c.Labels)
	e.num(int64(len(c.Bands)))
	for _, b := range c.Bands {
		e.text(b.Name, b.Column, string(b.Kind))
		e.num(int64(b.Prefix), int64(len(b.Cuts)))
		e.num(b.Cuts...)
		e.values(b.Labels)
		e.labels(b.Names)
	}
}
