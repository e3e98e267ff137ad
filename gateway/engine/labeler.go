package engine

import (
	"errors"
	"fmt"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// errStreamOnly: a group cannot be written in plain SQL; the stream can do it.
var errStreamOnly = errors.New("group needs the stream")

// labeler finds the place of a stored value in a public domain.
type labeler struct {
	enc   encoding
	size  int64
	other int32 // place of NULL and of values without a label; -1: the row does not count

	runs  runs
	lo    int64   // dense[n-lo] is the place of n, for lo <= n < lo+len(dense)
	dense []int32 // nil: search runs

	prefix int // text without codes: its first prefix bytes, or all of it if 0
	words  map[string]int32
}

// denseSpan is the widest column that is looked up in a table: it must stay in the cache.
const denseSpan = 1 << 15

func newLabeler(r query.ColumnRef, d protect.Domain) (*labeler, error) {
	l := &labeler{enc: encodingOf(r.Column), size: int64(len(d.Labels)), other: -1}
	if l.size == 0 {
		return nil, fmt.Errorf("%w: empty domain", errPlan)
	}
	for i, v := range d.Labels {
		if v.Kind == catalog.Null {
			l.other = int32(i)
		}
	}
	if l.enc.kind == texts {
		l.words = map[string]int32{}
		for i, v := range d.Labels {
			if v.Kind == catalog.String {
				l.words[v.S] = int32(i)
			}
		}
		if r.Band != nil {
			if r.Band.Kind != catalog.BandPrefix {
				return nil, fmt.Errorf("%w: band of text", errPlan)
			}
			l.prefix = r.Band.Prefix
		}
		return l, nil
	}
	var err error
	if l.runs, err = labelRuns(r, d.Labels); err != nil {
		return nil, err
	}
	if span := l.enc.hi - l.enc.lo; span >= 0 && span < denseSpan {
		l.lo, l.dense = l.enc.lo, make([]int32, span+1)
		for i := range l.dense {
			l.dense[i] = l.labelled(l.runs.label(l.lo + int64(i)))
		}
	}
	return l, nil
}

func (l *labeler) labelled(i int32) int32 {
	if i < 0 {
		return l.other
	}
	return i
}

// number is the place of a stored number.
func (l *labeler) number(n int64) int32 {
	if l.dense != nil {
		if i := uint64(n - l.lo); i < uint64(len(l.dense)) {
			return l.dense[i]
		}
		return l.other
	}
	return l.labelled(l.runs.label(n))
}

// word is the place of a stored text.
func (l *labeler) word(b []byte) int32 {
	if l.prefix > 0 {
		if len(b) < l.prefix {
			return l.other
		}
		b = b[:l.prefix]
	}
	if i, ok := l.words[string(b)]; ok {
		return i
	}
	return l.other
}

// keyValue turns a stored value of a column with private keys back into a catalogue value.
func keyValue(c *catalog.Column, n int64) catalog.Value {
	switch c.Type {
	case catalog.Decimal:
		return catalog.FixedValue(n, c.Decimals)
	case catalog.Date:
		return catalog.DayValue(n)
	case catalog.Text: // coded
		return c.Codes[n]
	}
	return catalog.IntValue(n)
}
